/* SPDX-License-Identifier: Apache-2.0 */
/* Rules 3 and 4: shares of mesh buffers, BACKING and LOCAL reports in every order. */
#include "client_fixture.h"

enum { SIZE = 1000, LIMIT = 5 };

/* A run of reports: item 0 is the backing record, item 1 + m the LOCAL one of member m. */
struct shares_run {
	mt_space devices[LIMIT], mesh;
	unsigned members, items;
	bool unique;  /* ids are unique, else address-like: all the same */
	bool free_on; /* local ones are freed by mt_free_on of the backing id */
	bool look;    /* from outside, too */
	uint64_t next_id, id;
	unsigned reported, freed; /* bits per item */
	unsigned long sequences;
};

static uint64_t item_id(const struct shares_run *run, unsigned item)
{
	return run->unique ? run->id + item : run->id;
}

static void item_report(struct shares_run *run, unsigned item)
{
	if (item == 0)
		ok(put_flags(run->mesh, item_id(run, 0), SIZE, MT_BACKING, 0));
	else
		ok(put_flags(run->devices[item - 1], item_id(run, item), SIZE, MT_LOCAL,
		             item_id(run, 0)));
	run->reported |= 1u << item;
}

static void item_free(struct shares_run *run, unsigned item)
{
	if (item == 0)
		ok(mt_free(run->mesh, item_id(run, 0)));
	else if (run->free_on && run->reported & 1)
		ok(mt_free_on(run->mesh, item_id(run, 0), run->devices[item - 1]));
	else
		ok(mt_free(run->devices[item - 1], item_id(run, item)));
	run->freed |= 1u << item;
}

/* What member m holds: freed by whichever of the two reports came first. */
static uint64_t expected_of(const struct shares_run *run, unsigned m)
{
	unsigned both = 1u | 1u << (m + 1);

	return run->reported & both && !(run->freed & both) ? SIZE : 0;
}

static void shares_check(const struct shares_run *run)
{
	struct segment_view *view = run->look ? outside() : NULL;

	for (unsigned m = 0; m < run->members; m++) {
		struct mt_usage u = usage(run->devices[m], MT_DRAM);

		same(u.bytes, expected_of(run, m));
		same(u.held, expected_of(run, m));
		same(u.buffers, expected_of(run, m) != 0);
		same(u.faults, 0);
		same(u.peak, SIZE); /* never doubled; the first run of all has set it */
		if (view)
			same(figure_of(view, m, MT_DRAM)->bytes[CLASS_USER], expected_of(run, m));
	}
	segment_view_destroy(view);
}

/* Frees what is left, so that the next run begins with nothing. */
static void shares_finish(struct shares_run *run)
{
	for (unsigned item = run->items; item-- > 0;) {
		if (run->reported & ~run->freed & 1u << item)
			item_free(run, item);
	}
	shares_check(run);
	run->sequences++;
}

static void shares_replay(struct shares_run *run, const unsigned *order, unsigned count);

/* Every ordered subset of what was reported is freed; order[reported..] are the frees. */
static void shares_frees(struct shares_run *run, unsigned *order, unsigned reported, unsigned count)
{
	shares_replay(run, order, count);
	for (unsigned i = 0; i < reported; i++) {
		bool again = false;

		for (unsigned j = reported; j < count; j++)
			again |= order[j] == order[i];
		if (again)
			continue;
		order[count] = order[i];
		shares_frees(run, order, reported, count + 1);
	}
}

/* Every ordered, non-empty subset of the items is reported. */
static void shares_reports(struct shares_run *run, unsigned *order, unsigned count)
{
	if (count)
		shares_frees(run, order, count, count);
	for (unsigned item = 0; item < run->items; item++) {
		bool again = false;

		for (unsigned j = 0; j < count; j++)
			again |= order[j] == item;
		if (again)
			continue;
		order[count] = item;
		shares_reports(run, order, count + 1);
	}
}

/* An item's first time in the order is its report, the second its free. */
static void shares_replay(struct shares_run *run, const unsigned *order, unsigned count)
{
	run->reported = 0;
	run->freed = 0;
	run->id = run->next_id += 16;
	for (unsigned i = 0; i < count; i++) {
		if (run->reported & 1u << order[i])
			item_free(run, order[i]);
		else
			item_report(run, order[i]);
		if (i + 1 == count || run->look)
			shares_check(run);
	}
	shares_finish(run);
}

static void shares_all(unsigned members, bool unique, bool free_on, bool look)
{
	struct shares_run run = {.members = members,
	                         .items = members + 1,
	                         .unique = unique,
	                         .free_on = free_on,
	                         .look = look,
	                         .next_id = 1 << 20};
	static const unsigned long sequences_of[] = {[2] = 132, [3] = 2012, [4] = 47990};
	unsigned order[2 * LIMIT + 2];

	for (unsigned m = 0; m < members; m++) {
		run.devices[m] = chip_with(m, unique ? MT_UNIQUE_IDS : 0);
		ok(put(run.devices[m], 1, SIZE));
		ok(mt_free(run.devices[m], 1));
	}
	run.mesh = mesh_with(1, members, run.devices, unique ? MT_UNIQUE_IDS : 0);
	shares_reports(&run, order, 0);
	for (unsigned m = 0; m < members; m++)
		expect(m, MT_DRAM, 0, 0, 0);
	expect_no_faults();
	same(run.sequences, sequences_of[members]);
}

