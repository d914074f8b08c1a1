/* SPDX-License-Identifier: Apache-2.0 */
#include "example_places.h"

#include <string.h>

#define NOW_NS    1795340000000000000ull /* 2026-11-22 in the morning */
#define SECOND_NS 1000000000ull
#define CHIP      0x4d4553480000u

/* The spaces of each process. */
enum { ON_FIRST, ON_SECOND, NOWHERE };

static struct view_buffer *put(struct built_view *built, uint32_t space, uint64_t bytes,
                               const char *site)
{
	struct view_buffer *buffer =
		build_buffer(built, space, 1 + built->view.buffer_count, bytes);

	buffer->span = bytes;
	buffer->one_bank = true;
	buffer->flags = MT_NO_ADDRESS;
	buffer->address = SEGMENT_NO_ADDRESS;
	buffer->site = site;
	buffer->tag = 1;
	buffer->time_ns = NOW_NS - 30 * SECOND_NS;
	return buffer;
}

static struct built_view *add(struct example_places *example, size_t number, int32_t pid,
                              enum view_life life)
{
	struct built_view *built = build_view(pid, life);

	for (uint32_t d = 0; d < 2; d++) {
		build_device(built, CHIP + d, (int32_t)d, "");
		built->devices[d].arch = "gpu";
		build_device_space(built, d);
	}
	build_device_space(built, build_unplaced(built, 0));
	build_tag(built, "weights");
	example->built[number] = built;
	*vec_add(&example->scene.views) = &built->view;
	return built;
}

static void add_failure(struct example_places *example, struct built_view *built)
{
	for (size_t i = 0; i < 2; i++)
		example->buffers[i] = (struct view_failure_buffer){.id = i + 1,
		                                                   .address = SEGMENT_NO_ADDRESS,
		                                                   .bytes = 4 << 20,
		                                                   .span = 4 << 20,
		                                                   .tag = "weights",
		                                                   .site = "clCreateBuffer",
		                                                   .class_then = CLASS_USER};
	example->failed = (struct segment_failure_device){.device = 2, .held = 8 << 20};
	example->line = (struct view_line){NOWHERE, ROW_ALL_MEMBERS, MT_DRAM, CLASS_USER, "weights",
	                                   2,       8 << 20,         8 << 20};
	built->failures[built->view.failure_count++] =
		(struct view_failure){.op = 77,
	                              .time_ns = NOW_NS - 60 * SECOND_NS,
	                              .bytes = 16ull << 30,
	                              .span = 16ull << 30,
	                              .free_span = UINT64_MAX,
	                              .largest_span = UINT64_MAX,
	                              .space = NOWHERE,
	                              .kind = MT_DRAM,
	                              .number = 1,
	                              .reason = "CL_MEM_OBJECT_ALLOCATION_FAILURE",
	                              .tag = "weights",
	                              .device_count = 1,
	                              .line_count = 1,
	                              .buffer_count = 2,
	                              .buffers_total = 2,
	                              .devices = &example->failed,
	                              .lines = &example->line,
	                              .buffers = example->buffers};
}

static void add_fault(struct built_view *built)
{
	built->faults[built->view.fault_count++] =
		(struct view_fault){.type = MT_DOUBLE_FREE,
	                            .space = NOWHERE,
	                            .kind = MT_DRAM,
	                            .device = 2,
	                            .id = 9,
	                            .address = SEGMENT_NO_ADDRESS,
	                            .bytes_first = 4096,
	                            .tag_first = "weights",
	                            .site_first = "clCreateBuffer",
	                            .tag_second = "",
	                            .site_second = "",
	                            .first_ns = NOW_NS - 65 * SECOND_NS,
	                            .last_ns = NOW_NS - 65 * SECOND_NS,
	                            .count = 1};
	built->view.fault_total = 1;
	built->view.faults_by_type[MT_DOUBLE_FREE] = 1;
}

void example_places_make(struct example_places *example)
{
	struct scene *scene = &example->scene;
	struct built_view *built;
	struct machine_input input;

	memset(example, 0, sizeof(*example));
	built = add(example, 0, 800, LIFE_ALIVE);
	put(built, ON_FIRST, 32 << 20, "clCreateBuffer");
	put(built, ON_SECOND, 32 << 20, "clCreateBuffer");
	put(built, NOWHERE, 60 << 20, "clCreateImage");
	put(built, NOWHERE, 1 << 20, "clCreateBuffer")->kind = MT_HOST;
	built = add(example, 1, 801, LIFE_ALIVE);
	put(built, ON_FIRST, 32 << 20, "clCreateBuffer");
	put(built, NOWHERE, 2 << 20, "clCreateBuffer");
	put(built, NOWHERE, 2 << 20, "clCreateBuffer");
	built = add(example, 2, 790, LIFE_KILLED);
	put(built, ON_FIRST, 1 << 20, "clCreateBuffer");
	put(built, NOWHERE, 1 << 20, "clCreateBuffer");
	add_failure(example, built);
	add_fault(built);
	for (size_t i = 0; i < PLACES_VIEWS; i++)
		build_figures(example->built[i]);
	scene->now_ns = NOW_NS;
	scene->selection.all_kinds = true;
	input = (struct machine_input){scene->views.items, PLACES_VIEWS, NULL, false};
	machine_build(&scene->machine, &input);
}

void example_places_finish(struct example_places *example)
{
	struct scene *scene = &example->scene;

	selection_finish(&scene->selection);
	machine_finish(&scene->machine);
	vec_finish(&scene->views);
	for (size_t i = 0; i < PLACES_VIEWS; i++)
		build_free(example->built[i]);
}
