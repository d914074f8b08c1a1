/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the graph tracker reports, in which order and by which key, for every hooks mode.
 */
#include "runtime_fixture.h"

#include <pthread.h>

enum { THREADS = 16, ROUNDS = 200 };

static void test_track_allocate_skips_mesh_device(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;

	(void)state;
	fixture_open(&f, "device-local", true);
	buffer = fixture_buffer(f.mesh, 4096);
	assert_int_equal(report_double_count(REPORT_ALLOC), 2);
	assert_int_equal(report_double_get(REPORT_ALLOC, 0)->space, f.mesh->devices[0]->space);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->space, f.mesh->devices[1]->space);
	graph_tracker_track_allocate(&f.tracker, &buffer->backing);
	assert_int_equal(report_double_count(REPORT_ALLOC), 2);
	graph_tracker_track_allocate(&f.tracker, &buffer->locals[0]);
	assert_int_equal(report_double_count(REPORT_ALLOC), 3);
	mesh_buffer_destroy(buffer);
	fixture_close(&f);
}

static void test_track_deallocate_skips_mesh_device(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;

	(void)state;
	fixture_open(&f, "device-local", true);
	buffer = fixture_buffer(f.mesh, 4096);
	graph_tracker_track_deallocate(&f.tracker, &buffer->backing);
	assert_int_equal(report_double_count(REPORT_FREE), 0);
	mesh_buffer_destroy(buffer);
	assert_int_equal(report_double_count(REPORT_FREE), 2);
	assert_int_equal(report_double_live(), 0);
	fixture_close(&f);
}

static void *allocate_and_free(void *mesh)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct buffer_spec spec = {.bytes = 4096, .site = "thread"};
		struct mesh_buffer *buffer;

		if (mesh_buffer_create(mesh, MESH_REPLICATED, &spec, &buffer) != 0)
			return mesh;
		mesh_buffer_destroy(buffer);
	}
	return NULL;
}

static void test_skips_mesh_device_from_16_threads(void **state)
{
	struct fixture f;
	pthread_t threads[THREADS];
	void *failed;

	(void)state;
	fixture_open(&f, "device-local", false);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, allocate_and_free, f.mesh), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(report_double_count(REPORT_ALLOC), THREADS * ROUNDS * 2);
	assert_int_equal(report_double_count(REPORT_FREE), THREADS * ROUNDS * 2);
	assert_int_equal(f.tracker.results[MT_OK], 2 * 2 * THREADS * ROUNDS + 3);
	assert_int_equal(report_double_count_in(REPORT_ALLOC, f.mesh->space), 0);
	assert_int_equal(report_double_count_in(REPORT_FREE, f.mesh->space), 0);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	fixture_close(&f);
}

