/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally diff A B`: what came and what went between two snapshots. */
#include "render.h"
#include "safe.h"

#include <inttypes.h>

static const struct table_column tag_columns[] = {
	{"CHANGE", TABLE_RIGHT, 0, 0},
	{"BEFORE", TABLE_RIGHT, 0, 0},
	{"AFTER", TABLE_RIGHT, 0, 0},
	{"RECORDS", TABLE_RIGHT, 1, 0},
	{"KIND", 0, 2, 0},
	{"CLASS", TABLE_HIDE_SAME, 3, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START, 0, 8},
};

static const struct table_column change_columns[] = {
	{"", 0, 0, 0},
	{"RECORDS", TABLE_RIGHT, 0, 0},
	{"BYTES", TABLE_RIGHT, 0, 0},
	{"DEVICES", TABLE_RIGHT, 2, 0},
	{"TOTAL", TABLE_RIGHT, 0, 0},
	{"KIND", 0, 1, 0},
	{"CLASS", TABLE_HIDE_SAME, 3, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
	{"SITE", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 4, 8},
};

static void tags_text(const struct comparison *comparison, size_t limit, size_t width,
                      struct text *out)
{
	struct table table;
	char figure[UNITS_SIZE];

	table_init(&table, tag_columns, ARRAY_COUNT(tag_columns));
	for (size_t i = 0; i < comparison->tags.count && (limit == 0 || i < limit); i++) {
		const struct tag_change *tag = &comparison->tags.items[i];

		table_cell(&table, "%s",
		           units_change(&figure, tag->before_bytes, tag->after_bytes));
		cell_bytes(&table, tag->before_bytes, true, comparison->exact);
		cell_bytes(&table, tag->after_bytes, true, comparison->exact);
		table_cell(&table, "%" PRIu64 " -> %" PRIu64, tag->before_records,
		           tag->after_records);
		table_foreign(&table, tag->kind);
		table_cell(&table, "%s", class_words[tag->class_now]);
		table_foreign(&table, tag->tag[0] != '\0' ? tag->tag : "(no tag)");
	}
	if (table_rows(&table) != 0) {
		text_add(out, "\nBy tag:\n");
		table_print(&table, width, out);
	}
	table_finish(&table);
}

static void print_change(struct table *table, const struct change *change, bool came)
{
	table_cell(table, "%s", came ? "came" : "went");
	cell_count(table, came ? change->came : change->went);
	cell_bytes(table, change->bytes, true, true);
	cell_count(table, change->devices);
	cell_bytes(table, came ? change->came_bytes : change->went_bytes, true, true);
	table_foreign(table, change->kind);
	table_cell(table, "%s", class_words[change->class_now]);
	table_foreign(table, change->tag);
	table_foreign(table, change->site);
}

static void changes_text(const struct comparison *comparison, size_t limit, size_t width,
                         struct text *out)
{
	size_t count =
		limit != 0 && limit < comparison->changes.count ? limit : comparison->changes.count;
	struct table table;

	table_init(&table, change_columns, ARRAY_COUNT(change_columns));
	for (size_t i = 0; i < count; i++) {
		const struct change *change = &comparison->changes.items[i];

		if (change->came != 0)
			print_change(&table, change, true);
		if (change->went != 0)
			print_change(&table, change, false);
	}
	if (table_rows(&table) != 0) {
		text_add(out, "\nBy buffer (those that are alike in one line):\n");
		table_print(&table, width, out);
	}
	if (count < comparison->changes.count)
		text_addf(out, "the first %zu of %zu; -n 0 lists all\n", count,
		          comparison->changes.count);
	table_finish(&table);
}

void diff_text(const struct comparison *comparison, size_t limit, size_t width, struct text *out)
{
	char a[UNITS_SIZE], b[UNITS_SIZE], c[UNITS_SIZE];

	if (comparison->changes.count == 0) {
		text_addf(out, "No difference: %s in %" PRIu64 " record%s on both sides.\n",
		          units_bytes_short(&a, comparison->after_bytes), comparison->after_records,
		          comparison->after_records == 1 ? "" : "s");
		return;
	}
	text_addf(out, "%s, from %s in %" PRIu64,
	          units_change(&a, comparison->before_bytes, comparison->after_bytes),
	          units_bytes_short(&b, comparison->before_bytes), comparison->before_records);
	text_addf(out, " to %s in %" PRIu64 " records, over all devices\n",
	          units_bytes_short(&c, comparison->after_bytes), comparison->after_records);
	tags_text(comparison, limit, width, out);
	changes_text(comparison, limit, width, out);
}

static json_t *change_json(const struct change *change)
{
	json_t *json = json_object();

	json_object_set_new(json, "tag", json_foreign_known(change->tag));
	json_object_set_new(json, "site", json_foreign_known(change->site));
	json_object_set_new(json, "kind", json_foreign(change->kind));
	json_object_set_new(json, "class", json_string(class_words[change->class_now]));
	json_object_set_new(json, "bytes", json_amount(change->bytes));
	json_object_set_new(json, "devices", json_integer(change->devices));
	json_object_set_new(json, "came", json_amount(change->came));
	json_object_set_new(json, "came_bytes", json_amount(change->came_bytes));
	json_object_set_new(json, "went", json_amount(change->went));
	json_object_set_new(json, "went_bytes", json_amount(change->went_bytes));
	return json;
}

static json_t *tag_json(const struct tag_change *tag)
{
	json_t *json = json_object();

	json_object_set_new(json, "tag", json_foreign_known(tag->tag));
	json_object_set_new(json, "kind", json_foreign(tag->kind));
	json_object_set_new(json, "class", json_string(class_words[tag->class_now]));
	json_object_set_new(json, "before_bytes", json_amount(tag->before_bytes));
	json_object_set_new(json, "after_bytes", json_amount(tag->after_bytes));
	json_object_set_new(json, "before_records", json_amount(tag->before_records));
	json_object_set_new(json, "after_records", json_amount(tag->after_records));
	return json;
}

json_t *diff_json(const struct comparison *comparison, size_t limit)
{
	json_t *changes = json_array(), *tags = json_array(), *root = json_object();

	for (size_t i = 0; i < comparison->changes.count && (limit == 0 || i < limit); i++)
		json_array_append_new(changes, change_json(&comparison->changes.items[i]));
	for (size_t i = 0; i < comparison->tags.count && (limit == 0 || i < limit); i++)
		json_array_append_new(tags, tag_json(&comparison->tags.items[i]));
	json_object_set_new(root, "identical", json_boolean(comparison->changes.count == 0));
	json_object_set_new(root, "before_bytes", json_amount(comparison->before_bytes));
	json_object_set_new(root, "after_bytes", json_amount(comparison->after_bytes));
	json_object_set_new(root, "before_records", json_amount(comparison->before_records));
	json_object_set_new(root, "after_records", json_amount(comparison->after_records));
	json_object_set_new(root, "exact", json_boolean(comparison->exact));
	json_object_set_new(root, "tags", tags);
	json_object_set_new(root, "changes", changes);
	json_object_set_new(root, "changes_total", json_amount(comparison->changes.count));
	return root;
}

/* Opens one side. */
static int open_side(struct scene *scene, const struct options *options, const char *path)
{
	struct options side = *options;

	side.from = path;
	return scene_open(scene, &side, VIEW_BUFFERS);
}

int verb_diff(const struct options *options)
{
	struct comparison comparison;
	struct compared sides[2];
	struct scene before, after;
	struct text out = {0};
	int status = open_side(&before, options, options->arguments[0]);

	if (status != STATUS_OK)
		return status;
	status = open_side(&after, options, options->arguments[1]);
	if (status != STATUS_OK) {
		scene_close(&before);
		return status;
	}
	sides[0] = (struct compared){&before.machine, &before.selection};
	sides[1] = (struct compared){&after.machine, &after.selection};
	compare(&comparison, &sides[0], &sides[1]);
	if (options->json) {
		status = show_json(diff_json(&comparison, options->limit));
	} else {
		diff_text(&comparison, options->limit, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && options->fail_on_growth &&
	    comparison.after_bytes > comparison.before_bytes)
		status = STATUS_FOUND;
	compare_finish(&comparison);
	scene_close(&before);
	scene_close(&after);
	return status;
}
