/* SPDX-License-Identifier: Apache-2.0 */
/* The same id again while it is live: a fault, one and the same, or one more. */
#include "writer_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { DEVICE = 1, OTHER = 2, CAP = 64 << 20 };

static struct writer w;

static void begin(enum writer_repeats repeats)
{
	fixture_open(&w, &(struct writer_options){.cap_bytes = CAP, .repeats = repeats});
	fixture_device(&w, DEVICE, 100, 0);
	fixture_device(&w, OTHER, 101, 1);
}

static void end(void)
{
	writer_close(&w, SEGMENT_STATE_STOPPED);
	test_dir_remove();
}

static void alloc(uint32_t space, uint64_t id, uint64_t bytes, mt_result told)
{
	assert_int_equal(fixture_alloc(&w, space, id, bytes), told);
}

static void release(uint32_t space, uint64_t id, mt_result told)
{
	assert_int_equal(fixture_free(&w, space, id), told);
}

/* Live buffers and their bytes, as a reader sees them. */
static void live(uint32_t buffers, uint64_t bytes)
{
	struct segment_view *view = fixture_view(&w, VIEW_BUFFERS);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < view->buffer_count; i++)
		sum += view->buffers[i].bytes;
	assert_true(view->exact && !view->counters_differ);
	assert_int_equal(view->buffer_count, buffers);
	assert_int_equal(sum, bytes);
	segment_view_destroy(view);
}

static void a_repeat_is_a_fault(void **state)
{
	(void)state;
	begin(REPEATS_ARE_FAULTS);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_DUPLICATE);
	live(1, 100);
	release(DEVICE, 5, MT_OK);
	release(DEVICE, 5, MT_DOUBLE_FREE);
	assert_int_equal(w.repeated, 0);
	end();
}

static void collapsed_ones_end_at_the_first_free(void **state)
{
	(void)state;
	begin(REPEATS_COLLAPSE);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(OTHER, 5, 100, MT_OK); /* another space, another buffer */
	assert_int_equal(w.repeated, 2);
	live(2, 200);
	release(DEVICE, 5, MT_OK);
	live(1, 100);
	release(DEVICE, 5, MT_OK);
	release(DEVICE, 5, MT_OK);
	assert_int_equal(w.header->fault_total, 0);
	release(DEVICE, 5, MT_DOUBLE_FREE);
	live(1, 100);
	release(OTHER, 5, MT_OK);
	release(OTHER, 5, MT_DOUBLE_FREE);
	assert_int_equal(w.views.count, 0);
	end();
}

/* The address is used again before the second free comes, which is then the new buffer's. */
static void collapsed_ones_and_a_new_buffer_between_the_frees(void **state)
{
	(void)state;
	begin(REPEATS_COLLAPSE);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_OK);
	release(DEVICE, 5, MT_OK);
	alloc(DEVICE, 5, 300, MT_OK);
	live(1, 300);
	release(DEVICE, 5, MT_OK);
	live(0, 0);
	release(DEVICE, 5, MT_OK);
	release(DEVICE, 5, MT_DOUBLE_FREE);
	end();
}

static void collapsed_ones_are_remembered_for_a_thousand_frees(void **state)
{
	(void)state;
	begin(REPEATS_COLLAPSE);
	for (int beyond = 0; beyond < 2; beyond++) {
		alloc(DEVICE, 5, 100, MT_OK);
		alloc(DEVICE, 5, 100, MT_OK);
		release(DEVICE, 5, MT_OK);
		for (uint64_t i = 0; i < SEGMENT_QUARANTINE - 1u + (unsigned)beyond; i++) {
			alloc(OTHER, 1000 + i, 8, MT_OK);
			release(OTHER, 1000 + i, MT_OK);
		}
		release(DEVICE, 5, beyond ? MT_UNKNOWN_FREE : MT_OK);
	}
	end();
}