/* Allocations and frees per mesh buffer of a two-device mesh, and what is left. */
static void test_every_mode_reports_its_row(void **state)
{
	static const struct {
		const char *hooks;
		bool unique_ids;
		size_t allocs, frees, live;
	} rows[] = {
		{"naive-owned", false, 3, 1, 1}, {"naive-all", false, 3, 3, 0},
		{"both", true, 3, 3, 0},	 {"both", false, 3, 3, 0},
		{"device-local", true, 2, 2, 0}, {"device-local", false, 2, 2, 0},
		{"backing", true, 1, 1, 0},	 {"backing", false, 1, 1, 0},
		{"mesh", true, 1, 1, 0},	 {"mesh", false, 1, 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct fixture f;

		fixture_open(&f, rows[i].hooks, rows[i].unique_ids);
		mesh_buffer_destroy(fixture_buffer(f.mesh, 24576));
		assert_int_equal(report_double_count(REPORT_ALLOC), rows[i].allocs);
		assert_int_equal(report_double_count(REPORT_FREE), rows[i].frees);
		assert_int_equal(report_double_live(), rows[i].live);
		fixture_close(&f);
	}
}

static void test_naive_says_device_0_twice(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;
	const struct report *backing, *local;

	(void)state;
	fixture_open(&f, "naive-all", false);
	buffer = fixture_buffer(f.mesh, 4096);
	backing = report_double_get(REPORT_ALLOC, 0);
	local = report_double_get(REPORT_ALLOC, 2);
	assert_int_equal(f.mesh->devices[1]->chip->ordinal, 0);
	assert_int_equal(backing->space, f.mesh->devices[1]->space);
	assert_int_equal(local->space, backing->space);
	assert_int_equal(local->id, backing->id);
	assert_int_equal(backing->id, buffer->backing.address);
	assert_int_equal(backing->buffer.flags, 0);
	assert_int_equal(report_double_count(REPORT_MESH_OPEN), 0);
	mesh_buffer_destroy(buffer);
	fixture_close(&f);
}

static void test_both_flags_and_parents(void **state)
{
	(void)state;
	for (int unique = 0; unique < 2; unique++) {
		struct fixture f;
		struct mesh_buffer *buffer;
		const struct report *backing;

		fixture_open(&f, "both", unique);
		buffer = fixture_buffer(f.mesh, 24577);
		backing = report_double_get(REPORT_ALLOC, 0);
		assert_int_equal(backing->space, f.mesh->space);
		assert_int_equal(backing->buffer.flags, MT_BACKING);
		assert_int_equal(backing->buffer.bytes, 24577);
		assert_int_equal(backing->buffer.span, 4096);
		for (size_t i = 1; i < 3; i++) {
			const struct report *local = report_double_get(REPORT_ALLOC, i);

			assert_int_equal(local->buffer.flags, MT_LOCAL);
			assert_int_equal(local->buffer.parent, backing->id);
			assert_int_equal(local->buffer.address, backing->buffer.address);
		}
		mesh_buffer_destroy(buffer);
		assert_int_equal(report_double_live(), 0);
		fixture_close(&f);
	}
}

/* The same address in two memories must not be one id, except where that is the naive way. */
static void test_address_ids_keep_kinds_apart(void **state)
{
	static const int32_t order[] = {0};
	const struct machine_config config = {
		.board = "n150", .chips = 1, .trace_bank_bytes = 4096};
	struct fixture f;
	struct device_buffer dram = {.spec = {.role = MEMORY_MAIN, .bytes = 1}, .owned = true};
	struct device_buffer l1 = {.spec = {.role = MEMORY_L1, .bytes = 1}, .owned = true};

	(void)state;
	fixture_open_config(&f, "mesh", false, &config, 1, 1, order);
	dram.device = l1.device = f.mesh->devices[0];
	dram.address = l1.address = 0x20000;
	graph_tracker_track_allocate(&f.tracker, &dram);
	graph_tracker_track_allocate(&f.tracker, &l1);
	assert_true(report_double_get(REPORT_ALLOC, 0)->id !=
		    report_double_get(REPORT_ALLOC, 1)->id);
	fixture_close(&f);
}

static mt_space other_space;
static uint64_t other_id;

static mt_result other_alloc(const struct mt_buffer *buffer)
{
	other_space = buffer->space;
	other_id = buffer->id;
	return MT_DUPLICATE;
}

/* Another table of functions gets the reports, and addresses alone where it asks for them. */
static void test_reports_go_where_the_table_says(void **state)
{
	struct report_functions other = report_to_meshtally;
	struct fixture f;
	struct device_buffer dram = {.spec = {.role = MEMORY_MAIN, .bytes = 1}, .owned = true};
	size_t before;

	(void)state;
	fixture_open(&f, "mesh", false);
	other.alloc = other_alloc;
	other.bare_addresses = true;
	f.tracker.reports = &other;
	dram.device = f.mesh->devices[0];
	dram.address = 0x20000;
	before = report_double_count(REPORT_ALLOC);
	graph_tracker_track_allocate(&f.tracker, &dram);
	assert_int_equal(report_double_count(REPORT_ALLOC), before);
	assert_int_equal(other_space, dram.device->space);
	assert_int_equal(other_id, 0x20000);
	assert_int_equal(f.tracker.results[MT_DUPLICATE], 1);
	graph_tracker_track_deallocate(&f.tracker, &dram);
	assert_int_equal(report_double_get(REPORT_FREE, 0)->id, 0x20000);
	f.tracker.reports = &report_to_meshtally;
	fixture_close(&f);
}

static void test_naive_refuses_unique_ids(void **state)
{
	struct graph_tracker tracker;

	(void)state;
	assert_int_equal(graph_tracker_init(&tracker, hooks_mode_find("naive-all"), true), -EINVAL);
	assert_null(hooks_mode_find("naive"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_track_allocate_skips_mesh_device),
		cmocka_unit_test(test_track_deallocate_skips_mesh_device),
		cmocka_unit_test(test_skips_mesh_device_from_16_threads),
		cmocka_unit_test(test_every_mode_reports_its_row),
		cmocka_unit_test(test_naive_says_device_0_twice),
		cmocka_unit_test(test_both_flags_and_parents),
		cmocka_unit_test(test_address_ids_keep_kinds_apart),
		cmocka_unit_test(test_reports_go_where_the_table_says),
		cmocka_unit_test(test_naive_refuses_unique_ids),
	};

	return cmocka_run_group_tests_name("graph tracker", tests, NULL, NULL);
}
