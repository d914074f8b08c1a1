/* SPDX-License-Identifier: Apache-2.0 */
#include "example_scene.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW_NS    1795340000000000000ull /* 2026-11-22 in the morning */
#define SECOND_NS 1000000000ull

enum { DEVICES = 8 };

static const uint32_t mesh_order[DEVICES] = {4, 0, 3, 7, 5, 1, 2, 6};

static struct view_buffer *add(struct built_view *built, uint32_t space, uint8_t class_now,
                               uint64_t bytes, uint32_t tag, const char *site)
{
	struct view_buffer *buffer =
		build_buffer(built, space, 0x100 + built->view.buffer_count, bytes);

	buffer->class_now = class_now;
	buffer->tag = tag;
	buffer->site = site;
	buffer->thread = 4712;
	buffer->time_ns = NOW_NS - (90 - built->view.buffer_count) * SECOND_NS;
	return buffer;
}

static void add_devices(struct built_view *built)
{
	for (uint32_t d = 0; d < DEVICES; d++)
		build_device(built, 0x4d4553480000 + d, (int32_t)d, "0000:81:00.0");
	build_mesh_space(built, 2, 4, mesh_order);
	build_device_space(built, 0);
}

static void make_program(struct example *example)
{
	struct built_view *built = example->live;

	example->cb = (struct segment_cb){0, 0, 7, 7, 0, 0, 1000, 256};
	built->programs[built->view.program_count++] =
		(struct view_program){.id = 1, .live = true, .cb_count = 1, .cbs = &example->cb};
	built->residents[0] = (struct segment_resident){0, 0, 1000};
	built->spaces[0].resident_count = 1;
}

static void make_live(struct example *example)
{
	struct built_view *built = build_view(4711, LIFE_ALIVE);
	struct view_buffer *buffer;
	uint32_t layer, add_tag;

	example->live = built;
	add_devices(built);
	layer = build_tag(built, "model/layer1/attn");
	add_tag = build_tag(built, "add \xc3\xa9\x1b[31m\xff");
	built->view.rank = 3;
	built->view.op = 1234;
	built->view.birth_realtime_ns = NOW_NS - 100 * SECOND_NS;
	make_program(example);
	add(built, 0, CLASS_SYSTEM, 14753792, 0, "command queue");
	add(built, 0, CLASS_USER, 4194304, layer, "attention.cpp:88");
	add(built, 0, CLASS_USER, 4194304, add_tag, "add");
	add(built, 0, CLASS_CACHE, 36864, 0, "kernel binaries");
	buffer = add(built, 1, CLASS_SYSTEM, 22528, 0, "fabric");
	buffer->kind = MT_L1;
	buffer = add(built, 1, CLASS_VIEW, 4096, layer, "slice");
	buffer->parent = 0x101;
	buffer = add(built, 0, CLASS_USER, 1048576, layer, "lost tensor");
	buffer->closed = true; /* of a space that was closed: see below */
	build_mesh_space(built, 2, 4, mesh_order);
	built->spaces[2].state = SPACE_CLOSED;
	buffer->space = 2;
	buffer = add(built, 1, CLASS_USER, 2048, layer, "scratch");
	buffer->kind = MT_L1;
	buffer->address = built->buffers[4].address + 1024; /* overlaps the fabric's */
}

static void make_failure(struct example *example, struct built_view *built)
{
	struct view_failure *failure = &built->failures[built->view.failure_count++];

	for (uint32_t i = 0; i < DEVICES; i++)
		example->failed[i] = (struct segment_failure_device){
			mesh_order[i], 0, (6ull << 30) + (i == 1 ? 36864 : 0), 12ull << 30};
	for (uint32_t i = 0; i < 4; i++)
		example->buffers[i] = (struct view_failure_buffer){
			.id = i + 1,
			.address = i * (256ull << 20),
			.bytes = 768ull << 20,
			.span = 64ull << 20,
			.thread = 4712,
			.tag = "fill",
			.site = "fill.c:9",
			.class_then = i == 0 ? CLASS_SYSTEM : CLASS_USER,
		};
	example->failure_lines[0] =
		(struct view_line){0, ROW_ALL_MEMBERS,       MT_DRAM,   CLASS_USER, "fill",
	                           3, 3ull * (768ull << 20), 3ull << 30};
	example->failure_lines[1] = (struct view_line){
		0, ROW_ALL_MEMBERS, MT_DRAM, CLASS_SYSTEM, "", 1, 768ull << 20, 768ull << 20};
	*failure = (struct view_failure){
		.op = 777,
		.time_ns = NOW_NS - 60 * SECOND_NS,
		.bytes = 3ull << 30,
		.span = 256ull << 20,
		.free_span = 768ull << 20,
		.largest_span = 192ull << 20,
		.kind = MT_DRAM,
		.thread = 4712,
		.number = 1,
		.reason = "out of memory\n",
		.tag = "fill",
		.device_count = DEVICES,
		.line_count = 2,
		.buffer_count = 4,
		.buffers_total = 4,
		.devices = example->failed,
		.lines = example->failure_lines,
		.buffers = example->buffers,
	};
}

