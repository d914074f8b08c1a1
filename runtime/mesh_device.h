/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is open: devices (one opening of a chip, with its system buffers) and meshes over them. A
 * mesh opens its devices; sub-meshes borrow them, and a device closes with the last mesh over it.
 * A closed mesh stays as an object until its last buffer is destroyed. Opening and closing belong
 * to one thread, while no other uses the mesh; buffers may be made and freed from any.
 */
#ifndef RUNTIME_MESH_DEVICE_H
#define RUNTIME_MESH_DEVICE_H

#include "device_buffer.h"

enum { MESH_MEMBERS_MAX = 1024, DEVICE_QUEUE_BUFFERS = 10 };

/* In a mesh order: a device of another host. */
enum { MESH_REMOTE = -1 };

struct mesh_buffer;
struct program;

struct device {
	struct machine *machine;
	struct chip *chip;
	mt_space space;
	struct device_buffer queues[DEVICE_QUEUE_BUFFERS];
	struct device_buffer fabric;
	uint32_t openings;     /* open meshes over it */
	_Atomic uint32_t refs; /* mesh objects that point here */
};

struct mesh_device {
	struct machine *machine;
	struct mesh_device *parent; /* NULL: not a sub-mesh */
	uint32_t rows, columns;
	mt_space space;
	bool open;
	_Atomic uint32_t refs;	 /* the owner's, and one per mesh buffer and sub-mesh */
	struct device **devices; /* row by row; NULL: of another host */
	struct bank_allocator **banks[MEMORY_ROLES];
	size_t local_count;
	struct mesh_buffer *live;
	struct program *programs; /* the program cache */
};

/* order: rows * columns ordinals, row by row, each at most once, or MESH_REMOTE. */
int mesh_device_open(struct machine *machine, uint32_t rows, uint32_t columns, const int32_t *order,
		     struct mesh_device **ret_mesh);
int mesh_device_open_submesh(struct mesh_device *parent, uint32_t row, uint32_t column,
			     uint32_t rows, uint32_t columns, struct mesh_device **ret_mesh);

/* Gives the command queues of all its devices back, before the close or without one. */
void mesh_device_release_queues(struct mesh_device *mesh);

/* Gives back all that was taken through it; what is live then was leaked. The object remains. */
int mesh_device_close(struct mesh_device *mesh);

/* The owner's last word; closes first where that was not done. */
void mesh_device_destroy(struct mesh_device *mesh);

void mesh_device_ref(struct mesh_device *mesh);
void mesh_device_unref(struct mesh_device *mesh);

uint32_t mesh_device_members(const struct mesh_device *mesh);
struct bank_set mesh_device_banks(const struct mesh_device *mesh, enum memory_role role);

#endif
