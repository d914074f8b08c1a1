/* SPDX-License-Identifier: Apache-2.0 */
/* The tags screen: what the memory is for. */
#include "even.h"
#include "list_screen.h"
#include "safe.h"
#include "tag_groups.h"
#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum tags_column {
	COLUMN_WHAT,
	COLUMN_BAR,
	COLUMN_SHARE,
	COLUMN_BYTES,
	COLUMN_BUFFERS,
	COLUMN_OWN,
	COLUMN_HELD,
	COLUMN_CHANGE, /* the last one: without a mark it is not there */
	COLUMN_COUNT
};

#define COLUMNS_OF(name, title)                                                                    \
	{                                                                                          \
		[COLUMN_WHAT] = {name, title, VALUE_TEXT, 0, 18, true, true},                      \
		[COLUMN_BAR] = {"bar", "", VALUE_BAR, 4, 16, false, false},                        \
		[COLUMN_SHARE] = {"share", "SHARE", VALUE_SHARE, 1, 0, false, false},              \
		[COLUMN_BYTES] = {"total_bytes", "LIVE", VALUE_BYTES, 0, 0, false, false},         \
		[COLUMN_CHANGE] =                                                                  \
			{"change_bytes", "SINCE MARK", VALUE_CHANGE, 2, 0, false, false},          \
		[COLUMN_BUFFERS] = {"device_buffers", "BUFFERS", VALUE_COUNT, 3, 0, false, false}, \
		[COLUMN_OWN] = {"own_bytes", "OF ITSELF", VALUE_BYTES, 6, 0, false, false},        \
		[COLUMN_HELD] = {"held_bytes", "HELD", VALUE_BYTES, 5, 0, false, false},           \
	}

static const struct sheet_column tags_columns[TAGS_BY_LIMIT][COLUMN_COUNT] = {
	[TAGS_BY_TAG] = COLUMNS_OF("tag", "TAG"),
	[TAGS_BY_KIND] = COLUMNS_OF("kind", "KIND"),
	[TAGS_BY_PROCESS] = COLUMNS_OF("process", "PROCESS"),
	[TAGS_BY_DEVICE] = COLUMNS_OF("device", "DEVICE"),
	[TAGS_BY_AGE] = COLUMNS_OF("age", "ALLOCATED AGO"),
};

static const char no_tag[] = "(no tag)";

static enum tags_by tags_by(const struct ui *ui)
{
	return (unsigned)ui->tags_by < TAGS_BY_LIMIT ? ui->tags_by : TAGS_BY_TAG;
}

static uint64_t group_key(const struct look *look, const struct tag_group *group)
{
	const struct machine *machine = &look->reading->scene.machine;
	uint64_t hash = hash_number(tags_by(look->ui), group->number);

	if (tags_by(look->ui) == TAGS_BY_KIND)
		hash = hash_string(hash, machine->kind_names[group->number]);
	if (tags_by(look->ui) == TAGS_BY_DEVICE &&
	    machine->devices.items[group->number].unique_id != 0)
		hash = machine->devices.items[group->number].unique_id;
	if (group->process != NULL)
		hash = hash_number(hash, process_identity(group->process));
	return hash_bytes(hash, group->path, group->path_length) | 1;
}

static void device_label(struct text *label, const struct machine *machine, uint32_t row)
{
	const struct machine_device *device = &machine->devices.items[row];

	row_names(label, machine, &row, 1);
	if (device->arch[0] != '\0')
		text_addf(label, "  %s", device->arch);
	if (device->unique_id != 0)
		text_addf(label, "  0x%" PRIx64, device->unique_id);
}

static void group_label(struct text *label, const struct look *look, const struct tag_group *group)
{
	const struct machine *machine = &look->reading->scene.machine;

	switch (tags_by(look->ui)) {
	case TAGS_BY_TAG:
		if (group->path_length == 0)
			text_add(label, no_tag);
		else
			text_bytes(label, group->path + group->label_from,
			           group->path_length - group->label_from);
		break;
	case TAGS_BY_KIND:
		text_add(label, machine->kind_names[group->number]);
		break;
	case TAGS_BY_PROCESS:
		text_addf(label, "%" PRId32 "  %s", group->process->pid,
		          process_name(group->process));
		break;
	case TAGS_BY_DEVICE:
		device_label(label, machine, group->number);
		break;
	case TAGS_BY_AGE:
	case TAGS_BY_LIMIT:
		text_add(label, age_words(group->number));
		break;
	}
}

static struct value amount(uint64_t number, const struct tag_group *group)
{
	struct value value = value_number(number);

	value.inexact = number != 0 && group->inexact;
	return value;
}

