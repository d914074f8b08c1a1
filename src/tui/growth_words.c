/* SPDX-License-Identifier: Apache-2.0 */
#include "growth_words.h"

#include "lookup.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>

const char growth_no_tag[] = "(no tag)";

uint64_t growth_left(const struct survey_growth *growth)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < growth->steps && i < SURVEY_STEPS; i++)
		bytes += growth->step_bytes[i];
	return bytes;
}

uint64_t growth_per_step(const struct survey_growth *growth)
{
	uint64_t over = growth->steps > 1 ? growth->steps - 1 : 0;

	return over != 0 ? (growth_left(growth) - growth->step_bytes[0]) / over : 0;
}

void growth_list_init(struct growth_list *list, const struct look *look)
{
	const struct survey_growth *growth;

	*list = (struct growth_list){.look = look, .survey = look->reading->survey};
	if (list->survey == NULL)
		return;
	list->has_mark = look->ui->mark.set && list->survey->has_mark;
	vec_for (growth, &list->survey->growth) {
		list->has_steps = list->has_steps || growth->steps != 0;
		list->stayed_bytes += growth->stayed_bytes;
		list->stayed_records += growth->stayed_records;
		list->stayed_device_buffers += growth->stayed_device_buffers;
		if (!growth->grows_each_step || growth->class_now != CLASS_USER)
			continue;
		list->growing++;
		if (list->worst == NULL || growth_per_step(growth) > growth_per_step(list->worst))
			list->worst = growth;
	}
}

uint64_t growth_group_key(const struct survey_growth *growth)
{
	uint64_t hash = hash_number(growth->identity, growth->kind);

	hash = hash_string(hash_number(hash, growth->class_now), growth->tag);
	return hash_string(hash, growth->site) | 1;
}

uint64_t growth_buffer_key(const struct survey_buffer *buffer)
{
	return hash_number(hash_number(buffer->identity, buffer->op), buffer->id) | 1;
}

uint64_t growth_age_ns(const struct look *look, uint64_t time_ns)
{
	return look->now_ns > time_ns ? look->now_ns - time_ns : 0;
}

/* Of all tags; where only a part is shown the mark has nothing to compare with. */
static void say_net_change(const struct look *look, struct text *words)
{
	const struct selection all = {.all_kinds = true};
	uint64_t before = 0, after = 0;
	char change[UNITS_SIZE];
	const struct sum *sum;
	struct sums now;

	if (!filter_is_empty(&look->ui->filter))
		return;
	sums_make(&now, &look->reading->scene.machine, &all, SUM_BY_KIND,
	          look->reading->from != NULL);
	vec_for (sum, &now.sums)
		after += sum->total_bytes;
	vec_for (sum, &look->ui->mark.tags.sums)
		before += sum->total_bytes;
	sums_finish(&now);
	text_addf(words, "; net change %s", units_change(&change, before, after));
}

static void say_mark(const struct growth_list *list, struct said *head)
{
	struct text *words =
		said_line(head, NULL, list->stayed_records != 0 ? STYLE_GROWTH : STYLE_TEXT);
	char bytes[UNITS_SIZE], count[UNITS_SIZE];

	text_add(words, "since the mark ");
	say_ago(words, growth_age_ns(list->look, list->look->ui->mark.realtime_ns));
	text_addf(words, ": %s%s stayed, in %s buffer%s", list->survey->exact ? "" : "~",
	          units_bytes_short(&bytes, list->stayed_bytes),
	          units_count(&count, list->stayed_device_buffers),
	          list->stayed_device_buffers == 1 ? "" : "s");
	say_net_change(list->look, words);
	say_survey_age(list->look, words);
}

static void say_place(struct text *words, const char *tag, const char *site)
{
	safe_terminal(words, tag[0] != '\0' ? tag : growth_no_tag);
	if (site[0] != '\0') {
		text_add(words, " at ");
		safe_terminal(words, site);
	}
}

void growth_head(const struct growth_list *list, struct said *head)
{
	char size[UNITS_SIZE];
	struct text *words;

	if (list->worst != NULL) {
		words = said_line(head, NULL, STYLE_BAD);
		text_add(words, "grows with every step: ");
		say_place(words, list->worst->tag, list->worst->site);
		text_addf(words, ", %s a step in process %" PRId32,
		          units_bytes_short(&size, growth_per_step(list->worst)), list->worst->pid);
		if (list->growing > 1)
			text_addf(words, "; and %zu more", list->growing - 1);
	}
	if (list->has_mark)
		say_mark(list, head);
	else if (list->look->ui->mark.set)
		text_add(said_line(head, NULL, STYLE_DIM),
		         "marked: what comes from now on and stays is being looked for");
	else if (list->has_steps && list->look->reading->from == NULL)
		text_add(
			said_line(head, NULL, STYLE_DIM),
			"what the last steps left; m marks: then what comes and stays is told too");
}

