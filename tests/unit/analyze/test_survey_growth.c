/* SPDX-License-Identifier: Apache-2.0 */
/* What a survey says of growth, of the map of one device, and of the lowest buffer in L1. */
#include "cores.h"
#include "holes.h"
#include "survey_run.h"

#include <stdio.h>

enum { DEVICES = 4, BUFFERS = 900, STEPS = 5, STEP_BYTES = 36 << 10 };

static uint64_t shares[RUN_PROCESSES * BUFFERS * DEVICES];

/* --- growth --------------------------------------------------------------------------------- */

static const struct survey_growth *growth_of(const struct survey *survey, const char *tag,
                                             const char *site)
{
	const struct survey_growth *growth;

	vec_for (growth, &survey->growth)
		if (strcmp(growth->tag, tag) == 0 && strcmp(growth->site, site) == 0)
			return growth;
	return NULL;
}

static struct view_buffer *buffer_at(struct run *run, uint32_t tag, uint64_t op, uint64_t bytes)
{
	struct view_buffer *buffer = build_buffer(run->built[0], 0, op, bytes);

	buffer->tag = tag;
	buffer->op = op;
	buffer->time_ns = RUN_NOW_NS - (1000 - op) * RUN_SECOND;
	buffer->site = "site";
	return buffer;
}

/* Since a mark, by the identity of the segment; others since their beginning. */
static void since_mark(void **state)
{
	const struct survey_since since[] = {{77, 1, 0}, {0x1000 + 100, 50, 0}};
	struct survey_request request = {
		.lists = true, .has_mark = true, .since = since, .since_count = ARRAY_COUNT(since)};
	const struct survey_growth *growth;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 2, 2);
	build_tag(run.built[0], "leak");
	build_tag(run.built[0], "old");
	buffer_at(&run, 1, 49, 1000);
	buffer_at(&run, 1, 50, 1000);
	buffer_at(&run, 1, 60, 1000)->space = 1;
	buffer_at(&run, 1, 51, 500);
	buffer_at(&run, 1, 70, 100)->site = "other";
	buffer_at(&run, 1, 71, 7)->class_now = CLASS_SYSTEM;
	buffer_at(&run, 1, 72, 7)->class_now = CLASS_SUB;
	buffer_at(&run, 1, 73, 7)->closed = true;
	buffer_at(&run, 1, 74, 20)->class_now = CLASS_CACHE;
	buffer_at(&run, 2, 3, 1 << 20);
	build_buffer(run.built[1], 0, 1, 300)->op = 0;
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_true(survey->has_mark);
	assert_int_equal(survey->records, 9);
	assert_int_equal(survey->list.count, 5);
	assert_int_equal(survey->list.items[0].op, 60);
	assert_int_equal(survey->list.items[4].op, 74);
	assert_int_equal(survey->growth.count, 4);
	growth = &survey->growth.items[0];
	assert_string_equal(growth->tag, "leak");
	assert_string_equal(growth->site, "site");
	assert_string_equal(growth->command, "/usr/bin/program --flag");
	assert_int_equal(growth->pid, 100);
	assert_int_equal(growth->identity, 0x1000 + 100);
	assert_int_equal(growth->stayed_bytes, 1500);
	assert_int_equal(growth->stayed_records, 2);
	assert_int_equal(growth->stayed_device_buffers, 2);
	assert_int_equal(growth->oldest_ns, RUN_NOW_NS - (1000 - 51) * RUN_SECOND);
	assert_int_equal(growth->steps, 0);
	assert_false(growth->grows_each_step);
	assert_int_equal(survey->growth.items[1].pid, 101);
	assert_int_equal(survey->growth.items[1].stayed_bytes, 300);
	assert_string_equal(survey->growth.items[2].site, "other");
	assert_int_equal(survey->growth.items[3].class_now, CLASS_CACHE);
	survey_release(survey);
	request.pids = (const int32_t[]){101};
	request.pid_count = 1;
	survey = run_survey(&run, &request);
	assert_int_equal(survey->growth.count, 1);
	survey_release(survey);
	run_end(&run);
}

