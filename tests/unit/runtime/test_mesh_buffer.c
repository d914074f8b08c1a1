/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers of devices and meshes: their ends are reported once, whoever owns the memory, whatever
 * has closed, and with members on other hosts; contents; failures; system buffers.
 */
#include "runtime_fixture.h"

static void test_mark_as_deallocated_owned_once(void **state)
{
	struct fixture f;
	struct device_buffer buffer;
	struct buffer_spec spec = {.bytes = 4096, .site = "owned"};

	(void)state;
	fixture_open(&f, "both", true);
	assert_int_equal(device_buffer_create(f.mesh->devices[0], &spec, &buffer), 0);
	assert_true(buffer.owned);
	device_buffer_mark_as_deallocated(&buffer);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	device_buffer_mark_as_deallocated(&buffer);
	device_buffer_deallocate(&buffer);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	fixture_close(&f);
}

static void test_mark_as_deallocated_not_owned_once(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;

	(void)state;
	fixture_open(&f, "device-local", true);
	buffer = fixture_buffer(f.mesh, 4096);
	assert_false(buffer->locals[0].owned);
	device_buffer_mark_as_deallocated(&buffer->locals[0]);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	assert_int_equal(report_double_get(REPORT_FREE, 0)->id, buffer->locals[0].unique_id);
	device_buffer_mark_as_deallocated(&buffer->locals[0]);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 2048);
	mesh_buffer_destroy(buffer);
	assert_int_equal(report_double_count(REPORT_FREE), 2);
	fixture_close(&f);
}

static void test_mesh_buffer_deallocate_once(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;

	(void)state;
	fixture_open(&f, "both", true);
	buffer = fixture_buffer(f.mesh, 4096);
	assert_int_equal(mesh_buffer_deallocate(buffer), 0);
	assert_int_equal(mesh_buffer_deallocate(buffer), -EALREADY);
	mesh_buffer_destroy(buffer);
	assert_int_equal(report_double_count(REPORT_FREE), 3);
	fixture_close(&f);
}

static void test_mesh_buffer_deallocate_with_remote_members(void **state)
{
	static const int32_t order[] = {MESH_REMOTE, 1, 0, MESH_REMOTE};
	const struct machine_config config = {.board = "n150", .chips = 2};
	struct fixture f;
	struct mesh_buffer *buffer;
	char byte = 1;

	(void)state;
	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	assert_int_equal(report_double_get(REPORT_MESH_OPEN, 0)->remote_members, 2);
	buffer = fixture_buffer(f.mesh, 4096);
	assert_int_equal(report_double_count(REPORT_ALLOC), 3);
	assert_int_equal(mesh_buffer_write(buffer, 0, 0, &byte, 1), -ENODEV);
	assert_int_equal(mesh_buffer_write(buffer, 1, 0, &byte, 1), 0);
	assert_int_equal(mesh_buffer_deallocate(buffer), 0);
	assert_int_equal(report_double_count(REPORT_FREE), 3);
	assert_int_equal(report_double_live(), 0);
	mesh_buffer_destroy(buffer);
	fixture_close(&f);
}

static void test_mesh_buffer_deallocate_after_mesh_closed(void **state)
{
	struct fixture f;
	struct mesh_buffer *buffer;
	mt_space space;
	char byte = 0;

	(void)state;
	fixture_open(&f, "both", true);
	buffer = fixture_buffer(f.mesh, 4096);
	space = f.mesh->space;
	assert_int_equal(mesh_device_close(f.mesh), 0);
	assert_int_equal(mesh_device_close(f.mesh), -EALREADY);
	assert_int_equal(report_double_count(REPORT_CLOSE), 3);
	assert_int_equal(report_double_count(REPORT_FREE), 0);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	assert_int_equal(mesh_buffer_write(buffer, 0, 0, &byte, 1), -EBADF);
	mesh_device_destroy(f.mesh);
	assert_int_equal(mesh_buffer_deallocate(buffer), 0);
	assert_int_equal(report_double_count(REPORT_FREE), 3);
	assert_int_equal(report_double_get(REPORT_FREE, 2)->space, space);
	mesh_buffer_destroy(buffer);
	machine_destroy(f.machine);
}

