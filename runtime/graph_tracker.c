/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reports by table: where a backing buffer goes, whether device-local buffers are told, which frees
 * are, and by which key. Nothing here looks at the allocator and nothing here can fail; what is
 * answered is counted for whoever wants to know.
 */
#include "graph_tracker.h"

#include "mesh_device.h"

#include <errno.h>
#include <string.h>

const struct hooks_mode hooks_modes[] = {
	{"naive-owned", BACKING_ON_DEVICE_ZERO, true, false, true, 0, 0,
	 "backing and device-local buffers without flags; frees only of owned buffers"},
	{"naive-all", BACKING_ON_DEVICE_ZERO, true, true, true, 0, 0,
	 "the same, every buffer's free reported"},
	{"both", BACKING_ON_MESH, true, true, false, MT_BACKING, MT_LOCAL,
	 "backing and device-local buffers, flagged as what they are"},
	{"device-local", BACKING_SKIPPED, true, true, false, 0, 0,
	 "device-local buffers only: a mesh device is skipped"},
	{"backing", BACKING_ON_MESH, false, true, false, MT_BACKING, 0,
	 "backing buffers only, on their mesh"},
	{"mesh", BACKING_ON_MESH, false, true, false, 0, 0, "one report per mesh buffer"},
};
const size_t hooks_mode_count = sizeof hooks_modes / sizeof hooks_modes[0];

const struct report_functions report_to_meshtally = {
	.device_open = mt_device_open,
	.mesh_open = mt_mesh_open,
	.ready = mt_ready,
	.close = mt_close,
	.alloc = mt_alloc,
	.free = mt_free,
	.alloc_failed = mt_alloc_failed,
	.program_dispatch = mt_program_dispatch,
	.program_clash = mt_program_clash,
};

const struct hooks_mode *hooks_mode_find(const char *name)
{
	for (size_t i = 0; i < hooks_mode_count; i++) {
		if (strcmp(hooks_modes[i].name, name) == 0)
			return &hooks_modes[i];
	}
	return NULL;
}

int graph_tracker_init(struct graph_tracker *tracker, const struct hooks_mode *mode,
		       bool unique_ids)
{
	if (mode->naive && unique_ids)
		return -EINVAL;
	memset(tracker, 0, sizeof *tracker);
	tracker->reports = &report_to_meshtally;
	tracker->mode = mode;
	tracker->unique_ids = unique_ids;
	return 0;
}

uint32_t graph_tracker_kind(const char *name)
{
	static const struct {
		const char *name;
		uint32_t kind;
	} known[] = {
		{"DRAM", MT_DRAM}, {"L1", MT_L1}, {"L1_SMALL", MT_L1_SMALL}, {"TRACE", MT_TRACE}};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].kind;
	}
	return mt_kind(name);
}

static void count(struct graph_tracker *tracker, mt_result result)
{
	if ((unsigned)result < GRAPH_TRACKER_RESULTS)
		atomic_fetch_add_explicit(&tracker->results[result], 1, memory_order_relaxed);
}

void graph_tracker_open_device(struct graph_tracker *tracker, struct device *device)
{
	const struct machine *machine = device->machine;
	struct mt_memory memories[MEMORY_ROLES];
	struct mt_device opened = {.struct_size = sizeof opened,
				   .ordinal = device->chip->ordinal,
				   .unique_id = device->chip->unique_id,
				   .arch = machine->arch->name,
				   .bus = device->chip->bus,
				   .memories = memories,
				   .flags = tracker->unique_ids ? MT_UNIQUE_IDS : 0};

	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		if (machine->memories[role].banks != 0)
			memories[opened.memory_count++] = machine->memories[role];
	}
	device->space = tracker->reports->device_open(&opened);
	device->chip->last_space = device->space;
}

void graph_tracker_open_mesh(struct graph_tracker *tracker, struct mesh_device *mesh)
{
	mt_space spaces[MESH_MEMBERS_MAX];
	struct mt_mesh opened = {.struct_size = sizeof opened,
				 .rows = mesh->rows,
				 .columns = mesh->columns,
				 .flags = tracker->unique_ids ? MT_UNIQUE_IDS : 0,
				 .devices = spaces,
				 .parent = mesh->parent ? mesh->parent->space : 0,
				 .name = mesh->parent ? "sub-mesh" : "mesh"};

	if (tracker->mode->naive)
		return;
	for (uint32_t i = 0; i < mesh_device_members(mesh); i++)
		spaces[i] = mesh->devices[i] ? mesh->devices[i]->space : 0;
	mesh->space = tracker->reports->mesh_open(&opened);
}

void graph_tracker_ready(struct graph_tracker *tracker, mt_space space)
{
	if (space != 0)
		count(tracker, tracker->reports->ready(space));
}

