/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far meshtally's OpenCL layer has come into a process: its loader, its drivers and its layers
 * are told by its maps, what it was asked to load by its environment. A loader brings drivers and
 * layers in at the program's first call. Filled in by probe.c.
 */
#ifndef MESHTALLY_REPORT_PROBE_OPENCL_H
#define MESHTALLY_REPORT_PROBE_OPENCL_H

#include <stdbool.h>
#include <sys/types.h>

#define OPENCL_LAYER_FILE "libmeshtally_opencl_layer.so"

enum { PROBE_PATH_BYTES = 512 };

/* In a tree of processes the last of these tells most. */
enum opencl_state {
	OPENCL_NONE,       /* no loader and no driver */
	OPENCL_UNUSED,     /* a loader, but no driver: the program has not called it */
	OPENCL_LAYERED,    /* our layer is in it */
	OPENCL_NOT_ASKED,  /* in use; OPENCL_LAYERS does not name our layer */
	OPENCL_NO_LOADER,  /* a driver without a loader: nobody loads layers */
	OPENCL_MISSING,    /* OPENCL_LAYERS names our layer, but there is no such file */
	OPENCL_OLD_LOADER, /* the loader knows nothing of layers */
	OPENCL_PRIVILEGED, /* has more rights than its user: the loader trusts no environment */
	OPENCL_NOT_LOADED, /* the layer was asked for, and is there: other reasons */
	OPENCL_LIMIT
};

struct probe_opencl {
	enum opencl_state state;
	bool loader, driver, layer; /* in it */
	bool asked;                 /* OPENCL_LAYERS names our layer, as layer_file */
	/* Paths as the process sees them; any bytes, what is longer is cut off. Empty: none. */
	char loader_file[PROBE_PATH_BYTES];
	char driver_file[PROBE_PATH_BYTES];
	char layer_file[PROBE_PATH_BYTES];
};

/* For probe.c. An entry of the environment, "NAME=VALUE"; a file that is mapped; then the state. */
void probe_opencl_entry(struct probe_opencl *opencl, const char *entry);
void probe_opencl_mapped(struct probe_opencl *opencl, const char *path);
void probe_opencl_decide(struct probe_opencl *opencl, pid_t pid);

/* The file that the state is about: a loader, a layer or a driver. "": none. */
const char *probe_opencl_file(const struct probe_opencl *opencl);

/* Whether an entry of OPENCL_LAYERS is called as our layer is. */
bool probe_opencl_is_ours(const char *path);

/* Whether a file that can be read is a loader that knows nothing of layers. */
bool probe_opencl_is_old(const char *path);

#endif