/* A sub-mesh takes addresses that are free on its devices; the parent then keeps off them. */
static void test_submesh_shares_devices(void **state)
{
	struct fixture f;
	struct mesh_device *sub;
	struct mesh_buffer *in_sub, *in_mesh;

	(void)state;
	fixture_open(&f, "device-local", true);
	assert_int_equal(mesh_device_open_submesh(f.mesh, 0, 1, 1, 2, &sub), -EINVAL);
	assert_int_equal(mesh_device_open_submesh(f.mesh, 0, 1, 1, 1, &sub), 0);
	in_sub = fixture_buffer(sub, 24576);
	in_mesh = fixture_buffer(f.mesh, 24576);
	assert_int_equal(in_sub->backing.address, 0);
	assert_int_equal(in_mesh->backing.address, 2048);
	assert_int_equal(report_double_count(REPORT_ALLOC), 3);
	mesh_device_destroy(sub);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 2048);
	mesh_buffer_destroy(in_sub);
	assert_int_equal(report_double_count(REPORT_FREE), 1);
	mesh_buffer_destroy(in_mesh);
	fixture_close(&f);
}

static void test_mesh_order_is_checked(void **state)
{
	static const int32_t twice[] = {0, 0}, absent[] = {0, 2};
	struct mesh_device *mesh = NULL;
	struct fixture f;

	(void)state;
	fixture_open(&f, "both", true);
	assert_int_equal(mesh_device_open(f.machine, 1, 2, twice, &mesh), -EINVAL);
	assert_int_equal(mesh_device_open(f.machine, 1, 2, absent, &mesh), -ENODEV);
	assert_int_equal(mesh_device_open(f.machine, 0, 2, absent, &mesh), -EINVAL);
	assert_null(mesh);
	fixture_close(&f);
}

/* Two meshes that opened the same chips: neither gets what the other holds. */
static void test_overlapping_meshes_share_chips(void **state)
{
	static const int32_t order[] = {0, 1};
	struct mesh_device *other;
	struct mesh_buffer *first, *second;
	struct fixture f;

	(void)state;
	fixture_open(&f, "mesh", true);
	assert_int_equal(mesh_device_open(f.machine, 2, 1, order, &other), 0);
	assert_int_not_equal(other->devices[0]->space, f.mesh->devices[1]->space);
	first = fixture_buffer(f.mesh, 24576);
	second = fixture_buffer(other, 24576);
	assert_int_not_equal(first->backing.address, second->backing.address);
	mesh_device_close(f.mesh);
	assert_int_equal(fixture_stats(other, MEMORY_MAIN).allocated_bytes, 2048);
	mesh_buffer_destroy(second);
	mesh_buffer_destroy(first);
	mesh_device_destroy(other);
	fixture_close(&f);
}

static void test_contents_over_banks(void **state)
{
	enum { BYTES = 100000 };
	static unsigned char written[BYTES], found[BYTES];
	struct fixture f;
	struct mesh_buffer *first, *second;

	(void)state;
	fixture_open(&f, "mesh", true);
	first = fixture_buffer(f.mesh, BYTES);
	second = fixture_buffer(f.mesh, BYTES);
	for (uint32_t member = 0; member < 2; member++) {
		for (size_t i = 0; i < BYTES; i++)
			written[i] = (unsigned char)((i + member) * 2654435761u >> 24);
		assert_int_equal(mesh_buffer_write(first, member, 0, written, 777), 0);
		assert_int_equal(mesh_buffer_write(first, member, 777, written + 777, BYTES - 777),
				 0);
		memset(found, 0xff, BYTES);
		assert_int_equal(mesh_buffer_write(second, member, 0, found, BYTES), 0);
		assert_int_equal(mesh_buffer_read(first, member, 0, found, BYTES), 0);
		assert_memory_equal(written, found, BYTES);
	}
	assert_int_equal(mesh_buffer_read(first, 0, BYTES - 1, found, 2), -ERANGE);
	mesh_buffer_destroy(first);
	mesh_buffer_destroy(second);
	fixture_close(&f);
}

