/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for a terminal of a given width. Columns are as wide as what is in them; where that is
 * too much, the columns that may go are left out, then the flexible ones are cut. Cells are safe
 * text (see safe.h), or foreign text that the table makes safe.
 */
#ifndef MESHTALLY_BASE_TABLE_H
#define MESHTALLY_BASE_TABLE_H

#include "memory.h"
#include "text.h"

enum {
	TABLE_RIGHT = 1,      /* numbers */
	TABLE_FLEXIBLE = 2,   /* may be cut at its end */
	TABLE_CUT_START = 4,  /* is cut at its beginning: paths */
	TABLE_HIDE_EMPTY = 8, /* left out when every cell is "-" or "" */
	TABLE_HIDE_SAME = 16  /* likewise when every cell is the same */
};

struct table_column {
	const char *title;
	unsigned flags;
	unsigned optional;  /* 0: always there; else the highest is left out first */
	unsigned min_width; /* a flexible column is not cut below this */
};

enum { TABLE_MAX_COLUMNS = 24 };

struct table {
	const struct table_column *columns;
	size_t column_count;
	size_t indent; /* in front of every line */
	VEC(char *) cells;
};

void table_init(struct table *table, const struct table_column *columns, size_t count);
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_foreign(struct table *table, const char *foreign); /* "" becomes "-" */
size_t table_rows(const struct table *table);
/* width 0: no limit. */
void table_print(const struct table *table, size_t width, struct text *out);
void table_finish(struct table *table);

#endif
