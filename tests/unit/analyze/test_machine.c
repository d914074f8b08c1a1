/* SPDX-License-Identifier: Apache-2.0 */
/* Which device is which, across processes; and who counts where two sources see the same. */
#include "cmocka_all.h"
#include "machine.h"
#include "selection.h"
#include "view_build.h"

#include <errno.h>
#include <string.h>

static void build(struct machine *machine, struct built_view *const *built, size_t count,
                  const struct tt_counters *counters, bool dead)
{
	struct segment_view *views[8];
	struct machine_input input = {views, count, counters, dead};

	for (size_t i = 0; i < count; i++) {
		build_figures(built[i]);
		views[i] = &built[i]->view;
	}
	machine_build(machine, &input);
}

/* Two processes know the same two chips by other ordinals. */
static void same_chip_by_unique_id(void **state)
{
	struct built_view *built[2] = {build_view(10, LIFE_ALIVE), build_view(20, LIFE_ALIVE)};
	struct machine machine;

	(void)state;
	for (uint32_t i = 0; i < 2; i++)
		build_device(built[0], 0xa0 + i, (int32_t)i, "");
	build_device(built[1], 0xa1, 0, "");
	build_buffer(built[0], build_device_space(built[0], 1), 1, 1200);
	build_buffer(built[1], build_device_space(built[1], 0), 1, 2400);
	build(&machine, built, 2, NULL, false);
	assert_int_equal(machine.devices.count, 2);
	assert_int_equal(machine.devices.items[1].unique_id, 0xa1);
	assert_int_equal(figure_bytes(&machine.devices.items[1].figures[MT_DRAM]), 3600);
	assert_int_equal(machine.devices.items[1].process_count, 2);
	assert_false(machine.devices.items[1].figures[MT_DRAM].peak_known);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 0);
	machine_finish(&machine);
	build_free(built[0]);
	build_free(built[1]);
}

static void by_bus_and_ordinal_else_alone(void **state)
{
	struct built_view *built[2] = {build_view(10, LIFE_ALIVE), build_view(20, LIFE_ALIVE)};
	struct machine machine;

	(void)state;
	for (int i = 0; i < 2; i++) {
		build_device(built[i], 0, 0, "0000:81:00.0"); /* the same */
		build_device(built[i], 0, 1, "0000:81:00.0"); /* the second chip of that board */
		build_device(built[i], 0, 2, "");             /* nobody knows which: each its own */
	}
	build(&machine, built, 2, NULL, false);
	assert_int_equal(machine.devices.count, 4);
	machine_finish(&machine);
	build_free(built[0]);
	build_free(built[1]);
}

static void dead_do_not_count(void **state)
{
	struct built_view *built[1] = {build_view(10, LIFE_KILLED)};
	struct machine machine;

	(void)state;
	build_device(built[0], 1, 0, "");
	build_buffer(built[0], build_device_space(built[0], 0), 1, 100);
	build(&machine, built, 1, NULL, false);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 0);
	assert_int_equal(figure_bytes(&machine.processes.items[0].figures[MT_DRAM]), 100);
	assert_true(machine.processes.items[0].dead);
	machine_finish(&machine);
	build(&machine, built, 1, NULL, true);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 100);
	machine_finish(&machine);
	build_free(built[0]);
}

static void counters_are_witness_or_source(void **state)
{
	struct built_view *built[1] = {build_view(10, LIFE_ALIVE)};
	struct tt_device chip = {.unique_id = 0xa0, .device_id = 0, .process_count = 3};
	struct tt_counters counters = {.devices = {&chip, 1, 1}};
	struct machine machine;

	(void)state;
	chip.processes[0] = (struct tt_process){.pid = 10, .bytes = {150}};
	chip.processes[1] = (struct tt_process){.pid = 11, .bytes = {70}};
	chip.processes[2] = (struct tt_process){.pid = 12, .bytes = {5000}, .dead = true};
	build_device(built[0], 0xa0, 0, "");
	build_buffer(built[0], build_device_space(built[0], 0), 1, 100);
	build(&machine, built, 1, &counters, false);
	assert_int_equal(machine.devices.count, 1);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 170);
	assert_int_equal(machine.devices.items[0].figures[MT_DRAM].unclassified_bytes, 70);
	assert_false(machine.devices.items[0].figures[MT_DRAM].exact);
	assert_int_equal(machine.processes.count, 3);
	assert_int_equal(machine.witnesses.count, 1);
	assert_int_equal(machine.witnesses.items[0].witness_bytes, 150);
	assert_int_equal(machine.witnesses.items[0].counted_bytes, 100);
	machine_finish(&machine);
	build_free(built[0]);
}

