/* SPDX-License-Identifier: Apache-2.0 */
/* What devices held over time: the highest of each interval, and nothing where nobody looked. */
#include "history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 1000000000ull
#define START  (5000 * SECOND)
#define NONE   UINT64_MAX

/* A reading of devices with the unique ids first, first + 1, ... and one kind. */
struct fake {
	struct reading reading;
	struct history *history;
	uint64_t values[HISTORY_VALUES];
};

static void fake_devices(struct fake *fake, uint64_t first, size_t count)
{
	struct machine *machine = &fake->reading.scene.machine;

	vec_finish(&machine->devices);
	for (size_t i = 0; i < count; i++) {
		struct machine_device *device = vec_add(&machine->devices);

		device->unique_id = first + i;
		device->arch = device->bus = "";
		device->figures[0].present = true;
	}
	machine->kind_count = 1;
	machine->kind_names[0] = "DRAM";
}

static int start(void **state)
{
	struct fake *fake = mem_calloc(1, sizeof(*fake));

	fake->history = history_create();
	fake_devices(fake, 100, 2);
	*state = fake;
	return 0;
}

static int finish(void **state)
{
	struct fake *fake = *state;

	history_destroy(fake->history);
	vec_finish(&fake->reading.scene.machine.devices);
	free(fake);
	return 0;
}

static void add(struct fake *fake, uint64_t at_ns, uint64_t bytes)
{
	fake->reading.monotonic_ns = at_ns;
	fake->reading.scene.machine.devices.items[0].figures[0].held = bytes;
	history_add(fake->history, &fake->reading);
}

static bool get(struct fake *fake, uint32_t row, enum history_span span, uint64_t now_ns)
{
	memset(fake->values, 0xaa, sizeof(fake->values));
	return history_series(fake->history, &fake->reading.scene.machine, row, 0, span, now_ns,
	                      &fake->values);
}

static uint64_t value(const struct fake *fake, unsigned back)
{
	return fake->values[HISTORY_VALUES - 1 - back];
}

static void nothing_at_all(void **state)
{
	struct fake *fake = *state;

	assert_false(get(fake, 0, HISTORY_1_MINUTE, START));
	add(fake, START, 0);
	assert_false(get(fake, 0, HISTORY_1_MINUTE, START));
	add(fake, START + SECOND, 5);
	assert_false(get(fake, 1, HISTORY_1_MINUTE, START + SECOND));
	assert_false(get(fake, 2, HISTORY_1_MINUTE, START + SECOND));
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + SECOND));
	/* That there was nothing before is known, since somebody looked. */
	assert_true(value(fake, 0) == 5);
	assert_true(value(fake, 1) == 0);
	assert_true(value(fake, 2) == NONE);
}

static void the_highest_of_its_time(void **state)
{
	struct fake *fake = *state;

	add(fake, START, 10);
	add(fake, START + SECOND / 4, 70);
	add(fake, START + SECOND / 2, 20);
	add(fake, START + SECOND, 30);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + SECOND));
	assert_true(value(fake, 1) == 70);
	assert_true(value(fake, 0) == 30);
	assert_true(get(fake, 0, HISTORY_10_MINUTES, START + SECOND));
	assert_true(value(fake, 0) == 70);
	assert_true(value(fake, 1) == NONE);
	assert_true(get(fake, 0, HISTORY_60_MINUTES, START + SECOND));
	assert_true(value(fake, 0) == 70);
}

/* With a refresh of 5 s what was held then is held until the next look. */
static void slow_refresh_has_no_gaps(void **state)
{
	struct fake *fake = *state;

	for (uint64_t i = 0; i < 4; i++)
		add(fake, START + 2 * i * SECOND, 10 * (i + 1));
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 6 * SECOND));
	assert_true(value(fake, 0) == 40);
	assert_true(value(fake, 1) == 30);
	assert_true(value(fake, 2) == 30);
	assert_true(value(fake, 5) == 10);
	/* The picture is drawn a moment after the reading. */
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 7 * SECOND));
	assert_true(value(fake, 0) == 40);
	assert_true(value(fake, 1) == 40);
}