static void fill_group(struct sheet *sheet, struct sheet_row *row, const struct look *look,
                       const struct tag_groups *groups, const struct tag_group *group)
{
	struct text label = {0};

	if (tags_by(look->ui) == TAGS_BY_TAG && group->path_length != 0 &&
	    group->path[group->path_length] == '\0') {
		row->values[COLUMN_WHAT] = value_text(group->path + group->label_from);
	} else {
		group_label(&label, look, group);
		row->values[COLUMN_WHAT] = value_text(sheet_keep(sheet, text_string(&label)));
		text_finish(&label);
	}
	row->values[COLUMN_BYTES] = amount(group->bytes, group);
	/* Counters know of bytes, not of buffers. */
	if (group->buffers != 0 || group->bytes == 0)
		row->values[COLUMN_BUFFERS] = amount(group->buffers, group);
	row->values[COLUMN_OWN] = amount(group->own_bytes, group);
	if (tags_by(look->ui) != TAGS_BY_AGE)
		row->values[COLUMN_HELD] = amount(group->held, group);
	if (groups->bytes != 0) {
		double share = (double)group->bytes / (double)groups->bytes;

		row->values[COLUMN_SHARE] = value_real(share);
		row->values[COLUMN_BAR] =
			value_real((double)group->bytes / (double)groups->largest);
	}
	if (groups->has_change) {
		int64_t change = (int64_t)(group->bytes - group->mark_bytes);

		row->values[COLUMN_CHANGE] = value_change(change);
		row->values[COLUMN_CHANGE].inexact = group->inexact;
		row->values[COLUMN_CHANGE].style = change > 0   ? STYLE_GROWTH
		                                   : change < 0 ? STYLE_SHRINK
		                                                : STYLE_DIM;
	}
	if (group->bytes == 0)
		row->style = STYLE_DIM;
}

static void add_groups(struct sheet *sheet, const struct look *look,
                       const struct tag_groups *groups, size_t first, uint16_t depth)
{
	for (size_t at = first; at != SIZE_MAX; at = groups->groups.items[at].next) {
		const struct tag_group *group = &groups->groups.items[at];
		uint64_t key = group_key(look, group);
		struct sheet_row *row;

		/* What was at the mark and is gone is told as a change; empty from the start is
		 * not. */
		if (group->bytes == 0 && group->mark_bytes == 0 && group->buffers == 0 &&
		    tags_by(look->ui) != TAGS_BY_AGE)
			continue;
		row = sheet_add(sheet, key);
		fill_group(sheet, row, look, groups, group);
		row->depth = depth;
		row->has_children = group->first_child != SIZE_MAX;
		row->is_open = row->has_children && !ui_is_folded(look->ui, key);
		if (row->is_open)
			add_groups(sheet, look, groups, group->first_child, (uint16_t)(depth + 1));
	}
}

static void say_empty(const struct look *look, struct sheet *sheet)
{
	if (look->reading == NULL)
		text_add(&sheet->empty, "Looking for programs that are tracked ...\n");
	else if (tags_by(look->ui) == TAGS_BY_AGE && look->reading->survey == NULL)
		say_survey_pending(look, &sheet->empty);
	else if (!filter_is_empty(&look->ui->filter))
		text_addf(&sheet->empty,
		          "Nothing that is live passes the filter: / changes it, Esc takes it "
		          "away.\n%s",
		          look->ui->filter.words.count != 0 ? words_in_totals : "");
	else
		text_add(&sheet->empty,
		         "Nothing is live on any device.\n"
		         "Programs give their memory names with mt_tag_push(\"model\") and "
		         "mt_tag_pop(); what they allocate in between is listed here below that "
		         "name.\n");
}

void tags_make(const struct look *look, struct sheet *sheet)
{
	struct tag_groups groups;

	sheet_init(sheet, tags_columns[tags_by(look->ui)],
	           look->ui->mark.set ? COLUMN_COUNT : COLUMN_CHANGE);
	if (look->reading != NULL) {
		tag_groups_make(&groups, look);
		if (tags_by(look->ui) == TAGS_BY_TAG)
			sheet->tree_column = COLUMN_WHAT;
		add_groups(sheet, look, &groups, groups.first, 0);
		tag_groups_finish(&groups);
	}
	if (sheet->rows.count == 0)
		say_empty(look, sheet);
}

/* Of all that is listed: what is below a row is in it. */
struct tags_total {
	uint64_t bytes, buffers;
	bool exact, has_change;
};

static struct tags_total total_of(const struct look *look, const struct sheet *sheet)
{
	struct tags_total total = {.exact = true};
	const struct sheet_row *row;

	vec_for (row, &sheet->rows) {
		if (row->depth != 0)
			continue;
		total.bytes += row->values[COLUMN_BYTES].number;
		total.buffers += row->values[COLUMN_BUFFERS].number;
		total.exact = total.exact && !row->values[COLUMN_BYTES].inexact;
		total.has_change = look->ui->mark.set && row->values[COLUMN_CHANGE].known;
	}
	return total;
}

