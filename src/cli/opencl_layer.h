/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meshtally's OpenCL layer, from outside: where its file is, whether a loader could load it, and
 * how it comes into OPENCL_LAYERS. For `run --opencl` and `doctor`. Files are tried in a child
 * process: what they do when they are loaded is not to happen here.
 */
#ifndef MESHTALLY_CLI_OPENCL_LAYER_H
#define MESHTALLY_CLI_OPENCL_LAYER_H

#include "text.h"

#include <limits.h>
#include <stdbool.h>

/* Looks where $MESHTALLY_OPENCL_LAYER says; else beside this command (a build), and where both are
 * installed. The path is absolute. 0, or -ENOENT with a sentence. */
int opencl_layer_find(char (*ret_path)[PATH_MAX], struct text *error);

/* Whether a file can be loaded and is a layer. 0, or -EINVAL with a sentence. */
int opencl_layer_check(const char *path, struct text *error);

/* The system's OpenCL loader, as a program finds it that names no other. */
struct opencl_loader {
	bool found;
	bool old;            /* knows nothing of layers */
	char path[PATH_MAX]; /* where the system found it */
	char reason[256];    /* why it was not found, in the dynamic loader's words */
};
void opencl_loader_find(struct opencl_loader *ret_loader);

/*
 * What OPENCL_LAYERS has to be: the last one is nearest to the program, so that ours is added at
 * the end of `layers` (NULL: none yet). Where the layer is in it already, as this file or as
 * another of its name that can be loaded, it stays as it is. -EINVAL with a sentence: the path has
 * a colon.
 */
int opencl_layers_with(const char *layers, const char *path, struct text *ret_layers,
                       struct text *error);

/* Adds "aarch64, 64 bit" or "ELF machine 250, 64 bit". */
struct probe_file;
void opencl_architecture(struct text *text, const struct probe_file *file);

#endif
