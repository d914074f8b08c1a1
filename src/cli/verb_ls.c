/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally ls`: live buffers, or sums of them. */
#include "even.h"
#include "listing.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
	{"BYTES", TABLE_RIGHT, 0, 0},
	{"TOTAL", TABLE_RIGHT | TABLE_HIDE_EMPTY, 4, 0},
	{"DEVICE", TABLE_FLEXIBLE, 0, 6},
	{"KIND", 0, 0, 0},
	{"CLASS", TABLE_HIDE_SAME, 1, 0},
	{"AGE", TABLE_RIGHT, 0, 0},
	{"PID", TABLE_RIGHT, 2, 0},
	{"ADDRESS", TABLE_RIGHT, 5, 0},
	{"SPAN", TABLE_RIGHT, 6, 0},
	{"ID", TABLE_RIGHT, 8, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
	{"SITE", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 3, 8},
};

static void print_listed(struct table *table, const struct scene *scene,
                         const struct listed_buffer *listed)
{
	const struct view_buffer *buffer = listed->buffer;
	const struct machine_process *process = listed->process;
	const struct segment_view *view = process->view;
	uint64_t age = scene->now_ns > buffer->time_ns ? scene->now_ns - buffer->time_ns : 0;
	char figure[UNITS_SIZE];

	cell_bytes(table, buffer->bytes, true, buffer->member_bytes == NULL);
	cell_bytes(table, listed->total_bytes, listed->devices != 1, true);
	cell_rows(table, &scene->machine, listed->rows.items, listed->rows.count);
	table_foreign(table, view->kind_names[buffer->kind]);
	table_cell(table, "%s", class_words[buffer->class_now]);
	table_cell(table, "%s", buffer->time_ns != 0 ? units_age(&figure, age) : "-");
	table_cell(table, "%" PRId32, process->pid);
	cell_address(table, buffer->address);
	cell_bytes(table, buffer->span, true, true);
	table_cell(table, "0x%" PRIx64, buffer->id);
	table_foreign(table, view->tags[buffer->tag].path);
	table_foreign(table, buffer->site);
}

static void print_totals(const struct scene *scene, const struct listing *listing, size_t width,
                         struct text *out)
{
	char figure[UNITS_SIZE];

	if (listing->records > listing->listed_records)
		text_addf(out, "the first %s of ", units_count(&figure, listing->listed_records));
	text_records(out, listing->records, listing->device_buffers);
	text_addf(out, ", %s%s\n", listing->exact ? "" : "~",
	          units_bytes_short(&figure, listing->bytes));
	if (listing->no_detail != 0)
		text_addf(out, "and %s that are counted, but have no record of their own\n",
		          units_count(&figure, listing->no_detail));
	scene_unknown_text(scene, false, width, out);
}

static void list_text(const struct scene *scene, const struct options *options, size_t width,
                      struct text *out)
{
	struct listing_options wanted = {.order = (enum listing_order)options->sort,
	                                 .limit = options->limit,
	                                 .dead = options->dead || scene->from != NULL};
	const struct listed_buffer *listed;
	struct listing listing;
	struct table table;

	listing_make(&listing, &scene->machine, &scene->selection, &wanted);
	table_init(&table, columns, ARRAY_COUNT(columns));
	vec_for (listed, &listing.buffers)
		print_listed(&table, scene, listed);
	if (table_rows(&table) != 0)
		table_print(&table, width, out);
	else
		text_add(out, "No live buffer.\n");
	if (listing.records != 0 || listing.no_detail != 0 || !listing.exact)
		print_totals(scene, &listing, width, out);
	table_finish(&table);
	listing_finish(&listing);
}

static const struct table_column sum_columns[] = {
	{"TOTAL", TABLE_RIGHT, 0, 0},
	{"USER", TABLE_RIGHT, 0, 0},
	{"SYSTEM", TABLE_RIGHT, 1, 0},
	{"CACHE", TABLE_RIGHT, 1, 0},
	{"VIEWS", TABLE_RIGHT | TABLE_HIDE_EMPTY, 3, 0},
	{"HELD", TABLE_RIGHT, 2, 0},
	{"DEVICE BUFFERS", TABLE_RIGHT, 4, 0},
	{"PID", TABLE_RIGHT | TABLE_HIDE_EMPTY, 0, 0},
	{"OF", TABLE_FLEXIBLE | TABLE_CUT_START, 0, 24},
};

/* What a sum is of. Devices that have the same share a line; `like` is how many follow. */
static void text_sum_name(struct text *text, const struct scene *scene, const struct sum *sum,
                          size_t like, int key)
{
	uint32_t *rows;

	switch (key) {
	case SUM_BY_TAG:
		safe_terminal(text, sum->tag[0] != '\0' ? sum->tag : "(no tag)");
		break;
	case SUM_BY_DEVICE:
		rows = mem_calloc(like, sizeof(*rows));
		for (size_t i = 0; i < like; i++)
			rows[i] = sum[i].row;
		text_add(text, like > 1 ? "each of " : "");
		device_names(text, &scene->machine, rows, like);
		free(rows);
		break;
	case SUM_BY_KIND:
		safe_terminal(text, scene->machine.kind_names[sum->kind]);
		break;
	default:
		text_command(text, sum->process->command, 60);
		break;
	}
}

static void print_sum(struct table *table, const struct scene *scene, const struct sum *sum,
                      size_t like, int key, bool exact)
{
	struct text name = {0};

	text_sum_name(&name, scene, sum, like, key);
	cell_bytes(table, sum->total_bytes, true, exact);
	for (size_t i = 0; i < CLASS_COUNTED_LIMIT; i++)
		cell_bytes(table, sum->bytes[i], true, exact);
	cell_bytes(table, sum->bytes[CLASS_VIEW], sum->bytes[CLASS_VIEW] != 0, true);
	cell_bytes(table, sum->held, true, exact);
	cell_count(table, sum->device_buffers);
	if (key == SUM_BY_PROCESS)
		table_cell(table, "%" PRId32, sum->process->pid);
	else
		table_cell(table, "-");
	table_cell(table, "%s", text_string(&name));
	text_finish(&name);
}

/* How many sums from here on are devices with the very same figures. */
static size_t count_alike(const struct sums *sums, size_t from, int key, uint32_t chips)
{
	const struct sum *first = &sums->sums.items[from];
	size_t count = 1;

	while (key == SUM_BY_DEVICE && from + count < sums->sums.count) {
		const struct sum *next = first + count;

		if (next->row >= chips ||
		    memcmp(first->bytes, next->bytes, sizeof(first->bytes)) != 0 ||
		    first->held != next->held || first->device_buffers != next->device_buffers)
			break;
		count++;
	}
	return count;
}

static void sums_text(const struct scene *scene, const struct options *options, size_t width,
                      struct text *out)
{
	struct sums sums;
	struct table table;
	size_t at = 0;

	sums_make(&sums, &scene->machine, &scene->selection, (enum sum_key)options->by,
	          options->dead || scene->from != NULL);
	table_init(&table, sum_columns, ARRAY_COUNT(sum_columns));
	while (at < sums.sums.count &&
	       (options->limit == 0 || table_rows(&table) < options->limit)) {
		size_t like = count_alike(&sums, at, options->by, machine_chips(&scene->machine));

		print_sum(&table, scene, &sums.sums.items[at], like, options->by, sums.exact);
		at += like;
	}
	if (at != 0)
		table_print(&table, width, out);
	else
		text_add(out, "No live buffer.\n");
	if (at < sums.sums.count)
		text_addf(out, "the first %zu of %zu; -n 0 lists all\n", at, sums.sums.count);
	table_finish(&table);
	sums_finish(&sums);
}

void ls_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out)
{
	if (scene_is_empty(scene))
		scene_empty_text(scene, out);
	else if (options->by >= 0)
		sums_text(scene, options, width, out);
	else
		list_text(scene, options, width, out);
	stale_note(scene, width, out);
}

int verb_ls(const struct options *options)
{
	return render_verb(options, options->by >= 0 ? VIEW_TOTALS : VIEW_BUFFERS, ls_text,
	                   ls_json);
}
