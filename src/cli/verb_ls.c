/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally ls`: live buffers, or sums of them. */
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
	cell_rows(table, listed->rows.items, listed->rows.count);
	table_foreign(table, view->kind_names[buffer->kind]);
	table_cell(table, "%s", class_words[buffer->class_now]);
	table_cell(table, "%s", buffer->time_ns != 0 ? units_age(&figure, age) : "-");
	table_cell(table, "%" PRId32, process->pid);
	if (buffer->incomplete)
		table_cell(table, "-");
	else
		table_cell(table, "0x%" PRIx64, buffer->address);
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
	struct listing_options wanted = {(enum listing_order)options->sort, options->limit,
	                                 options->dead || scene->from != NULL};
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
		text_add(text, like > 1 ? "each of devices " : "device ");
		units_ranges(text, rows, like);
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
static size_t count_alike(const struct sums *sums, size_t from, int key)
{
	const struct sum *first = &sums->sums.items[from];
	size_t count = 1;

	while (key == SUM_BY_DEVICE && from + count < sums->sums.count) {
		const struct sum *next = first + count;

		if (memcmp(first->bytes, next->bytes, sizeof(first->bytes)) != 0 ||
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
		size_t like = count_alike(&sums, at, options->by);

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
}

static json_t *listed_json(const struct listed_buffer *listed)
{
	const struct view_buffer *buffer = listed->buffer;
	const struct segment_view *view = listed->process->view;
	json_t *json = json_object(), *list = json_array();

	for (size_t i = 0; i < listed->rows.count; i++)
		json_array_append_new(list, json_integer(listed->rows.items[i]));
	json_object_set_new(json, "pid", json_integer(listed->process->pid));
	json_object_set_new(json, "identity", json_hex(view->identity));
	json_object_set_new(json, "id", json_hex(buffer->id));
	json_object_set_new(json, "kind", json_foreign(view->kind_names[buffer->kind]));
	json_object_set_new(json, "class", json_string(class_words[buffer->class_now]));
	json_object_set_new(json, "bytes", json_amount(buffer->bytes));
	json_object_set_new(json, "span_bytes_per_bank", json_amount(buffer->span));
	json_object_set_new(json, "total_bytes", json_amount(listed->total_bytes));
	json_object_set_new(json, "records", json_integer(listed->records));
	json_object_set_new(json, "even", json_boolean(buffer->member_bytes == NULL));
	json_object_set_new(json, "rows", list);
	json_object_set_new(json, "address",
	                    buffer->incomplete ? json_null() : json_hex(buffer->address));
	json_object_set_new(json, "region", json_integer(buffer->region));
	json_object_set_new(json, "parent", json_hex_known(buffer->parent));
	json_object_set_new(json, "flags", json_integer(buffer->flags));
	json_object_set_new(json, "operation", json_amount(buffer->op));
	json_object_set_new(json, "start_unix_seconds", json_time(buffer->time_ns));
	json_object_set_new(json, "thread", json_integer(buffer->thread));
	json_object_set_new(json, "tag", json_foreign_known(view->tags[buffer->tag].path));
	json_object_set_new(json, "site", json_foreign_known(buffer->site));
	return json;
}

static json_t *list_json(const struct scene *scene, const struct options *options)
{
	struct listing_options wanted = {(enum listing_order)options->sort, options->limit,
	                                 options->dead || scene->from != NULL};
	const struct listed_buffer *listed;
	json_t *buffers = json_array();
	struct listing listing;
	json_t *root;

	listing_make(&listing, &scene->machine, &scene->selection, &wanted);
	vec_for (listed, &listing.buffers)
		json_array_append_new(buffers, listed_json(listed));
	root = json_pack("{s:o, s:o, s:o, s:o, s:o, s:b}", "buffers", buffers, "records",
	                 json_amount(listing.records), "device_buffers",
	                 json_amount(listing.device_buffers), "buffers_without_record",
	                 json_amount(listing.no_detail), "total_bytes", json_amount(listing.bytes),
	                 "exact", listing.exact);
	listing_finish(&listing);
	return root;
}

static json_t *sum_json(const struct scene *scene, const struct sum *sum, int key)
{
	json_t *json = json_object();

	if (key == SUM_BY_TAG)
		json_object_set_new(json, "tag", json_foreign_known(sum->tag));
	else if (key == SUM_BY_DEVICE)
		json_object_set_new(json, "row", json_integer(sum->row));
	else if (key == SUM_BY_KIND)
		json_object_set_new(json, "kind", json_kind(&scene->machine, sum->kind));
	else
		json_object_set_new(json, "process", json_process(sum->process));
	json_object_set_new(json, "total_bytes", json_amount(sum->total_bytes));
	json_object_set_new(json, "user_bytes", json_amount(sum->bytes[CLASS_USER]));
	json_object_set_new(json, "system_bytes", json_amount(sum->bytes[CLASS_SYSTEM]));
	json_object_set_new(json, "cache_bytes", json_amount(sum->bytes[CLASS_CACHE]));
	json_object_set_new(json, "view_bytes", json_amount(sum->bytes[CLASS_VIEW]));
	json_object_set_new(json, "held_bytes", json_amount(sum->held));
	json_object_set_new(json, "device_buffers", json_amount(sum->device_buffers));
	return json;
}

json_t *ls_json(const struct scene *scene, const struct options *options)
{
	json_t *list = json_array(), *root;
	struct sums sums;

	if (options->by < 0) {
		json_decref(list);
		return list_json(scene, options);
	}
	sums_make(&sums, &scene->machine, &scene->selection, (enum sum_key)options->by,
	          options->dead || scene->from != NULL);
	for (size_t i = 0; i < sums.sums.count; i++)
		if (options->limit == 0 || i < options->limit)
			json_array_append_new(list,
			                      sum_json(scene, &sums.sums.items[i], options->by));
	root = json_pack("{s:o, s:I, s:b}", "sums", list, "sums_total", (json_int_t)sums.sums.count,
	                 "exact", sums.exact);
	sums_finish(&sums);
	return root;
}

int verb_ls(const struct options *options)
{
	return render_verb(options, options->by >= 0 ? VIEW_TOTALS : VIEW_BUFFERS, ls_text,
	                   ls_json);
}
