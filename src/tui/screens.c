/* SPDX-License-Identifier: Apache-2.0 */
#include "screens.h"

#include "monitor.h"

#include <string.h>
#include <strings.h>

const struct screen screens[SCREEN_LIMIT] = {
	[SCREEN_MESH] = {"mesh", "Mesh",
                         "Devices in the shape of their mesh: how full each of their memories is. "
                         "Those that are alike look alike; the odd one and faults are marked.",
                         mesh_make, mesh_draw, mesh_key},
	[SCREEN_DEVICE] = {"device", "Device",
                           "One device: what lies where in its memory, what it held over time, and "
                           "the live buffers on it with who holds them.",
                           device_make, device_draw, device_key},
	[SCREEN_PROCESSES] = {"processes", "Processes",
                              "Who holds device memory, how fast it allocates, and what it did "
                              "wrong. Processes that ended stay until they are dismissed.",
                              processes_make, processes_draw, processes_key},
	[SCREEN_TAGS] =
		{"tags", "Tags",
                 "What the memory is for: live bytes by tag, or by kind, process, device or "
                 "age, with the change since the mark.",
                 tags_make, tags_draw, tags_key},
	[SCREEN_GROWTH] = {"growth", "Growth",
                           "What came since the mark and is still there, and what grows with every "
                           "step of a program: where to look for a leak.",
                           growth_make, growth_draw, growth_key},
	[SCREEN_FAULTS] = {"faults", "Faults",
                           "What programs did wrong, the newest first, with both places in the "
                           "source.",
                           faults_make, faults_draw, faults_key},
};

enum screen_id screen_find(const char *name)
{
	for (enum screen_id id = 0; id < SCREEN_LIMIT; id++)
		if (strcasecmp(screens[id].name, name) == 0)
			return id;
	return SCREEN_LIMIT;
}
