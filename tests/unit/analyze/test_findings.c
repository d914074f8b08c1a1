/* SPDX-License-Identifier: Apache-2.0 */
/* What comparing finds: overlap, over capacity, dangling views; and that two scans must agree. */
#include "cmocka_all.h"
#include "findings.h"
#include "holes.h"
#include "view_build.h"

struct fixture {
	struct built_view *built[2];
	struct segment_view *views[2];
	struct machine machine;
	struct selection all;
	struct findings findings;
};

static void start(struct fixture *fixture)
{
	*fixture = (struct fixture){.all = {.all_kinds = true}};
	for (int i = 0; i < 2; i++) {
		fixture->built[i] = build_view(10 + i, LIFE_ALIVE);
		fixture->views[i] = &fixture->built[i]->view;
		build_device(fixture->built[i], 1, 0, "");
		build_device(fixture->built[i], 2, 1, "");
		build_mesh_space(fixture->built[i], 1, 2, (const uint32_t[]){0, 1});
	}
}

static struct view_buffer *at(struct fixture *fixture, int process, uint64_t address, uint64_t span)
{
	struct view_buffer *buffer =
		build_buffer(fixture->built[process], 0, address + 1, span * 12);

	buffer->address = address;
	buffer->span = span;
	return buffer;
}

static void find(struct fixture *fixture)
{
	struct machine_input input = {fixture->views, 2, NULL, false};

	build_figures(fixture->built[0]);
	build_figures(fixture->built[1]);
	machine_build(&fixture->machine, &input);
	findings_find(&fixture->findings, &fixture->machine, &fixture->all);
}

static void end(struct fixture *fixture)
{
	findings_finish(&fixture->findings);
	machine_finish(&fixture->machine);
	build_free(fixture->built[0]);
	build_free(fixture->built[1]);
}

static void overlap_across_processes_is_one_finding(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	at(&fixture, 0, 0, 0x1000);
	at(&fixture, 0, 0x2000, 0x1000);
	at(&fixture, 1, 0x2800, 0x1000);
	find(&fixture);
	assert_int_equal(fixture.findings.findings.count, 1);
	assert_int_equal(fixture.findings.findings.items[0].type, FINDING_OVERLAP);
	assert_int_equal(fixture.findings.findings.items[0].bytes, 0x800);
	assert_true(fixture.findings.findings.items[0].on[0]);
	assert_true(fixture.findings.findings.items[0].on[1]);
	end(&fixture);
}

/* Of a client of the socket the banks may be unknown: then its spans say nothing. */
static void no_overlap_where_banks_are_not_known(void **state)
{
	(void)state;
	for (int known = 0; known < 2; known++) {
		struct fixture fixture;

		start(&fixture);
		fixture.views[1]->is_proxy = true;
		at(&fixture, 0, 0x1000, 0x1000);
		at(&fixture, 1, 0, 0x2000)->one_bank = known == 0;
		find(&fixture);
		assert_int_equal(fixture.findings.findings.count, known);
		end(&fixture);
	}
}

/* Neighbours touch; other regions, kinds, views and closed spaces are elsewhere. */
static void no_overlap(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	at(&fixture, 0, 0, 0x1000);
	at(&fixture, 1, 0x1000, 0x1000);
	at(&fixture, 1, 0, 0x1000)->region = 1;
	at(&fixture, 1, 0, 0x1000)->kind = MT_L1;
	at(&fixture, 1, 0, 0x1000)->class_now = CLASS_VIEW;
	at(&fixture, 1, 0, 0x1000)->class_now = CLASS_IMPORT;
	at(&fixture, 1, 0, 0x1000)->closed = true;
	at(&fixture, 1, UINT64_MAX - 10, 0x1000); /* absurd, not an overlap */
	find(&fixture);
	assert_int_equal(fixture.findings.findings.count, 0);
	end(&fixture);
}

static void over_capacity_and_dangling(void **state)
{
	struct fixture fixture;
	struct view_buffer *view;

	(void)state;
	start(&fixture);
	at(&fixture, 0, 0, (uint64_t)700 << 20);
	at(&fixture, 1, (uint64_t)700 << 20, (uint64_t)400 << 20);
	view = at(&fixture, 0, 64, 64);
	view->class_now = CLASS_VIEW;
	view->parent = 12345;
	view = at(&fixture, 0, 128, 64);
	view->class_now = CLASS_VIEW;
	view->parent = 1; /* is there */
	find(&fixture);
	assert_int_equal(fixture.findings.findings.count, 2);
	assert_int_equal(fixture.findings.findings.items[0].type, FINDING_DANGLING_VIEW);
	assert_int_equal(fixture.findings.findings.items[1].type, FINDING_OVER_CAPACITY);
	end(&fixture);
}

