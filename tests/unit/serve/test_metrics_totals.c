/* SPDX-License-Identifier: Apache-2.0 */
/* Totals that only grow: whatever views say, and whoever goes. */
#include "metrics.h"
#include "metrics_totals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* One process on two devices and a mesh of both. */
struct example {
	struct segment_view view;
	struct view_device devices[2];
	struct view_space spaces[2];
	uint32_t members[2];
	uint32_t first;
	struct view_tag tags[2];
	struct view_row rows[4];
};

static void make(struct example *e, uint64_t identity)
{
	memset(e, 0, sizeof(*e));
	e->view = (struct segment_view){.identity = identity,
	                                .kind_count = 2,
	                                .kind_names = {"DRAM", "L1"},
	                                .device_count = 2,
	                                .devices = e->devices,
	                                .space_count = 2,
	                                .spaces = e->spaces,
	                                .tag_count = 2,
	                                .tags = e->tags,
	                                .rows = e->rows};
	for (uint32_t i = 0; i < 2; i++) {
		e->devices[i] = (struct view_device){
			.unique_id = i + 1, .ordinal = (int32_t)i, .arch = "a", .bus = ""};
		e->members[i] = i;
		e->tags[i].path = e->tags[i].name = "";
	}
	e->spaces[0] = (struct view_space){
		.handle = 10, .state = SPACE_OPEN, .member_count = 1, .members = &e->first};
	e->spaces[1] = (struct view_space){
		.handle = 11, .state = SPACE_OPEN, .member_count = 2, .members = e->members};
}

static void row(struct example *e, uint32_t space, uint8_t class_now, uint32_t tag, uint64_t allocs,
                uint64_t frees)
{
	e->rows[e->view.row_count++] = (struct view_row){.space = space,
	                                                 .member = ROW_ALL_MEMBERS,
	                                                 .class_now = class_now,
	                                                 .tag = tag,
	                                                 .bytes = 100 * (allocs - frees),
	                                                 .allocs = allocs,
	                                                 .frees = frees};
}

static void expect(const struct totals *totals, uint64_t unique_id, uint64_t allocs, uint64_t frees)
{
	uint64_t found_allocs = 0, found_frees = 0;

	for (size_t i = 0; i < totals->lines.count; i++) {
		const struct totals_line *line = &totals->lines.items[i];

		if (totals->devices.items[line->device].unique_id != unique_id)
			continue;
		assert_string_equal(line->kind, "DRAM");
		found_allocs += line->allocs;
		found_frees += line->frees;
	}
	assert_int_equal(found_allocs, allocs);
	assert_int_equal(found_frees, frees);
}

static void only_what_is_new(void **state)
{
	struct totals totals;
	struct example e;

	(void)state;
	totals_init(&totals);
	make(&e, 1);
	row(&e, 0, CLASS_USER, 0, 5, 2);
	row(&e, 1, CLASS_USER, 1, 7, 0);
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 12, 2);
	expect(&totals, 2, 7, 0);
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 12, 2);
	e.rows[0].allocs = 6;
	e.rows[1].frees = 3;
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 13, 5);
	expect(&totals, 2, 7, 3);
	totals_finish(&totals);
}

/* mt_ready makes rows of another class of them; a row of no use is given to another. */
static void rows_that_change(void **state)
{
	struct totals totals;
	struct example e;

	(void)state;
	totals_init(&totals);
	make(&e, 1);
	row(&e, 0, CLASS_USER, 0, 5, 0);
	totals_loaded(&totals, &e.view);
	e.rows[0].class_now = CLASS_SYSTEM;
	row(&e, 0, CLASS_USER, 0, 1, 0);
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 6, 0);
	e.view.row_count = 0;
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 6, 0);
	row(&e, 0, CLASS_USER, 0, 2, 0);
	totals_loaded(&totals, &e.view);
	expect(&totals, 1, 8, 0);
	totals_finish(&totals);
}

