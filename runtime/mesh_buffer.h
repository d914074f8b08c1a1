/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A buffer of a mesh: one address on every device of it. It is made of a backing buffer, which
 * takes the address, and one pre-allocated device-local buffer per local member. Replicated: every
 * device holds all of it. Sharded: every device holds its part. May outlive its mesh's closing.
 */
#ifndef RUNTIME_MESH_BUFFER_H
#define RUNTIME_MESH_BUFFER_H

#include "mesh_device.h"

enum mesh_layout { MESH_REPLICATED, MESH_SHARDED };

struct mesh_buffer {
	struct mesh_device *mesh;
	enum mesh_layout layout;
	struct device_buffer backing;
	struct mesh_buffer *previous, *next; /* of the mesh's live list */
	struct device_buffer locals[];	     /* row by row; of another host: no device */
};

/* spec->bytes: of each device (replicated), or of all together (sharded; must divide evenly). */
int mesh_buffer_create(struct mesh_device *mesh, enum mesh_layout layout,
		       const struct buffer_spec *spec, struct mesh_buffer **ret_buffer);

/* Reports the end of the local buffers and of the backing buffer. -EALREADY: done before. */
int mesh_buffer_deallocate(struct mesh_buffer *buffer);

/* Deallocates where that was not done. Takes NULL. */
void mesh_buffer_destroy(struct mesh_buffer *buffer);

/* Whether a member has these bytes of it: 0, -EBADF: given back. Else as below. */
int mesh_buffer_check(const struct mesh_buffer *buffer, uint32_t member, uint64_t offset,
                      size_t bytes);

/* Contents on one member; -ENODEV: it is on another host. -ERANGE: beyond the buffer's end. */
int mesh_buffer_write(struct mesh_buffer *buffer, uint32_t member, uint64_t offset,
		      const void *data, size_t bytes);
int mesh_buffer_read(struct mesh_buffer *buffer, uint32_t member, uint64_t offset, void *data,
		     size_t bytes);

/* A replicated buffer in the trace region, as capturing a trace takes one. */
int mesh_trace_create(struct mesh_device *mesh, uint64_t bytes, struct mesh_buffer **ret_buffer);

/* For the closing of a mesh, which ended what lay in the spaces that closed: gives the range back,
 * and reports the end of the local buffers on devices that stay open. */
void mesh_buffer_abandon(struct mesh_buffer *buffer);

#endif
