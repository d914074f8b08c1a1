/* SPDX-License-Identifier: Apache-2.0 */
#include "example_sources.h"

#include <string.h>

#define NOW_NS    1795340000000000000ull /* 2026-11-22 in the morning */
#define SECOND_NS 1000000000ull
#define CHIP      0x4d4553480000u

enum { OWN_PID = 4711, PROXIED_PID = 4720, STALE_PID = 4730, STOCK_PID = 99, DEAD_PID = 98 };

static struct built_view *add(struct example_sources *example, size_t number, int32_t pid,
                              uint64_t unique_id, uint64_t bytes)
{
	struct built_view *built = build_view(pid, LIFE_ALIVE);
	struct view_buffer *buffer;

	for (uint32_t d = 0; d < 2; d++) {
		build_device(built, unique_id != 0 ? unique_id + d : 0, (int32_t)d, "");
		buffer = build_buffer(built, build_device_space(built, d), 0x100 + d, bytes);
		buffer->time_ns = NOW_NS - 30 * SECOND_NS;
	}
	build_figures(built);
	example->built[number] = built;
	*vec_add(&example->scene.views) = &built->view;
	return built;
}

static void add_counters(struct example_sources *example)
{
	struct tt_counters *counters = &example->scene.counters;
	struct tt_device *chip = vec_add(&counters->devices);
	struct tt_reject *reject;

	chip->unique_id = CHIP;
	chip->process_count = 3;
	chip->processes[0] =
		(struct tt_process){.pid = OWN_PID, .bytes = {2097152 + 512}, .name = "own"};
	chip->processes[1] =
		(struct tt_process){.pid = STOCK_PID, .bytes = {8192}, .name = "stock"};
	chip->processes[2] =
		(struct tt_process){.pid = DEAD_PID, .bytes = {4096}, .name = "gone", .dead = true};
	for (uint32_t i = 0; i < chip->process_count; i++)
		chip->bytes[TT_DRAM] += chip->processes[i].bytes[TT_DRAM];
	reject = vec_add(&counters->rejects);
	strcpy(reject->path, "/dev/shm/tt_device_85020000_memory");
	strcpy(reject->reason, "not ready: its process is still setting it up, or died doing so");
}

void example_sources_make(struct example_sources *example)
{
	struct scene *scene = &example->scene;
	struct built_view *proxy;
	struct machine_input input;

	memset(example, 0, sizeof(*example));
	add(example, 0, OWN_PID, CHIP, 2097152);
	proxy = add(example, 1, OWN_PID, 0, 2097152 + 4096);
	proxy->view.is_proxy = true;
	proxy = add(example, 2, PROXIED_PID, CHIP, 1048576);
	proxy->view.is_proxy = true;
	proxy = add(example, 3, STALE_PID, CHIP, 524288);
	proxy->view.is_proxy = proxy->view.writer_gone = true;
	proxy->view.last_ns = NOW_NS - 200 * SECOND_NS;
	add_counters(example);
	scene->now_ns = NOW_NS;
	scene->selection.all_kinds = true;
	input = (struct machine_input){scene->views.items, SOURCES_VIEWS, &scene->counters, false};
	machine_build(&scene->machine, &input);
}

void example_sources_finish(struct example_sources *example)
{
	struct scene *scene = &example->scene;

	selection_finish(&scene->selection);
	machine_finish(&scene->machine);
	vec_finish(&scene->views);
	tt_counters_finish(&scene->counters);
	for (size_t i = 0; i < SOURCES_VIEWS; i++)
		build_free(example->built[i]);
}