void graph_tracker_close(struct graph_tracker *tracker, mt_space space)
{
	if (space != 0)
		count(tracker, tracker->reports->close(space, 0));
}

/* Whether anything is said of this buffer at all. */
static bool is_reported(const struct graph_tracker *tracker, const struct device_buffer *buffer)
{
	if (buffer->mesh)
		return tracker->mode->backing != BACKING_SKIPPED;
	return buffer->backing == NULL || tracker->mode->locals;
}

static mt_space space_of(const struct graph_tracker *tracker, const struct device_buffer *buffer)
{
	if (!buffer->mesh)
		return buffer->device->space;
	if (tracker->mode->naive)
		return buffer->mesh->machine->chips[0].last_space;
	return buffer->mesh->space;
}

/* Addresses repeat from memory to memory: the right modes keep the kinds apart in the id, where
 * an id may be more than an address. */
static uint64_t id_of(const struct graph_tracker *tracker, const struct device_buffer *buffer)
{
	if (tracker->unique_ids)
		return buffer->unique_id;
	if (tracker->mode->naive || tracker->reports->bare_addresses)
		return buffer->address;
	return (uint64_t)(buffer->spec.role + 1) << 56 | buffer->address;
}

static const struct machine *machine_of(const struct device_buffer *buffer)
{
	return buffer->mesh ? buffer->mesh->machine : buffer->device->machine;
}

static uint32_t flags_of(const struct graph_tracker *tracker, const struct device_buffer *buffer)
{
	if (tracker->mode->naive)
		return 0;
	if (buffer->mesh)
		return buffer->spec.flags | tracker->mode->backing_flags;
	return buffer->spec.flags | (buffer->backing ? tracker->mode->local_flags : 0);
}

void graph_tracker_track_allocate(struct graph_tracker *tracker, const struct device_buffer *buffer)
{
	struct mt_buffer report = {.struct_size = sizeof report};

	if (!is_reported(tracker, buffer))
		return;
	report.space = space_of(tracker, buffer);
	report.id = id_of(tracker, buffer);
	report.address = buffer->address;
	report.bytes = buffer->spec.bytes;
	report.span = buffer->span;
	report.kind = machine_of(buffer)->memories[buffer->spec.role].kind;
	report.flags = flags_of(tracker, buffer);
	report.site = buffer->spec.site;
	if (report.flags & MT_LOCAL)
		report.parent = id_of(tracker, buffer->backing);
	count(tracker, tracker->reports->alloc(&report));
}

void graph_tracker_track_deallocate(struct graph_tracker *tracker,
				    const struct device_buffer *buffer)
{
	if (!is_reported(tracker, buffer))
		return;
	if (!buffer->owned && !tracker->mode->free_not_owned)
		return;
	count(tracker, tracker->reports->free(space_of(tracker, buffer), id_of(tracker, buffer)));
}

void graph_tracker_track_failure(struct graph_tracker *tracker, const struct device_buffer *buffer,
				 const struct bank_stats *stats)
{
	struct mt_failure failure = {
		.struct_size = sizeof failure,
		.space = space_of(tracker, buffer),
		.kind = machine_of(buffer)->memories[buffer->spec.role].kind,
		.bytes = buffer->spec.bytes,
		.span = buffer->span,
		.free_span = stats->free_bytes,
		.largest_span = stats->largest_free_bytes,
		.reason = buffer->spec.site,
	};

	count(tracker, tracker->reports->alloc_failed(&failure));
}

void graph_tracker_function_start(const char *name)
{
	(void)mt_tag_push(name);
}

void graph_tracker_function_end(void)
{
	mt_tag_pop();
}

mt_program *graph_tracker_define_program(uint64_t id, const struct mt_cb *cbs, uint32_t cb_count)
{
	return mt_program_define(id, cbs, cb_count, 0);
}

void graph_tracker_drop_program(mt_program *program)
{
	if (program)
		mt_program_drop(program);
}

void graph_tracker_dispatch(struct graph_tracker *tracker, mt_program *program,
			    const struct mesh_device *mesh)
{
	if (mesh->space != 0) {
		count(tracker, tracker->reports->program_dispatch(program, mesh->space));
		return;
	}
	for (uint32_t i = 0; i < mesh_device_members(mesh); i++) {
		if (mesh->devices[i])
			count(tracker, tracker->reports->program_dispatch(program, mesh->devices[i]->space));
	}
}

void graph_tracker_clash(struct graph_tracker *tracker, mt_program *program,
			 const struct mesh_device *mesh, uint64_t cb_end, uint64_t lowest_buffer)
{
	mt_space space = mesh->space != 0 ? mesh->space : mesh->machine->chips[0].last_space;

	count(tracker, tracker->reports->program_clash(program, space, cb_end, lowest_buffer));
}
