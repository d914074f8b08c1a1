/* SPDX-License-Identifier: Apache-2.0 */
#include "run_opencl.h"

#include "opencl_layer.h"
#include "probe_file.h"
#include "safe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void note_loader(struct text *notes)
{
	struct opencl_loader loader;

	opencl_loader_find(&loader);
	if (!loader.found) {
		text_add(notes, "there is no OpenCL loader on this system (");
		safe_terminal(notes, loader.reason);
		text_add(notes, "): without one of its own the program has no OpenCL\n");
	} else if (loader.old) {
		text_add(notes, "the system's OpenCL loader, '");
		safe_terminal(notes, loader.path);
		text_add(notes,
		         "', knows nothing of layers: ocl-icd 2.3.0, Khronos' loader 2021.04 "
		         "and later ones do\n");
	}
}

static void note_program(const struct run_opencl *opencl, const char *name, struct text *notes)
{
	struct probe_file program, layer;

	probe_program(name, &program);
	probe_file(opencl->path, &layer);
	if (program.privileged) {
		safe_terminal(notes, name);
		text_add(notes, " is setuid or setgid: an OpenCL loader may ignore OPENCL_LAYERS "
		                "in it\n");
	}
	if (program.machine != 0 &&
	    (program.machine != layer.machine || program.bits != layer.bits)) {
		safe_terminal(notes, name);
		text_add(notes, " is built for another architecture (");
		opencl_architecture(notes, &program);
		text_add(notes, ") than the layer (");
		opencl_architecture(notes, &layer);
		text_add(notes, "), which cannot come into it\n");
	}
}

int run_opencl_prepare(struct run_opencl *opencl, const struct options *options, struct text *error)
{
	int result = opencl_layer_find(&opencl->path, error);

	if (result == 0)
		result = opencl_layer_check(opencl->path, error);
	if (result == 0)
		result = opencl_layers_with(getenv("OPENCL_LAYERS"), opencl->path, &opencl->layers,
		                            error);
	if (result != 0)
		return result;
	if (options->device_memory != 0)
		snprintf(opencl->device_memory, sizeof(opencl->device_memory), "%" PRIu64,
		         options->device_memory);
	note_loader(&opencl->notes);
	note_program(opencl, options->arguments[0], &opencl->notes);
	return 0;
}

void run_opencl_finish(struct run_opencl *opencl)
{
	text_finish(&opencl->layers);
	text_finish(&opencl->notes);
}
