/* SPDX-License-Identifier: Apache-2.0 */
/* What no runtime should pass, and some will. */
#include "client_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TEST(double_unknown_and_wrong_frees)
{
	mt_space a = chip(0), b = chip(1), m = mesh(1, 1, &a);

	ok(put(a, 1, 10));
	ok(put(m, 2, 20));
	told(mt_free(b, 1), MT_UNKNOWN_FREE); /* address-like: another space's is not meant */
	told(mt_free_on(m, 2, b), MT_WRONG_SPACE);
	told(mt_free(0, 1), MT_UNKNOWN_FREE);
	told(mt_free(a, 3), MT_UNKNOWN_FREE);
	expect(0, MT_DRAM, 30, 0, 0);
	expect(1, MT_DRAM, 0, 0, 0);
	ok(mt_free(a, 1));
	told(mt_free(a, 1), MT_DOUBLE_FREE);
	told(mt_free(a, 1), MT_DOUBLE_FREE);
	expect(0, MT_DRAM, 20, 0, 0);
	expect_faults(6);
}

TEST(spaces_that_do_not_exist)
{
	mt_space a = chip(0), closed = chip(0), nowhere = 0x12345;
	const struct mt_mesh shape = {
		.struct_size = sizeof shape, .rows = 1, .columns = 1, .devices = &nowhere};
	const struct mt_failure failure = {.struct_size = sizeof failure, .space = nowhere};
	struct mt_usage u = {.struct_size = sizeof u};

	ok(mt_close(closed, 0));
	told(put(0, 1, 1), MT_UNKNOWN_SPACE);
	told(put(nowhere, 1, 1), MT_UNKNOWN_SPACE);
	told(put(UINT32_MAX, 1, 1), MT_UNKNOWN_SPACE);
	told(put(closed, 1, 1), MT_UNKNOWN_SPACE);
	told(mt_free(nowhere, 1), MT_UNKNOWN_SPACE);
	told(mt_free_on(a, 1, nowhere), MT_UNKNOWN_SPACE);
	told(mt_ready(nowhere), MT_UNKNOWN_SPACE);
	told(mt_close(nowhere, 0), MT_UNKNOWN_SPACE);
	told(mt_check(nowhere, MT_DRAM, 0), MT_UNKNOWN_SPACE);
	told(mt_alloc_failed(&failure), MT_UNKNOWN_SPACE);
	told(mt_device_usage(nowhere, MT_DRAM, &u), MT_UNKNOWN_SPACE);
	same(mt_mesh_open(&shape), 0);
	expect(0, MT_DRAM, 0, 0, 0);
	same(faults_of(MT_UNKNOWN_SPACE), 10);
}

TEST(size_zero)
{
	mt_space d = chip(0);

	ok(put(d, 1, 0));
	same(usage(d, MT_DRAM).buffers, 1);
	told(put(d, 1, 0), MT_DUPLICATE);
	told(put(d, 1, 5), MT_REPLACED);
	ok(mt_free(d, 1));
	expect(0, MT_DRAM, 0, 0, 0);
	same(usage(d, MT_DRAM).buffers, 0);
}

TEST(absurd_sizes)
{
	static const uint64_t sizes[] = {1ull << 48, 1ull << 62, 1ull << 63, UINT64_MAX};
	mt_space d = chip(0), m = mesh(1, 1, &d);
	struct mt_buffer b;

	ok(put(d, 1, 100));
	for (unsigned i = 0; i < 4; i++) {
		told(put(d, 10 + i, sizes[i]), MT_OUT_OF_RANGE);
		b = buffer(d, 20 + i, 64);
		b.span = sizes[i];
		told(mt_alloc(&b), MT_OUT_OF_RANGE);
		b = buffer(m, 30 + i, 64);
		b.uneven_bytes = &sizes[i];
		told(mt_alloc(&b), MT_OUT_OF_RANGE);
		b.uneven_bytes = NULL;
		b.kind = mt_kind("UNKNOWN_SIZE"); /* no range to check */
		b.id = 40 + i;
		b.bytes = sizes[i];
		told(mt_alloc(&b), MT_OUT_OF_RANGE);
	}
	expect(0, MT_DRAM, 100, 0, 0);
	expect_peak(0, MT_DRAM, 100);
	for (unsigned i = 0; i < 4; i++) {
		ok(mt_free(d, 10 + i));
		ok(mt_free(d, 20 + i));
		ok(mt_free(m, 30 + i));
		ok(mt_free(m, 40 + i));
	}
	expect(0, MT_DRAM, 100, 0, 0);
	same(faults_of(MT_OUT_OF_RANGE), 16);
}

/* Sizes that do not fit a size code go by events of their own. */
TEST(sizes_of_every_magnitude)
{
	mt_space d = chip(0);
	struct mt_buffer b = buffer(d, 0, 0);
	uint64_t sum = 0;

	b.kind = mt_kind("LARGE");
	for (unsigned shift = 0; shift < 47; shift++) {
		for (uint64_t extra = 0; extra < 3; extra++) {
			b.id++;
			b.bytes = (1ull << shift) + extra;
			ok(mt_alloc(&b));
			sum += b.bytes;
		}
	}
	expect(0, b.kind, sum, 0, 0);
	for (uint64_t id = 1; id <= b.id; id++)
		ok(mt_free(d, id));
	expect(0, b.kind, 0, 0, 0);
	expect_no_faults();
}