static void say_steps(const struct survey_growth *growth, struct said *said)
{
	struct text *words;
	char size[UNITS_SIZE];

	if (growth->steps == 0 || growth_left(growth) == 0)
		return;
	words = said_line(said, "steps", growth->grows_each_step ? STYLE_BAD : STYLE_TEXT);
	for (uint32_t i = growth->steps < SURVEY_STEPS ? growth->steps : SURVEY_STEPS; i-- > 0;)
		text_addf(words, "%s%s%s", units_bytes_short(&size, growth->step_bytes[i]),
		          i == 0 ? " in the one under way" : ", ", "");
	text_add(words, growth->grows_each_step ? ": each left something behind" : "");
}

static void say_what_next(const struct survey_growth *growth, struct said *said)
{
	struct text *words = said_line(said, "next", STYLE_DIM);

	if (growth->class_now == CLASS_CACHE)
		text_add(words, "kept by a cache on purpose: no leak unless it has no bound; ");
	if (growth->site[0] == '\0')
		text_add(words, "it has no site: tags (mt_tag_push) tell who it is; ");
	text_addf(words,
	          "Enter shows only this tag, b single buffers; `meshtally ls -p %" PRId32
	          "` lists all of them",
	          growth->pid);
}

static void say_group(const struct growth_list *list, const struct survey_growth *growth,
                      struct said *said)
{
	char size[UNITS_SIZE], count[UNITS_SIZE], age[UNITS_SIZE];
	struct text *words;

	safe_terminal(&said->title, growth->tag[0] != '\0' ? growth->tag : growth_no_tag);
	words = said_line(said, "allocated at", STYLE_TEXT);
	safe_terminal(words, growth->site[0] != '\0' ? growth->site : "(no site was given)");
	words = said_line(said, "by process", STYLE_TEXT);
	text_addf(words, "%" PRId32 "  ", growth->pid);
	safe_terminal(words, growth->command);
	if (list->has_mark) {
		words = said_line(said, "stayed", STYLE_TEXT);
		text_addf(words, "%s in %s records, %s on devices",
		          units_bytes_short(&size, growth->stayed_bytes),
		          units_count(&count, growth->stayed_records),
		          units_count(&age, growth->stayed_device_buffers));
		if (growth->oldest_ns != 0) {
			text_add(words, "; the first came ");
			say_ago(words, growth_age_ns(list->look, growth->oldest_ns));
		}
	}
	say_steps(growth, said);
	say_what_next(growth, said);
}

static void say_buffer(const struct machine *machine, const struct survey_buffer *buffer,
                       struct said *said)
{
	char size[UNITS_SIZE];
	struct text *words;

	text_addf(&said->title, "buffer 0x%" PRIx64, buffer->id);
	words = said_line(said, "allocated at", STYLE_TEXT);
	say_place(words, buffer->tag, buffer->site);
	words = said_line(said, "by process", STYLE_TEXT);
	text_addf(words, "%" PRId32 "  ", buffer->pid);
	safe_terminal(words, buffer->command);
	if (buffer->thread != 0)
		text_addf(words, ", thread %" PRIu32, buffer->thread);
	words = said_line(said, "lies at", STYLE_TEXT);
	if (buffer->address != SEGMENT_NO_ADDRESS)
		text_addf(words, "0x%" PRIx64 ", ", buffer->address);
	else
		text_add(words, "an address that is not told, ");
	text_addf(words, "%s in each bank; ", units_bytes_short(&size, buffer->span));
	if (buffer->first_row >= machine_chips(machine))
		text_add(words, "on no device yet");
	else
		text_addf(words, "on %" PRIu32 " device%s from %" PRIu32 " on", buffer->devices,
		          buffer->devices == 1 ? "" : "s", buffer->first_row);
	if (buffer->time_ns != 0)
		text_add(said_line(said, "came", STYLE_TEXT),
		         units_time(&(char[UNITS_SIZE]){0}, buffer->time_ns));
}

bool growth_selected(const struct growth_list *list, const struct sheet *sheet, struct said *said)
{
	const struct sheet_row *row = sheet_selected(sheet, &list->look->ui->lists[SCREEN_GROWTH]);
	const struct survey_growth *growth;
	const struct survey_buffer *buffer;

	if (row == NULL || list->survey == NULL)
		return false;
	if (list->look->ui->growth_buffers) {
		vec_for (buffer, &list->survey->list)
			if (growth_buffer_key(buffer) == row->key) {
				say_buffer(&list->look->reading->scene.machine, buffer, said);
				return true;
			}
		return false;
	}
	vec_for (growth, &list->survey->growth)
		if (growth_group_key(growth) == row->key) {
			say_group(list, growth, said);
			return true;
		}
	return false;
}