static void inexact_is_said(void **state)
{
	struct built_view *built[1] = {build_view(10, LIFE_ALIVE)};
	struct machine machine;

	(void)state;
	build_device(built[0], 1, 0, "");
	built[0]->view.state = SEGMENT_STATE_INEXACT;
	build(&machine, built, 1, NULL, false);
	assert_false(machine.devices.items[0].figures[MT_DRAM].exact);
	machine_finish(&machine);
	build_free(built[0]);
}

static void expect_device(const struct machine *machine, const char *name, int error, uint32_t row)
{
	char reason[SELECTION_REASON] = "";
	uint32_t found = 0;

	assert_int_equal(selection_device(machine, name, &found, &reason), error);
	if (error == 0)
		assert_int_equal(found, row);
	else
		assert_true(strlen(reason) > 20);
}

static void names_of_devices(void **state)
{
	struct built_view *built[1] = {build_view(77, LIFE_ALIVE)};
	static const uint32_t order[] = {2, 0, 3, 1};
	struct machine machine;

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		build_device(built[0], 0x100 + i, (int32_t)i, i == 1 ? "0000:81:00.0" : "");
	build_mesh_space(built[0], 2, 2, order);
	build(&machine, built, 1, NULL, false);
	expect_device(&machine, "3", 0, 3);
	expect_device(&machine, "0x102", 0, 2);
	expect_device(&machine, "0000:81:00.0", 0, 1);
	expect_device(&machine, "mesh@0,0", 0, 2);
	expect_device(&machine, "@1,1", 0, 1);
	expect_device(&machine, "77:3", 0, 3);
	expect_device(&machine, "4", -ENOENT, 0);
	expect_device(&machine, "mesh@2,0", -ENOENT, 0);
	expect_device(&machine, "mesh@0,2", -ENOENT, 0);
	expect_device(&machine, "78:0", -ENOENT, 0);
	expect_device(&machine, "0x0", -ENOENT, 0);
	expect_device(&machine, "", -ENOENT, 0);
	expect_device(&machine, "99999999999999999999999", -ENOENT, 0);
	machine_finish(&machine);
	build_free(built[0]);
}

/* Two processes with a chip each that nothing but its ordinal identifies, and with places of what
 * is on no chip: of the same ordinals and mask, so that nothing but the flag tells them apart. */
static struct built_view *unplaced_process(int32_t pid, uint32_t places)
{
	struct built_view *built = build_view(pid, LIFE_ALIVE);

	build_device_space(built, build_device(built, 0, 0, ""));
	build_buffer(built, 0, 1, 1200);
	for (uint32_t i = 0; i < places; i++) {
		uint32_t place = build_unplaced(built, (int32_t)i);
		struct view_buffer *buffer =
			build_buffer(built, build_device_space(built, place), 10 + i, 100);

		buffer->address = SEGMENT_NO_ADDRESS;
	}
	for (uint32_t d = 0; d < built->view.device_count; d++)
		built->devices[d].ordinals = 77;
	return built;
}