TEST(a_thousand_devices)
{
	enum { DEVICES = 1000, ROWS = 25, COLUMNS = 40 };
	static mt_space devices[DEVICES];
	mt_space m;
	struct segment_view *view;

	for (unsigned n = 0; n < DEVICES; n++)
		devices[n] = chip(n);
	m = mesh(ROWS, COLUMNS, devices);
	ok(put(m, 1, 4096));
	ok(put(devices[999], 2, 5));
	ok(mt_free_on(m, 1, devices[777]));
	view = outside();
	same(view->device_count, DEVICES);
	for (unsigned n = 0; n < DEVICES; n++)
		same(figure_of(view, n, MT_DRAM)->bytes[CLASS_USER], n == 777   ? 0
		                                                     : n == 999 ? 4101
		                                                                : 4096);
	segment_view_destroy(view);
	ok(mt_free(m, 1));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(999, MT_DRAM, 5, 0, 0);
	for (unsigned n = DEVICES; n < SEGMENT_MAX_DEVICES; n++)
		chip(n);
	same(mt_device_open(
		     &(struct mt_device){.struct_size = sizeof(struct mt_device), .unique_id = 9}),
	     0);
	expect_no_faults();
}

TEST(ten_thousand_tags)
{
	enum { TAGS = 10000 };
	mt_space d = chip(0);
	struct segment_view *view;
	char name[32];

	for (unsigned i = 0; i < TAGS; i++) {
		snprintf(name, sizeof name, "tag %u", i);
		holds(mt_tag_push(name));
		ok(put(d, i, i));
		mt_tag_pop();
	}
	view = outside();
	same(view->buffer_count, TAGS);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		snprintf(name, sizeof name, "tag %u", (unsigned)view->buffers[i].id);
		holds(strcmp(view->tags[view->buffers[i].tag].path, name) == 0);
	}
	segment_view_destroy(view);
	expect(0, MT_DRAM, TAGS * (TAGS - 1) / 2, 0, 0);
}

TEST(more_tags_than_there_is_room_for)
{
	mt_space d = chip(0);
	char name[32];
	mt_tag last = 1;

	mt_tag_push("outer");
	for (unsigned i = 0; i < SEGMENT_MAX_TAGS + 100; i++) {
		snprintf(name, sizeof name, "%u", i);
		last = mt_tag_push(name);
		mt_tag_pop();
	}
	same(last, mt_tag_swap(last)); /* no name of its own: the outer one's */
	ok(put(d, 1, 1));
	expect(0, MT_DRAM, 1, 0, 0);
	mt_tag_pop();
	same(mt_tag_swap(0), 0);
}

TEST(tag_names_of_any_bytes)
{
	mt_space d = chip(0);
	struct segment_view *view;
	char name[600];

	for (int c = 1; c < 256; c++) {
		snprintf(name, sizeof name, "%c\n%c", c, c);
		mt_tag_push(name);
		ok(put(d, (uint64_t)c, 1));
		mt_tag_pop();
	}
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	mt_tag_push(name);
	ok(put(d, 256, 1));
	mt_tag_pop();
	mt_tag_push("");
	ok(put(d, 257, 1));
	mt_tag_pop();
	mt_tag_push(NULL);
	ok(put(d, 258, 1));
	mt_tag_pop();
	view = outside();
	same(view->buffer_count, 258);
	for (uint32_t i = 0; i < 255; i++) {
		snprintf(name, sizeof name, "%c\n%c", i + 1, i + 1);
		same(memcmp(view->tags[view->buffers[i].tag].name, name, 3), 0);
	}
	same(strlen(view->tags[view->buffers[255].tag].name), SEGMENT_STRING_MAX);
	segment_view_destroy(view);
}

struct wider {
	struct mt_buffer buffer;
	uint64_t tail[4];
};

TEST(struct_sizes_of_other_headers)
{
	mt_space d = chip(0);
	struct wider wide = {.buffer = buffer(d, 1, 10)};
	struct mt_buffer old = buffer(d, 2, 20);

	wide.buffer.struct_size = sizeof wide;
	ok(mt_alloc(&wide.buffer)); /* newer, and nothing of it used */
	wide.tail[3] = 1;
	wide.buffer.id = 3;
	told(mt_alloc(&wide.buffer), MT_BAD_ARGUMENT);
	old.struct_size = offsetof(struct mt_buffer, region);
	old.tag = 12345; /* beyond it: not there */
	old.site = (const char *)1;
	ok(mt_alloc(&old));
	old.struct_size = 0;
	told(mt_alloc(&old), MT_BAD_ARGUMENT);
	old.struct_size = 3;
	told(mt_alloc(&old), MT_BAD_ARGUMENT);
	old.struct_size = UINT32_MAX;
	told(mt_alloc(&old), MT_BAD_ARGUMENT);
	expect(0, MT_DRAM, 30, 0, 0);
	expect_no_faults();
}