static void only_what_stays_is_told(void **state)
{
	struct fixture first, second;

	(void)state;
	start(&first);
	at(&first, 0, 0, 0x1000);
	at(&first, 1, 0, 0x1000);
	at(&first, 1, 0x8000, 0x1000);
	find(&first);
	start(&second);
	at(&second, 0, 0, 0x1000);
	at(&second, 1, 0, 0x1000)->op = 77; /* another one since */
	at(&second, 1, 0x8000, 0x1000);
	find(&second);
	assert_int_equal(second.findings.findings.count, 1);
	findings_confirm(&first.findings, &second.findings);
	assert_int_equal(second.findings.findings.count, 0);
	end(&second);
	end(&first);
}

static void holes_per_bank(void **state)
{
	struct fixture fixture;
	struct holes holes;

	(void)state;
	start(&fixture);
	at(&fixture, 0, 0x1000, 0x1000);
	at(&fixture, 1, 0x4000, 0x1000);
	find(&fixture);
	holes_find(&fixture.machine, 0, MT_DRAM, &holes);
	assert_true(holes.known);
	assert_int_equal(holes.count, 3);
	assert_int_equal(holes.free, (1u << 30) - 0x2000);
	assert_int_equal(holes.largest, (1u << 30) - 0x5000);
	end(&fixture);
}

/* What has no address overlaps nothing, and nothing is known of the holes; it is counted. */
static void no_overlap_without_address(void **state)
{
	struct fixture fixture;
	struct holes holes;

	(void)state;
	start(&fixture);
	for (int i = 0; i < 2; i++) {
		struct view_buffer *buffer = at(&fixture, i, 0, 4096);

		buffer->flags = MT_NO_ADDRESS;
		buffer->address = SEGMENT_NO_ADDRESS;
	}
	at(&fixture, 0, 0, 4096);
	find(&fixture);
	assert_int_equal(fixture.findings.findings.count, 0);
	assert_int_equal(figure_bytes(&fixture.machine.devices.items[0].figures[MT_DRAM]),
	                 3 * 4096 * 12);
	holes_find(&fixture.machine, 0, MT_DRAM, &holes);
	assert_false(holes.known);
	end(&fixture);
}

/* Places of several contexts are one row: their addresses have nothing to do with each other. */
static void no_overlap_of_unplaced(void **state)
{
	struct fixture fixture;

	(void)state;
	start(&fixture);
	for (int i = 0; i < 2; i++) {
		uint32_t place = build_unplaced(fixture.built[0], 7 + i);

		build_device_space(fixture.built[0], place);
		at(&fixture, 0, 0, 4096)->space = 1 + (uint32_t)i;
	}
	find(&fixture);
	assert_int_equal(fixture.machine.devices.count, 3);
	assert_int_equal(fixture.findings.findings.count, 0);
	end(&fixture);
}

/* A view has no address of its own, and its owner may be on another device by now. */
static void views_name_owners_not_addresses(void **state)
{
	struct fixture fixture;
	struct view_buffer *view;

	(void)state;
	start(&fixture);
	build_device_space(fixture.built[0], build_unplaced(fixture.built[0], 7));
	at(&fixture, 0, 0x1000, 4096)->id = 5;
	view = at(&fixture, 0, SEGMENT_NO_ADDRESS, 64);
	view->space = 1;
	view->class_now = CLASS_VIEW;
	view->parent = 5;
	view = at(&fixture, 0, SEGMENT_NO_ADDRESS, 64);
	view->class_now = CLASS_VIEW;
	view->parent = 6;
	find(&fixture);
	assert_int_equal(fixture.findings.findings.count, 1);
	assert_int_equal(fixture.findings.findings.items[0].type, FINDING_DANGLING_VIEW);
	assert_int_equal(fixture.findings.findings.items[0].buffer->parent, 6);
	end(&fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlap_across_processes_is_one_finding),
		cmocka_unit_test(no_overlap),
		cmocka_unit_test(no_overlap_where_banks_are_not_known),
		cmocka_unit_test(over_capacity_and_dangling),
		cmocka_unit_test(only_what_stays_is_told),
		cmocka_unit_test(holes_per_bank),
		cmocka_unit_test(no_overlap_without_address),
		cmocka_unit_test(no_overlap_of_unplaced),
		cmocka_unit_test(views_name_owners_not_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