TEST(every_order_of_two_members_from_outside)
{
	shares_all(2, true, false, true);
}

TEST(every_order_of_two_members_by_address_from_outside)
{
	shares_all(2, false, true, true);
}

TEST(every_order_of_three_members)
{
	shares_all(3, true, false, false);
}

TEST(every_order_of_three_members_by_address)
{
	shares_all(3, false, false, false);
}

TEST(every_order_of_three_members_by_free_on)
{
	shares_all(3, true, true, false);
}

TEST(every_order_of_four_members)
{
	shares_all(4, true, false, false);
}

/* --- peaks and tombstones ---------------------------------------------------------------- */

TEST(the_peak_is_never_doubled)
{
	mt_space devices[4], m;

	for (unsigned n = 0; n < 4; n++)
		devices[n] = chip_with(n, MT_UNIQUE_IDS);
	m = mesh_with(2, 2, devices, MT_UNIQUE_IDS);
	ok(put_flags(m, 100, 4096, MT_BACKING, 0));
	for (unsigned n = 0; n < 4; n++)
		ok(put_flags(devices[n], 101 + n, 4096, MT_LOCAL, 100));
	for (unsigned n = 0; n < 4; n++)
		ok(put_flags(devices[n], 201 + n, 512, MT_LOCAL, 200));
	ok(put_flags(m, 200, 512, MT_BACKING, 0));
	for (unsigned n = 0; n < 4; n++) {
		expect(n, MT_DRAM, 4608, 0, 0);
		expect_peak(n, MT_DRAM, 4608);
	}
	expect_no_faults();
}

TEST(a_tombstone_absorbs_mirrored_frees_exactly_once)
{
	mt_space devices[3], m;

	for (unsigned n = 0; n < 3; n++)
		devices[n] = chip_with(n, MT_UNIQUE_IDS);
	m = mesh_with(1, 3, devices, MT_UNIQUE_IDS);
	ok(put_flags(m, 10, 64, MT_BACKING, 0));
	for (unsigned n = 0; n < 3; n++)
		ok(put_flags(devices[n], 11 + n, 64, MT_LOCAL, 10));
	ok(mt_free(m, 10));
	for (unsigned n = 0; n < 3; n++)
		expect(n, MT_DRAM, 0, 0, 0);
	for (unsigned n = 0; n < 3; n++)
		ok(mt_free(devices[n], 11 + n));
	expect_no_faults();
	for (unsigned n = 0; n < 3; n++)
		told(mt_free(devices[n], 11 + n), MT_DOUBLE_FREE);
	told(mt_free(m, 10), MT_DOUBLE_FREE);
	expect_faults(4);
	same(faults_of(MT_DOUBLE_FREE), 4);
}

TEST(after_free_a_share_is_absorbed_once_per_member)
{
	mt_space devices[3], m;

	chips(3, devices);
	m = mesh(1, 3, devices);
	ok(put_flags(m, 0x80, 64, MT_BACKING, 0));
	ok(mt_free(m, 0x80));
	for (unsigned n = 0; n < 3; n++)
		ok(mt_free_on(m, 0x80, devices[n]));
	expect_no_faults();
	told(mt_free_on(m, 0x80, devices[1]), MT_DOUBLE_FREE);
	same(faults_of(MT_DOUBLE_FREE), 1);
}

/* Frees on the devices, of which only the mesh was told: before its own free and after it. */
TEST(mirrored_frees_on_devices_that_reported_nothing)
{
	mt_space devices[3], m;

	chips(3, devices);
	m = mesh(1, 3, devices);
	ok(put_flags(m, 0x80, 64, MT_BACKING, 0));
	ok(mt_free(devices[0], 0x80));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 64, 0, 0);
	ok(mt_free(m, 0x80));
	expect(1, MT_DRAM, 0, 0, 0);
	ok(mt_free(devices[1], 0x80));
	ok(mt_free(devices[2], 0x80));
	expect_no_faults();
	told(mt_free(devices[2], 0x80), MT_DOUBLE_FREE);
}

