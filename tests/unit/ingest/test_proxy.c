/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy makes of messages, as a reader of its segment sees it. */
#include "proxy_fixture.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEVICES = 8, BYTES = 4096 };
#define ID 0x3ffff000u

/* The habit of a mesh runtime: the backing buffer on device 0, then each device's own. */
static void send_mesh(struct proxy_fixture *fixture, uint64_t id)
{
	send_alloc(fixture, 0, id, BYTES, 0);
	for (int32_t device = 0; device < DEVICES; device++)
		send_alloc(fixture, device, id, BYTES, 0);
}

static void assert_live_on(struct proxy_fixture *fixture, int32_t first, int32_t limit)
{
	look(fixture);
	for (int32_t device = 0; device < DEVICES; device++) {
		bool live = device >= first && device < limit;

		assert_int_equal(bytes_on(fixture, device, MT_DRAM), live ? BYTES : 0);
		assert_int_equal(buffers_on(fixture, device, MT_DRAM), live ? 1 : 0);
	}
	assert_int_equal(fixture->view->buffer_count, limit > first ? limit - first : 0);
}

static void test_who_it_is_for(void **state)
{
	struct proxy_fixture *fixture = *state;
	const struct segment_view *view;

	fixture_open(fixture, REPEATS_COLLAPSE);
	view = look(fixture);
	assert_true(view->is_proxy);
	assert_int_equal(view->subject.pid, getpid());
	assert_int_equal(view->subject.uid, getuid());
	assert_int_equal(view->life, LIFE_ALIVE);
	assert_false(view->writer_gone);
	assert_int_equal(view->device_count, 0);
	assert_non_null(strstr(view->command_line, "unit-ingest-proxy"));
	assert_true(subject_same(proxy_subject(fixture->proxy), &fixture->subject));
}

static void test_backing_and_locals_with_as_many_frees_as_devices(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_mesh(fixture, ID);
	assert_live_on(fixture, 0, DEVICES);
	for (int32_t device = 0; device < DEVICES; device++)
		send_free(fixture, device, ID);
	assert_live_on(fixture, 0, 0);
	assert_int_equal(fixture->view->fault_total, 0);
	assert_int_equal(proxy_stats(fixture->proxy).repeated, 1);
	assert_int_equal(proxy_stats(fixture->proxy).guessed, 0);
	assert_int_equal(proxy_live(fixture->proxy), 0);
}

/* The free of the backing buffer too: before, between and after those of the devices. */
static void test_backing_and_locals_with_a_free_for_each_report(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	for (int32_t when = 0; when <= DEVICES; when++) {
		send_mesh(fixture, ID + 0x1000u * (uint32_t)when);
		for (int32_t device = 0; device <= DEVICES; device++) {
			if (device == when)
				send_free(fixture, 0, ID + 0x1000u * (uint32_t)when);
			if (device < DEVICES)
				send_free(fixture, device, ID + 0x1000u * (uint32_t)when);
		}
		assert_live_on(fixture, 0, 0);
	}
	assert_int_equal(fixture->view->fault_total, 0);
	assert_int_equal(proxy_stats(fixture->proxy).guessed, 0);
}

static void test_backing_and_locals_with_some_frees(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_mesh(fixture, ID);
	for (int32_t device = 0; device < 3; device++)
		send_free(fixture, device, ID);
	assert_live_on(fixture, 3, DEVICES);
	assert_int_equal(fixture->view->fault_total, 0);
}

static void test_refcount_takes_as_many_frees_as_allocs(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COUNT);
	send_mesh(fixture, ID);
	assert_live_on(fixture, 0, DEVICES);
	for (int32_t device = 0; device < DEVICES; device++)
		send_free(fixture, device, ID);
	assert_live_on(fixture, 0, 1); /* the backing buffer's, of which no free came */
	send_free(fixture, 0, ID);
	assert_live_on(fixture, 0, 0);
	assert_int_equal(fixture->view->fault_total, 0);
}

