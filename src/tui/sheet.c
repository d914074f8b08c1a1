/* SPDX-License-Identifier: Apache-2.0 */
#include "sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Siblings deeper than this stay as made, so that no tag can make the recursion deep. */
enum { SORTED_DEPTH = 64 };

void sheet_init(struct sheet *sheet, const struct sheet_column *columns, size_t count)
{
	*sheet = (struct sheet){.columns = columns,
	                        .column_count =
	                                count < SHEET_MAX_COLUMNS ? count : SHEET_MAX_COLUMNS,
	                        .tree_column = SIZE_MAX};
}

void sheet_finish(struct sheet *sheet)
{
	char **string;

	vec_for (string, &sheet->strings)
		free(*string);
	vec_finish(&sheet->strings);
	vec_finish(&sheet->rows);
	text_finish(&sheet->empty);
}

struct sheet_row *sheet_add(struct sheet *sheet, uint64_t key)
{
	struct sheet_row *row = vec_add(&sheet->rows);

	row->key = key;
	return row;
}

const char *sheet_keep(struct sheet *sheet, const char *string)
{
	char **kept = vec_add(&sheet->strings);

	*kept = mem_strdup(string);
	return *kept;
}

static int compare_known(const struct value *a, const struct value *b, enum value_type type)
{
	switch (type) {
	case VALUE_TEXT:
		return strverscmp(a->text, b->text);
	case VALUE_CHANGE:
		return (a->change > b->change) - (a->change < b->change);
	case VALUE_RATE:
	case VALUE_SHARE:
	case VALUE_BAR:
		return (a->real > b->real) - (a->real < b->real);
	case VALUE_BYTES:
	case VALUE_COUNT:
	case VALUE_NUMBER:
	case VALUE_AGE:
	case VALUE_ADDRESS:
		break;
	}
	return (a->number > b->number) - (a->number < b->number);
}

/* A row with all that is below it. */
struct branch {
	size_t from, end;
};

struct sorter {
	const struct sheet *sheet;
	const struct sheet_state *state;
	struct sheet_row *out;
	size_t count;
};

static int compare_branches(const void *a, const void *b, void *context)
{
	const struct sorter *sorter = context;
	const struct branch *branch_a = a, *branch_b = b;
	size_t column = sorter->state->sort;
	int order = 0;

	if (column < sorter->sheet->column_count) {
		const struct value *x = &sorter->sheet->rows.items[branch_a->from].values[column];
		const struct value *y = &sorter->sheet->rows.items[branch_b->from].values[column];

		if (x->known != y->known)
			return x->known ? -1 : 1;
		if (x->known)
			order = compare_known(x, y, sorter->sheet->columns[column].type);
		if (sorter->state->descending)
			order = -order;
	}
	return order != 0 ? order
	                  : (branch_a->from > branch_b->from) - (branch_a->from < branch_b->from);
}

/* The rows after `from` that are below it end here. */
static size_t branch_end(const struct sheet *sheet, size_t from, size_t end)
{
	size_t at = from + 1;

	while (at < end && sheet->rows.items[at].depth > sheet->rows.items[from].depth)
		at++;
	return at;
}

static void sort_range(struct sorter *sorter, size_t from, size_t end, unsigned depth)
{
	const struct sheet *sheet = sorter->sheet;
	VEC(struct branch) branches = {0};
	struct branch *branch;

	for (size_t at = from; at < end; at = branches.items[branches.count - 1].end) {
		size_t to = sheet->tree_column == SIZE_MAX ? at + 1 : branch_end(sheet, at, end);

		*vec_add(&branches) = (struct branch){at, to};
	}
	if (depth < SORTED_DEPTH && branches.count > 1)
		qsort_r(branches.items, branches.count, sizeof(*branches.items), compare_branches,
		        sorter);
	vec_for (branch, &branches) {
		struct sheet_row *row = &sorter->out[sorter->count++];

		*row = sheet->rows.items[branch->from];
		row->is_last = branch == &branches.items[branches.count - 1];
		if (branch->end > branch->from + 1 && depth < SORTED_DEPTH) {
			sort_range(sorter, branch->from + 1, branch->end, depth + 1);
		} else if (branch->end > branch->from + 1) {
			size_t below = branch->end - branch->from - 1;

			memcpy(&sorter->out[sorter->count], &sheet->rows.items[branch->from + 1],
			       below * sizeof(*row));
			sorter->count += below;
		}
	}
	vec_finish(&branches);
}

