/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening in the order of real runtimes: chips, their command queues and fabric state, then
 * "ready", then the mesh. Closing runs backwards: every report before what it reports is given
 * back.
 */
#include "mesh_device.h"

#include "graph_tracker.h"
#include "mesh_buffer.h"
#include "program_cache.h"

#include <errno.h>
#include <stdlib.h>

static void device_release_queues(struct device *device)
{
	for (size_t i = 0; i < DEVICE_QUEUE_BUFFERS; i++) {
		if (device->machine->config.queues_unhooked)
			device_buffer_release_range(&device->queues[i]);
		else
			device_buffer_deallocate(&device->queues[i]);
	}
}

static void device_close(struct device *device)
{
	device_release_queues(device);
	device_buffer_deallocate(&device->fabric);
	graph_tracker_close(device->machine->tracker, device->space);
}

/* The pages of the queues, as evenly over ten buffers as they go. */
static int take_system_buffers(struct device *device)
{
	const struct machine_config *config = &device->machine->config;
	uint64_t page = device->machine->arch->memories[MEMORY_MAIN].page_bytes;
	uint64_t pages = (config->queue_bytes + page - 1) / page;
	struct buffer_spec spec = {.flags = MT_SYSTEM, .site = "command queue"};
	int error = 0;

	for (uint64_t i = 0; !error && i < DEVICE_QUEUE_BUFFERS && pages > 0; i++) {
		spec.bytes = (pages + i) / DEVICE_QUEUE_BUFFERS * page;
		if (spec.bytes > 0)
			error = device_buffer_create(device, &spec, &device->queues[i]);
	}
	if (!error && config->fabric_bytes > 0 && device->chip->ordinal == 0) {
		spec.role = MEMORY_L1;
		spec.bytes = config->fabric_bytes;
		spec.site = "fabric";
		error = device_buffer_create(device, &spec, &device->fabric);
	}
	return error;
}

/* A chip twice in one mesh would be asked for the same address twice. */
static bool has_ordinal_before(const int32_t *order, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++) {
		if (order[i] == order[index])
			return true;
	}
	return false;
}

static int device_open(struct machine *machine, int32_t ordinal, struct device **ret_device)
{
	struct device *device;
	int error;

	if (ordinal < 0 || (uint32_t)ordinal >= machine->config.chips)
		return -ENODEV;
	device = calloc(1, sizeof *device);
	if (!device)
		return -ENOMEM;
	device->machine = machine;
	device->chip = &machine->chips[ordinal];
	graph_tracker_open_device(machine->tracker, device);
	error = take_system_buffers(device);
	if (error) {
		device_close(device);
		free(device);
		return error;
	}
	graph_tracker_ready(machine->tracker, device->space);
	*ret_device = device;
	return 0;
}

static int mesh_create(struct machine *machine, uint32_t rows, uint32_t columns,
		       struct mesh_device **ret_mesh)
{
	struct mesh_device *mesh;
	size_t members;

	if (rows == 0 || columns == 0 || rows > MESH_MEMBERS_MAX ||
	    columns > MESH_MEMBERS_MAX / rows)
		return -EINVAL;
	members = (size_t)rows * columns;
	mesh = calloc(1, sizeof *mesh);
	if (!mesh)
		return -ENOMEM;
	mesh->machine = machine;
	mesh->rows = rows;
	mesh->columns = columns;
	mesh->refs = 1;
	mesh->devices = calloc(members, sizeof(struct device *));
	mesh->banks[0] = calloc(members * MEMORY_ROLES, sizeof(struct bank_allocator *));
	if (!mesh->devices || !mesh->banks[0]) {
		mesh_device_unref(mesh);
		return -ENOMEM;
	}
	for (size_t role = 1; role < MEMORY_ROLES; role++)
		mesh->banks[role] = mesh->banks[0] + role * members;
	*ret_mesh = mesh;
	return 0;
}

static void mesh_add(struct mesh_device *mesh, uint32_t index, struct device *device)
{
	mesh->devices[index] = device;
	device->openings++;
	device->refs++;
	for (size_t role = 0; role < MEMORY_ROLES; role++)
		mesh->banks[role][mesh->local_count] = &device->chip->allocators[role];
	mesh->local_count++;
}