static void a_pause_is_a_gap(void **state)
{
	struct fake *fake = *state;

	add(fake, START, 10);
	add(fake, START + SECOND, 10);
	add(fake, START + 21 * SECOND, 30);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 21 * SECOND));
	assert_true(value(fake, 0) == 30);
	assert_true(value(fake, 1) == NONE);
	assert_true(value(fake, 19) == NONE);
	assert_true(value(fake, 20) == 10);
	/* Nor is anything known when nothing came for long. */
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 60 * SECOND));
	assert_true(value(fake, 0) == NONE);
	assert_true(value(fake, 39) == 30);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 1000 * SECOND));
	for (unsigned i = 0; i < HISTORY_VALUES; i++)
		assert_true(value(fake, i) == NONE);
}

static void what_is_gone_holds_nothing(void **state)
{
	struct fake *fake = *state;

	add(fake, START, 10);
	fake_devices(fake, 101, 1);
	add(fake, START + SECOND, 0);
	add(fake, START + 2 * SECOND, 0);
	fake_devices(fake, 100, 2);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 2 * SECOND));
	assert_true(value(fake, 2) == 10);
	assert_true(value(fake, 1) == 0);
	assert_true(value(fake, 0) == 0);
}

/* Rows move when devices come; their history goes with them. */
static void known_by_id(void **state)
{
	struct fake *fake = *state;

	add(fake, START, 10);
	fake_devices(fake, 99, 3);
	fake->reading.scene.machine.devices.items[1].figures[0].held = 10;
	add(fake, START + SECOND, 7);
	assert_true(get(fake, 1, HISTORY_1_MINUTE, START + SECOND));
	assert_true(value(fake, 1) == 10);
	assert_true(value(fake, 0) == 10);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + SECOND));
	assert_true(value(fake, 0) == 7);
	assert_true(value(fake, 1) == 0);
}

static void without_ids(void **state)
{
	struct fake *fake = *state;
	struct machine_device *devices = fake->reading.scene.machine.devices.items;

	devices[0].unique_id = devices[1].unique_id = 0;
	devices[1].figures[0].held = 50;
	add(fake, START, 10);
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START));
	assert_true(value(fake, 0) == 10);
	assert_true(get(fake, 1, HISTORY_1_MINUTE, START));
	assert_true(value(fake, 0) == 50);
}

static void an_hour_goes_by(void **state)
{
	struct fake *fake = *state;

	for (uint64_t i = 0; i <= 3600; i++)
		add(fake, START + i * SECOND, i + 1);
	assert_true(get(fake, 0, HISTORY_60_MINUTES, START + 3600 * SECOND));
	for (unsigned i = 0; i < HISTORY_VALUES; i++)
		assert_true(value(fake, i) != NONE);
	for (unsigned i = 0; i + 1 < HISTORY_VALUES; i++)
		assert_true(value(fake, i) > value(fake, i + 1));
	assert_true(get(fake, 0, HISTORY_1_MINUTE, START + 3600 * SECOND));
	assert_true(value(fake, 0) == 3601);
	assert_true(value(fake, 59) == 3542);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_at_all, start, finish),
		cmocka_unit_test_setup_teardown(the_highest_of_its_time, start, finish),
		cmocka_unit_test_setup_teardown(slow_refresh_has_no_gaps, start, finish),
		cmocka_unit_test_setup_teardown(a_pause_is_a_gap, start, finish),
		cmocka_unit_test_setup_teardown(what_is_gone_holds_nothing, start, finish),
		cmocka_unit_test_setup_teardown(known_by_id, start, finish),
		cmocka_unit_test_setup_teardown(without_ids, start, finish),
		cmocka_unit_test_setup_teardown(an_hour_goes_by, start, finish),
	};

	return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