static void the_dead(void **state)
{
	struct totals totals;
	struct example first, second;

	(void)state;
	totals_init(&totals);
	make(&first, 1);
	make(&second, 2);
	row(&first, 1, CLASS_USER, 0, 5, 1);
	row(&second, 1, CLASS_CACHE, 0, 1, 0);
	first.view.faults_by_type[3] = 2;
	totals_loaded(&totals, &first.view);
	totals_loaded(&totals, &second.view);
	expect(&totals, 2, 6, 1);
	first.view.life = LIFE_KILLED;
	totals_gone(&totals, &first.view);
	expect(&totals, 2, 6, 1);
	assert_int_equal(totals.left_bytes[VERDICT_KILLED], 2 * 400);
	assert_int_equal(totals.segments.count, 1);
	second.view.life = LIFE_ENDED;
	totals_gone(&totals, &second.view);
	assert_int_equal(totals.left_bytes[VERDICT_CACHE], 2 * 100);
	assert_int_equal(totals.left_bytes[VERDICT_LEAKED], 0);
	assert_int_equal(totals.faults[3], 2);
	assert_int_equal(totals.ended, 2);
	/* Another process on the same chips goes on with their lines. */
	make(&second, 3);
	row(&second, 1, CLASS_USER, 0, 1, 0);
	second.devices[0].ordinal = 9;
	totals_loaded(&totals, &second.view);
	expect(&totals, 1, 7, 1);
	assert_int_equal(totals.devices.count, 2);
	assert_int_equal(totals.devices.items[0].ordinal, 0);
	totals_finish(&totals);
}

/* Lines are comments or end with a number; what is before it is there once. */
static void expect_one_of_each(const char *text)
{
	const char *at = text, *end;

	for (; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		const char *space = memrchr(at, ' ', (size_t)(end - at));
		char name[512];

		assert_non_null(space);
		if (*at == '#')
			continue;
		assert_memory_equal(at, "meshtally_", 10);
		assert_int_equal(strspn(space + 1, "0123456789."), end - space - 1);
		snprintf(name, sizeof(name), "\n%.*s", (int)(space + 1 - at), at);
		assert_null(strstr(end, name));
	}
	assert_int_equal(*at, '\0');
}

/* A process may report to the server, too: what both say counts once, whoever goes first. */
static void seen_in_two_ways(void **state)
{
	struct totals totals;
	struct example own, proxy, other;

	(void)state;
	totals_init(&totals);
	make(&own, 1);
	make(&proxy, 2);
	make(&other, 3);
	own.view.subject = proxy.view.subject = other.view.subject =
		(struct segment_process){.pid = 7, .pid_ns = 1, .start_ticks = 5};
	other.view.subject.start_ticks = 6;
	proxy.view.is_proxy = other.view.is_proxy = true;
	own.view.device_count = 1;
	row(&own, 0, CLASS_USER, 0, 5, 1);
	row(&proxy, 1, CLASS_USER, 0, 5, 1);
	row(&other, 0, CLASS_USER, 0, 2, 0);
	totals_loaded(&totals, &own.view);
	totals_loaded(&totals, &proxy.view);
	totals_loaded(&totals, &other.view);
	expect(&totals, 1, 5 + 2, 1);
	expect(&totals, 2, 5, 1);
	own.view.life = proxy.view.life = LIFE_KILLED;
	totals_gone(&totals, &own.view);
	assert_int_equal(totals.left_bytes[VERDICT_KILLED], 400);
	totals_gone(&totals, &proxy.view);
	assert_int_equal(totals.left_bytes[VERDICT_KILLED], 2 * 400);
	assert_int_equal(totals.ended, 1);
	totals_finish(&totals);
}

/* Names of foreign origin: however they are made, no sample is there twice, and no line is broken.
 */
