/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list as typed values: one thing that is drawn, sorted, exported as CSV and as JSON. A screen
 * fills one; the widths of number columns do not depend on the numbers, so that nothing jumps.
 */
#ifndef MESHTALLY_TUI_SHEET_H
#define MESHTALLY_TUI_SHEET_H

#include "cell.h"
#include "json_value.h"
#include "memory.h"
#include "text.h"

enum value_type {
	VALUE_TEXT,    /* foreign bytes */
	VALUE_BYTES,   /* "14.07 MB" */
	VALUE_CHANGE,  /* bytes, "+36.00 KB"; signed */
	VALUE_COUNT,   /* "1,234"; large ones shortened: "1.23 M" */
	VALUE_NUMBER,  /* a name, not an amount: "4242", pids and ranks */
	VALUE_RATE,    /* per second: real */
	VALUE_SHARE,   /* 0 to 1, "73 %" */
	VALUE_AGE,     /* ns, "3m12s" */
	VALUE_ADDRESS, /* hexadecimal */
	VALUE_BAR      /* real share of the widest: drawn, not exported */
};

struct sheet_column {
	const char *name;  /* in exports and for sorting: "held_bytes" */
	const char *title; /* on the screen */
	enum value_type type;
	unsigned optional; /* 0: always shown; else the highest goes first where there is no room */
	unsigned width;    /* of text: the least; 0: as the type needs */
	bool flexible;     /* text: takes what is left */
	bool ascending;    /* sorted so at first: names */
};

struct value {
	bool known; /* false: "-", null */
	bool inexact;
	enum style style; /* STYLE_TEXT: that of the row */
	union {
		const char *text; /* lives as long as what was read */
		uint64_t number;
		int64_t change;
		double real;
	};
};

enum { SHEET_MAX_COLUMNS = 20, SHEET_NAME = 40 };

struct sheet_row {
	uint64_t key; /* of what the row is about, the same from reading to reading; not 0 */
	enum style style;
	uint16_t depth; /* in a tree */
	bool has_children, is_open;
	bool is_last; /* of its siblings: sheet_sort knows */
	struct value values[SHEET_MAX_COLUMNS];
};

struct sheet {
	const struct sheet_column *columns;
	size_t column_count;
	size_t tree_column; /* rows' first text is drawn as a tree there; SIZE_MAX: no tree */
	VEC(struct sheet_row) rows;
	VEC(char *) strings; /* made for it */
	uint64_t more;       /* rows that there are, but not here */
	struct text empty;   /* what to say when there are no rows; whole lines, wrapped */
};

void sheet_init(struct sheet *sheet, const struct sheet_column *columns, size_t count);
void sheet_finish(struct sheet *sheet);
/* A new row at the end, all values unknown: to be filled in the order of the columns. Trees:
 * parents before their children. Valid until the next one is added. */
struct sheet_row *sheet_add(struct sheet *sheet, uint64_t key);
const char *sheet_keep(struct sheet *sheet, const char *string); /* a copy that lives as long */

static inline struct value value_text(const char *text)
{
	return (struct value){.known = text != NULL && text[0] != '\0', .text = text};
}
static inline struct value value_number(uint64_t number)
{
	return (struct value){.known = true, .number = number};
}
static inline struct value value_change(int64_t change)
{
	return (struct value){.known = true, .change = change};
}
static inline struct value value_real(double real)
{
	return (struct value){.known = true, .real = real};
}
static inline struct value value_unknown(void)
{
	return (struct value){.known = false};
}

/* Where a list stands; kept from picture to picture. */
struct sheet_state {
	uint64_t key;       /* of the row under the cursor; 0: the first */
	size_t cursor, top; /* by number, corrected when drawn */
	size_t seen;        /* rows that were drawn: what Page Down goes by */
	/* The column's name, since which columns there are may change; "": `sort` is right. */
	char sort_by[SHEET_NAME];
	size_t sort; /* its place; SIZE_MAX: as made, or it is not there now */
	bool descending;
};

/* By the state's column, of which it finds the place; unknown values last, equal ones as made.
 * Trees keep children below their parents. Fills in is_last, also where the order is as made. */
void sheet_sort(struct sheet *sheet, struct sheet_state *state);
/* Chooses a column by its place; SIZE_MAX: as made. */
void sheet_sort_by(const struct sheet *sheet, struct sheet_state *state, size_t column);
/* Sets the state's cursor from its key, or its key from the cursor where the key is gone. */
void sheet_settle(const struct sheet *sheet, struct sheet_state *state);
void sheet_move(const struct sheet *sheet, struct sheet_state *state, long rows);
void sheet_select(const struct sheet *sheet, struct sheet_state *state, size_t row);
/* The row under the cursor of a settled state, NULL: there is none. To be used instead of the
 * state's key, which is 0 while the cursor is on the first row, whichever that is. */
const struct sheet_row *sheet_selected(const struct sheet *sheet, const struct sheet_state *state);

struct hits;
/* Heading and rows, scrolled so that the cursor can be seen; notes places for the mouse: headings
 * (HIT_SORT) and rows (HIT_ROW). `has_cursor`: it is shown. Corrects state->top. */
void sheet_draw(const struct sheet *sheet, struct sheet_state *state, struct canvas *canvas,
                struct area area, bool has_cursor, struct hits *hits);

/*
 * For machines: raw numbers by the columns' names, with "exact" at the end; ages in seconds (such a
 * column's name ends with _seconds), addresses as "0x...". Trees: "depth", and in JSON "parent",
 * the place of it in the array. CSV is RFC 4180, empty where nothing is known; control characters
 * are \xNN, and text that a spreadsheet would take for a formula begins with an apostrophe.
 */
json_t *sheet_json(const struct sheet *sheet); /* an array of objects */
void sheet_csv(const struct sheet *sheet, struct text *out);

#endif
