/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that is visible in several ways counts once on each chip: by its segment, else by the
 * socket, else by tt-metal's counters; and which chip an ordinal is.
 */
#include "cmocka_all.h"
#include "leaks.h"
#include "listing.h"
#include "machine.h"
#include "view_build.h"

#include <string.h>

enum { MAX_VIEWS = 6, MAX_CHIPS = 4, PID = 10, OTHER = 20, MASK = 7 };

/* What a test puts together. */
struct place {
	struct built_view *built[MAX_VIEWS];
	size_t count;
	struct tt_device chips[MAX_CHIPS];
	struct tt_counters counters;
	struct machine machine;
};

static int place_init(void **state)
{
	static struct place place;

	memset(&place, 0, sizeof(place));
	place.counters.devices.items = place.chips;
	*state = &place;
	return 0;
}

static int place_finish(void **state)
{
	struct place *place = *state;

	machine_finish(&place->machine);
	for (size_t i = 0; i < place->count; i++)
		build_free(place->built[i]);
	return 0;
}

static struct built_view *add_segment(struct place *place, int32_t pid, enum view_life life)
{
	struct built_view *built = build_view(pid, life);

	built->view.subject.pid_ns = 4026531836;
	built->view.subject.start_ticks = 1000 + (uint64_t)pid;
	place->built[place->count++] = built;
	return built;
}

static struct built_view *add_proxy(struct place *place, int32_t pid, enum view_life life)
{
	struct built_view *built = add_segment(place, pid, life);

	built->view.is_proxy = true;
	built->view.writer.pid = 1;
	return built;
}

/* A device with one buffer. Its index in the view. */
static uint32_t put(struct built_view *built, uint64_t unique_id, int32_t ordinal, uint64_t bytes)
{
	uint32_t device = build_device(built, unique_id, ordinal, "");

	build_buffer(built, build_device_space(built, device), 0x100 + device, bytes);
	return device;
}

static struct tt_device *add_chip(struct place *place, uint64_t unique_id, int32_t ordinal)
{
	struct tt_device *chip = &place->chips[place->counters.devices.count++];

	chip->unique_id = unique_id;
	chip->device_id = ordinal;
	return chip;
}

static void add_user(struct tt_device *chip, int32_t pid, uint64_t bytes, bool dead)
{
	struct tt_process *process = &chip->processes[chip->process_count++];

	*process = (struct tt_process){.pid = pid, .bytes = {bytes}, .dead = dead};
	chip->bytes[TT_DRAM] += bytes;
}

static void make(struct place *place, bool count_dead)
{
	struct segment_view *views[MAX_VIEWS];
	struct machine_input input = {views, place->count, &place->counters, count_dead};

	for (size_t i = 0; i < place->count; i++) {
		build_figures(place->built[i]);
		views[i] = &place->built[i]->view;
	}
	machine_build(&place->machine, &input);
}

static uint64_t dram(const struct place *place, uint32_t row)
{
	return figure_bytes(&place->machine.devices.items[row].figures[MT_DRAM]);
}

static const struct machine_process *process(const struct place *place, size_t number)
{
	assert_true(number < place->machine.processes.count);
	return &place->machine.processes.items[number];
}

static void expect_witness(const struct place *place, size_t number, enum process_source source,
                           uint64_t counted, uint64_t witness)
{
	const struct machine_witness *found = &place->machine.witnesses.items[number];

	assert_true(number < place->machine.witnesses.count);
	assert_int_equal(found->source, source);
	assert_int_equal(found->kind, MT_DRAM);
	assert_int_equal(found->counted_bytes, counted);
	assert_int_equal(found->witness_bytes, witness);
}

static void seen_all_three_ways(void **state)
{
	struct place *place = *state;

	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 130);
	put(add_segment(place, PID, LIFE_ALIVE), 0xa0, 0, 100);
	add_user(add_chip(place, 0xa0, 0), PID, 150, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 1);
	assert_int_equal(place->machine.devices.items[0].unique_id, 0xa0);
	assert_int_equal(dram(place, 0), 100);
	assert_int_equal(place->machine.devices.items[0].process_count, 1);
	assert_int_equal(place->machine.processes.count, 2);
	assert_true(process(place, 0)->witness && !process(place, 0)->counted);
	assert_int_equal(process(place, 0)->source, SOURCE_SOCKET);
	assert_true(!process(place, 1)->witness && process(place, 1)->counted);
	assert_int_equal(place->machine.witnesses.count, 2);
	expect_witness(place, 0, SOURCE_SOCKET, 100, 130);
	expect_witness(place, 1, SOURCE_COUNTERS, 100, 150);
	assert_int_equal(place->machine.witnesses.items[0].process, 1);
	assert_int_equal(place->machine.witnesses.items[1].process, 1);
}

