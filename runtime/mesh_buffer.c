/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backing buffer owns the memory; the device-local buffers stand on its address and end with
 * it. Those of other hosts are in the shape only.
 */
#include "mesh_buffer.h"

#include <errno.h>
#include <stdlib.h>

static void link_live(struct mesh_buffer *buffer)
{
	struct mesh_device *mesh = buffer->mesh;

	mesh_device_ref(mesh);
	pthread_mutex_lock(&mesh->machine->lock);
	buffer->next = mesh->live;
	if (buffer->next)
		buffer->next->previous = buffer;
	mesh->live = buffer;
	pthread_mutex_unlock(&mesh->machine->lock);
}

static void unlink_live(struct mesh_buffer *buffer)
{
	struct mesh_device *mesh = buffer->mesh;

	pthread_mutex_lock(&mesh->machine->lock);
	if (buffer->previous)
		buffer->previous->next = buffer->next;
	else
		mesh->live = buffer->next;
	if (buffer->next)
		buffer->next->previous = buffer->previous;
	pthread_mutex_unlock(&mesh->machine->lock);
	mesh_device_unref(mesh);
}

/* All local buffers, or none: a report for each that there was. */
static int wrap_locals(struct mesh_buffer *buffer)
{
	int error = 0;

	for (uint32_t i = 0; !error && i < mesh_device_members(buffer->mesh); i++) {
		if (buffer->mesh->devices[i])
			error = device_buffer_wrap(buffer->mesh->devices[i], &buffer->backing,
			                           &buffer->locals[i]);
	}
	if (error)
		mesh_buffer_deallocate(buffer);
	return error;
}

int mesh_buffer_create(struct mesh_device *mesh, enum mesh_layout layout,
		       const struct buffer_spec *spec, struct mesh_buffer **ret_buffer)
{
	uint32_t members = mesh_device_members(mesh);
	struct buffer_spec each = *spec;
	struct mesh_buffer *buffer;
	int error;

	if (!mesh->open)
		return -ENODEV;
	if (layout == MESH_SHARDED) {
		if (spec->bytes % members != 0)
			return -EINVAL;
		each.bytes = spec->bytes / members;
	}
	buffer = calloc(1, sizeof *buffer + members * sizeof buffer->locals[0]);
	if (!buffer)
		return -ENOMEM;
	buffer->mesh = mesh;
	buffer->layout = layout;
	error = device_buffer_create_backing(mesh, &each, &buffer->backing);
	if (!error)
		error = wrap_locals(buffer);
	if (error) {
		free(buffer);
		return error;
	}
	link_live(buffer);
	*ret_buffer = buffer;
	return 0;
}

int mesh_buffer_deallocate(struct mesh_buffer *buffer)
{
	if (!buffer->backing.allocated)
		return -EALREADY;
	for (uint32_t i = 0; i < mesh_device_members(buffer->mesh); i++)
		device_buffer_deallocate(&buffer->locals[i]);
	device_buffer_deallocate(&buffer->backing);
	return 0;
}

void mesh_buffer_destroy(struct mesh_buffer *buffer)
{
	if (!buffer)
		return;
	mesh_buffer_deallocate(buffer);
	unlink_live(buffer);
	free(buffer);
}

int mesh_buffer_check(const struct mesh_buffer *buffer, uint32_t member, uint64_t offset,
                      size_t bytes)
{
	const struct device_buffer *backing = &buffer->backing;

	if (!backing->holds)
		return -EBADF;
	if (member >= mesh_device_members(buffer->mesh) || !buffer->mesh->devices[member])
		return -ENODEV;
	if (offset > backing->spec.bytes || bytes > backing->spec.bytes - offset)
		return -ERANGE;
	return 0;
}

int mesh_buffer_write(struct mesh_buffer *buffer, uint32_t member, uint64_t offset,
		      const void *data, size_t bytes)
{
	int error = mesh_buffer_check(buffer, member, offset, bytes);

	if (error)
		return error;
	return buffer->mesh->machine->backend->write(buffer->locals[member].range, offset, data,
	                                             bytes);
}

int mesh_buffer_read(struct mesh_buffer *buffer, uint32_t member, uint64_t offset, void *data,
		     size_t bytes)
{
	int error = mesh_buffer_check(buffer, member, offset, bytes);

	if (error)
		return error;
	return buffer->mesh->machine->backend->read(buffer->locals[member].range, offset, data,
	                                            bytes);
}

int mesh_trace_create(struct mesh_device *mesh, uint64_t bytes, struct mesh_buffer **ret_buffer)
{
	struct buffer_spec spec = {.role = MEMORY_TRACE, .bytes = bytes, .site = "trace capture"};

	return mesh_buffer_create(mesh, MESH_REPLICATED, &spec, ret_buffer);
}

void mesh_buffer_abandon(struct mesh_buffer *buffer)
{
	for (uint32_t i = 0; i < mesh_device_members(buffer->mesh); i++) {
		struct device *device = buffer->mesh->devices[i];

		if (device && device->openings > 0)
			device_buffer_mark_as_deallocated(&buffer->locals[i]);
		device_buffer_release_range(&buffer->locals[i]);
	}
	device_buffer_release_range(&buffer->backing);
}
