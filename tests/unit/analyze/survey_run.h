/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A survey of views built by hand, as a stream would show them: each buffer, with its site, ends as
 * soon as it was added, and the view that the buffers refer to with the last of its process.
 */
#ifndef MESHTALLY_TEST_SURVEY_RUN_H
#define MESHTALLY_TEST_SURVEY_RUN_H

#include "cmocka_all.h"
#include "survey.h"
#include "view_build.h"

#include <stdlib.h>
#include <string.h>

enum { RUN_PROCESSES = 3 };
#define RUN_NOW_NS UINT64_C(1800000000000000000)
#define RUN_SECOND UINT64_C(1000000000)

struct run {
	struct built_view *built[RUN_PROCESSES];
	struct segment_view *views[RUN_PROCESSES];
	uint32_t count;
	struct machine machine;
};

/* Processes 100, 101, ... that have the same devices, each in a space of its own. */
static inline void run_start(struct run *run, uint32_t processes, uint32_t devices)
{
	*run = (struct run){.count = processes};
	for (uint32_t p = 0; p < processes; p++) {
		run->built[p] = build_view(100 + (int32_t)p, LIFE_ALIVE);
		run->views[p] = &run->built[p]->view;
		for (uint32_t d = 0; d < devices; d++) {
			build_device(run->built[p], 0x10 + d, (int32_t)d, "");
			build_device_space(run->built[p], d);
		}
	}
}

static inline void run_ready(struct run *run)
{
	struct machine_input input = {run->views, run->count, NULL, false};

	for (uint32_t p = 0; p < run->count; p++)
		build_figures(run->built[p]);
	machine_build(&run->machine, &input);
}

static inline void run_end(struct run *run)
{
	machine_finish(&run->machine);
	for (uint32_t p = 0; p < run->count; p++)
		build_free(run->built[p]);
}

static inline void run_add(struct survey_pass *pass, const struct view_buffer *buffer)
{
	struct view_buffer *copy = malloc(sizeof(*copy));
	char *site = strdup(buffer->site);

	*copy = *buffer;
	copy->site = site;
	survey_add(pass, copy);
	memset(site, '!', strlen(site));
	memset(copy, 0xff, sizeof(*copy));
	free(site);
	free(copy);
}

/* A copy of what a pass looks at in a view. */
static inline struct segment_view *run_copy(const struct segment_view *view)
{
	struct segment_view *copy = malloc(sizeof(*copy));

	*copy = *view;
	copy->tags = malloc(view->tag_count * sizeof(*copy->tags));
	for (uint32_t i = 0; i < view->tag_count; i++)
		copy->tags[i].path = strdup(view->tags[i].path);
	return copy;
}

static inline void run_free_copy(struct segment_view *copy)
{
	for (uint32_t i = 0; i < copy->tag_count; i++)
		free((char *)copy->tags[i].path);
	free(copy->tags);
	free(copy);
}

/* Of newer views where they are given. */
static inline struct survey *run_survey_over(const struct run *run,
                                             const struct survey_request *request,
                                             struct segment_view *const *newer)
{
	struct survey_pass *pass = survey_begin(&run->machine, request, RUN_NOW_NS);

	for (uint32_t p = 0; p < run->count; p++) {
		const struct machine_process *process = &run->machine.processes.items[p];
		struct segment_view *view;

		if (!survey_wants(pass, process))
			continue;
		view = run_copy(newer != NULL ? newer[p] : process->view);
		survey_process(pass, process, view);
		for (uint32_t i = 0; i < view->buffer_count; i++)
			run_add(pass, &view->buffers[i]);
		run_free_copy(view);
	}
	return survey_end(pass);
}

static inline struct survey *run_survey(const struct run *run, const struct survey_request *request)
{
	return run_survey_over(run, request, NULL);
}

/* Random, and the same each time. */
static inline uint32_t run_random(uint32_t *state, uint32_t below)
{
	*state = *state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)(*state >> 4) * below) >> 28);
}

/* Buffers of all sorts: on single devices, on the mesh (the last space), some with shares gone,
 * some that a runtime reports once per device. */
static inline void run_fill(struct run *run, uint32_t devices, uint32_t count, uint64_t *shares)
{
	static const char *const tags[] = {"model/layer1/attn", "model/layer1/mlp",
	                                   "model/layer2/attn", "cache", "attn_out"};
	static const char *const sites[] = {"", "ttnn.matmul", "ttnn.add", "kv.cc:12"};
	static const uint8_t classes[] = {CLASS_USER, CLASS_USER,    CLASS_USER, CLASS_SYSTEM,
	                                  CLASS_VIEW, CLASS_VIRTUAL, CLASS_CACHE};
	uint32_t members[BUILD_MAX], state = 7;

	for (uint32_t d = 0; d < devices; d++)
		members[d] = d;
	for (uint32_t p = 0; p < run->count; p++) {
		struct built_view *built = run->built[p];
		uint32_t mesh = build_mesh_space(built, 1, (uint16_t)devices, members);

		for (size_t i = 0; i < ARRAY_COUNT(tags); i++)
			build_tag(built, tags[i]);
		for (uint32_t i = 0; i < count; i++) {
			uint32_t way = run_random(&state, 12), copies = way == 0 ? devices : 1;
			struct view_buffer buffer = {0};

			buffer.bytes = (1 + run_random(&state, 200)) * 1024;
			buffer.address = (uint64_t)run_random(&state, 1000) * 0x10000;
			buffer.span = 4096u * (1 + run_random(&state, 40));
			buffer.time_ns = RUN_NOW_NS - run_random(&state, 5000) * RUN_SECOND;
			buffer.kind = (uint8_t)run_random(&state, 3);
			buffer.class_now = classes[run_random(&state, 7)];
			buffer.closed = run_random(&state, 15) == 0;
			buffer.tag = run_random(&state, 6);
			buffer.site = sites[run_random(&state, 4)];
			buffer.region = run_random(&state, 2);
			buffer.space = way == 1 ? mesh : run_random(&state, devices);
			if (way == 1 && run_random(&state, 2) == 0) {
				buffer.member_bytes = shares;
				for (uint32_t d = 0; d < devices; d++)
					*shares++ = run_random(&state, 3) * 1024;
			}
			for (uint32_t c = 0; c < copies; c++) {
				struct view_buffer *to = build_buffer(built, 0, 0, 0);

				buffer.op = to->op;
				buffer.slot = to->slot;
				buffer.id = to->slot + 1;
				buffer.space = copies > 1 ? c : buffer.space;
				*to = buffer;
			}
		}
	}
}

#endif