/* Marks "step" at 100, 200, ..., 500 and now and then another. */
static void add_steps(struct run *run, struct view_mark (*marks)[2 * STEPS])
{
	uint32_t count = 0;

	for (uint32_t i = 1; i <= STEPS; i++) {
		if (i % 2 == 0)
			(*marks)[count++] =
				(struct view_mark){.op = i * 100 - 1, .n = i / 2, .name = "epoch"};
		(*marks)[count++] = (struct view_mark){.op = i * 100, .n = i, .name = "step"};
	}
	run->built[0]->view.marks = *marks;
	run->built[0]->view.mark_count = count;
}

static void each_step(void **state)
{
	struct survey_request request = {0};
	struct view_mark marks[2 * STEPS];
	const struct survey_growth *growth;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 2);
	add_steps(&run, &marks);
	build_tag(run.built[0], "every");
	build_tag(run.built[0], "once");
	build_tag(run.built[0], "freed");
	build_tag(run.built[0], "before");
	for (uint32_t i = 1; i < STEPS; i++) {
		buffer_at(&run, 1, i * 100 + 10, STEP_BYTES / 2);
		buffer_at(&run, 1, i * 100 + 99, STEP_BYTES / 2)->space = 1;
	}
	buffer_at(&run, 2, 250, STEP_BYTES);
	buffer_at(&run, 3, 550, 64);
	buffer_at(&run, 4, 100, STEP_BYTES);
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_false(survey->has_mark);
	assert_int_equal(survey->growth.count, 3);
	growth = growth_of(survey, "every", "site");
	assert_ptr_equal(growth, &survey->growth.items[0]);
	assert_int_equal(growth->steps, STEPS);
	assert_int_equal(growth->step_bytes[0], 0);
	for (uint32_t i = 1; i < STEPS; i++)
		assert_int_equal(growth->step_bytes[i], STEP_BYTES);
	assert_true(growth->grows_each_step);
	assert_int_equal(growth->stayed_bytes, 0);
	growth = growth_of(survey, "once", "site");
	assert_int_equal(growth->step_bytes[3], STEP_BYTES);
	assert_int_equal(growth->step_bytes[2], 0);
	assert_false(growth->grows_each_step);
	growth = growth_of(survey, "freed", "site");
	assert_int_equal(growth->step_bytes[0], 64);
	assert_false(growth->grows_each_step);
	assert_null(growth_of(survey, "before", "site"));
	survey_release(survey);
	run.built[0]->view.mark_count = 2;
	survey = run_survey(&run, &request);
	growth = growth_of(survey, "every", "site");
	assert_int_equal(growth->steps, 1);
	assert_int_equal(growth->step_bytes[0], 4 * STEP_BYTES);
	assert_false(growth->grows_each_step);
	survey_release(survey);
	run_end(&run);
}

/* Only the last ones are told apart. */
static void many_steps(void **state)
{
	struct survey_request request = {0};
	struct view_mark marks[40];
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	for (uint32_t i = 0; i < ARRAY_COUNT(marks); i++) {
		marks[i] = (struct view_mark){.op = 10 * i + 5, .n = i, .name = "step"};
		buffer_at(&run, 0, 10 * i + 6, 1000 + i);
	}
	run.built[0]->view.marks = marks;
	run.built[0]->view.mark_count = ARRAY_COUNT(marks);
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_int_equal(survey->growth.count, 1);
	assert_int_equal(survey->growth.items[0].steps, SURVEY_STEPS);
	for (uint32_t i = 0; i < SURVEY_STEPS; i++)
		assert_int_equal(survey->growth.items[0].step_bytes[i], 1039 - i);
	assert_true(survey->growth.items[0].grows_each_step);
	survey_release(survey);
	run_end(&run);
}

