/* SPDX-License-Identifier: Apache-2.0 */
/* Small machines of any shape for tests of single screens, and looks at what they draw. */
#ifndef MESHTALLY_TEST_SCREEN_FIXTURE_H
#define MESHTALLY_TEST_SCREEN_FIXTURE_H

#include "screens.h"
#include "view_build.h"

#define SCREEN_NOW_NS       1795340000000000000ull
#define SCREEN_MONOTONIC_NS 7200000000000ull

enum { SCREEN_FIXTURE_VIEWS = 4 };

struct screen_fixture {
	struct reading reading;
	struct history *history;
	struct ui ui;
	struct look look;
	struct built_view *views[SCREEN_FIXTURE_VIEWS];
	size_t view_count;
	/* Of the picture that was drawn last. */
	struct canvas canvas;
	struct hits hits;
	struct sheet sheet;
};

void screen_fixture_init(struct screen_fixture *fixture);
void screen_fixture_finish(struct screen_fixture *fixture);

/* A live program with so many devices, unique ids from `first` on, which the caller fills; then
 * screen_fixture_ready() sums up. */
struct built_view *screen_fixture_add(struct screen_fixture *fixture, int32_t pid, uint64_t first,
                                      uint32_t devices);
/* A mesh of devices from a number on, in their order. Returns the space. */
uint32_t screen_fixture_mesh(struct built_view *built, uint16_t rows, uint16_t columns,
                             uint32_t first);
void screen_fixture_ready(struct screen_fixture *fixture);
/* A filter as typed; "" none. Also makes the survey anew. */
void screen_fixture_filter(struct screen_fixture *fixture, const char *filter);
void screen_fixture_survey(struct screen_fixture *fixture);

/* Draws one screen alone, in all of a canvas. */
void screen_fixture_draw(struct screen_fixture *fixture, enum screen_id screen, int rows,
                         int columns);
/* A key of the screen; false where it is not one of its own. */
bool screen_fixture_key(struct screen_fixture *fixture, uint32_t key);

/* Where a text is on the picture. False: nowhere. */
bool screen_find_text(const struct screen_fixture *fixture, const char *text, int *ret_row,
                      int *ret_column);
bool screen_has(const struct screen_fixture *fixture, const char *text);
/* How often. */
int screen_count(const struct screen_fixture *fixture, const char *text);
/* No cell has a control byte, and no row is wider than the canvas. */
void screen_check_cells(const struct screen_fixture *fixture);

#endif
