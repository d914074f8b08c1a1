/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine made up for tests whose runtime tells no addresses: two processes with contexts of two
 * devices, in which not everything is on a device yet, and one that was killed after an allocation
 * had failed for no device.
 */
#ifndef MESHTALLY_TEST_EXAMPLE_PLACES_H
#define MESHTALLY_TEST_EXAMPLE_PLACES_H

#include "render.h"
#include "view_build.h"

enum { PLACES_VIEWS = 3 };

struct example_places {
	struct scene scene;
	struct built_view *built[PLACES_VIEWS];
	struct view_failure_buffer buffers[2];
	struct view_line line;
	struct segment_failure_device failed;
};

void example_places_make(struct example_places *example);
void example_places_finish(struct example_places *example);

#endif