TEST(free_on_drops_one_share)
{
	mt_space devices[3], other = chip(9), m;
	struct segment_view *view;

	chips(3, devices);
	m = mesh(1, 3, devices);
	ok(put(m, 1, 50));
	ok(mt_free_on(m, 1, devices[1]));
	expect(0, MT_DRAM, 50, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	expect(2, MT_DRAM, 50, 0, 0);
	told(mt_free_on(m, 1, devices[1]), MT_DOUBLE_FREE);
	told(mt_free_on(m, 1, other), MT_WRONG_SPACE);
	expect(2, MT_DRAM, 50, 0, 0);
	ok(mt_free_on(m, 1, devices[0]));
	view = outside();
	same(view->buffer_count, 1);
	same(view->buffers[0].member_bytes[0], 0);
	same(view->buffers[0].member_bytes[2], 50);
	segment_view_destroy(view);
	ok(mt_free_on(m, 1, devices[2]));
	expect(2, MT_DRAM, 0, 0, 0);
	view = outside();
	same(view->buffer_count, 0);
	segment_view_destroy(view);
	expect_faults(2);
}

/* Without flags nothing is guessed: the predecessor's behaviour, shown as faults. */
TEST(naive_reports_are_faults)
{
	mt_space devices[3];

	chips(3, devices);
	ok(put(devices[0], 0x1000, 96)); /* the backing one, reported as on device 0 */
	told(put(devices[0], 0x1000, 96), MT_DUPLICATE);
	ok(put(devices[1], 0x1000, 96));
	ok(put(devices[2], 0x1000, 96));
	for (unsigned n = 0; n < 3; n++)
		expect(n, MT_DRAM, 96, 0, 0);
	ok(mt_free(devices[0], 0x1000));
	told(mt_free(devices[0], 0x1000), MT_DOUBLE_FREE);
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 96, 0, 0);
	same(faults_of(MT_DUPLICATE), 1);
	same(faults_of(MT_DOUBLE_FREE), 1);
	expect_faults(2);
}

TEST(a_mesh_whose_members_differ_in_banks)
{
	struct mt_memory memory = {.kind = MT_DRAM, .banks = 8, .bank_bytes = 1 << 20};
	struct mt_device d = {.struct_size = sizeof d,
	                      .unique_id = chip_unique_id(0),
	                      .memories = &memory,
	                      .memory_count = 1};
	mt_space devices[2], m;
	struct mt_buffer b;

	devices[0] = mt_device_open(&d);
	memory.banks = 3;
	d.unique_id = chip_unique_id(1);
	devices[1] = mt_device_open(&d);
	m = mesh(1, 2, devices);
	b = buffer(m, 1, 640);
	b.address = 0;
	b.span = 100;
	ok(mt_alloc(&b));
	expect_held(0, MT_DRAM, 640, 0, 0, 800);
	expect_held(1, MT_DRAM, 640, 0, 0, 300);
	ok(mt_free_on(m, 1, devices[0]));
	expect_held(0, MT_DRAM, 0, 0, 0, 0);
	expect_held(1, MT_DRAM, 640, 0, 0, 300);
	ok(mt_free(m, 1));
	expect_held(1, MT_DRAM, 0, 0, 0, 0);
	expect_no_faults();
}

/* --- rule 4: every device frees, once; after its mesh closed a free is late --------------- */

TEST(buffers_destroyed_after_their_mesh_closed_are_late)
{
	mt_space devices[2], m;

	for (unsigned n = 0; n < 2; n++)
		devices[n] = chip_with(n, MT_UNIQUE_IDS);
	m = mesh_with(1, 2, devices, MT_UNIQUE_IDS);
	ok(put_flags(m, 10, 64, MT_BACKING, 0));
	ok(put(m, 20, 32));
	ok(put(m, 30, 16));
	ok(mt_close(m, 0));
	told(mt_free(m, 10), MT_LATE);
	told(mt_free(0, 20), MT_LATE);
	told(mt_free_on(m, 30, devices[0]), MT_LATE);
	told(mt_free_on(m, 30, devices[1]), MT_LATE);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(a_late_free_of_the_closed_is_not_a_leak_any_more)
{
	mt_space device = chip(0);
	struct segment_view *view;

	ok(mt_ready(device));
	ok(put(device, 1, 64));
	ok(put(device, 2, 32));
	ok(mt_close(device, 0));
	view = outside();
	same(view->buffer_count, 2);
	holds(view->buffers[0].closed && view->buffers[1].closed);
	segment_view_destroy(view);
	told(mt_free(device, 1), MT_LATE);
	view = outside();
	same(view->buffer_count, 1);
	same(view->buffers[0].id, 2);
	segment_view_destroy(view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_of_two_members_from_outside),
		cmocka_unit_test(every_order_of_two_members_by_address_from_outside),
		cmocka_unit_test(every_order_of_three_members),
		cmocka_unit_test(every_order_of_three_members_by_address),
		cmocka_unit_test(every_order_of_three_members_by_free_on),
		cmocka_unit_test(every_order_of_four_members),
		cmocka_unit_test(the_peak_is_never_doubled),
		cmocka_unit_test(a_tombstone_absorbs_mirrored_frees_exactly_once),
		cmocka_unit_test(after_free_a_share_is_absorbed_once_per_member),
		cmocka_unit_test(mirrored_frees_on_devices_that_reported_nothing),
		cmocka_unit_test(free_on_drops_one_share),
		cmocka_unit_test(naive_reports_are_faults),
		cmocka_unit_test(a_mesh_whose_members_differ_in_banks),
		cmocka_unit_test(buffers_destroyed_after_their_mesh_closed_are_late),
		cmocka_unit_test(a_late_free_of_the_closed_is_not_a_leak_any_more),
	};

	(void)argc;
	return fixture_main("contract_shares", tests, sizeof tests / sizeof *tests, argv);
}
