/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meshes of a machine: distinct shapes of devices that processes have open, without those that
 * lie within another (sub-meshes), and the devices that are in none. One device alone is no mesh.
 */
#ifndef MESHTALLY_ANALYZE_MESHES_H
#define MESHTALLY_ANALYZE_MESHES_H

#include "machine.h"

struct mesh {
	const char *name; /* any bytes; "" none; of a view */
	uint32_t rows, columns;
	uint32_t *devices; /* [rows * columns] rows of the machine; UINT32_MAX: on another host */
	uint32_t processes;
};

struct meshes {
	VEC(struct mesh) meshes;   /* the largest first */
	VEC(uint32_t) unconnected; /* rows that are in none, ascending */
};

/* At most this many different shapes are looked at. */
enum { MESHES_LIMIT = 1024 };

void meshes_find(struct meshes *meshes, const struct machine *machine);
void meshes_finish(struct meshes *meshes);

#endif
