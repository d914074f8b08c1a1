/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order matters: the range is taken before it is reported, and its end is reported before the range
 * is given back, so that no other thread's report of the same address can come in between.
 */
#include "device_buffer.h"

#include "graph_tracker.h"
#include "mesh_device.h"

#include <assert.h>
#include <errno.h>

static int open_range(struct machine *machine, struct device_buffer *buffer)
{
	if (!buffer->device)
		return 0;
	return machine_range_open(machine, buffer->device->chip, buffer->spec.role, buffer->address,
	                          buffer->span, &buffer->range);
}

static int take_range(struct machine *machine, struct bank_set set, struct device_buffer *buffer)
{
	const struct buffer_spec *spec = &buffer->spec;
	const struct mt_memory *memory = &machine->memories[spec->role];
	bool top_down = spec->top_down || spec->role == MEMORY_L1;
	struct bank_stats stats;
	int error;

	if (spec->bytes == 0 || memory->banks == 0)
		return -EINVAL;
	buffer->span = machine_span(machine, spec->role, spec->bytes);
	pthread_mutex_lock(&machine->lock);
	error = bank_set_alloc(set, buffer->span, memory->align, top_down, &buffer->address);
	bank_set_stats(set, &stats);
	pthread_mutex_unlock(&machine->lock);
	if (error == -ENOMEM)
		graph_tracker_track_failure(machine->tracker, buffer, &stats);
	if (error)
		return error;
	buffer->holds = true;
	error = open_range(machine, buffer);
	if (error) {
		device_buffer_release_range(buffer);
		return error;
	}
	buffer->unique_id = machine_unique_id(machine);
	buffer->owned = buffer->allocated = true;
	graph_tracker_track_allocate(machine->tracker, buffer);
	return 0;
}

int device_buffer_create(struct device *device, const struct buffer_spec *spec,
			 struct device_buffer *ret_buffer)
{
	struct bank_allocator *member = &device->chip->allocators[spec->role];

	*ret_buffer = (struct device_buffer){.spec = *spec, .device = device};
	return take_range(device->machine, (struct bank_set){&member, 1}, ret_buffer);
}

int device_buffer_create_backing(struct mesh_device *mesh, const struct buffer_spec *spec,
				 struct device_buffer *ret_buffer)
{
	*ret_buffer = (struct device_buffer){.spec = *spec, .mesh = mesh};
	return take_range(mesh->machine, mesh_device_banks(mesh, spec->role), ret_buffer);
}

int device_buffer_wrap(struct device *device, const struct device_buffer *backing,
                       struct device_buffer *ret_buffer)
{
	int error;

	*ret_buffer = (struct device_buffer){.spec = backing->spec,
	                                     .device = device,
	                                     .backing = backing,
	                                     .address = backing->address,
	                                     .span = backing->span};
	error = open_range(device->machine, ret_buffer);
	if (error)
		return error;
	ret_buffer->unique_id = machine_unique_id(device->machine);
	ret_buffer->allocated = true;
	graph_tracker_track_allocate(device->machine->tracker, ret_buffer);
	return 0;
}

static struct machine *machine_of(const struct device_buffer *buffer)
{
	return buffer->mesh ? buffer->mesh->machine : buffer->device->machine;
}

void device_buffer_mark_as_deallocated(struct device_buffer *buffer)
{
	if (!buffer->allocated)
		return;
	buffer->allocated = false;
	graph_tracker_track_deallocate(machine_of(buffer)->tracker, buffer);
}

void device_buffer_deallocate(struct device_buffer *buffer)
{
	device_buffer_mark_as_deallocated(buffer);
	device_buffer_release_range(buffer);
}

void device_buffer_release_range(struct device_buffer *buffer)
{
	struct bank_allocator *member;
	struct bank_set set;
	struct machine *machine;
	int error;

	if (!buffer->holds && !buffer->range)
		return;
	machine = machine_of(buffer);
	machine->backend->range_close(buffer->range);
	buffer->range = NULL;
	if (!buffer->holds)
		return;
	buffer->holds = false;
	if (buffer->mesh) {
		set = mesh_device_banks(buffer->mesh, buffer->spec.role);
	} else {
		member = &buffer->device->chip->allocators[buffer->spec.role];
		set = (struct bank_set){&member, 1};
	}
	pthread_mutex_lock(&machine->lock);
	error = bank_set_free(set, buffer->address, buffer->span);
	pthread_mutex_unlock(&machine->lock);
	assert(error == 0);
	(void)error;
}
