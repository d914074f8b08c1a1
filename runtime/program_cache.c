/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list, newest first: a handful of programs is all that there is.
 */
#include "program_cache.h"

#include "graph_tracker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Stands for a compiler's output: the same bytes on every device. */
static int write_kernels(struct mesh_buffer *kernels)
{
	uint32_t words[512];
	uint64_t bytes = kernels->backing.spec.bytes;
	int error = 0;

	for (uint32_t i = 0; i < 512; i++)
		words[i] = i * 2654435761u;
	for (uint32_t member = 0; member < mesh_device_members(kernels->mesh); member++) {
		if (!kernels->mesh->devices[member])
			continue;
		for (uint64_t at = 0; !error && at < bytes; at += sizeof words) {
			size_t part =
				bytes - at < sizeof words ? (size_t)(bytes - at) : sizeof words;

			error = mesh_buffer_write(kernels, member, at, words, part);
		}
	}
	return error;
}

static void define_cbs(const struct mesh_device *mesh, const struct program_spec *spec,
		       struct program *program)
{
	const struct machine *machine = mesh->machine;
	struct mt_cb cbs[PROGRAM_CBS_MAX];
	uint64_t address = machine->memories[MEMORY_L1].base;
	uint32_t count = machine->memories[MEMORY_L1].banks == 0 ? 0 : spec->cb_count;

	for (uint32_t i = 0; i < count; i++) {
		cbs[i] = (struct mt_cb){.x1 = (uint16_t)(machine->arch->grid_columns - 1),
					.y1 = (uint16_t)(machine->arch->grid_rows - 1),
					.address = address,
					.bytes = spec->cb_bytes[i]};
		address += spec->cb_bytes[i];
	}
	program->cb_end = address;
	if (count > 0) {
		program->reported = graph_tracker_define_program(
			program->kernels->backing.unique_id, cbs, count);
	}
}

static int compile(struct mesh_device *mesh, const struct program_spec *spec,
		   struct program *program)
{
	struct buffer_spec kernels = {.role = MEMORY_MAIN,
				      .bytes = spec->kernel_bytes,
				      .top_down = true,
				      .flags = MT_CACHE,
				      .site = "kernel binaries"};
	int error = mesh_buffer_create(mesh, MESH_REPLICATED, &kernels, &program->kernels);

	if (!error)
		error = write_kernels(program->kernels);
	if (!error)
		define_cbs(mesh, spec, program);
	return error;
}

int program_cache_get(struct mesh_device *mesh, const struct program_spec *spec,
		      struct program **ret_program)
{
	struct program *program;
	int error;

	if (spec->cb_count > PROGRAM_CBS_MAX)
		return -EINVAL;
	for (program = mesh->programs; program; program = program->next) {
		if (strcmp(program->name, spec->name) == 0) {
			*ret_program = program;
			return 0;
		}
	}
	program = calloc(1, sizeof *program);
	if (!program)
		return -ENOMEM;
	program->name = spec->name;
	error = compile(mesh, spec, program);
	if (error) {
		mesh_buffer_destroy(program->kernels);
		free(program);
		return error;
	}
	program->next = mesh->programs;
	mesh->programs = program;
	*ret_program = program;
	return 0;
}

int program_dispatch(struct mesh_device *mesh, struct program *program)
{
	struct bank_set l1 = mesh_device_banks(mesh, MEMORY_L1);
	uint64_t lowest = UINT64_MAX;

	if (mesh->machine->memories[MEMORY_L1].banks == 0)
		return 0;
	pthread_mutex_lock(&mesh->machine->lock);
	for (size_t i = 0; i < l1.count; i++) {
		uint64_t used = bank_allocator_lowest(l1.members[i]);

		lowest = used < lowest ? used : lowest;
	}
	pthread_mutex_unlock(&mesh->machine->lock);
	if (program->cb_end > lowest) {
		graph_tracker_clash(mesh->machine->tracker, program->reported, mesh,
				    program->cb_end, lowest);
		return -ENOSPC;
	}
	graph_tracker_dispatch(mesh->machine->tracker, program->reported, mesh);
	return 0;
}

static void drop_first(struct mesh_device *mesh)
{
	struct program *program = mesh->programs;

	mesh->programs = program->next;
	graph_tracker_drop_program(program->reported);
	mesh_buffer_destroy(program->kernels);
	free(program);
}

void program_cache_clear(struct mesh_device *mesh)
{
	while (mesh->programs)
		drop_first(mesh);
}

void program_cache_abandon(struct mesh_device *mesh)
{
	while (mesh->programs) {
		struct mesh_buffer *kernels = mesh->programs->kernels;

		mesh_buffer_abandon(kernels);
		kernels->backing.allocated = false;
		for (uint32_t i = 0; i < mesh_device_members(mesh); i++)
			kernels->locals[i].allocated = false;
		drop_first(mesh);
	}
}