static void socket_before_counters(void **state)
{
	struct place *place = *state;

	put(add_proxy(place, PID, LIFE_ALIVE), 0, 3, 130);
	add_user(add_chip(place, 0xa0, 3), PID, 150, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 1);
	assert_int_equal(place->machine.devices.items[0].unique_id, 0xa0);
	assert_int_equal(dram(place, 0), 130);
	assert_int_equal(place->machine.processes.count, 1);
	assert_int_equal(process(place, 0)->source, SOURCE_SOCKET);
	assert_true(process(place, 0)->counted && !process(place, 0)->witness);
	expect_witness(place, 0, SOURCE_COUNTERS, 130, 150);
}

/* The segment has one chip, the socket two, the counters three: each counts where nothing better
 * does. */
static void by_chip(void **state)
{
	struct place *place = *state;
	struct built_view *proxy;

	put(add_segment(place, PID, LIFE_ALIVE), 0xa0, 0, 1);
	proxy = add_proxy(place, PID, LIFE_ALIVE);
	put(proxy, 0, 0, 20);
	put(proxy, 0xa1, 1, 30);
	for (int32_t i = 0; i < 3; i++)
		add_user(add_chip(place, 0xa0 + (uint64_t)i, i), PID, 400, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 3);
	assert_int_equal(dram(place, 0), 1);
	assert_int_equal(dram(place, 1), 30);
	assert_int_equal(dram(place, 2), 400);
	assert_int_equal(place->machine.witnesses.count, 3);
	expect_witness(place, 0, SOURCE_SOCKET, 1, 20);
	expect_witness(place, 1, SOURCE_COUNTERS, 1, 400);
	expect_witness(place, 2, SOURCE_COUNTERS, 30, 400);
	assert_int_equal(place->machine.processes.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(process(place, i)->counted);
	assert_int_equal(figure_bytes(&process(place, 1)->figures[MT_DRAM]), 30);
	assert_int_equal(process(place, 1)->rows[0], UINT32_MAX);
	assert_int_equal(process(place, 1)->chips[0], 0);
}

/* What a process has on a device is what it adds to it, whoever asks. */
static void figures_of_processes_are_those_of_devices(void **state)
{
	struct place *place = *state;
	struct machine_figure figure;

	by_chip(state);
	for (uint32_t row = 0; row < 3; row++) {
		uint64_t bytes = 0;

		for (size_t i = 0; i < place->machine.processes.count; i++)
			if (machine_process_figure(&place->machine, process(place, i), row, MT_DRAM,
			                           &figure))
				bytes += figure_bytes(&figure);
		assert_int_equal(bytes, dram(place, row));
	}
}

/* Lists have a buffer that two sources know once. */
static void listed_once(void **state)
{
	struct place *place = *state;
	struct selection selection = {.all_kinds = true};
	struct sums sums;

	by_chip(state);
	sums_make(&sums, &place->machine, &selection, SUM_BY_KIND, false);
	assert_int_equal(sums.sums.count, 1);
	assert_int_equal(sums.sums.items[0].total_bytes, 431);
	sums_finish(&sums);
}

static void another_process_is_another(void **state)
{
	struct place *place = *state;
	struct built_view *proxy;

	put(add_segment(place, PID, LIFE_ALIVE), 0xa0, 0, 100);
	put(add_proxy(place, OTHER, LIFE_ALIVE), 0xa0, 0, 10);
	/* The same number in another pid namespace; and the same again, of a process that started
	 * at another time. */
	proxy = add_proxy(place, PID, LIFE_ALIVE);
	proxy->view.subject.pid_ns++;
	put(proxy, 0xa0, 0, 20);
	proxy = add_proxy(place, PID, LIFE_ALIVE);
	proxy->view.subject.start_ticks++;
	put(proxy, 0xa0, 0, 40);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 1);
	assert_int_equal(dram(place, 0), 170);
	assert_int_equal(place->machine.devices.items[0].process_count, 4);
	assert_int_equal(place->machine.witnesses.count, 0);
}

