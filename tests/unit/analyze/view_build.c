/* SPDX-License-Identifier: Apache-2.0 */
#include "view_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct built_view *build_view(int32_t pid, enum view_life life)
{
	static const char *const kinds[] = {"DRAM", "L1", "HOST", "L1_SMALL", "TRACE", "CB"};
	struct built_view *built = calloc(1, sizeof(*built));
	struct segment_view *view = &built->view;

	view->name = "test.seg";
	view->identity = 0x1000 + (uint64_t)pid;
	view->life = life;
	view->depth = VIEW_BUFFERS;
	view->subject.pid = view->writer.pid = pid;
	view->rank = -1;
	view->comm = "program";
	view->command_line = "/usr/bin/program --flag";
	view->exact = true;
	view->read_ns = BUILD_READ_NS;
	view->last_ns = BUILD_READ_NS - 1500000000;
	view->kind_count = 6;
	for (int i = 0; i < 6; i++)
		snprintf(view->kind_names[i], sizeof(view->kind_names[i]), "%s", kinds[i]);
	view->devices = built->devices;
	view->spaces = built->spaces;
	view->tags = built->tags;
	view->rows = built->rows;
	view->figures = built->figures;
	view->buffers = built->buffers;
	view->faults = built->faults;
	view->frames = built->frames;
	view->failures = built->failures;
	view->programs = built->programs;
	build_tag(built, "");
	return built;
}

void build_free(struct built_view *built)
{
	free(built);
}

uint32_t build_device(struct built_view *built, uint64_t unique_id, int32_t ordinal,
                      const char *bus)
{
	struct view_device *device = &built->devices[built->view.device_count];

	device->unique_id = unique_id;
	device->ordinal = ordinal;
	device->arch = "wormhole_b0";
	device->bus = bus;
	device->memory_count = 2;
	device->memories[0] = (struct segment_memory){MT_DRAM, 12, 0, 1u << 30, 32};
	device->memories[1] = (struct segment_memory){MT_L1, 64, 0, 1u << 20, 16};
	return built->view.device_count++;
}

uint32_t build_unplaced(struct built_view *built, int32_t ordinal)
{
	uint32_t number = build_device(built, 0, ordinal, "");

	built->devices[number].unplaced = true;
	built->devices[number].arch = "";
	built->devices[number].memory_count = 0;
	return number;
}

uint32_t build_mesh_space(struct built_view *built, uint16_t rows, uint16_t columns,
                          const uint32_t *devices)
{
	uint32_t number = built->view.space_count++;
	struct view_space *space = &built->spaces[number];

	space->handle = number + 1;
	space->type = SPACE_MESH;
	space->state = SPACE_READY;
	space->rows = rows;
	space->columns = columns;
	space->member_count = (uint32_t)rows * columns;
	space->members = built->members[number];
	memcpy(space->members, devices, space->member_count * sizeof(*devices));
	space->name = "";
	space->residents = built->residents;
	return number;
}

uint32_t build_device_space(struct built_view *built, uint32_t device)
{
	uint32_t number = build_mesh_space(built, 1, 1, &device);

	built->spaces[number].type = SPACE_DEVICE;
	return number;
}

uint32_t build_tag(struct built_view *built, const char *path)
{
	built->tags[built->view.tag_count] = (struct view_tag){0, path, path};
	return built->view.tag_count++;
}

struct view_buffer *build_buffer(struct built_view *built, uint32_t space, uint64_t id,
                                 uint64_t bytes)
{
	uint32_t number = built->view.buffer_count++;
	struct view_buffer *buffer = &built->buffers[number];

	buffer->id = id;
	buffer->bytes = bytes;
	buffer->span = bytes / 12;
	buffer->address = number * (uint64_t)0x1000000;
	buffer->op = number + 1;
	buffer->slot = number;
	buffer->space = space;
	buffer->site = "";
	return buffer;
}

static void add_figure(struct built_view *built, const struct view_buffer *buffer, uint32_t member)
{
	uint32_t device = built->spaces[buffer->space].members[member];
	uint64_t bytes =
		buffer->member_bytes != NULL ? buffer->member_bytes[member] : buffer->bytes;
	struct view_figure *figure =
		&built->figures[buffer->kind * built->view.device_count + device];
	struct view_row *row = &built->rows[built->view.row_count++];

	*row = (struct view_row){buffer->space,
	                         (uint16_t)member,
	                         buffer->kind,
	                         buffer->class_now,
	                         buffer->tag,
	                         buffer->closed,
	                         bytes,
	                         bytes,
	                         1,
	                         1,
	                         0};
	if (buffer->closed)
		return;
	figure->bytes[buffer->class_now] += bytes;
	figure->buffers[buffer->class_now]++;
	if (buffer->class_now < CLASS_COUNTED_LIMIT)
		figure->held += bytes;
}

void build_figures(struct built_view *built)
{
	struct segment_view *view = &built->view;

	view->row_count = 0;
	memset(built->figures, 0, sizeof(built->figures));
	for (uint32_t i = 0; i < view->buffer_count; i++)
		for (uint32_t m = 0; m < built->spaces[built->buffers[i].space].member_count; m++)
			add_figure(built, &built->buffers[i], m);
	for (uint32_t d = 0; d < view->device_count; d++) {
		if (built->devices[d].unplaced)
			continue;
		built->figures[d].capacity = (uint64_t)12 << 30;
		built->figures[view->device_count + d].capacity = 64u << 20;
	}
	for (uint32_t i = 0; i < 6 * view->device_count; i++)
		built->figures[i].peak = built->figures[i].held;
}