static void foreign_names(void **state)
{
	static const char *const kinds[] = {"a\xff", "a\\xff", "\"}\n#", "\\"};
	struct example e[4];
	struct segment_view *views[4];
	struct metrics_reads reads = {0};
	struct totals totals;
	struct scene scene = {0};
	struct text out = {0};
	struct view_figure figures[4][4];

	(void)state;
	totals_init(&totals);
	memset(figures, 0, sizeof(figures));
	for (int i = 0; i < 4; i++) {
		make(&e[i], (uint64_t)i + 1);
		snprintf(e[i].view.kind_names[0], sizeof(e[i].view.kind_names[0]), "%s", kinds[i]);
		e[i].view.life = LIFE_ALIVE;
		e[i].view.exact = true;
		e[i].view.name = e[i].view.comm = "";
		e[i].view.command_line = i > 1 ? "/x/\"\n\\ y" : "";
		e[i].view.subject = (struct segment_process){.pid = 7, .pid_ns = (uint64_t)i + 1};
		e[i].view.figures = figures[i];
		figures[i][0].bytes[CLASS_USER] = 100;
		figures[i][0].buffers[CLASS_USER] = 1;
		figures[i][0].held = 100;
		row(&e[i], 0, CLASS_USER, 0, 1, 0);
		totals_loaded(&totals, &e[i].view);
		views[i] = &e[i].view;
	}
	machine_build(&scene.machine, &(struct machine_input){views, 4, NULL, false});
	metrics_write(&out,
	              &(struct metrics_input){.scene = &scene, .totals = &totals, .reads = &reads},
	              true);
	expect_one_of_each(text_string(&out));
	text_finish(&out);
	machine_finish(&scene.machine);
	totals_finish(&totals);
}

/* However many there are said to be. */
static void kinds_are_bounded(void **state)
{
	struct totals totals;
	uint32_t first, other;

	(void)state;
	totals_init(&totals);
	first = totals_line(&totals, 0, "0");
	for (int i = 0; i < TOTALS_LINES + 500; i++) {
		char kind[12];

		snprintf(kind, sizeof(kind), "%d", i);
		other = totals_line(&totals, 0, kind);
	}
	assert_int_equal(totals.lines.count, TOTALS_LINES + 1);
	assert_string_equal(totals.lines.items[other].kind, "other");
	assert_int_equal(totals_line(&totals, 0, "0"), first);
	totals_finish(&totals);
}

static void devices_are_bounded(void **state)
{
	struct totals totals;

	(void)state;
	totals_init(&totals);
	for (uint64_t i = 1; i < TOTALS_DEVICES + 500; i++)
		totals_device(&totals, &(struct device_key){false, i, 0, "a", ""});
	assert_in_range(totals.devices.count, TOTALS_DEVICES, TOTALS_DEVICES + 1);
	assert_string_equal(totals.devices.items[TOTALS_DEVICES].arch, "other");
	assert_int_equal(totals_device(&totals, &(struct device_key){false, 1u << 20, 3, "b", "x"}),
	                 TOTALS_DEVICES);
	assert_int_equal(totals_device(&totals, &(struct device_key){false, 2, 0, "a", ""}), 1);
	totals_finish(&totals);
}

/* One of them however many contexts there are, and never a device. */
static void unplaced_is_one(void **state)
{
	struct totals totals;
	uint32_t device, unplaced;

	(void)state;
	totals_init(&totals);
	device = totals_device(&totals, &(struct device_key){false, 0, 0, "", ""});
	unplaced = totals_device(&totals, &(struct device_key){true, 0, 0, "", ""});
	assert_int_not_equal(device, unplaced);
	for (int32_t ordinal = -1; ordinal < 3; ordinal++)
		assert_int_equal(totals_device(&totals, &(struct device_key){true, 0, ordinal,
		                                                             "context", ""}),
		                 unplaced);
	assert_int_equal(totals_device(&totals, &(struct device_key){false, 0, 0, "", ""}), device);
	assert_int_equal(totals_device(&totals, &(struct device_key){false, 0, -1, "", ""}), 2);
	assert_true(totals.devices.items[unplaced].unplaced);
	totals_finish(&totals);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_new),  cmocka_unit_test(rows_that_change),
		cmocka_unit_test(the_dead),          cmocka_unit_test(devices_are_bounded),
		cmocka_unit_test(kinds_are_bounded), cmocka_unit_test(seen_in_two_ways),
		cmocka_unit_test(foreign_names),     cmocka_unit_test(unplaced_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
