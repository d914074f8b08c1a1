/* SPDX-License-Identifier: Apache-2.0 */
/* Which columns of a sheet are drawn, where, and how their values are written. For sheet_draw.c. */
#ifndef MESHTALLY_TUI_SHEET_LAYOUT_H
#define MESHTALLY_TUI_SHEET_LAYOUT_H

#include "sheet.h"

struct sheet_place {
	bool shown;
	int column, columns; /* from the left end of the area */
};

struct sheet_layout {
	struct sheet_place places[SHEET_MAX_COLUMNS];
};

/* Depends on the columns and the width alone, never on what is in the rows. */
void sheet_layout(struct sheet_layout *layout, const struct sheet *sheet, int columns);

/* Whether values stand at the right end of their column. */
bool sheet_is_right(enum value_type type);

enum { SHEET_VALUE_SIZE = 40 };

/* A value that is not text, in at most `columns`. */
void sheet_value(char (*buffer)[SHEET_VALUE_SIZE], const struct value *value, enum value_type type,
                 int columns);

#endif
