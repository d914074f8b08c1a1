/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run --opencl`: what the program gets into its environment so that its OpenCL loader loads
 * meshtally's layer, checked before it is started.
 */
#ifndef MESHTALLY_CLI_RUN_OPENCL_H
#define MESHTALLY_CLI_RUN_OPENCL_H

#include "verb.h"

#include <limits.h>

struct run_opencl {
	char path[PATH_MAX];    /* of the layer */
	struct text layers;     /* OPENCL_LAYERS */
	char device_memory[24]; /* MESHTALLY_OPENCL_DEVICE_MEMORY; "": no limit */
	struct text notes;      /* lines for people: why the layer may not come into the program */
};

/* Finds and tries the layer. 0, or a negative errno with a sentence. Finish it in any case. */
int run_opencl_prepare(struct run_opencl *opencl, const struct options *options,
                       struct text *error);
void run_opencl_finish(struct run_opencl *opencl);

#endif
