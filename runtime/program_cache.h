/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of a mesh and their cache: kernel binaries in replicated mesh buffers at the top of the
 * main memory, and circular buffers in L1, laid out bottom-up once per program and resident while
 * it is the last one dispatched. One thread dispatches per mesh.
 */
#ifndef RUNTIME_PROGRAM_CACHE_H
#define RUNTIME_PROGRAM_CACHE_H

#include "mesh_buffer.h"

enum { PROGRAM_CBS_MAX = 4 };

struct program_spec {
	const char *name; /* the key */
	uint64_t kernel_bytes;
	uint32_t cb_count;
	uint64_t cb_bytes[PROGRAM_CBS_MAX]; /* per core */
};

struct program {
	const char *name;
	struct mesh_buffer *kernels;
	mt_program *reported;
	uint64_t cb_end;
	struct program *next;
};

/* Compiles (fills) the kernels at the first call, finds them at later ones. */
int program_cache_get(struct mesh_device *mesh, const struct program_spec *spec,
		      struct program **ret_program);

/* -ENOSPC: its circular buffers would run into an L1 buffer; reported, and not dispatched. */
int program_dispatch(struct mesh_device *mesh, struct program *program);

/* Frees all kernel binaries. */
void program_cache_clear(struct mesh_device *mesh);

/* For the closing of a mesh: forgets the programs; the close itself ends what they held. */
void program_cache_abandon(struct mesh_device *mesh);

#endif