static void counted_ones_end_at_the_last_free(void **state)
{
	(void)state;
	begin(REPEATS_COUNT);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_OK);
	alloc(DEVICE, 5, 100, MT_OK);
	assert_int_equal(w.repeated, 2);
	live(1, 100);
	release(DEVICE, 5, MT_OK);
	release(DEVICE, 5, MT_OK);
	live(1, 100);
	release(DEVICE, 5, MT_OK);
	live(0, 0);
	release(DEVICE, 5, MT_DOUBLE_FREE);
	assert_int_equal(w.header->fault_total, 1);
	end();
}

/* Other bytes or another kind are no repeats: rule 7. All frees that are due are absorbed. */
static void other_bytes_replace(void **state)
{
	static const enum writer_repeats repeats[] = {REPEATS_COLLAPSE, REPEATS_COUNT};
	struct mt_buffer l1 = {
		.struct_size = sizeof l1, .space = DEVICE, .id = 5, .bytes = 200, .kind = MT_L1};

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin(repeats[i]);
		alloc(DEVICE, 5, 100, MT_OK);
		alloc(DEVICE, 5, 100, MT_OK);
		alloc(DEVICE, 5, 200, MT_REPLACED);
		live(1, 200);
		assert_int_equal(writer_alloc(&w, &l1, &fixture_call), MT_REPLACED);
		live(1, 200);
		release(DEVICE, 5, MT_OK);
		live(0, 0);
		release(DEVICE, 5, MT_LATE);
		release(DEVICE, 5, MT_LATE);
		release(DEVICE, 5, MT_OK);
		release(DEVICE, 5, MT_DOUBLE_FREE);
		assert_int_equal(fixture_faults(&w, MT_REPLACED), 2);
		assert_int_equal(w.header->fault_total, 3);
		end();
	}
}

/* Many at once: the numbers of repeats are kept in a table that grows. */
static void many_repeats(void **state)
{
	enum { MANY = 20000 };

	(void)state;
	begin(REPEATS_COLLAPSE);
	for (int turn = 0; turn < 2; turn++) {
		for (uint64_t id = 0; id < MANY; id++)
			alloc(DEVICE, id, 64, MT_OK);
	}
	live(MANY, MANY * 64);
	for (uint64_t id = 0; id < MANY; id++) {
		release(DEVICE, id, MT_OK);
		release(DEVICE, id, MT_OK);
	}
	live(0, 0);
	assert_int_equal(w.repeated, MANY);
	assert_int_equal(w.header->fault_total, 0);
	end();
}

static void a_fault_of_the_feeders(void **state)
{
	struct segment_view *view;

	(void)state;
	begin(REPEATS_COLLAPSE);
	writer_note_fault(&w, MT_MALFORMED, OTHER, MT_L1, 9, 1ull << 60, "message type 12");
	writer_note_fault(&w, MT_MALFORMED, OTHER, MT_L1, 10, 1, "message type 12");
	writer_note_fault(&w, MT_WRONG_PROCESS, 0, UINT32_MAX, 4242, 0, NULL);
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_int_equal(view->fault_count, 2);
	assert_int_equal(view->faults[0].type, MT_MALFORMED);
	assert_int_equal(view->faults[0].count, 2);
	assert_int_equal(view->faults[0].id, 9);
	assert_int_equal(view->faults[0].device, 1);
	assert_int_equal(view->faults[0].bytes_second, 1ull << 60);
	assert_string_equal(view->faults[0].site_second, "message type 12");
	assert_int_equal(view->faults[1].type, MT_WRONG_PROCESS);
	assert_int_equal(view->faults[1].device, UINT32_MAX);
	assert_int_equal(view->faults_by_type[MT_MALFORMED], 2);
	segment_view_destroy(view);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_repeat_is_a_fault),
		cmocka_unit_test(collapsed_ones_end_at_the_first_free),
		cmocka_unit_test(collapsed_ones_and_a_new_buffer_between_the_frees),
		cmocka_unit_test(collapsed_ones_are_remembered_for_a_thousand_frees),
		cmocka_unit_test(counted_ones_end_at_the_last_free),
		cmocka_unit_test(other_bytes_replace),
		cmocka_unit_test(many_repeats),
		cmocka_unit_test(a_fault_of_the_feeders),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
