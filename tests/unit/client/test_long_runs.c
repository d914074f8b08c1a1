/* SPDX-License-Identifier: Apache-2.0 */
/* What shows only after thousands of openings or names: entries and rows that are used again. */
#include "client_fixture.h"

#include <stdio.h>

enum { SPACES = 4095, TURN = 9000 /* events: the ring turns more than once */ };

static void events(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		mt_mark("x", i);
}

/* A buffer of a mesh of chips 0 and 1, divided into the shares that both have reported. */
static mt_space divided(const mt_space *devices, uint64_t id)
{
	mt_space m = mesh_with(1, 2, devices, MT_UNIQUE_IDS);

	ok(put_flags(m, id, 4096, MT_BACKING, 0));
	ok(put_flags(devices[0], id + 1, 4096, MT_LOCAL, id));
	ok(put_flags(devices[1], id + 2, 4096, MT_LOCAL, id));
	return m;
}

TEST(the_entry_of_a_closed_mesh_whose_divided_buffer_lives)
{
	mt_space devices[4], m, next;

	for (unsigned n = 0; n < 4; n++)
		devices[n] = chip_with(n, MT_UNIQUE_IDS);
	m = divided(devices, 1);
	ok(mt_close(m, 0));
	events(TURN);
	next = mesh_with(1, 4, devices, MT_UNIQUE_IDS);
	holds(next % (SPACES + 1) != m % (SPACES + 1));
	ok(put(next, 50, 8192));
	told(mt_free(0, 1), MT_LATE);
	for (unsigned n = 0; n < 4; n++)
		expect(n, MT_DRAM, 8192, 0, 0);
	expect_no_faults();
}

/* Each tag has rows of its own, in two kinds. */
static void buffers_by_tag(mt_space space, unsigned tags)
{
	char name[32];

	for (unsigned i = 0; i < tags; i++) {
		struct mt_buffer b = buffer(space, 1000 + 2 * i, 64);

		snprintf(name, sizeof name, "t%u", i);
		holds(mt_tag_push(name));
		ok(mt_alloc(&b));
		b.id++;
		b.kind = MT_L1;
		ok(mt_alloc(&b));
		mt_tag_pop();
	}
}

static void expect_tagged(mt_space space, unsigned tags)
{
	for (uint32_t kind = MT_DRAM; kind <= MT_L1; kind++) {
		struct mt_usage u = usage(space, kind);

		same(u.bytes, 64 * tags);
		same(u.buffers, tags);
		same(u.exact, 1);
		expect(2, kind, 64 * tags, 0, 0);
	}
}

TEST(more_rows_than_there_is_room_for)
{
	enum { TAGS = 34000 };
	mt_space d = chip_with(2, MT_UNIQUE_IDS);

	buffers_by_tag(d, TAGS);
	expect_tagged(d, TAGS);
	expect_no_faults();
	for (unsigned i = 0; i < 2 * TAGS; i++)
		ok(mt_free(d, 1000 + i));
	expect_tagged(d, 0);
}

/* The rows of a closed mesh are not given away while records with shares are in them. */
TEST(the_rows_of_a_closed_mesh_whose_divided_buffers_live)
{
	enum { TAGS = 34000 };
	const uint64_t uneven[] = {100, 200};
	mt_space devices[2], m, d;
	struct mt_buffer b;

	for (unsigned n = 0; n < 2; n++)
		devices[n] = chip_with(n, MT_UNIQUE_IDS);
	m = divided(devices, 1);
	b = buffer(m, 9, 200);
	b.uneven_bytes = uneven;
	ok(mt_alloc(&b));
	ok(mt_close(m, 0));
	events(TURN);
	d = chip_with(2, MT_UNIQUE_IDS);
	buffers_by_tag(d, TAGS);
	expect_tagged(d, TAGS);
	told(mt_free(0, 9), MT_LATE);
	told(mt_free(0, 1), MT_LATE);
	expect_tagged(d, TAGS);
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

/* With nothing but openings and closings the entries of the closed are used again, too. */
TEST(more_openings_than_there_are_entries)
{
	mt_space d;

	for (unsigned i = 0; i < 10000; i++) {
		d = chip(0);
		ok(mt_close(d, 0));
	}
	d = chip(0);
	ok(put(d, 1, 64));
	expect(0, MT_DRAM, 64, 0, 0);
	expect_no_faults();
}

/* Each leaves a buffer, and with it its entry. An opening that fails makes the totals inexact. */
TEST(leaking_openings_until_no_entry_is_left)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 12, .bank_bytes = 1 << 30};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = chip_unique_id(0),
	                                 .memories = &memory,
	                                 .memory_count = 1};
	mt_space first = mt_device_open(&device), d = 0;
	const struct mt_mesh shape = {
		.struct_size = sizeof shape, .rows = 1, .columns = 1, .devices = &first};
	struct mt_usage u = {.struct_size = sizeof u};
	uint64_t faults;

	holds(first);
	for (unsigned i = 1; i < SPACES; i++) {
		d = mt_device_open(&device);
		holds(d);
		ok(put(d, 1, 64));
		ok(mt_close(d, 0));
	}
	u = usage(first, MT_DRAM);
	same(u.exact, 1);
	faults = u.faults;
	same(mt_device_open(&device), 0);
	u = usage(first, MT_DRAM);
	same(u.exact, 0);
	same(u.faults, faults + 1);
	same(mt_mesh_open(&shape), 0);
	same(usage(first, MT_DRAM).faults, faults + 2);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_entry_of_a_closed_mesh_whose_divided_buffer_lives),
		cmocka_unit_test(more_rows_than_there_is_room_for),
		cmocka_unit_test(the_rows_of_a_closed_mesh_whose_divided_buffers_live),
		cmocka_unit_test(more_openings_than_there_are_entries),
		cmocka_unit_test(leaking_openings_until_no_entry_is_left),
	};

	(void)argc;
	return fixture_main("long_runs", tests, sizeof tests / sizeof *tests, argv);
}