/* A start time that could not be read: among the living a pid is enough, among the dead not. */
static void unknown_start(void **state)
{
	struct place *place = *state;
	struct built_view *proxy;

	put(add_segment(place, PID, LIFE_ALIVE), 0xa0, 0, 100);
	proxy = add_proxy(place, PID, LIFE_ALIVE);
	proxy->view.subject.start_ticks = 0;
	put(proxy, 0, 0, 20);
	put(add_segment(place, OTHER, LIFE_KILLED), 0xa1, 0, 300);
	proxy = add_proxy(place, OTHER, LIFE_KILLED);
	proxy->view.subject.start_ticks = 0;
	put(proxy, 0xa1, 0, 50);
	make(place, true);
	assert_true(process(place, 1)->witness);
	assert_false(process(place, 3)->witness);
	assert_int_equal(dram(place, 0), 100);
	assert_int_equal(dram(place, 1), 350);
}

/* What a segment says that is over for a reason that leaves its process alive is not what is. */
static void after_exec_or_stop_the_socket_counts(void **state)
{
	static const enum view_life lives[] = {LIFE_EXEC, LIFE_STOPPED, LIFE_KILLED, LIFE_ENDED};
	struct place *place = *state;

	for (size_t i = 0; i < 4; i++) {
		int32_t pid = PID + (int32_t)i;

		place_init(state);
		put(add_segment(place, pid, lives[i]), 0xa0, 0, 100);
		put(add_proxy(place, pid, LIFE_ALIVE), 0xa0, 0, 20);
		make(place, false);
		assert_int_equal(dram(place, 0), 20);
		assert_true(process(place, 1)->counted);
		assert_int_equal(place->machine.witnesses.count, 0);
		if (i != 3)
			place_finish(state);
	}
}

/* Both are over: what was held after the exec is known to the socket alone. */
static void died_after_exec(void **state)
{
	struct place *place = *state;

	put(add_segment(place, PID, LIFE_EXEC), 0xa0, 0, 100);
	put(add_proxy(place, PID, LIFE_KILLED), 0xa0, 0, 20);
	make(place, true);
	assert_false(process(place, 1)->witness);
	assert_int_equal(dram(place, 0), 120);
}

/* Nor does the segment of the program before the exec tell which chip an ordinal is now. */
static void ordinals_before_exec(void **state)
{
	struct place *place = *state;

	put(add_segment(place, PID, LIFE_EXEC), 0xa0, 0, 100);
	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 20);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 2);
}

static void ordinals_of_one_process(void **state)
{
	struct place *place = *state;
	struct built_view *segment = add_segment(place, PID, LIFE_ALIVE), *proxy;

	build_device(segment, 0xa7, 0, "0000:01:00.0");
	build_device(segment, 0, 1, "0000:02:00.0");
	build_device(segment, 0, 2, "");
	proxy = add_proxy(place, PID, LIFE_ALIVE);
	for (int32_t i = 0; i < 4; i++)
		put(proxy, 0, i, 8);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 4);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(process(place, 0)->chips[i], process(place, 1)->chips[i]);
	assert_int_equal(dram(place, process(place, 1)->chips[3]), 8);
	assert_int_equal(dram(place, process(place, 0)->chips[0]), 0);
}

/* A segment that had two chips under one ordinal does not say which one it is. */
static void ambiguous_ordinal(void **state)
{
	struct place *place = *state;
	struct built_view *segment = add_segment(place, PID, LIFE_ALIVE);

	build_device(segment, 0xa0, 0, "");
	build_device(segment, 0xa1, 0, "");
	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 8);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 3);
	assert_false(process(place, 1)->witness);
}

/* Nor do two files of counters that both give the process this ordinal. */
static void ambiguous_counters(void **state)
{
	struct place *place = *state;

	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 8);
	add_user(add_chip(place, 0xa0, 0), PID, 5, false);
	add_user(add_chip(place, 0xa1, 0), PID, 6, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 3);
	assert_int_equal(place->machine.witnesses.count, 0);
}

static void counters_of_another_ordinal(void **state)
{
	struct place *place = *state;

	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 8);
	add_user(add_chip(place, 0xa1, 1), PID, 5, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 2);
	assert_int_equal(place->machine.witnesses.count, 0);
}

/* The counters of a chip are those of the ordinal only for processes that are in them, alive. */
static void counters_of_others(void **state)
{
	struct place *place = *state;
	struct tt_device *chip = add_chip(place, 0xa0, 0);

	put(add_proxy(place, PID, LIFE_ALIVE), 0, 0, 8);
	add_user(chip, OTHER, 5, false);
	add_user(chip, PID, 7, true);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 2);
	assert_int_equal(place->machine.processes.count, 3);
}