static void test_owner_and_view_count_once(void **state)
{
	static const enum writer_repeats modes[] = {REPEATS_COLLAPSE, REPEATS_COUNT};
	struct proxy_fixture *fixture = *state;

	for (size_t i = 0; i < 2; i++) {
		fixture_open(fixture, modes[i]);
		send_alloc(fixture, 2, ID, 12288, 0); /* the owner */
		send_alloc(fixture, 2, ID, 12288, 0); /* a view at its address */
		look(fixture);
		assert_int_equal(bytes_on(fixture, 2, MT_DRAM), 12288);
		assert_int_equal(fixture->view->buffer_count, 1);
		send_free(fixture, 2, ID);
		send_free(fixture, 2, ID);
		look(fixture);
		assert_int_equal(bytes_on(fixture, 2, MT_DRAM), 0);
		assert_int_equal(fixture->view->fault_total, 0);
		proxy_leave(fixture->proxy);
		fixture->proxy = NULL;
	}
}

static void test_another_size_replaces(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 1, ID, 1000, 0);
	send_alloc(fixture, 1, ID, 2000, 0);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 2000);
	assert_int_equal(faults_of(fixture, MT_REPLACED), 1);
	send_free(fixture, 1, ID);
	send_free(fixture, 1, ID); /* the late one */
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 0);
	assert_int_equal(fixture->view->fault_total, 1);
}

/* An early client frees with device 0, whatever the device. */
static void test_frees_with_device_0_mean_the_lowest_that_has_it(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	for (int32_t device = 0; device < DEVICES; device++)
		send_alloc(fixture, device, ID, BYTES, 0);
	for (int32_t freed = 1; freed <= DEVICES; freed++) {
		send_free(fixture, 0, ID);
		assert_live_on(fixture, freed, DEVICES);
	}
	assert_int_equal(proxy_stats(fixture->proxy).guessed, DEVICES - 1);
	assert_int_equal(fixture->view->fault_total, 0);
	send_free(fixture, 0, ID);
	look(fixture);
	assert_int_equal(fixture->view->fault_total, 1);
	assert_int_equal(faults_of(fixture, MT_DOUBLE_FREE), 1);
}

static void test_a_guess_where_device_0_was_never_used(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 5, ID, BYTES, 1);
	send_free(fixture, 0, ID + 1);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 5, MT_L1), BYTES);
	assert_int_equal(bytes_on(fixture, 0, MT_L1), -1);
	assert_int_equal(faults_of(fixture, MT_UNKNOWN_FREE), 1);
	send_free(fixture, 0, ID);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 5, MT_L1), 0);
	assert_int_equal(proxy_stats(fixture->proxy).guessed, 1);
}

static void test_faults_of_frees(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 3, ID, BYTES, 0);
	send_free(fixture, 3, ID);
	send_free(fixture, 3, ID);
	send_free(fixture, 3, ID + 5);
	send_free(fixture, 700, ID);
	look(fixture);
	assert_int_equal(faults_of(fixture, MT_DOUBLE_FREE), 1);
	assert_int_equal(faults_of(fixture, MT_UNKNOWN_FREE), 2);
	assert_int_equal(fixture->view->device_count, 1);
}

static void test_kinds_and_what_query_says(void **state)
{
	struct proxy_fixture *fixture = *state;
	struct proxy_usage usage;

	fixture_open(fixture, REPEATS_COLLAPSE);
	for (uint8_t type = 0; type < 5; type++)
		send_alloc(fixture, 4, 0x1000u * (type + 1u), 100u * (type + 1u), type);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 4, MT_DRAM), 100);
	assert_int_equal(bytes_on(fixture, 4, MT_L1), 200);
	assert_int_equal(bytes_on(fixture, 4, MT_HOST), 300);
	assert_int_equal(bytes_on(fixture, 4, MT_L1_SMALL), 400);
	assert_int_equal(bytes_on(fixture, 4, MT_TRACE), 500);
	assert_true(proxy_usage(fixture->proxy, 4, &usage));
	assert_int_equal(usage.dram, 100);
	assert_int_equal(usage.l1, 200);
	assert_int_equal(usage.host, 300);
	assert_int_equal(usage.l1_small, 400);
	assert_int_equal(usage.trace, 500);
	assert_int_equal(usage.cb, 0);
	assert_int_equal(usage.kernel, 0);
	assert_false(proxy_usage(fixture->proxy, 3, &usage));
	assert_false(proxy_usage(fixture->proxy, -1, &usage));
	assert_false(proxy_usage(fixture->proxy, 1 << 30, &usage));
	assert_int_equal(proxy_device_limit(fixture->proxy), 5);
}

