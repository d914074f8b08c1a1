/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally snapshot FILE`: keeps the state of all processes. */
#include "keep.h"
#include "safe.h"
#include "scene_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int write_snapshot(const struct options *options, const struct scene *scene,
                          const char *file)
{
	VEC(char *) paths = {0};
	struct text error = {0};
	size_t kept = 0;
	int status = STATUS_OK;

	for (size_t i = 0; i < scene->views.count; i++)
		if (selection_has_process(&scene->selection, &scene->machine.processes.items[i]))
			*vec_add(&paths) = scene->paths.items[i];
	if (paths.count == 0) {
		status = verb_fails(options, "there is no segment to keep: no process is tracked "
		                             "(`meshtally doctor` may say why)");
	} else if (keep_segments(file, paths.items, paths.count, &kept, &error) != 0) {
		status = verb_fails(options, "%s", text_string(&error));
	} else {
		struct text name = {0};

		safe_shell(&name, file);
		printf("%zu process%s in %s; read it with --from %s\n", kept, kept == 1 ? "" : "es",
		       text_string(&name), text_string(&name));
		text_finish(&name);
	}
	text_finish(&error);
	vec_finish(&paths);
	return status;
}

int verb_snapshot(const struct options *options)
{
	struct scene scene;
	int status = scene_open(&scene, options, VIEW_TOTALS);

	if (status != STATUS_OK)
		return status;
	status = write_snapshot(options, &scene, options->arguments[0]);
	scene_close(&scene);
	return status;
}
