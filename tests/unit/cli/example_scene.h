/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine made up for tests: a live process on a 2x4 mesh, one that was killed after a failed
 * allocation, and one that only tt-metal's counters know. Times are fixed.
 */
#ifndef MESHTALLY_TEST_EXAMPLE_SCENE_H
#define MESHTALLY_TEST_EXAMPLE_SCENE_H

#include "render.h"
#include "view_build.h"

struct example {
	struct scene scene;
	struct built_view *live, *killed;
	struct tt_device chip;
	struct segment_failure_device failed[8];
	struct view_failure_buffer buffers[4];
	struct view_line failure_lines[2], frame_lines[3];
	struct segment_cb cb;
};

void example_make(struct example *example);
void example_finish(struct example *example);

#endif