static void set_mask(struct built_view *built, uint64_t mask)
{
	for (uint32_t i = 0; i < built->view.device_count; i++)
		built->devices[i].ordinals = mask;
}

static void equal_masks_merge(void **state)
{
	static const uint64_t masks[] = {MASK, MASK, MASK + 1, 0, 0};
	struct place *place = *state;

	for (int32_t i = 0; i < 5; i++) {
		struct built_view *proxy = add_proxy(place, PID + i, LIFE_ALIVE);

		put(proxy, 0, 0, 1);
		put(proxy, 0, 1, 16);
		set_mask(proxy, masks[i]);
	}
	make(place, false);
	/* One for the first two; of the others each is known to itself alone. */
	assert_int_equal(place->machine.devices.count, 8);
	assert_int_equal(process(place, 0)->chips[0], process(place, 1)->chips[0]);
	assert_int_equal(process(place, 0)->chips[1], process(place, 1)->chips[1]);
	assert_int_equal(dram(place, process(place, 0)->chips[0]), 2);
	assert_int_equal(dram(place, process(place, 0)->chips[1]), 32);
	for (size_t i = 2; i < 5; i++)
		assert_int_equal(dram(place, process(place, i)->chips[0]), 1);
}

/* One of those with the mask knows which chips they are. */
static void a_mask_learns(void **state)
{
	struct place *place = *state;

	put(add_segment(place, PID, LIFE_ALIVE), 0xa0, 0, 100);
	for (int32_t i = 0; i < 2; i++) {
		struct built_view *proxy = add_proxy(place, PID + i, LIFE_ALIVE);

		put(proxy, 0, 0, 30);
		set_mask(proxy, MASK);
	}
	make(place, false);
	assert_int_equal(place->machine.devices.count, 1);
	assert_int_equal(place->machine.devices.items[0].unique_id, 0xa0);
	assert_int_equal(dram(place, 0), 130);
	expect_witness(place, 0, SOURCE_SOCKET, 100, 30);
	assert_int_equal(place->machine.witnesses.count, 1);
}

/* Two of them know different chips: then the mask says nothing of a third. */
static void masks_that_disagree(void **state)
{
	struct place *place = *state;

	for (int32_t i = 0; i < 3; i++) {
		struct built_view *proxy = add_proxy(place, PID + i, LIFE_ALIVE);

		put(proxy, i < 2 ? 0xa0 + (uint64_t)i : 0, 0, 30);
		set_mask(proxy, MASK);
	}
	make(place, false);
	assert_int_equal(place->machine.devices.count, 3);
	for (uint32_t row = 0; row < 3; row++)
		assert_int_equal(dram(place, row), 30);
}

/* Processes that share a chip by its bus address go on sharing it when one learns its id. */
static void a_bus_learns(void **state)
{
	struct place *place = *state;

	for (int32_t i = 0; i < 2; i++) {
		struct built_view *segment = add_segment(place, PID + i, LIFE_ALIVE);

		build_device(segment, 0, 0, "0000:01:00.0");
		build_buffer(segment, build_device_space(segment, 0), 1, 40);
	}
	add_user(add_chip(place, 0xa0, 0), PID, 50, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 1);
	assert_int_equal(dram(place, 0), 80);
	assert_string_equal(place->machine.devices.items[0].bus, "0000:01:00.0");
	expect_witness(place, 0, SOURCE_COUNTERS, 40, 50);
}

/* A file of the counters whose name has no id is a chip of its own, not one of everybody's. */
static void counters_without_an_id(void **state)
{
	struct place *place = *state;
	struct machine_figure figure;

	put(add_segment(place, PID, LIFE_ALIVE), 0, 0, 100);
	add_user(add_chip(place, 0, 0), OTHER, 5, false);
	make(place, false);
	assert_int_equal(place->machine.devices.count, 2);
	for (uint32_t row = 0; row < 2; row++)
		assert_int_equal(machine_process_figure(&place->machine, process(place, 1), row,
		                                        MT_DRAM, &figure),
		                 dram(place, row) == 5);
}

static void dead_pids_in_the_counters(void **state)
{
	struct place *place = *state;
	struct tt_device *chip = add_chip(place, 0xa0, 0);
	const struct machine_file_total *total;

	add_user(chip, PID, 70, false);
	add_user(chip, OTHER, 5000, true);
	add_user(add_chip(place, 0xa1, 1), PID, 70, false);
	make(place, false);
	assert_int_equal(dram(place, 0), 70);
	assert_int_equal(place->machine.file_totals.count, 1);
	total = &place->machine.file_totals.items[0];
	assert_int_equal(total->row, 0);
	assert_int_equal(total->kind, MT_DRAM);
	assert_int_equal(total->file_bytes, 5070);
	assert_int_equal(total->live_bytes, 70);
	assert_int_equal(total->dead_bytes, 5000);
	assert_true(process(place, 1)->dead && !process(place, 1)->counted);
	assert_string_equal(life_word(process(place, 1)), "dead");
}