/* As many sites as buffers: there is an end to groups, and nothing is lost. */
static void endless_sites(void **state)
{
	enum { COUNT = 100000 };
	struct survey_request request = {.has_mark = true};
	const struct survey_growth *growth;
	uint64_t bytes = 0, records = 0;
	struct survey_pass *pass;
	struct survey *survey;
	char site[32];
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	build_tag(run.built[0], "a");
	build_tag(run.built[0], "b");
	run_ready(&run);
	pass = survey_begin(&run.machine, &request, RUN_NOW_NS);
	survey_process(pass, &run.machine.processes.items[0], run.views[0]);
	for (uint32_t i = 0; i < COUNT; i++) {
		struct view_buffer buffer = {
			.id = i, .op = i, .bytes = 3, .tag = i % 3, .site = site};

		snprintf(site, sizeof(site), "site %u", i);
		run_add(pass, &buffer);
	}
	survey = survey_end(pass);
	assert_true(survey->growth.count < COUNT / 2);
	vec_for (growth, &survey->growth) {
		bytes += growth->stayed_bytes;
		records += growth->stayed_records;
	}
	assert_int_equal(bytes, 3 * COUNT);
	assert_int_equal(records, COUNT);
	growth = &survey->growth.items[0];
	assert_string_equal(growth->site, "");
	assert_non_null(growth_of(survey, "b", ""));
	assert_non_null(growth_of(survey, "a", "site 1"));
	survey_release(survey);
	run_end(&run);
}

/* --- the map -------------------------------------------------------------------------------- */

static void same_as_holes(void **state)
{
	struct survey_request request = {.has_focus = true, .focus_unique_id = 0x12};
	const struct survey_map *map;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, RUN_PROCESSES, DEVICES);
	run_fill(&run, DEVICES, BUFFERS, shares);
	run_ready(&run);
	/* The map is of the device, whoever is looked at. */
	request.pids = (const int32_t[]){100};
	request.pid_count = 1;
	request.filter.least_bytes = UINT64_MAX;
	for (int turn = 0; turn < 3; turn++) {
		survey = run_survey(&run, &request);
		assert_int_equal(survey->focus_row, 2);
		assert_int_equal(survey->records, 0);
		assert_int_equal(survey->maps.count, 2);
		vec_for (map, &survey->maps) {
			struct holes holes;

			holes_find(&run.machine, 2, map->kind, &holes);
			assert_int_equal(map->known, holes.known);
			assert_int_equal(map->known, turn == 0);
			assert_int_equal(map->free, holes.free);
			assert_int_equal(map->largest, holes.largest);
			assert_int_equal(map->hole_count, holes.count);
			assert_int_equal(map->bank_bytes, holes.bank_bytes);
			assert_int_equal(map->banks, holes.banks);
			assert_true(map->hole_count > SURVEY_HOLES || map->kind == MT_L1);
			assert_int_equal(map->holes[0].bytes, holes.largest);
			for (uint32_t i = 1; i < map->listed_holes; i++)
				assert_true(map->holes[i].bytes <= map->holes[i - 1].bytes);
		}
		survey_release(survey);
		run.built[2]->view.no_detail_buffers = turn == 0;
		if (turn == 1)
			for (uint32_t i = 0; i < run.built[1]->view.buffer_count; i++)
				run.built[1]->buffers[i].incomplete = true;
	}
	run_end(&run);
}

/* One bank of 4,096 bins of 1 KB at 1 MB. */
static const struct survey_map *small_map(struct run *run, struct survey **ret_survey)
{
	struct survey_request request = {.has_focus = true, .focus = "0"};

	run_ready(run);
	*ret_survey = run_survey(run, &request);
	assert_int_equal((*ret_survey)->maps.count, 1);
	return &(*ret_survey)->maps.items[0];
}

static void put(struct run *run, uint64_t address, uint64_t span, uint8_t class_now)
{
	struct view_buffer *buffer = build_buffer(run->built[0], 0, address, span);

	buffer->address = address;
	buffer->span = span;
	buffer->class_now = class_now;
}

