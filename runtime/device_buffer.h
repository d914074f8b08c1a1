/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One allocation as an object: of a single device, or, as the backing buffer of a mesh buffer, of a
 * whole mesh. Owned: it took its range and gives it back. Pre-allocated: it stands on the range of
 * a backing buffer, on one device. Its end is reported once, whichever way it ends.
 */
#ifndef RUNTIME_DEVICE_BUFFER_H
#define RUNTIME_DEVICE_BUFFER_H

#include "chip.h"

struct device;
struct mesh_device;

struct buffer_spec {
	enum memory_role role;
	uint64_t bytes; /* on each device */
	bool top_down;	/* L1 always is */
	uint32_t flags; /* MT_SYSTEM, MT_CACHE */
	const char *site;
};

struct device_buffer {
	struct buffer_spec spec;
	struct device *device;		     /* NULL: a backing buffer, or none */
	struct mesh_device *mesh;	     /* NULL: not a backing buffer */
	const struct device_buffer *backing; /* of a pre-allocated one */
	uint64_t unique_id, address, span;
	void *range;    /* the back end's, while there is memory on one device; NULL otherwise */
	bool owned;	/* took its range itself */
	bool allocated; /* stands for memory; its end is not reported yet */
	bool holds;	/* the range is still to be given back */
};

/* Takes a range on one device, or on all local members of a mesh, and reports it. */
int device_buffer_create(struct device *device, const struct buffer_spec *spec,
			 struct device_buffer *ret_buffer);
int device_buffer_create_backing(struct mesh_device *mesh, const struct buffer_spec *spec,
				 struct device_buffer *ret_buffer);

/* A pre-allocated buffer of one device at its backing buffer's address; reports it. */
int device_buffer_wrap(struct device *device, const struct device_buffer *backing,
                       struct device_buffer *ret_buffer);

/* From now on it stands for no memory. Reported once: a second mark does nothing. */
void device_buffer_mark_as_deallocated(struct device_buffer *buffer);

/* Marks, then gives the range back where it is owned. */
void device_buffer_deallocate(struct device_buffer *buffer);

/* Gives memory and range back without a word: what a path of a runtime that has no hook does. */
void device_buffer_release_range(struct device_buffer *buffer);

#endif