static void mesh_announce(struct mesh_device *mesh)
{
	mesh->open = true;
	graph_tracker_open_mesh(mesh->machine->tracker, mesh);
	graph_tracker_ready(mesh->machine->tracker, mesh->space);
}

int mesh_device_open(struct machine *machine, uint32_t rows, uint32_t columns, const int32_t *order,
		     struct mesh_device **ret_mesh)
{
	struct mesh_device *mesh;
	int error = mesh_create(machine, rows, columns, &mesh);

	if (error)
		return error;
	for (uint32_t i = 0; i < rows * columns; i++) {
		struct device *device;

		if (order[i] == MESH_REMOTE)
			continue;
		error = has_ordinal_before(order, i) ? -EINVAL
						     : device_open(machine, order[i], &device);
		if (error) {
			mesh->open = true;
			mesh_device_destroy(mesh);
			return error;
		}
		mesh_add(mesh, i, device);
	}
	mesh_announce(mesh);
	*ret_mesh = mesh;
	return 0;
}

int mesh_device_open_submesh(struct mesh_device *parent, uint32_t row, uint32_t column,
			     uint32_t rows, uint32_t columns, struct mesh_device **ret_mesh)
{
	struct mesh_device *mesh;
	int error;

	if (row >= parent->rows || rows > parent->rows - row || column >= parent->columns ||
	    columns > parent->columns - column || !parent->open)
		return -EINVAL;
	error = mesh_create(parent->machine, rows, columns, &mesh);
	if (error)
		return error;
	for (uint32_t i = 0; i < rows * columns; i++) {
		uint32_t from = (row + i / columns) * parent->columns + column + i % columns;

		if (parent->devices[from])
			mesh_add(mesh, i, parent->devices[from]);
	}
	mesh->parent = parent;
	mesh_device_ref(parent);
	mesh_announce(mesh);
	*ret_mesh = mesh;
	return 0;
}

void mesh_device_release_queues(struct mesh_device *mesh)
{
	for (uint32_t i = 0; i < mesh_device_members(mesh); i++) {
		if (mesh->devices[i])
			device_release_queues(mesh->devices[i]);
	}
}

int mesh_device_close(struct mesh_device *mesh)
{
	if (!mesh->open)
		return -EALREADY;
	mesh->open = false;
	graph_tracker_close(mesh->machine->tracker, mesh->space);
	for (uint32_t i = 0; i < mesh_device_members(mesh); i++) {
		if (mesh->devices[i] && --mesh->devices[i]->openings == 0)
			device_close(mesh->devices[i]);
	}
	program_cache_abandon(mesh);
	for (struct mesh_buffer *buffer = mesh->live; buffer; buffer = buffer->next)
		mesh_buffer_abandon(buffer);
	return 0;
}

void mesh_device_destroy(struct mesh_device *mesh)
{
	if (!mesh)
		return;
	mesh_device_close(mesh);
	mesh_device_unref(mesh);
}

void mesh_device_ref(struct mesh_device *mesh)
{
	atomic_fetch_add(&mesh->refs, 1);
}

void mesh_device_unref(struct mesh_device *mesh)
{
	if (atomic_fetch_sub(&mesh->refs, 1) != 1)
		return;
	for (uint32_t i = 0; mesh->devices && i < mesh_device_members(mesh); i++) {
		if (mesh->devices[i] && atomic_fetch_sub(&mesh->devices[i]->refs, 1) == 1)
			free(mesh->devices[i]);
	}
	if (mesh->parent)
		mesh_device_unref(mesh->parent);
	free(mesh->devices);
	free(mesh->banks[0]);
	free(mesh);
}

uint32_t mesh_device_members(const struct mesh_device *mesh)
{
	return mesh->rows * mesh->columns;
}

struct bank_set mesh_device_banks(const struct mesh_device *mesh, enum memory_role role)
{
	return (struct bank_set){mesh->banks[role], mesh->local_count};
}