static void test_circular_buffers_and_kernels(void **state)
{
	struct proxy_fixture *fixture = *state;
	struct proxy_usage usage;
	uint32_t kernel;

	fixture_open(fixture, REPEATS_COLLAPSE);
	/* One address in three spaces: none is another's. */
	send_alloc(fixture, 1, ID, 10, 1);
	send_type(fixture, TT_CB_ALLOC, 1, ID, 20, 0);
	send_type(fixture, TT_KERNEL_LOAD, 1, ID, 30, 0);
	send_type(fixture, TT_KERNEL_LOAD, 1, ID + 1, 40, 1);
	send_type(fixture, TT_KERNEL_LOAD, 1, ID + 2, 50, 2);
	send_type(fixture, TT_KERNEL_LOAD, 1, ID + 3, 60, 3);
	look(fixture);
	kernel = kind_named(fixture, "KERNEL");
	assert_int_equal(fixture->view->device_count, 1);
	assert_int_equal(bytes_on(fixture, 1, MT_L1), 10);
	assert_int_equal(bytes_on(fixture, 1, MT_CB), 20);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 0);
	assert_int_equal(bytes_on(fixture, 1, kernel), 120);
	assert_int_equal(fixture->view->figures[kernel].bytes[CLASS_CACHE], 30);
	assert_int_equal(fixture->view->figures[kernel].bytes[CLASS_SYSTEM], 90);
	assert_int_equal(faults_of(fixture, MT_MALFORMED), 1);
	assert_true(proxy_usage(fixture->proxy, 1, &usage));
	assert_int_equal(usage.cb, 20);
	assert_int_equal(usage.kernel, 120);
	send_type(fixture, TT_CB_FREE, 1, ID, 0, 0);
	for (uint32_t i = 0; i < 3; i++)
		send_type(fixture, TT_KERNEL_UNLOAD, 1, ID + i, 0, 0);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_L1), 10);
	assert_int_equal(bytes_on(fixture, 1, MT_CB), 0);
	assert_int_equal(bytes_on(fixture, 1, kernel), 0);
	assert_int_equal(fixture->view->fault_total, 1);
}

static void test_what_makes_no_sense_is_a_fault_and_nothing_else(void **state)
{
	static const int32_t devices[] = {-1, 1024, 100000, INT32_MAX, INT32_MIN};
	static const uint64_t sizes[] = {0, 1ull << 48, 1ull << 63, UINT64_MAX};
	static const uint8_t types[] = {0, TT_RESPONSE, TT_DEVICE_INFO_RESPONSE, 12, 100, 255};
	struct proxy_fixture *fixture = *state;
	uint64_t sent = 0;

	fixture_open(fixture, REPEATS_COLLAPSE);
	for (size_t i = 0; i < sizeof devices / sizeof *devices; i++, sent += 4) {
		send_alloc(fixture, devices[i], ID, BYTES, 0);
		send_free(fixture, devices[i], ID);
		send_type(fixture, TT_CB_ALLOC, devices[i], ID, BYTES, 0);
		send_type(fixture, TT_KERNEL_UNLOAD, devices[i], ID, BYTES, 0);
	}
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++, sent += 3) {
		send_alloc(fixture, 0, ID, sizes[i], 0);
		send_type(fixture, TT_CB_ALLOC, 0, ID, sizes[i], 0);
		send_type(fixture, TT_KERNEL_LOAD, 0, ID, sizes[i], 0);
	}
	for (unsigned type = 5; type <= 255; type += 50, sent++)
		send_alloc(fixture, 0, ID, BYTES, (uint8_t)type);
	for (size_t i = 0; i < sizeof types; i++, sent++)
		send_type(fixture, types[i], 0, ID, BYTES, 0);
	look(fixture);
	assert_int_equal(fixture->view->buffer_count, 0);
	assert_int_equal(faults_of(fixture, MT_MALFORMED), sent);
	assert_int_equal(fixture->view->fault_total, sent);
	assert_int_equal(proxy_stats(fixture->proxy).malformed, sent);
	assert_int_equal(fixture->view->device_count, 0);
	/* Few entries, however many faults. */
	assert_true(fixture->view->fault_count <= 12);
}

