/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys: help, the footer and docs/monitor.md are made from it or checked against it.
 */
#ifndef MESHTALLY_TUI_KEYS_H
#define MESHTALLY_TUI_KEYS_H

#include "screens.h"

struct key_row {
	uint32_t key, other_key; /* other_key 0: none */
	const char *name;        /* as it is written: "Tab", "+" */
	unsigned screens;        /* a bit per screen; 0: everywhere */
	const char *label;       /* in the footer, a word or two; NULL: not there */
	const char *help;        /* a line; NULL: the same as the row before */
	/* NULL: the screen's own key function takes it. That one is asked first for every key. */
	void (*act)(struct ui *ui, const struct look *look, const struct sheet *sheet,
	            struct ui_wish *wish);
};

extern const struct key_row key_rows[];
extern const size_t key_row_count;

/* The row of a key on a screen: the screen's own before those of all; NULL: none. */
const struct key_row *key_find(uint32_t key, enum screen_id screen);
bool key_is_for(const struct key_row *row, enum screen_id screen);

#endif
