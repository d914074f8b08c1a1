/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` says of OpenCL on this system: its loader, and meshtally's layer for it. */
#include "checkup.h"
#include "opencl_layer.h"
#include "safe.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_loader(struct checkup *checkup, const struct opencl_loader *loader)
{
	struct text path = {0};

	safe_terminal(&path, loader->path);
	if (!loader->found)
		checkup_add(checkup, "opencl", CHECK_OK, NULL,
		            "there is no OpenCL loader (libOpenCL.so.1) on this system");
	else if (loader->old)
		checkup_add(checkup, "opencl", CHECK_NOTE,
		            "install ocl-icd 2.3.0, Khronos' loader 2021.04, or a later one",
		            "the OpenCL loader %s knows nothing of layers", text_string(&path));
	else
		checkup_add(checkup, "opencl", CHECK_OK, NULL, "the OpenCL loader %s loads layers",
		            text_string(&path));
	text_finish(&path);
}

static void check_layer(struct checkup *checkup, bool loader)
{
	struct text error = {0}, path = {0};
	char layer[PATH_MAX];

	if (opencl_layer_find(&layer, &error) != 0) {
		if (loader || getenv("MESHTALLY_OPENCL_LAYER") != NULL)
			checkup_add(checkup, "opencl", CHECK_NOTE, NULL, "%s", text_string(&error));
	} else if (opencl_layer_check(layer, &error) != 0) {
		checkup_add(checkup, "opencl", CHECK_PROBLEM,
		            "install it again, together with libmeshtally", "%s",
		            text_string(&error));
	} else {
		safe_terminal(&path, layer);
		checkup_add(checkup, "opencl", CHECK_OK, NULL,
		            "the layer %s can be loaded: `meshtally run --opencl` puts it into a "
		            "program",
		            text_string(&path));
	}
	text_finish(&path);
	text_finish(&error);
}

/* Loaders pass over what is not there without a word. */
static void check_variable(struct checkup *checkup)
{
	const char *layers = getenv("OPENCL_LAYERS");
	char *copy = mem_strdup(layers != NULL ? layers : ""), *state = NULL;

	for (char *entry = strtok_r(copy, ":", &state); entry != NULL;
	     entry = strtok_r(NULL, ":", &state)) {
		struct text path = {0};

		safe_terminal(&path, entry);
		if (strchr(entry, '/') != NULL && access(entry, R_OK) != 0)
			checkup_add(checkup, "environment", CHECK_PROBLEM,
			            "take it out, or install the layer",
			            "OPENCL_LAYERS names %s, which is not there", path.bytes);
		text_finish(&path);
	}
	free(copy);
}

void checkup_opencl(struct checkup *checkup)
{
	struct opencl_loader loader;

	opencl_loader_find(&loader);
	check_loader(checkup, &loader);
	check_layer(checkup, loader.found);
	check_variable(checkup);
}