static void test_questions_change_nothing(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_type(fixture, TT_QUERY, 100000, 0, 0, 0);
	send_type(fixture, TT_DUMP_REMAINING, 0, 0, 0, 0);
	send_type(fixture, TT_DEVICE_INFO_QUERY, -1, 0, 0, 0);
	look(fixture);
	assert_int_equal(fixture->view->fault_total, 0);
	assert_int_equal(fixture->view->device_count, 0);
}

static void test_faults_that_the_server_sees(void **state)
{
	const struct tt_message message = {.type = TT_ALLOC, .id = ID, .bytes = 5, .pid = 1};
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	proxy_fault(fixture->proxy, MT_WRONG_PROCESS, &message);
	look(fixture);
	assert_int_equal(faults_of(fixture, MT_WRONG_PROCESS), 1);
	assert_string_equal(fixture->view->faults[0].site_second, "ALLOC");
	assert_int_equal(fixture->view->faults[0].id, ID);
}

/* --- with a table of devices -------------------------------------------------------------- */

static void parse_devices(struct tt_devices *devices, const char *text)
{
	char error[256];

	assert_int_equal(tt_devices_parse(text, "test", devices, error, sizeof error), 0);
}

static void test_capacities_of_the_table(void **state)
{
	static struct tt_devices devices;
	struct proxy_fixture *fixture = *state;
	const struct view_device *device;

	parse_devices(&devices, "[0-7]\narch = wormhole_b0\ndram_banks = 12\n"
	                        "dram_bank_bytes = 1 GiB\n[8]\nunique_id = 0x77\narch = x\n");
	fixture_open_with(fixture, REPEATS_COLLAPSE, &devices);
	/* More than a bank, and an id that is no address: counted all the same. */
	send_alloc(fixture, 1, ID, 3ull << 30, 0);
	send_alloc(fixture, 1, 1ull << 60, 12288, 0);
	look(fixture);
	device = &fixture->view->devices[0];
	assert_string_equal(device->arch, "wormhole_b0");
	assert_int_equal(device->memories[0].banks, 12);
	assert_int_equal(device->memories[0].bank_bytes, 1 << 30);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), (3ull << 30) + 12288);
	assert_int_equal(fixture->view->figures[0].capacity, 12ull << 30);
	assert_int_equal(fixture->view->figures[0].held, (3ull << 30) + 12288);
	assert_int_equal(fixture->view->fault_total, 0);
	assert_int_equal(fixture->view->buffers[0].span, (3ull << 30) / 12);
	send_free(fixture, 1, ID);
	send_free(fixture, 1, 1ull << 60);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 1, MT_DRAM), 0);
	assert_int_equal(fixture->view->figures[0].held, 0);
}

/* A device that the table names by its own number is that one only to who sees all devices. */
static void test_masks_and_unique_ids(void **state)
{
	static const struct {
		uint64_t ordinals, unique_id;
		const char *arch;
	} cases[] = {{SUBJECT_ORDINALS_ALL, 0x77, "x"}, {0, 0, "x"}, {12345, 0, ""}};
	static struct tt_devices devices;
	struct proxy_fixture *fixture = *state;

	parse_devices(&devices, "[0]\narch = y\n[1]\nunique_id = 0x77\narch = x\n");
	for (size_t i = 0; i < 3; i++) {
		fixture->subject.ordinals = cases[i].ordinals;
		fixture_open_with(fixture, REPEATS_COLLAPSE, &devices);
		send_alloc(fixture, 1, ID, BYTES, 0);
		look(fixture);
		assert_int_equal(fixture->view->devices[0].unique_id, cases[i].unique_id);
		assert_string_equal(fixture->view->devices[0].arch, cases[i].arch);
		proxy_leave(fixture->proxy);
		fixture->proxy = NULL;
	}
}

/* --- many ---------------------------------------------------------------------------------- */

static void test_all_devices_and_no_more(void **state)
{
	struct proxy_fixture *fixture = *state;

	fixture_open(fixture, REPEATS_COLLAPSE);
	for (int32_t device = 0; device < TT_DEVICE_LIMIT; device++) {
		send_alloc(fixture, device, ID, BYTES, 0);
		send_type(fixture, TT_CB_ALLOC, device, ID, BYTES, 0);
		send_type(fixture, TT_KERNEL_LOAD, device, ID, BYTES, 0);
	}
	look(fixture);
	assert_int_equal(fixture->view->device_count, TT_DEVICE_LIMIT);
	assert_int_equal(fixture->view->space_count, 3 * TT_DEVICE_LIMIT);
	assert_int_equal(fixture->view->buffer_count, 3 * TT_DEVICE_LIMIT);
	assert_int_equal(bytes_on(fixture, 1023, MT_CB), BYTES);
	assert_int_equal(fixture->view->fault_total, 0);
}