static void unplaced_is_no_device(void **state)
{
	struct built_view *built[2] = {unplaced_process(10, 2), unplaced_process(20, 1)};
	struct machine_figure figure;
	struct machine machine;

	(void)state;
	build(&machine, built, 2, NULL, false);
	assert_int_equal(machine_chips(&machine), 1);
	assert_int_equal(machine.devices.count, 2);
	assert_int_equal(machine_shown_rows(&machine), 2);
	assert_true(machine.devices.items[1].unplaced);
	assert_false(machine.devices.items[0].unplaced);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 2400);
	assert_int_equal(figure_bytes(&machine.devices.items[1].figures[MT_DRAM]), 300);
	assert_int_equal(machine.devices.items[1].figures[MT_DRAM].capacity, 0);
	assert_int_equal(machine.devices.items[0].process_count, 2);
	assert_int_equal(machine.processes.items[0].devices.count, 2);
	assert_int_equal(machine.processes.items[0].devices.items[1], 1);
	assert_true(
		machine_process_figure(&machine, &machine.processes.items[0], 1, MT_DRAM, &figure));
	assert_int_equal(figure_bytes(&figure), 200);
	expect_device(&machine, "unplaced", 0, 1);
	expect_device(&machine, "0", 0, 0);
	expect_device(&machine, "1", -ENOENT, 0);
	expect_device(&machine, "10:0", 0, 0);
	expect_device(&machine, "10:1", -ENOENT, 0);
	machine_finish(&machine);
	build_free(built[0]);
	build_free(built[1]);
}

/* Where nothing is in them, nothing is said of them. */
static void empty_places_are_not_shown(void **state)
{
	struct built_view *built[1] = {unplaced_process(10, 2)};
	struct machine machine;

	(void)state;
	for (uint32_t i = 1; i < 3; i++)
		built[0]->buffers[i].space = 0; /* on the chip by now */
	build(&machine, built, 1, NULL, false);
	assert_int_equal(machine_chips(&machine), 1);
	assert_false(machine_has_unplaced(&machine));
	assert_int_equal(machine_shown_rows(&machine), 1);
	assert_int_equal(machine.processes.items[0].devices.count, 1);
	assert_int_equal(figure_bytes(&machine.devices.items[0].figures[MT_DRAM]), 1400);
	machine_finish(&machine);
	built[0]->view.device_count = 1; /* and where there are none */
	built[0]->view.space_count = 1;
	build(&machine, built, 1, NULL, false);
	assert_int_equal(machine.devices.count, 1);
	assert_int_equal(machine_chips(&machine), 1);
	expect_device(&machine, "unplaced", -ENOENT, 0);
	machine_finish(&machine);
	build_free(built[0]);
}

/* A segment beside the socket, and tt-metal's counters, know chips by ordinal: not these. */
static void unplaced_learns_from_nobody(void **state)
{
	struct built_view *built[2] = {unplaced_process(10, 1), unplaced_process(10, 1)};
	struct tt_counters counters = {0};
	struct tt_device chip = {.unique_id = 5, .process_count = 1};
	struct machine machine;

	(void)state;
	built[1]->view.is_proxy = true;
	built[1]->view.identity++;
	built[1]->devices[0].unique_id = 5;
	chip.processes[0] = (struct tt_process){.pid = 10, .name = "program"};
	*vec_add(&counters.devices) = chip;
	build(&machine, built, 2, &counters, false);
	assert_int_equal(machine_chips(&machine), 1);
	assert_int_equal(machine.devices.items[0].unique_id, 5);
	assert_int_equal(machine.devices.count, 2);
	assert_int_equal(machine.devices.items[1].unique_id, 0);
	machine_finish(&machine);
	tt_counters_finish(&counters);
	build_free(built[0]);
	build_free(built[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_chip_by_unique_id),
		cmocka_unit_test(by_bus_and_ordinal_else_alone),
		cmocka_unit_test(dead_do_not_count),
		cmocka_unit_test(counters_are_witness_or_source),
		cmocka_unit_test(inexact_is_said),
		cmocka_unit_test(names_of_devices),
		cmocka_unit_test(unplaced_is_no_device),
		cmocka_unit_test(empty_places_are_not_shown),
		cmocka_unit_test(unplaced_learns_from_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
