/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing array under a mutex. Spaces are numbered from 1 in the order of their opening.
 */
#define MT_NO_INLINE_GATE
#include "report_double.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct report *reports;
static size_t report_count, report_room;
static mt_space last_space;

static const uint32_t gate = 1;
const uint32_t *const mt_gate = &gate;

static void keep(const struct report *report)
{
	pthread_mutex_lock(&lock);
	if (report_count == report_room) {
		report_room = report_room ? 2 * report_room : 64;
		reports = realloc(reports, report_room * sizeof *reports);
		if (!reports)
			abort();
	}
	reports[report_count++] = *report;
	pthread_mutex_unlock(&lock);
}

static mt_space open_space(enum report_call call, uint32_t remote_members)
{
	struct report report = {.call = call, .remote_members = remote_members};
	mt_space space;

	pthread_mutex_lock(&lock);
	space = report.space = ++last_space;
	pthread_mutex_unlock(&lock);
	keep(&report);
	return space;
}

void report_double_reset(void)
{
	free(reports);
	reports = NULL;
	report_count = report_room = 0;
}

size_t report_double_count(enum report_call call)
{
	size_t count = 0;

	for (size_t i = 0; i < report_count; i++)
		count += reports[i].call == call;
	return count;
}

size_t report_double_count_in(enum report_call call, mt_space space)
{
	size_t count = 0;

	for (size_t i = 0; i < report_count; i++)
		count += reports[i].call == call && reports[i].space == space;
	return count;
}

const struct report *report_double_get(enum report_call call, size_t n)
{
	for (size_t i = 0; i < report_count; i++) {
		if (reports[i].call == call && n-- == 0)
			return &reports[i];
	}
	fprintf(stderr, "no such report\n");
	abort();
}

size_t report_double_live(void)
{
	size_t live = 0;

	for (size_t i = 0; i < report_count; i++) {
		bool freed = false;

		if (reports[i].call != REPORT_ALLOC)
			continue;
		for (size_t j = i + 1; j < report_count && !freed; j++) {
			freed = reports[j].call == REPORT_FREE && reports[j].id == reports[i].id &&
				reports[j].space == reports[i].space;
		}
		live += !freed;
	}
	return live;
}

uint32_t mt_kind(const char *name)
{
	(void)name;
	return 6;
}

mt_space mt_device_open(const struct mt_device *device)
{
	(void)device;
	return open_space(REPORT_DEVICE_OPEN, 0);
}

mt_space mt_mesh_open(const struct mt_mesh *mesh)
{
	uint32_t remote = 0;

	for (uint32_t i = 0; i < mesh->rows * mesh->columns; i++)
		remote += mesh->devices[i] == 0;
	return open_space(REPORT_MESH_OPEN, remote);
}

static mt_result keep_space(enum report_call call, mt_space space, uint64_t id)
{
	keep(&(struct report){.call = call, .space = space, .id = id});
	return MT_OK;
}

mt_result mt_ready(mt_space space)
{
	return keep_space(REPORT_READY, space, 0);
}

mt_result mt_close(mt_space space, int lost)
{
	(void)lost;
	return keep_space(REPORT_CLOSE, space, 0);
}

mt_result mt_alloc(const struct mt_buffer *buffer)
{
	keep(&(struct report){
		.call = REPORT_ALLOC, .space = buffer->space, .id = buffer->id, .buffer = *buffer});
	return MT_OK;
}

mt_result mt_free(mt_space space, uint64_t id)
{
	return keep_space(REPORT_FREE, space, id);
}

mt_result mt_alloc_failed(const struct mt_failure *failure)
{
	keep(&(struct report){.call = REPORT_FAILED, .space = failure->space, .failure = *failure});
	return MT_OK;
}

mt_program *mt_program_define(uint64_t id, const struct mt_cb *cbs, uint32_t count, mt_tag tag)
{
	(void)cbs;
	(void)count;
	(void)tag;
	keep_space(REPORT_DEFINE, 0, id);
	return NULL;
}

mt_result mt_program_dispatch(mt_program *program, mt_space space)
{
	(void)program;
	return keep_space(REPORT_DISPATCH, space, 0);
}

mt_result mt_program_clash(mt_program *program, mt_space space, uint64_t cb_end,
			   uint64_t lowest_buffer)
{
	(void)program;
	keep(&(struct report){
		.call = REPORT_CLASH, .space = space, .cb_end = cb_end, .lowest = lowest_buffer});
	return MT_OK;
}

void mt_program_drop(mt_program *program)
{
	(void)program;
	keep_space(REPORT_DROP, 0, 0);
}

mt_tag mt_tag_push(const char *name)
{
	(void)name;
	return 0;
}

void mt_tag_pop(void)
{
}