/* The same random events go to the proxy and to a table of what is live. */
static void test_random_events_against_a_model(void **state)
{
	enum { EVENTS = 200000, IDS = 20000 };
	struct proxy_fixture *fixture = *state;
	static uint32_t live[DEVICES][IDS];
	uint64_t expected[DEVICES] = {0}, random = 88172645463325252ull;

	fixture_open(fixture, REPEATS_COLLAPSE);
	memset(live, 0, sizeof live);
	for (int i = 0; i < EVENTS; i++) {
		int32_t device;
		uint32_t at;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		device = (int32_t)(random % DEVICES);
		at = (uint32_t)(random >> 20) % IDS;
		if (live[device][at] != 0) {
			send_free(fixture, device, at * 64ull);
			expected[device] -= live[device][at];
			live[device][at] = 0;
		} else {
			live[device][at] = (uint32_t)(random >> 40) % 100000 + 1;
			send_alloc(fixture, device, at * 64ull, live[device][at], 0);
			expected[device] += live[device][at];
		}
	}
	look(fixture);
	for (int32_t device = 0; device < DEVICES; device++) {
		struct proxy_usage usage;

		assert_int_equal(bytes_on(fixture, device, MT_DRAM), expected[device]);
		assert_true(proxy_usage(fixture->proxy, device, &usage));
		assert_int_equal(usage.dram, expected[device]);
	}
	assert_int_equal(fixture->view->fault_total, 0);
	assert_int_equal(fixture->view->buffer_count, proxy_live(fixture->proxy));
	assert_int_equal(proxy_stats(fixture->proxy).messages, EVENTS);
	assert_int_equal(proxy_stats(fixture->proxy).refused, 0);
}

static void test_memory_comes_back_after_frees(void **state)
{
	enum { MANY = 100000 };
	struct proxy_fixture *fixture = *state;
	uint64_t before, full, after;

	fixture_open(fixture, REPEATS_COLLAPSE);
	send_alloc(fixture, 0, 1, BYTES, 0);
	before = look(fixture)->populated_bytes;
	for (uint64_t id = 2; id < MANY; id++)
		send_alloc(fixture, 0, id, BYTES, 0);
	full = look(fixture)->populated_bytes;
	for (uint64_t id = 2; id < MANY; id++)
		send_free(fixture, 0, id);
	while (proxy_trim(fixture->proxy))
		;
	after = look(fixture)->populated_bytes;
	assert_true(full - before >= 60ull * MANY);
	assert_true(after < before + (full - before) / 10);
	assert_int_equal(bytes_on(fixture, 0, MT_DRAM), BYTES);
	send_alloc(fixture, 0, 5, BYTES, 0);
	look(fixture);
	assert_int_equal(bytes_on(fixture, 0, MT_DRAM), 2 * BYTES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_who_it_is_for),
		TEST(test_backing_and_locals_with_as_many_frees_as_devices),
		TEST(test_backing_and_locals_with_a_free_for_each_report),
		TEST(test_backing_and_locals_with_some_frees),
		TEST(test_refcount_takes_as_many_frees_as_allocs),
		TEST(test_owner_and_view_count_once),
		TEST(test_another_size_replaces),
		TEST(test_frees_with_device_0_mean_the_lowest_that_has_it),
		TEST(test_a_guess_where_device_0_was_never_used),
		TEST(test_faults_of_frees),
		TEST(test_kinds_and_what_query_says),
		TEST(test_circular_buffers_and_kernels),
		TEST(test_what_makes_no_sense_is_a_fault_and_nothing_else),
		TEST(test_questions_change_nothing),
		TEST(test_faults_that_the_server_sees),
		TEST(test_capacities_of_the_table),
		TEST(test_masks_and_unique_ids),
		TEST(test_all_devices_and_no_more),
		TEST(test_random_events_against_a_model),
		TEST(test_memory_comes_back_after_frees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