static void bins(void **state)
{
	enum { BASE = 1 << 20, BIN = 1 << 10 };
	const struct survey_map *map;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run.built[0]->devices[0].memory_count = 1;
	run.built[0]->devices[0].memories[0] =
		(struct segment_memory){MT_DRAM, 3, BASE, 4096 * BIN, 32};
	put(&run, BASE + 10 * BIN, BIN, CLASS_USER);
	put(&run, BASE + 20 * BIN + BIN / 2, 2 * BIN, CLASS_CACHE);
	put(&run, BASE + 30 * BIN, BIN / 4, CLASS_USER);
	put(&run, BASE + 30 * BIN + BIN / 4, BIN / 2, CLASS_SYSTEM);
	put(&run, BASE + 40 * BIN, 1, CLASS_USER);
	put(&run, BASE + 50 * BIN, BIN - 1, CLASS_USER);
	put(&run, BASE + 50 * BIN + 1, BIN / 2, CLASS_CACHE);
	put(&run, BASE + 60 * BIN, BIN, CLASS_VIEW);
	put(&run, BASE + 4095 * BIN, BIN, CLASS_SYSTEM);
	map = small_map(&run, &survey);
	assert_true(map->known);
	assert_int_equal(map->base, BASE);
	assert_int_equal(map->banks, 3);
	assert_int_equal(map->bins[9].used, 0);
	assert_int_equal(map->bins[10].used, 65535);
	assert_int_equal(map->bins[11].used, 0);
	assert_int_equal(map->bins[20].used, 32767);
	assert_int_equal(map->bins[20].class_now, CLASS_CACHE);
	assert_int_equal(map->bins[21].used, 65535);
	assert_int_equal(map->bins[22].used, 32767);
	assert_int_equal(map->bins[30].used, 49151);
	assert_int_equal(map->bins[30].class_now, CLASS_SYSTEM);
	assert_in_range(map->bins[40].used, 1, 100);
	assert_in_range(map->bins[50].used, 65000, 65534);
	assert_int_equal(map->bins[50].class_now, CLASS_USER);
	assert_int_equal(map->bins[60].used, 0);
	assert_int_equal(map->bins[4095].used, 65535);
	assert_int_equal(map->bins[4095].class_now, CLASS_SYSTEM);
	assert_int_equal(map->hole_count, 6);
	assert_int_equal(map->listed_holes, 6);
	assert_int_equal(map->holes[0].address, BASE + 51 * BIN - 1);
	assert_int_equal(map->holes[0].bytes, 4044 * BIN + 1);
	assert_int_equal(map->holes[1].address, BASE);
	assert_int_equal(map->holes[1].bytes, 10 * BIN);
	survey_release(survey);
	run_end(&run);
}

/* Of equally large holes the first ones, after those that are larger. */
static void equal_holes(void **state)
{
	const struct survey_map *map;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run.built[0]->devices[0].memory_count = 1;
	run.built[0]->devices[0].memories[0] =
		(struct segment_memory){MT_DRAM, 1, 0, 41 * 1000, 32};
	for (uint64_t i = 0; i < 20; i++)
		put(&run, 2000 * i + (i == 18 ? 500 : 0), i == 18 ? 500 : 1000, CLASS_USER);
	put(&run, 40000, 1000, CLASS_USER);
	map = small_map(&run, &survey);
	assert_int_equal(map->hole_count, 20);
	assert_int_equal(map->listed_holes, SURVEY_HOLES);
	assert_int_equal(map->largest, 1500);
	assert_int_equal(map->holes[0].address, 35000);
	for (uint32_t i = 1; i < SURVEY_HOLES; i++)
		assert_int_equal(map->holes[i].address, 2000 * i - 1000);
	survey_release(survey);
	run_end(&run);
}

/* Bins of a bank that is not a multiple of their number, filled to the brim; and a bank with fewer
 * bytes than bins. */