static void find_column(const struct sheet *sheet, struct sheet_state *state)
{
	if (state->sort_by[0] == '\0')
		return;
	state->sort = SIZE_MAX;
	for (size_t i = 0; i < sheet->column_count; i++)
		if (strncmp(sheet->columns[i].name, state->sort_by, SHEET_NAME - 1) == 0)
			state->sort = i;
}

void sheet_sort_by(const struct sheet *sheet, struct sheet_state *state, size_t column)
{
	state->sort = column < sheet->column_count ? column : SIZE_MAX;
	snprintf(state->sort_by, sizeof(state->sort_by), "%s",
	         column < sheet->column_count ? sheet->columns[column].name : "");
}

/* As made: which ones are the last of their siblings is all that is to be known. */
static void find_last(struct sheet *sheet)
{
	VEC(bool) later = {0}; /* by depth: a sibling comes after it */

	for (size_t i = sheet->rows.count; i-- > 0;) {
		struct sheet_row *row = &sheet->rows.items[i];
		size_t depth = sheet->tree_column != SIZE_MAX ? row->depth : 0;

		while (later.count <= depth)
			*vec_add(&later) = false;
		later.count = depth + 1; /* what is deeper belongs to another */
		row->is_last = !later.items[depth];
		later.items[depth] = true;
	}
	vec_finish(&later);
}

void sheet_sort(struct sheet *sheet, struct sheet_state *state)
{
	struct sorter sorter = {.sheet = sheet, .state = state};

	find_column(sheet, state);
	if (sheet->rows.count == 0)
		return;
	if (state->sort >= sheet->column_count) {
		find_last(sheet);
		return;
	}
	sorter.out = mem_calloc(sheet->rows.count, sizeof(*sorter.out));
	sort_range(&sorter, 0, sheet->rows.count, 0);
	free(sheet->rows.items);
	sheet->rows.items = sorter.out;
	sheet->rows.capacity = sheet->rows.count;
}

void sheet_settle(const struct sheet *sheet, struct sheet_state *state)
{
	size_t count = sheet->rows.count;

	if (state->key == 0 || count == 0) {
		state->cursor = 0;
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (sheet->rows.items[i].key == state->key) {
			state->cursor = i;
			return;
		}
	if (state->cursor >= count)
		state->cursor = count - 1;
	state->key = sheet->rows.items[state->cursor].key;
}

const struct sheet_row *sheet_selected(const struct sheet *sheet, const struct sheet_state *state)
{
	return state->cursor < sheet->rows.count ? &sheet->rows.items[state->cursor] : NULL;
}

void sheet_select(const struct sheet *sheet, struct sheet_state *state, size_t row)
{
	if (row >= sheet->rows.count)
		return;
	state->cursor = row;
	state->key = sheet->rows.items[row].key;
}

void sheet_move(const struct sheet *sheet, struct sheet_state *state, long rows)
{
	size_t count = sheet->rows.count, room, to;

	if (count == 0)
		return;
	if (state->cursor >= count)
		state->cursor = count - 1;
	room = rows < 0 ? state->cursor : count - 1 - state->cursor;
	to = rows < 0 ? 0UL - (unsigned long)rows : (unsigned long)rows;
	if (to > room)
		to = room;
	sheet_select(sheet, state, rows < 0 ? state->cursor - to : state->cursor + to);
	if (state->cursor == 0)
		state->key = 0; /* the first one, whichever that is */
}