TEST(struct_sizes_of_usage)
{
	mt_space d = chip(0);
	struct {
		struct mt_usage usage;
		uint64_t tail;
	} wide = {.usage = {.struct_size = sizeof wide}, .tail = 7};
	struct mt_usage u = {.struct_size = 16, .held = 99};

	ok(put(d, 1, 10));
	ok(mt_device_usage(d, MT_DRAM, &wide.usage));
	same(wide.usage.bytes, 10);
	same(wide.tail, 0);
	ok(mt_device_usage(d, MT_DRAM, &u));
	same(u.bytes, 10);
	same(u.held, 99);
	same(u.struct_size, 16);
	u.struct_size = UINT32_MAX;
	told(mt_device_usage(d, MT_DRAM, &u), MT_BAD_ARGUMENT);
	u.struct_size = 0;
	told(mt_device_usage(d, MT_DRAM, &u), MT_BAD_ARGUMENT);
	told(mt_device_usage(d, MT_KIND_LIMIT, &wide.usage), MT_BAD_ARGUMENT);
	told(mt_device_usage(mesh(1, 1, &d), MT_DRAM, &wide.usage), MT_BAD_ARGUMENT);
}

TEST(null_pointers_and_bad_numbers)
{
	mt_space d = chip(0), twice[2] = {d, d};
	struct mt_device device = {.struct_size = sizeof device, .memory_count = 1};
	struct mt_memory memory = {.kind = MT_KIND_LIMIT};
	struct mt_mesh m = {.struct_size = sizeof m, .rows = 1, .columns = 1};
	struct mt_buffer b = buffer(d, 1, 1);

	told(mt_alloc(NULL), MT_BAD_ARGUMENT);
	told(mt_alloc_failed(NULL), MT_BAD_ARGUMENT);
	told(mt_device_usage(d, MT_DRAM, NULL), MT_BAD_ARGUMENT);
	same(mt_device_open(NULL) | mt_mesh_open(NULL), 0);
	same(mt_device_open(&device), 0);
	device.memories = &memory;
	same(mt_device_open(&device), 0);
	device.memory_count = SEGMENT_MAX_MEMORIES + 1;
	same(mt_device_open(&device), 0);
	same(mt_mesh_open(&m), 0);
	m.devices = twice;
	m.columns = 2;
	same(mt_mesh_open(&m), 0);
	m.rows = 0x80000001u;
	same(mt_mesh_open(&m), 0);
	m.rows = m.columns = UINT32_MAX;
	same(mt_mesh_open(&m), 0);
	m.rows = 0;
	same(mt_mesh_open(&m), 0);
	same(mt_kind(NULL) & mt_kind("") & mt_kind("A_NAME_TOO_LONG_"), UINT32_MAX);
	b.kind = 6;
	told(mt_alloc(&b), MT_BAD_ARGUMENT);
	b.kind = UINT32_MAX;
	told(mt_alloc(&b), MT_BAD_ARGUMENT);
	told(mt_check(d, UINT32_MAX, 0), MT_BAD_ARGUMENT);
	mt_mark(NULL, 0);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_no_faults();
}

TEST(absurd_memories)
{
	struct mt_memory memory = {.kind = MT_DRAM,
	                           .banks = UINT32_MAX,
	                           .base = UINT64_MAX - 10,
	                           .bank_bytes = UINT64_MAX,
	                           .align = 3};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = 0x100,
	                                 .memories = &memory,
	                                 .memory_count = 1};
	struct segment_view *view;
	mt_space d;

	same(mt_device_open(&device), 0);
	memory.banks = 4096;
	d = mt_device_open(&device);
	holds(d);
	for (uint64_t id = 0; id < 100; id++) {
		struct mt_buffer b = buffer(d, id, 1ull << 47);

		b.span = 1ull << 47;
		b.address = id * UINT64_MAX / 100;
		mt_alloc(&b);
	}
	for (uint64_t id = 0; id < 100; id++)
		mt_free(d, id);
	same(usage(d, MT_DRAM).held, 0);
	view = outside();
	same(view->buffer_count, 0);
	segment_view_destroy(view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(double_unknown_and_wrong_frees),
		cmocka_unit_test(spaces_that_do_not_exist),
		cmocka_unit_test(size_zero),
		cmocka_unit_test(absurd_sizes),
		cmocka_unit_test(sizes_of_every_magnitude),
		cmocka_unit_test(a_thousand_devices),
		cmocka_unit_test(ten_thousand_tags),
		cmocka_unit_test(more_tags_than_there_is_room_for),
		cmocka_unit_test(tag_names_of_any_bytes),
		cmocka_unit_test(struct_sizes_of_other_headers),
		cmocka_unit_test(struct_sizes_of_usage),
		cmocka_unit_test(null_pointers_and_bad_numbers),
		cmocka_unit_test(absurd_memories),
	};

	(void)argc;
	return fixture_main("bad_input", tests, sizeof tests / sizeof *tests, argv);
}