static void say_head(const struct look *look, const struct tags_total *total, struct said *head)
{
	static const char *const words[TAGS_BY_LIMIT] = {"tag", "kind of memory", "process",
	                                                 "device", "age"};
	struct text *line = said_line(head, NULL, STYLE_TEXT);
	const struct ui_mark *mark = &look->ui->mark;
	char size[UNITS_SIZE], count[UNITS_SIZE];

	text_addf(line, "by %s (b): %s%s in %s buffers", words[tags_by(look->ui)],
	          total->exact ? "" : "~", units_bytes_short(&size, total->bytes),
	          units_count(&count, total->buffers));
	if (tags_by(look->ui) == TAGS_BY_AGE) {
		say_survey_age(look, line);
		return;
	}
	if (total->has_change) {
		text_add(line, ", marked ");
		say_ago(line,
		        look->now_ns > mark->realtime_ns ? look->now_ns - mark->realtime_ns : 0);
	} else if (mark->set && tags_by(look->ui) == TAGS_BY_TAG)
		text_add(line, "; the mark cannot be compared with this filter");
	else if (!mark->set && look->reading->from == NULL && tags_by(look->ui) == TAGS_BY_TAG)
		text_add(line, "; m marks, to see what changes");
	say_totals_filter(look, head);
}

void tags_draw(const struct look *look, struct sheet *sheet, struct canvas *canvas,
               struct area area, struct hits *hits)
{
	struct said head = {0};
	struct tags_total total;

	if (look->reading != NULL && sheet->rows.count != 0) {
		total = total_of(look, sheet);
		say_head(look, &total, &head);
	}
	list_screen_draw(look, sheet, canvas, area, hits, &head, NULL);
	said_finish(&head);
}

static const struct tag_group *find_group(const struct look *look, const struct tag_groups *groups,
                                          uint64_t key)
{
	const struct tag_group *group;

	vec_for (group, &groups->groups)
		if (group_key(look, group) == key)
			return group;
	return NULL;
}

/* The filter shows only what is in a group. */
static void narrow(struct ui *ui, const struct look *look, const struct tag_group *group)
{
	const struct machine *machine = &look->reading->scene.machine;
	struct text value = {0};

	switch (tags_by(ui)) {
	case TAGS_BY_TAG:
		text_bytes(&value, group->path, group->path_length);
		if (group->path_length != 0)
			ui_narrow(ui, "tag", text_string(&value));
		else
			ui_say(ui, false, "what has no tag cannot be filtered for");
		break;
	case TAGS_BY_KIND:
		ui_narrow(ui, "kind", machine->kind_names[group->number]);
		break;
	case TAGS_BY_PROCESS:
		text_addf(&value, "%" PRId32, group->process->pid);
		ui_narrow(ui, "pid", text_string(&value));
		break;
	case TAGS_BY_DEVICE:
		row_names(&value, machine, &group->number, 1);
		ui_narrow(ui, "dev", text_string(&value));
		break;
	case TAGS_BY_AGE:
	case TAGS_BY_LIMIT:
		ui_say(ui, false,
		       "/ and age>10m or age<1m filter by age: screens 2 and 5 list buffers");
		break;
	}
	text_finish(&value);
}

static void enter(struct ui *ui, const struct look *look, const struct sheet_row *row)
{
	const struct tag_group *group;
	struct tag_groups groups;

	tag_groups_make(&groups, look);
	group = find_group(look, &groups, row->key);
	if (group != NULL)
		narrow(ui, look, group);
	tag_groups_finish(&groups);
}

static void next_group(struct ui *ui)
{
	ui->tags_by = (tags_by(ui) + 1) % TAGS_BY_LIMIT;
	ui->lists[SCREEN_TAGS].key = 0;
	ui->lists[SCREEN_TAGS].cursor = ui->lists[SCREEN_TAGS].top = 0;
}

bool tags_key(struct ui *ui, const struct look *look, const struct sheet *sheet, uint32_t key,
              struct ui_wish *wish)
{
	const struct sheet_row *row = sheet_selected(sheet, &ui->lists[SCREEN_TAGS]);

	(void)wish;
	switch (key) {
	case 'b':
		next_group(ui);
		return true;
	case KEY_SPACE:
	case KEY_ENTER:
		if (row != NULL && row->has_children)
			ui_fold(ui, row->key, row->is_open);
		else if (row != NULL && key == KEY_ENTER)
			enter(ui, look, row);
		return true;
	case KEY_LEFT:
	case KEY_RIGHT:
		if (row != NULL && row->has_children && row->is_open == (key == KEY_LEFT))
			ui_fold(ui, row->key, key == KEY_LEFT);
		return true;
	default:
		return false;
	}
}
