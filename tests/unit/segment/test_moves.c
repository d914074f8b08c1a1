/* SPDX-License-Identifier: Apache-2.0 */
/* Records that were moved, as readers see them: here or there, also of who died in between. */
#include "stream_collect.h"
#include "writer_fixture.h"
#include "writer_internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FROM = 1, TO = 2, MOVED = 7, WIDE_BYTES = (1 << 26) + 1 };

static struct writer w;

/* A file of a writer that is gone, and where in it the words are that tell of the move. */
struct left {
	char path[sizeof w.file.path];
	uint64_t commit, reserve; /* before the move, and after it */
	uint64_t bitmap;          /* offset of its first word */
	uint64_t bits[2];         /* that word, before the move and after it */
};

/* wide: of sizes that do not fit into events, so that the batch has four of them. */
static void leave(struct left *left, bool wide)
{
	fixture_open(&w, &(struct writer_options){.cap_bytes = 16 << 20});
	fixture_device(&w, FROM, 101, 0);
	fixture_device(&w, TO, 102, 1);
	for (uint64_t id = 1; id < 10; id++)
		assert_int_equal(
			fixture_alloc(&w, FROM, id, wide && id == MOVED ? WIDE_BYTES : id * 32),
			MT_OK);
	left->commit = w.header->commit;
	left->bits[0] = w.bitmap[0];
	assert_int_equal(writer_move(&w, FROM, MOVED, TO, 0), MT_OK);
	left->reserve = w.header->reserve;
	left->bits[1] = w.bitmap[0];
	left->bitmap = w.header->regions[REGION_BITMAP].offset;
	assert_int_equal(left->reserve - left->commit, wide ? 4 : 2);
	strcpy(left->path, w.file.path);
	writer_close(&w, 0);
}

/* What a writer would have left that was killed with these bits set. */
static void die_with(const struct left *left, uint64_t bits)
{
	int fd = open(left->path, O_RDWR | O_CLOEXEC);
	const uint64_t words[2] = {left->reserve, left->commit};

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, words, sizeof words,
	                        (off_t) __builtin_offsetof(struct segment_header, reserve)),
	                 sizeof words);
	assert_int_equal(pwrite(fd, &bits, sizeof bits, (off_t)left->bitmap), sizeof bits);
	close(fd);
}

/* Each buffer once, the moved one on `device`; by a view, by totals, and one by one. */
static void expect_on(const struct left *left, uint32_t device, uint64_t op)
{
	struct segment_view *view = fixture_view_of(left->path, VIEW_BUFFERS);
	struct segment_view *totals = fixture_view_of(left->path, VIEW_TOTALS);
	struct collected collected = {0};
	unsigned seen = 0;

	assert_int_equal(collect(&collected, left->path), 0);
	collected_compare(&collected, view);
	assert_int_equal(view->buffer_count, 9);
	assert_int_equal(view->op, op);
	assert_int_equal(view->corrupt_records, 0);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		seen |= 1u << buffer->id;
		assert_int_equal(view->spaces[buffer->space].members[0],
		                 buffer->id == MOVED ? device : 0);
	}
	assert_int_equal(seen, 0x3fe);
	assert_int_equal(totals->figures[1].buffers[CLASS_USER], device);
	assert_int_equal(totals->figures[0].buffers[CLASS_USER], 9 - device);
	collected_finish(&collected);
	segment_view_destroy(totals);
	segment_view_destroy(view);
}

static void killed_in_between(void **state)
{
	struct left left;

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		leave(&left, wide);
		die_with(&left, left.bits[0]); /* nothing but the event of the sizes is done */
		expect_on(&left, 0, left.commit + (uint64_t)wide);
		die_with(&left, left.bits[0] | left.bits[1]); /* the new bit is set */
		expect_on(&left, 1, left.reserve);
		die_with(&left, left.bits[1]); /* both are done */
		expect_on(&left, 1, left.reserve);
		test_dir_remove();
	}
}

/* A free, and then an allocation of the same id, are no move where the batch was completed: bits
 * alone decide. */
static void completed_batches_are_as_they_are(void **state)
{
	struct left left;
	struct segment_view *view;

	(void)state;
	leave(&left, false);
	left.commit = left.reserve;
	die_with(&left, left.bits[0] | left.bits[1]);
	view = fixture_view_of(left.path, VIEW_BUFFERS);
	assert_int_equal(view->buffer_count, 10);
	segment_view_destroy(view);
	test_dir_remove();
}

/* The time of an allocation is the same number in every reading, from wherever it is told. */
static void times_stay(void **state)
{
	struct segment_view *before, *after;

	(void)state;
	fixture_open(&w, &(struct writer_options){.cap_bytes = 16 << 20});
	fixture_device(&w, FROM, 101, 0);
	fixture_device(&w, TO, 102, 1);
	assert_int_equal(fixture_alloc(&w, FROM, 1, 64), MT_OK);
	before = fixture_view(&w, VIEW_BUFFERS);
	assert_int_equal(before->last_time, before->buffers[0].time);
	assert_int_equal(writer_move(&w, FROM, 1, TO, 0), MT_OK);
	after = fixture_view(&w, VIEW_BUFFERS);
	assert_true(after->buffers[0].time != 0);
	assert_true(after->buffers[0].time == before->buffers[0].time);
	assert_true(after->buffers[0].op > before->buffers[0].op);
	assert_true(after->last_time > before->last_time);
	segment_view_destroy(after);
	segment_view_destroy(before);
	writer_close(&w, 0);
	test_dir_remove();
}

static void without_address(void **state)
{
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = FROM,
	                           .id = 1,
	                           .bytes = 64,
	                           .address = 0x1234,
	                           .flags = MT_NO_ADDRESS};
	struct mt_device nowhere = {
		.struct_size = sizeof nowhere, .ordinal = 3, .flags = MT_UNPLACED};
	struct segment_view *view;

	(void)state;
	fixture_open(&w, &(struct writer_options){.cap_bytes = 16 << 20});
	fixture_device(&w, FROM, 101, 0);
	assert_int_equal(writer_open_device(&w, TO, &nowhere, 0), MT_OK);
	assert_int_equal(writer_alloc(&w, &buffer, &fixture_call), MT_OK);
	buffer.id = 2;
	buffer.flags = 0;
	assert_int_equal(writer_alloc(&w, &buffer, &fixture_call), MT_OK);
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_true(view->buffers[0].address == SEGMENT_NO_ADDRESS);
	assert_true(view->buffers[1].address == 0x1234);
	assert_false(view->devices[0].unplaced);
	assert_true(view->devices[1].unplaced);
	segment_view_destroy(view);
	writer_close(&w, 0);
	test_dir_remove();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_in_between),
		cmocka_unit_test(completed_batches_are_as_they_are),
		cmocka_unit_test(times_stay),
		cmocka_unit_test(without_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