static void odd_banks(void **state)
{
	static const uint64_t sizes[] = {1000000007, 100, UINT64_C(0x7fffffffffffff01)};

	(void)state;
	for (size_t s = 0; s < ARRAY_COUNT(sizes); s++) {
		const struct survey_map *map;
		struct survey *survey;
		uint32_t full = 0;
		struct run run;

		run_start(&run, 1, 1);
		run.built[0]->devices[0].memory_count = 1;
		run.built[0]->devices[0].memories[0] =
			(struct segment_memory){MT_DRAM, 1, 7, sizes[s], 32};
		put(&run, 7, sizes[s] / 2, CLASS_USER);
		put(&run, 7 + sizes[s] / 2, sizes[s] - sizes[s] / 2, CLASS_CACHE);
		map = small_map(&run, &survey);
		for (uint32_t i = 0; i < SURVEY_MAP_BINS; i++)
			full += map->bins[i].used == 65535;
		/* A span ends at 2^62. */
		assert_int_equal(full, s == 0 ? SURVEY_MAP_BINS : s == 1 ? 100 : full);
		assert_int_equal(map->bins[SURVEY_MAP_BINS - 1].class_now, CLASS_CACHE);
		assert_int_equal(map->hole_count, 0);
		survey_release(survey);
		run_end(&run);
	}
}

/* All orders that extents may come in, some of them at one address. */
static void many_extents(void **state)
{
	struct hole_memory memory = {0, UINT64_C(1) << 40, 1};
	struct hole_extents extents = {.known = true};
	uint32_t random = 3;

	(void)state;
	for (uint32_t i = 0; i < 50000; i++) {
		struct view_buffer buffer = {.span = 1};

		buffer.address = (uint64_t)run_random(&random, 1 << 16) << run_random(&random, 24);
		holes_add(&extents, &memory, &buffer);
	}
	holes_sort(&extents);
	assert_int_equal(extents.count, 50000);
	for (size_t i = 1; i < extents.count; i++)
		assert_true(extents.items[i - 1].start <= extents.items[i].start);
	vec_finish(&extents);
}

static void no_such_focus(void **state)
{
	struct survey_request request = {.has_focus = true, .focus = "17"};
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_int_equal(survey->focus_row, UINT32_MAX);
	assert_int_equal(survey->maps.count, 0);
	survey_release(survey);
	run_end(&run);
}

/* --- the lowest buffer in L1 ---------------------------------------------------------------- */

static void lowest_l1(void **state)
{
	static const uint64_t addresses[] = {0x9000, 0x8000, 0x100, 0x200, 0x300, 0x50};
	struct segment_cb cb = {.x0 = 0, .y0 = 0, .x1 = 3, .y1 = 3, .address = 0, .bytes = 0x1000};
	struct survey_request request = {.pids = (const int32_t[]){1}, .pid_count = 1};
	struct core_report whole, over;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 2, 3);
	for (uint32_t i = 0; i < ARRAY_COUNT(addresses); i++) {
		struct view_buffer *buffer = build_buffer(run.built[1], i == 5, i, 4096);

		buffer->kind = MT_L1;
		buffer->address = addresses[i];
	}
	run.built[1]->buffers[2].closed = true;
	run.built[1]->buffers[3].class_now = CLASS_VIEW;
	run.built[1]->buffers[4].kind = MT_DRAM;
	run.built[0]->programs[0] = (struct view_program){.live = true, .cb_count = 1, .cbs = &cb};
	run.built[0]->view.program_count = 1;
	run.built[0]->spaces[0].resident_count = 1;
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_int_equal(survey->lowest_l1.count, 3);
	assert_int_equal(survey->lowest_l1.items[0], 0x8000);
	assert_int_equal(survey->lowest_l1.items[1], 0x50);
	assert_int_equal(survey->lowest_l1.items[2], UINT64_MAX);
	for (uint32_t row = 0; row < 3; row++) {
		uint64_t lowest = survey->lowest_l1.items[row];

		cores_report(&run.machine, row, &whole);
		cores_report_over(&run.machine, row, lowest != UINT64_MAX, lowest, &over);
		assert_int_equal(whole.known, row == 0);
		assert_memory_equal(&whole, &over, sizeof(whole));
	}
	cores_report_over(&run.machine, 0, true, survey->lowest_l1.items[0], &over);
	assert_int_equal(over.headroom, 0x7000);
	survey_release(survey);
	run_end(&run);
}

