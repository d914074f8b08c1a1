/* SPDX-License-Identifier: Apache-2.0 */
#include "scene_empty.h"

bool scene_is_empty(const struct scene *scene)
{
	return scene->machine.processes.count == 0;
}

void scene_empty_text(const struct scene *scene, struct text *out)
{
	if (scene->from != NULL) {
		text_add(out, "The file has no process in it.\n");
		return;
	}
	text_add(out, "No process on this machine is tracked.\n"
	              "  meshtally run -- PROGRAM   runs one with tracking on;\n"
	              "  MESHTALLY=1                in a program's environment turns it on;\n"
	              "  meshtally doctor           says why a program does not show up.\n");
}
