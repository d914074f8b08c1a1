/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine made up for tests on which processes are seen in several ways: by a segment, the socket
 * and tt-metal's counters; by the socket, with its server; by the socket, whose server died; by the
 * counters alone, one alive and one dead; and files of the counters that cannot be read.
 */
#ifndef MESHTALLY_TEST_EXAMPLE_SOURCES_H
#define MESHTALLY_TEST_EXAMPLE_SOURCES_H

#include "render.h"
#include "view_build.h"

enum { SOURCES_VIEWS = 4 };

struct example_sources {
	struct scene scene;
	struct built_view *built[SOURCES_VIEWS];
};

void example_sources_make(struct example_sources *example);
void example_sources_finish(struct example_sources *example);

#endif
