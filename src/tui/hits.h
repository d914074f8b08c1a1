/* SPDX-License-Identifier: Apache-2.0 */
/* What lies where on a picture, for the mouse. The one that was added last is on top. */
#ifndef MESHTALLY_TUI_HITS_H
#define MESHTALLY_TUI_HITS_H

#include "cell.h"
#include "memory.h"

enum hit_type {
	HIT_SCREEN, /* argument: enum screen_id */
	HIT_ROW,    /* a row of the list; argument: its number */
	HIT_SORT,   /* a heading; argument: its column */
	HIT_TILE,   /* a device; argument: its row in the machine */
	HIT_KEY     /* as if that key was pressed */
};

struct hit {
	enum hit_type type;
	struct area area;
	uint64_t argument;
};

struct hits {
	VEC(struct hit) hits;
};

void hits_add(struct hits *hits, enum hit_type type, struct area area, uint64_t argument);
/* NULL: nothing there. */
const struct hit *hits_find(const struct hits *hits, int row, int column);
void hits_clear(struct hits *hits);
void hits_finish(struct hits *hits);

#endif