static void make_killed(struct example *example)
{
	struct built_view *built = build_view(4700, LIFE_KILLED);
	struct view_fault *fault;

	example->killed = built;
	add_devices(built);
	add(built, 0, CLASS_USER, 2097152, build_tag(built, "train"), "step.c:5");
	add(built, 0, CLASS_CACHE, 12288, 0, "kernel binaries");
	make_failure(example, built);
	fault = &built->faults[built->view.fault_count++];
	*fault = (struct view_fault){.type = MT_DOUBLE_FREE,
	                             .space = 0,
	                             .kind = MT_DRAM,
	                             .device = 2,
	                             .id = 0xbeef,
	                             .address = 0x4000,
	                             .bytes_first = 4096,
	                             .tag_first = "train",
	                             .site_first = "step.c:5",
	                             .tag_second = "",
	                             .site_second = "cleanup.c:77",
	                             .first_op = 500,
	                             .last_op = 600,
	                             .first_ns = NOW_NS - 70 * SECOND_NS,
	                             .last_ns = NOW_NS - 65 * SECOND_NS,
	                             .count = 3};
	built->view.fault_total = 3;
	built->view.faults_by_type[MT_DOUBLE_FREE] = 3;
}

static void make_peak(struct example *example)
{
	struct built_view *built = example->live;
	struct view_frame *frame = &built->frames[built->view.frame_count++];

	example->frame_lines[0] = (struct view_line){0,  ROW_ALL_MEMBERS, MT_DRAM, CLASS_SYSTEM, "",
	                                             10, 14753792,        14843904};
	example->frame_lines[1] = (struct view_line){
		0, ROW_ALL_MEMBERS, MT_DRAM, CLASS_USER, "model/layer1/attn", 4, 9437184, 9437184};
	example->frame_lines[2] =
		(struct view_line){1, 0, MT_DRAM, CLASS_USER, "only on device 0", 1, 4096, 4096};
	*frame = (struct view_frame){.op = 900,
	                             .time_ns = NOW_NS - 30 * SECOND_NS,
	                             .kind = MT_DRAM,
	                             .line_count = 3,
	                             .lines = example->frame_lines,
	                             .rest_bytes = 100,
	                             .rest_buffers = 2};
	for (uint32_t d = 0; d < DEVICES; d++) {
		built->figures[d].peak = 30000000;
		built->figures[d].frame = 1;
	}
}

static void make_counters(struct example *example)
{
	struct tt_device *chip = &example->chip;

	chip->unique_id = 0x4d4553480000;
	chip->process_count = 3;
	chip->processes[0] =
		(struct tt_process){.pid = 4711, .bytes = {23179264}, .name = "program"};
	chip->processes[1] = (struct tt_process){.pid = 99, .bytes = {8192, 1024}, .name = "stock"};
	chip->processes[2] =
		(struct tt_process){.pid = 98, .bytes = {4096}, .name = "gone", .dead = true};
	chip->bytes[TT_DRAM] = 23179264 + 8192 + 4096;
	chip->bytes[TT_L1] = 1024;
	*vec_add(&example->scene.counters.devices) = *chip;
}

void example_make(struct example *example)
{
	struct scene *scene = &example->scene;
	struct machine_input input;

	setenv("TZ", "UTC", 1);
	tzset();
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		abort();
	memset(example, 0, sizeof(*example));
	make_live(example);
	make_killed(example);
	make_counters(example);
	build_figures(example->live);
	build_figures(example->killed);
	make_peak(example);
	*vec_add(&scene->views) = &example->live->view;
	*vec_add(&scene->views) = &example->killed->view;
	*vec_add(&scene->paths) = mem_strdup("/dev/shm/meshtally-0/4711-1.seg");
	*vec_add(&scene->paths) = mem_strdup("/dev/shm/meshtally-0/4700-2.seg");
	*vec_add(&scene->rejects) =
		(struct segment_reject){"/dev/shm/meshtally-0/x.seg", "not a segment: bad magic"};
	scene->now_ns = NOW_NS;
	scene->selection.all_kinds = true;
	input = (struct machine_input){scene->views.items, 2, &scene->counters, false};
	machine_build(&scene->machine, &input);
}

void example_finish(struct example *example)
{
	struct scene *scene = &example->scene;

	selection_finish(&scene->selection);
	machine_finish(&scene->machine);
	for (size_t i = 0; i < scene->paths.count; i++)
		free(scene->paths.items[i]);
	vec_finish(&scene->views);
	vec_finish(&scene->paths);
	vec_finish(&scene->rejects);
	tt_counters_finish(&scene->counters);
	build_free(example->live);
	build_free(example->killed);
}
