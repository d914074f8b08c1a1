/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 1, 2, 8 and 14: keys and late frees, one call, closing, which device. */
#include "client_fixture.h"

#include <string.h>

/* --- rule 1: the key is {process, space, id} --------------------------------------------- */

TEST(late_free_does_not_hit_a_reopened_device)
{
	mt_space first = chip(0), second;

	ok(mt_ready(first));
	ok(put(first, 0x1000, 4096));
	ok(mt_close(first, 0));
	second = chip(0);
	ok(mt_ready(second));
	holds(second != first);
	ok(put(second, 0x1000, 8192));
	expect(0, MT_DRAM, 8192, 0, 0);
	told(mt_free(first, 0x1000), MT_LATE);
	expect(0, MT_DRAM, 8192, 0, 0);
	ok(mt_free(second, 0x1000));
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(a_space_is_never_given_out_twice)
{
	enum { OPENINGS = 6000 };
	static mt_space seen[OPENINGS];

	for (unsigned i = 0; i < OPENINGS; i++) {
		seen[i] = chip(0);
		for (unsigned k = 0; k < 8; k++) {
			ok(put(seen[i], k, 64));
			ok(mt_free(seen[i], k));
		}
		ok(mt_close(seen[i], 0));
		for (unsigned j = i < 40 ? 0 : i - 40; j < i; j++)
			holds(seen[j] != seen[i]);
	}
	holds(seen[0] != seen[OPENINGS - 1]);
	told(mt_free(seen[0], 0), MT_LATE);
	expect_no_faults();
}

TEST(address_like_ids_are_scoped_by_the_space)
{
	mt_space a = chip(0), b = chip(1), again = chip(0);

	ok(put(a, 0x40, 100));
	ok(put(b, 0x40, 200));
	ok(put(again, 0x40, 400));
	expect(0, MT_DRAM, 500, 0, 0);
	expect(1, MT_DRAM, 200, 0, 0);
	ok(mt_free(b, 0x40));
	expect(0, MT_DRAM, 500, 0, 0);
	ok(mt_free(a, 0x40));
	expect(0, MT_DRAM, 400, 0, 0);
	told(mt_free(a, 0x40), MT_DOUBLE_FREE);
	expect(0, MT_DRAM, 400, 0, 0);
	expect_faults(1);
}

TEST(unique_ids_leave_the_space_optional)
{
	mt_space a = chip_with(0, MT_UNIQUE_IDS), b = chip_with(1, MT_UNIQUE_IDS);

	ok(put(a, 1, 100));
	ok(put(b, 2, 200));
	ok(mt_free(0, 2));
	expect(0, MT_DRAM, 100, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	told(mt_free(b, 1), MT_WRONG_SPACE);
	expect(0, MT_DRAM, 100, 0, 0);
	ok(mt_free(a, 1));
	expect_faults(1);
}

TEST(the_address_is_an_attribute)
{
	mt_space a = chip_with(0, MT_UNIQUE_IDS);
	struct mt_buffer b = buffer(a, 7, 64);
	struct segment_view *view;

	b.address = 0x2000;
	ok(mt_alloc(&b));
	b.id = 8;
	ok(mt_alloc(&b));
	expect(0, MT_DRAM, 128, 0, 0);
	view = outside();
	same(view->buffer_count, 2);
	same(view->buffers[0].address, 0x2000);
	same(view->buffers[1].address, 0x2000);
	expect_no_faults();
}

/* --- rule 2: one call for both ----------------------------------------------------------- */

TEST(one_call_for_device_and_mesh)
{
	mt_space devices[4], m;

	chips(4, devices);
	m = mesh(2, 2, devices);
	ok(put(devices[2], 1, 1000));
	ok(put(m, 2, 64));
	for (unsigned n = 0; n < 4; n++)
		expect(n, MT_DRAM, n == 2 ? 1064 : 64, 0, 0);
	same(usage(devices[2], MT_DRAM).buffers, 2);
	ok(mt_free(m, 2));
	ok(mt_free(devices[2], 1));
	for (unsigned n = 0; n < 4; n++)
		expect(n, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(a_mesh_buffer_is_one_record)
{
	enum { MEMBERS = 32 };
	mt_space devices[MEMBERS], m;
	struct segment_view *view;

	chips(MEMBERS, devices);
	m = mesh(4, 8, devices);
	ok(put(m, 9, 4096));
	view = outside();
	same(view->buffer_count, 1);
	same(view->spaces[view->buffers[0].space].handle, m);
	for (unsigned n = 0; n < MEMBERS; n++)
		same(figure_of(view, n, MT_DRAM)->bytes[CLASS_USER], 4096);
	segment_view_destroy(view);
}

/* Members in an order that is not theirs by index: the runs of devices are many. */
TEST(mesh_order_is_not_device_order)
{
	mt_space devices[8], order[5];
	static const unsigned picks[5] = {7, 0, 2, 5, 4};
	uint64_t uneven[5] = {700, 10, 20, 50, 40};
	struct mt_buffer b;
	mt_space m;

	chips(8, devices);
	for (unsigned i = 0; i < 5; i++)
		order[i] = devices[picks[i]];
	m = mesh(1, 5, order);
	b = buffer(m, 1, 1000);
	b.uneven_bytes = uneven;
	ok(mt_alloc(&b));
	for (unsigned i = 0; i < 5; i++)
		expect(picks[i], MT_DRAM, uneven[i], 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	ok(put(m, 2, 3));
	expect(7, MT_DRAM, 703, 0, 0);
	expect(6, MT_DRAM, 0, 0, 0);
	ok(mt_free(m, 1));
	for (unsigned i = 0; i < 5; i++)
		expect(picks[i], MT_DRAM, 3, 0, 0);
	expect_no_faults();
}

/* --- the three sizes --------------------------------------------------------------------- */

TEST(bytes_span_and_held_are_three)
{
	mt_space devices[2], m;
	struct mt_buffer b;

	chips(2, devices);
	m = mesh(1, 2, devices);
	b = buffer(devices[0], 1, 12288);
	b.span = 2048;
	ok(mt_alloc(&b));
	expect_held(0, MT_DRAM, 12288, 0, 0, 2048 * 12);
	b = buffer(m, 2, 1000);
	b.span = 128;
	ok(mt_alloc(&b));
	expect_held(0, MT_DRAM, 13288, 0, 0, (2048 + 128) * 12);
	expect_held(1, MT_DRAM, 1000, 0, 0, 128 * 12);
	same(usage(devices[1], MT_DRAM).capacity, 12ull << 30);
	ok(mt_free(devices[0], 1));
	ok(mt_free(m, 2));
	expect_held(0, MT_DRAM, 0, 0, 0, 0);
	expect_held(1, MT_DRAM, 0, 0, 0, 0);
}

/* --- rule 8: closing --------------------------------------------------------------------- */

TEST(closing_ends_the_records_of_that_space_only)
{
	mt_space devices[2], again, m, sub;

	chips(2, devices);
	again = chip(0);
	m = mesh(1, 2, devices);
	sub = mesh(1, 1, devices);
	ok(put(devices[0], 1, 1));
	ok(put(again, 1, 10));
	ok(put(m, 1, 100));
	ok(put(sub, 1, 1000));
	expect(0, MT_DRAM, 1111, 0, 0);
	expect(1, MT_DRAM, 100, 0, 0);
	ok(mt_close(m, 0));
	expect(0, MT_DRAM, 1011, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	ok(mt_close(devices[0], 0));
	expect(0, MT_DRAM, 1010, 0, 0);
	ok(mt_close(again, 0));
	expect(0, MT_DRAM, 1000, 0, 0);
	ok(mt_close(sub, 0));
	expect(0, MT_DRAM, 0, 0, 0);
	told(mt_close(sub, 0), MT_LATE);
	expect_no_faults();
}

TEST(overlapping_meshes_keep_their_own)
{
	mt_space devices[3], left, right;

	chips(3, devices);
	left = mesh(1, 2, devices);
	right = mesh(1, 2, devices + 1);
	ok(put(left, 5, 10));
	ok(put(right, 5, 200));
	expect(1, MT_DRAM, 210, 0, 0);
	ok(mt_close(left, 0));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 200, 0, 0);
	expect(2, MT_DRAM, 200, 0, 0);
	told(mt_free(left, 5), MT_LATE);
	expect(1, MT_DRAM, 200, 0, 0);
	ok(mt_free(right, 5));
	expect(1, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(closing_with_shares_gone_and_locals)
{
	mt_space devices[3], m;

	chips(3, devices);
	m = mesh(1, 3, devices);
	ok(put(m, 1, 100));
	ok(mt_free_on(m, 1, devices[1]));
	ok(put_flags(m, 2, 1000, MT_BACKING, 0));
	ok(put_flags(devices[2], 2, 1000, MT_LOCAL, 2));
	expect(0, MT_DRAM, 1100, 0, 0);
	expect(1, MT_DRAM, 1000, 0, 0);
	expect(2, MT_DRAM, 1100, 0, 0);
	ok(mt_close(m, 0));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	expect(2, MT_DRAM, 1000, 0, 0);
	ok(mt_free(devices[2], 2));
	expect(2, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(members_of_other_hosts_are_never_counted)
{
	mt_space devices[4] = {0}, far[2] = {0}, m, nowhere;
	struct segment_view *view;

	devices[1] = chip(1);
	devices[3] = chip(3);
	m = mesh(2, 2, devices);
	nowhere = mesh(1, 2, far);
	ok(put(m, 1, 64));
	ok(put(nowhere, 1, 64));
	expect(1, MT_DRAM, 64, 0, 0);
	expect(3, MT_DRAM, 64, 0, 0);
	view = outside();
	same(view->device_count, 2);
	for (uint32_t i = 0; i < view->space_count; i++) {
		if (view->spaces[i].handle == m)
			same(view->spaces[i].members[0], SPACE_REMOTE);
	}
	segment_view_destroy(view);
	ok(mt_free_on(m, 1, devices[1]));
	expect(1, MT_DRAM, 0, 0, 0);
	ok(mt_free_on(m, 1, devices[3]));
	expect(3, MT_DRAM, 0, 0, 0);
	ok(mt_free(nowhere, 1));
	view = outside();
	same(view->buffer_count, 0);
	expect_no_faults();
}

/* --- rule 14: a device is its unique id and bus address ---------------------------------- */

TEST(a_device_is_its_unique_id_else_bus_and_ordinal)
{
	struct mt_device d = {.struct_size = sizeof d, .ordinal = 0, .bus = "0000:81:00.0"};
	mt_space a = mt_device_open(&d), b, c;
	struct segment_view *view;

	d.bus = "0000:82:00.0";
	b = mt_device_open(&d);
	d.bus = "0000:81:00.0";
	c = mt_device_open(&d);
	chip(5);
	chip(5);
	holds(a && b && c && a != c);
	view = outside();
	same(view->device_count, 3);
	holds(strcmp(view->devices[1].bus, "0000:82:00.0") == 0);
	same(view->space_count, 5);
	segment_view_destroy(view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_free_does_not_hit_a_reopened_device),
		cmocka_unit_test(a_space_is_never_given_out_twice),
		cmocka_unit_test(address_like_ids_are_scoped_by_the_space),
		cmocka_unit_test(unique_ids_leave_the_space_optional),
		cmocka_unit_test(the_address_is_an_attribute),
		cmocka_unit_test(one_call_for_device_and_mesh),
		cmocka_unit_test(a_mesh_buffer_is_one_record),
		cmocka_unit_test(mesh_order_is_not_device_order),
		cmocka_unit_test(bytes_span_and_held_are_three),
		cmocka_unit_test(closing_ends_the_records_of_that_space_only),
		cmocka_unit_test(overlapping_meshes_keep_their_own),
		cmocka_unit_test(closing_with_shares_gone_and_locals),
		cmocka_unit_test(members_of_other_hosts_are_never_counted),
		cmocka_unit_test(a_device_is_its_unique_id_else_bus_and_ordinal),
	};

	(void)argc;
	return fixture_main("contract_keys", tests, sizeof tests / sizeof *tests, argv);
}