/* --- moved, or of unknown address ------------------------------------------------------------ */

/* Times are told by a clock of their own, of which 100 is the mark and 200 a step. */
static void moved_has_not_come(void **state)
{
	const struct survey_since since[] = {{0x1000 + 100, 10, 100}};
	struct survey_request request = {.lists = true, .has_mark = true};
	static const struct {
		uint64_t op, time, bytes;
	} buffers[] = {
		{9, 99, 1},    /* before the mark */
		{10, 100, 2},  /* the last before it */
		{30, 99, 4},   /* before it, moved after the step */
		{31, 100, 8},  /* likewise */
		{15, 150, 16}, /* came */
		{32, 160, 32}, /* came before the step, moved after it */
		{33, 300, 64}, /* came after the step */
	};
	struct view_mark marks[] = {{.op = 20, .time = 200, .n = 1, .name = "step"}};
	struct survey *survey;
	struct run run;

	(void)state;
	request.since = since;
	request.since_count = 1;
	run_start(&run, 1, 1);
	for (size_t i = 0; i < ARRAY_COUNT(buffers); i++) {
		struct view_buffer *buffer = build_buffer(run.built[0], 0, i, buffers[i].bytes);

		buffer->op = buffers[i].op;
		buffer->time = buffers[i].time;
	}
	run.built[0]->view.marks = marks;
	run.built[0]->view.mark_count = 1;
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_int_equal(survey->growth.count, 1);
	assert_int_equal(survey->growth.items[0].stayed_bytes, 16 + 32 + 64);
	assert_int_equal(survey->growth.items[0].step_bytes[0], 64);
	assert_int_equal(survey->list.count, 3);
	survey_release(survey);
	run_end(&run);
}

static void map_without_addresses(void **state)
{
	const struct survey_map *map;
	struct survey *survey;
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	run.built[0]->devices[0].memory_count = 1;
	put(&run, 0, 4096, CLASS_USER);
	put(&run, SEGMENT_NO_ADDRESS, 4096, CLASS_USER);
	put(&run, SEGMENT_NO_ADDRESS, 4096, CLASS_VIEW);
	map = small_map(&run, &survey);
	assert_false(map->known);
	assert_int_equal(map->no_address, 1);
	assert_int_equal(map->bins[4095].used, 0);
	survey_release(survey);
	run_end(&run);
}

/* It is below no circular buffer, and above none. */
static void lowest_l1_has_an_address(void **state)
{
	struct survey_request request = {0};
	struct survey *survey;
	struct core_report report;
	struct segment_cb cb = {.x1 = 3, .y1 = 3, .bytes = 0x1000};
	struct run run;

	(void)state;
	run_start(&run, 1, 1);
	put(&run, SEGMENT_NO_ADDRESS, 4096, CLASS_USER);
	run.built[0]->buffers[0].kind = MT_L1;
	run.built[0]->programs[0] = (struct view_program){.live = true, .cb_count = 1, .cbs = &cb};
	run.built[0]->view.program_count = 1;
	run.built[0]->spaces[0].resident_count = 1;
	run_ready(&run);
	survey = run_survey(&run, &request);
	assert_int_equal(survey->lowest_l1.items[0], UINT64_MAX);
	cores_report(&run.machine, 0, &report);
	assert_true(report.known);
	assert_false(report.lowest_known);
	survey_release(survey);
	run_end(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(since_mark),
		cmocka_unit_test(each_step),
		cmocka_unit_test(many_steps),
		cmocka_unit_test(endless_sites),
		cmocka_unit_test(same_as_holes),
		cmocka_unit_test(bins),
		cmocka_unit_test(equal_holes),
		cmocka_unit_test(odd_banks),
		cmocka_unit_test(many_extents),
		cmocka_unit_test(no_such_focus),
		cmocka_unit_test(lowest_l1),
		cmocka_unit_test(moved_has_not_come),
		cmocka_unit_test(map_without_addresses),
		cmocka_unit_test(lowest_l1_has_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