/* Totals that are not the sum of anybody. */
static void totals_that_do_not_add_up(void **state)
{
	struct place *place = *state;
	struct tt_device *chip = add_chip(place, 0xa0, 0);

	add_user(chip, PID, 70, false);
	chip->bytes[TT_DRAM] = 0; /* clamped */
	chip->bytes[TT_L1] = 9;   /* of a process that has no slot */
	make(place, false);
	assert_int_equal(place->machine.file_totals.count, 2);
	assert_int_equal(place->machine.file_totals.items[0].file_bytes, 0);
	assert_int_equal(place->machine.file_totals.items[1].file_bytes, 9);
	assert_int_equal(place->machine.file_totals.items[1].live_bytes, 0);
}

/* The server died, the program lives: old, and still the best that is known. */
static void stale_counts(void **state)
{
	struct place *place = *state;
	struct built_view *proxy = add_proxy(place, PID, LIFE_ALIVE);

	put(proxy, 0xa0, 0, 100);
	proxy->view.writer_gone = true;
	proxy = add_proxy(place, OTHER, LIFE_KILLED);
	put(proxy, 0xa0, 0, 300);
	proxy->view.writer_gone = true;
	make(place, false);
	assert_int_equal(dram(place, 0), 100);
	assert_true(machine_is_stale(process(place, 0)) && process(place, 0)->counted);
	assert_string_equal(life_word(process(place, 0)), "stale");
	assert_false(machine_is_stale(process(place, 1)));
	assert_string_equal(life_word(process(place, 1)), "killed");
}

static void expect_leak(const struct place *place, enum verdict verdict, uint64_t bytes)
{
	struct selection selection = {.all_kinds = true};
	struct leak_options options = {false};
	struct leaks leaks;

	leaks_find(&leaks, &place->machine, &selection, &options);
	assert_int_equal(leaks.leaks.count, 1);
	assert_int_equal(leaks.leaks.items[0].verdict, verdict);
	assert_int_equal(leaks.leaks.items[0].total_bytes, bytes);
	leaks_finish(&leaks);
}

/* Of the dead, too, one source counts. */
static void the_dead_are_told_once(void **state)
{
	struct place *place = *state;

	put(add_segment(place, PID, LIFE_ENDED), 0xa0, 0, 100);
	put(add_proxy(place, PID, LIFE_ENDED), 0xa0, 0, 130);
	make(place, false);
	assert_true(process(place, 1)->witness);
	expect_leak(place, VERDICT_LEAKED, 100);
	assert_int_equal(place->machine.witnesses.count, 0);
}

static void verdicts_of_sockets(void **state)
{
	static const struct {
		enum view_life life;
		enum verdict verdict;
	} expected[] = {{LIFE_ENDED, VERDICT_OPEN}, {LIFE_KILLED, VERDICT_KILLED}};
	struct place *place = *state;

	for (size_t i = 0; i < 2; i++) {
		place_init(state);
		put(add_proxy(place, PID, expected[i].life), 0xa0, 0, 100);
		make(place, false);
		expect_leak(place, expected[i].verdict, 100);
		if (i == 0)
			place_finish(state);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, place_init, place_finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(seen_all_three_ways),
		TEST(socket_before_counters),
		TEST(by_chip),
		TEST(figures_of_processes_are_those_of_devices),
		TEST(listed_once),
		TEST(another_process_is_another),
		TEST(unknown_start),
		TEST(after_exec_or_stop_the_socket_counts),
		TEST(died_after_exec),
		TEST(ordinals_before_exec),
		TEST(ordinals_of_one_process),
		TEST(ambiguous_ordinal),
		TEST(ambiguous_counters),
		TEST(counters_of_another_ordinal),
		TEST(counters_of_others),
		TEST(equal_masks_merge),
		TEST(a_mask_learns),
		TEST(masks_that_disagree),
		TEST(a_bus_learns),
		TEST(counters_without_an_id),
		TEST(dead_pids_in_the_counters),
		TEST(totals_that_do_not_add_up),
		TEST(stale_counts),
		TEST(the_dead_are_told_once),
		TEST(verdicts_of_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
