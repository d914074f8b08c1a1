/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks made up for tests of the monitor: fixed scenes, fixed clocks, surveys made of the same
 * views.
 *
 *   "example"   the machine of example_scene.h: a 2x4 mesh, one program killed, one of counters
 *   "file"      the same out of a snapshot file
 *   "mesh32"    4x8 devices, programs that live and one that does not, steps, faults, an hour's
 * history "mesh1024"  32x32 devices "hostile"   tags, sites, commands and names of any bytes
 *   "places"    the machine of example_places.h: no addresses, and not all is on a device
 *   "empty"     nothing runs
 *   "waiting"   nothing has been read yet
 */
#ifndef MESHTALLY_TEST_TUI_FIXTURES_H
#define MESHTALLY_TEST_TUI_FIXTURES_H

#include "example_places.h"
#include "example_scene.h"
#include "screens.h"

#define FIXTURE_NOW_NS       1795340000000000000ull
#define FIXTURE_MONOTONIC_NS 7200000000000ull

enum { FIXTURE_VIEWS = 4 };

struct tui_fixture {
	struct reading reading;
	struct history *history;
	struct ui ui;
	struct look look; /* of all that is above */
	/* Behind them. */
	struct example *example;
	struct example_places *places;
	struct built_view *views[FIXTURE_VIEWS];
	size_t view_count;
	bool waiting; /* look.reading is NULL */
};

void tui_fixture_init(struct tui_fixture *fixture, const char *name);
void tui_fixture_finish(struct tui_fixture *fixture);

/* After the ui was changed: makes the survey that it asks for, and the look, anew. */
void tui_fixture_survey(struct tui_fixture *fixture);
/* A filter as it could be typed, and the survey for it. */
void tui_fixture_filter(struct tui_fixture *fixture, const char *filter);
/* As if `m` was pressed when the programs had done so many of a hundred of what they did. */
void tui_fixture_mark(struct tui_fixture *fixture, unsigned percent);
/* A key is pressed, with what follows of it. */
struct ui_wish tui_fixture_key(struct tui_fixture *fixture, uint32_t key);

/* The whole picture. (An object of its own: needs all screens.) */
void tui_fixture_draw(struct tui_fixture *fixture, struct canvas *canvas, struct hits *hits);

/* Views of any number of devices; see fixture_views.c. */
struct built_view *fixture_train(void);
struct built_view *fixture_eval(void);
struct built_view *fixture_killed(void);
struct built_view *fixture_big(void);
struct built_view *fixture_hostile(void);
void fixture_view_free(struct built_view *built);

#endif