static void test_sharded_and_trace(void **state)
{
	static const int32_t order[] = {0, 1};
	const struct machine_config config = {
		.board = "n150", .chips = 2, .trace_bank_bytes = 1 << 20};
	struct buffer_spec spec = {.bytes = 8192, .site = "sharded"};
	struct fixture f;
	struct mesh_buffer *sharded, *trace;

	(void)state;
	fixture_open_config(&f, "mesh", true, &config, 1, 2, order);
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_SHARDED, &spec, &sharded), 0);
	assert_int_equal(report_double_get(REPORT_ALLOC, 0)->buffer.bytes, 4096);
	spec.bytes = 8191;
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_SHARDED, &spec, &trace), -EINVAL);
	assert_int_equal(mesh_trace_create(f.mesh, 12 << 20, &trace), 0);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->buffer.kind, MT_TRACE);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->buffer.address, 0x3ff00000);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).total_bytes, 0x3ff00000);
	mesh_buffer_destroy(trace);
	mesh_buffer_destroy(sharded);
	fixture_close(&f);
}

static void test_failure_is_reported_in_the_allocators_words(void **state)
{
	struct buffer_spec spec = {.bytes = (uint64_t)12 << 29, .site = "half"};
	struct fixture f;
	struct mesh_buffer *half, *none = NULL;
	const struct report *report;

	(void)state;
	fixture_open(&f, "both", true);
	half = fixture_buffer(f.mesh, spec.bytes);
	spec.bytes += 1;
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_REPLICATED, &spec, &none), -ENOMEM);
	assert_null(none);
	report = report_double_get(REPORT_FAILED, 0);
	assert_int_equal(report->space, f.mesh->space);
	assert_int_equal(report->failure.bytes, spec.bytes);
	assert_int_equal(report->failure.span, (1 << 29) + 2048);
	assert_int_equal(report->failure.free_span, 1 << 29);
	assert_int_equal(report->failure.largest_span, 1 << 29);
	spec.bytes = 0;
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_REPLICATED, &spec, &none), -EINVAL);
	mesh_buffer_destroy(half);
	fixture_close(&f);
}

static void check_system_buffers(bool queues_unhooked)
{
	static const int32_t order[] = {1, 0};
	const struct machine_config config = {.board = "n150",
					      .chips = 2,
					      .queue_bytes = 14753792,
					      .fabric_bytes = 22528,
					      .queues_unhooked = queues_unhooked};
	struct fixture f;
	uint64_t dram = 0, l1 = 0;

	fixture_open_config(&f, "naive-owned", false, &config, 1, 2, order);
	assert_int_equal(report_double_count(REPORT_ALLOC), 21);
	for (size_t i = 0; i < 21; i++) {
		const struct mt_buffer *buffer = &report_double_get(REPORT_ALLOC, i)->buffer;

		*(buffer->kind == MT_L1 ? &l1 : &dram) += buffer->bytes;
	}
	assert_int_equal(dram, 2 * 14753792);
	assert_int_equal(l1, 22528);
	assert_int_equal(report_double_count(REPORT_READY), 2);
	mesh_device_release_queues(f.mesh);
	mesh_device_release_queues(f.mesh);
	assert_int_equal(report_double_count(REPORT_FREE), queues_unhooked ? 0 : 20);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	mesh_device_close(f.mesh);
	assert_int_equal(report_double_live(), queues_unhooked ? 20 : 0);
	fixture_close(&f);
}

static void test_system_buffers(void **state)
{
	(void)state;
	check_system_buffers(false);
	check_system_buffers(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mark_as_deallocated_owned_once),
		cmocka_unit_test(test_mark_as_deallocated_not_owned_once),
		cmocka_unit_test(test_mesh_buffer_deallocate_once),
		cmocka_unit_test(test_mesh_buffer_deallocate_with_remote_members),
		cmocka_unit_test(test_mesh_buffer_deallocate_after_mesh_closed),
		cmocka_unit_test(test_submesh_shares_devices),
		cmocka_unit_test(test_mesh_order_is_checked),
		cmocka_unit_test(test_overlapping_meshes_share_chips),
		cmocka_unit_test(test_contents_over_banks),
		cmocka_unit_test(test_sharded_and_trace),
		cmocka_unit_test(test_failure_is_reported_in_the_allocators_words),
		cmocka_unit_test(test_system_buffers),
	};

	return cmocka_run_group_tests_name("mesh buffer", tests, NULL, NULL);
}
