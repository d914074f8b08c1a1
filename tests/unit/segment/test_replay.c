/* SPDX-License-Identifier: Apache-2.0 */
/* A view that is replayed into another writer gives the same view, and what happens after it ends
 * as it would have. */
#include "replay.h"
#include "writer_fixture.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	DEVICES = 4, /* handles 1 to 4 */
	MESH = 5,
	CLOSING = 6, /* one more opening of the first device, which is closed in the end */
	SCRATCH = 7, /* likewise, lost */
	IDS = 48,
	CAP = 64 << 20
};

static struct writer one, two;
static enum writer_repeats repeats; /* of the second */
static uint64_t random_state;
static bool no_views; /* that go by their owners' ids */
static bool went_on;  /* after the replay: op numbers are not the same any more */

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % limit;
}

static void begin(uint64_t seed)
{
	const uint32_t members[DEVICES] = {1, 2, 3, 4};

	random_state = seed;
	fixture_open(&one, &(struct writer_options){.cap_bytes = CAP});
	writer_kind_name(&one, 6, "KERNEL");
	writer_tag(&one, 1, 0, "model");
	writer_tag(&one, 2, 1, "layer");
	for (uint32_t i = 1; i <= DEVICES; i++)
		fixture_device(&one, i, i < DEVICES ? 100 + i : 0, (int32_t)i);
	writer_device_ordinals(&one, 2, 77);
	fixture_mesh(&one, MESH, DEVICES, members);
	fixture_device(&one, CLOSING, 101, 1);
	fixture_device(&one, SCRATCH, 102, 2);
}

static void end(void)
{
	writer_close(&one, 0);
	writer_close(&two, 0);
	test_dir_remove();
}

static uint32_t random_flags(uint32_t space)
{
	static const uint32_t flags[] = {0,        0,       0,         MT_SYSTEM,
	                                 MT_CACHE, MT_VIEW, MT_IMPORT, MT_VIRTUAL};

	if (space == MESH && random_below(2))
		return MT_BACKING;
	return flags[random_below(no_views ? 5 : 8)];
}

/* Ids of LOCAL records are those of their backing ones, and up to three of four are taken over: a
 * record with nothing left is not in a view. */
static void random_alloc(struct writer *w)
{
	static const char *const sites[] = {NULL, "add", "matmul", "train.py:12"};
	const uint32_t space = 1 + random_below(SCRATCH);
	uint64_t uneven[DEVICES];
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = space,
	                           .id = 1 + random_below(IDS),
	                           .bytes = 32 * (1 + random_below(100)),
	                           .flags = random_flags(space),
	                           .region = random_below(8) ? 0 : 3,
	                           .tag = random_below(3),
	                           .site = sites[random_below(4)]};
	const struct writer_call call = {.thread = 10 + random_below(3)};

	buffer.address = buffer.id << 12;
	buffer.kind = (uint32_t[]){MT_DRAM, MT_L1, 6}[random_below(3)];
	buffer.span = random_below(3) ? buffer.bytes / 8 : 0;
	if (space == MESH && random_below(8) == 0) {
		for (int i = 0; i < DEVICES; i++)
			uneven[i] = 64 + random_below(1000);
		buffer.uneven_bytes = uneven;
	}
	if (space < DEVICES && random_below(3) == 0) {
		buffer.flags = MT_LOCAL;
		buffer.parent = buffer.id;
	}
	writer_tend(w);
	writer_alloc(w, &buffer, &call);
}

static void random_step(struct writer *w)
{
	uint32_t what = random_below(16), space = 1 + random_below(SCRATCH);
	uint64_t id = 1 + random_below(IDS);

	if (what < 8)
		random_alloc(w);
	else if (what < 13)
		writer_free(w, space, id, &fixture_call);
	else if (what < 15)
		writer_free_on(w, MESH, id, 1 + random_below(3), &fixture_call);
	else
		writer_check(w, 1 + random_below(DEVICES), MT_DRAM, 12345, &fixture_call);
}

static void history(uint64_t seed, uint32_t steps)
{
	begin(seed);
	for (uint32_t i = 0; i < steps; i++) {
		random_step(&one);
		if (i == steps / 3)
			writer_ready(&one, 2, &fixture_call);
		if (i == steps / 2)
			writer_mark(&one, "half", 1);
	}
	writer_close_space(&one, CLOSING, false, &fixture_call);
	writer_close_space(&one, SCRATCH, true, &fixture_call);
}

/* --- comparing ---------------------------------------------------------------------------- */

static const struct segment_view *sorted;

static int by_key(const void *a, const void *b)
{
	const struct view_buffer *x = a, *y = b;
	uint32_t s = sorted->spaces[x->space].handle, t = sorted->spaces[y->space].handle;

	if (s != t)
		return s < t ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void sort_buffers(struct segment_view *view)
{
	sorted = view;
	if (view->buffer_count)
		qsort(view->buffers, view->buffer_count, sizeof *view->buffers, by_key);
}

static void near(uint64_t a, uint64_t b)
{
	/* Each clock is read at a moment when this process may have been kept from its processor.
	 */
	assert_true(a - b + 100000000 < 200000000);
}

static void buffers_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_int_equal(a->buffer_count, b->buffer_count);
	for (uint32_t i = 0; i < a->buffer_count; i++) {
		const struct view_buffer *x = &a->buffers[i], *y = &b->buffers[i];
		uint32_t members = a->spaces[x->space].member_count;

		assert_int_equal(a->spaces[x->space].handle, b->spaces[y->space].handle);
		assert_int_equal(x->id, y->id);
		assert_int_equal(x->address, y->address);
		assert_int_equal(x->bytes, y->bytes);
		assert_int_equal(x->span, y->span);
		assert_int_equal(x->parent, y->parent);
		assert_int_equal(x->thread, y->thread);
		assert_int_equal(x->region, y->region);
		assert_int_equal(x->flags, y->flags);
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->class_now, y->class_now);
		assert_int_equal(x->closed, y->closed);
		assert_int_equal(x->one_bank, y->one_bank);
		assert_string_equal(x->site, y->site);
		assert_string_equal(a->tags[x->tag].path, b->tags[y->tag].path);
		assert_int_equal(x->member_bytes != NULL, y->member_bytes != NULL);
		for (uint32_t m = 0; x->member_bytes && m < members; m++)
			assert_int_equal(x->member_bytes[m], y->member_bytes[m]);
		near(x->time_ns, y->time_ns);
	}
}

static void figures_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_int_equal(a->kind_count, b->kind_count);
	assert_int_equal(a->device_count, b->device_count);
	for (uint32_t i = 0; i < a->kind_count * a->device_count; i++) {
		struct view_figure x = a->figures[i], y = b->figures[i];

		x.frame = y.frame = 0;
		assert_memory_equal(&x, &y, sizeof x);
	}
}

static void faults_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_int_equal(a->fault_count, b->fault_count);
	assert_int_equal(a->fault_total, b->fault_total);
	assert_memory_equal(a->faults_by_type, b->faults_by_type, sizeof a->faults_by_type);
	for (uint32_t i = 0; i < a->fault_count; i++) {
		const struct view_fault *x = &a->faults[i], *y = &b->faults[i];

		assert_int_equal(x->type, y->type);
		assert_int_equal(x->space, y->space);
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->device, y->device);
		assert_int_equal(x->id, y->id);
		assert_int_equal(x->bytes_first, y->bytes_first);
		assert_int_equal(x->bytes_second, y->bytes_second);
		assert_int_equal(x->count, y->count);
		assert_true(went_on || (x->first_op == y->first_op && x->last_op == y->last_op));
		assert_string_equal(x->tag_first, y->tag_first);
		assert_string_equal(x->tag_second, y->tag_second);
		assert_string_equal(x->site_first, y->site_first);
		assert_string_equal(x->site_second, y->site_second);
		near(x->first_ns, y->first_ns);
		near(x->last_ns, y->last_ns);
	}
}

static void spaces_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_int_equal(a->space_count, b->space_count);
	for (uint32_t i = 0; i < a->space_count; i++) {
		assert_int_equal(a->spaces[i].handle, b->spaces[i].handle);
		assert_int_equal(a->spaces[i].type, b->spaces[i].type);
		assert_int_equal(a->spaces[i].state, b->spaces[i].state);
		assert_int_equal(a->spaces[i].flags, b->spaces[i].flags);
		assert_string_equal(a->spaces[i].name, b->spaces[i].name);
		assert_int_equal(a->spaces[i].member_count, b->spaces[i].member_count);
		assert_memory_equal(a->spaces[i].members, b->spaces[i].members,
		                    a->spaces[i].member_count * 4ul);
	}
	for (uint32_t i = 0; i < a->device_count; i++) {
		assert_int_equal(a->devices[i].unique_id, b->devices[i].unique_id);
		assert_int_equal(a->devices[i].ordinal, b->devices[i].ordinal);
		assert_int_equal(a->devices[i].ordinals, b->devices[i].ordinals);
		assert_string_equal(a->devices[i].arch, b->devices[i].arch);
		assert_memory_equal(a->devices[i].memories, b->devices[i].memories,
		                    sizeof a->devices[i].memories);
	}
	for (uint32_t i = 0; i < a->kind_count; i++)
		assert_string_equal(a->kind_names[i], b->kind_names[i]);
}

static uint64_t frees_of(const struct segment_view *view)
{
	uint64_t frees = 0;

	for (uint32_t i = 0; i < view->row_count; i++)
		frees += view->rows[i].frees;
	return frees;
}

/* Loads both; they must be of one state. */
static void views_agree(void)
{
	struct segment_view *a = fixture_view(&one, VIEW_BUFFERS);
	struct segment_view *b = fixture_view(&two, VIEW_BUFFERS);

	assert_true(a->exact && !a->counters_differ && !a->corrupt_records);
	assert_true(b->exact && !b->counters_differ && !b->corrupt_records);
	sort_buffers(a);
	sort_buffers(b);
	spaces_agree(a, b);
	buffers_agree(a, b);
	figures_agree(a, b);
	faults_agree(a, b);
	/* A record that is divided without need counts a free for each member. */
	assert_true(went_on || frees_of(a) == frees_of(b));
	segment_view_destroy(a);
	segment_view_destroy(b);
}

/* Replays the first writer into the second; the first goes on. */
static void replay(void)
{
	struct segment_view *view = fixture_view(&one, VIEW_BUFFERS);

	fixture_open(&two, &(struct writer_options){.cap_bytes = CAP, .repeats = repeats});
	assert_int_equal(segment_replay(&two, view), 0);
	segment_view_destroy(view);
}

/* --- tests -------------------------------------------------------------------------------- */

/* A record that has been taken over altogether is not in the view: such histories are left out. */
static bool has_hidden_records(void)
{
	struct segment_view *view = fixture_view(&one, VIEW_BUFFERS);
	bool hidden = view->buffer_count != one.index.count;

	segment_view_destroy(view);
	return hidden;
}

static void random_histories(void **state)
{
	int compared = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		history(seed, 20 + 20 * (uint32_t)seed);
		if (has_hidden_records()) {
			writer_close(&one, 0);
			test_dir_remove();
			continue;
		}
		replay();
		views_agree();
		compared++;
		end();
	}
	assert_true(compared >= 40);
}

/* What was freed, and when, is forgotten by the first writer, too. */
static void forget(struct writer *w)
{
	for (uint64_t i = 0; i < SEGMENT_QUARANTINE; i++) {
		fixture_alloc(w, 1, 1 << 20, 1);
		fixture_free(w, 1, 1 << 20);
	}
}

/* What is live is freed in both, some of it twice, and allocated again. The successor knows nothing
 * of what was freed before, and nothing of views that go by their owners' ids. */
static void what_comes_after_is_the_same(void **state)
{
	(void)state;
	no_views = went_on = true;
	for (uint64_t seed = 100; seed < 140; seed++) {
		struct segment_view *view;

		history(seed, 400);
		if (has_hidden_records()) {
			writer_close(&one, 0);
			test_dir_remove();
			continue;
		}
		forget(&one);
		replay();
		view = fixture_view(&two, VIEW_BUFFERS);
		for (uint32_t i = 0; i < view->buffer_count; i++) {
			uint32_t space = view->spaces[view->buffers[i].space].handle;
			uint64_t id = view->buffers[i].id;
			uint32_t told;

			if (i % 3 == 0) {
				told = fixture_alloc(&one, space, id, 32 * (1 + i % 90));
				assert_int_equal(fixture_alloc(&two, space, id, 32 * (1 + i % 90)),
				                 told);
			}
			told = writer_free(&one, space, id, &fixture_call);
			assert_int_equal(writer_free(&two, space, id, &fixture_call), told);
			if (i % 4 == 0) {
				told = fixture_alloc(&one, space, id, 4096);
				assert_int_equal(fixture_alloc(&two, space, id, 4096), told);
			}
			if (i % 5 == 0) {
				told = writer_free(&one, space, id, &fixture_call);
				assert_int_equal(writer_free(&two, space, id, &fixture_call), told);
			}
		}
		segment_view_destroy(view);
		views_agree();
		end();
	}
	no_views = went_on = false;
}

static void alloc_times(struct writer *w, uint64_t id, int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(fixture_alloc(w, 1, id, 100), MT_OK);
}

static void free_times(struct writer *w, uint64_t id, int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(fixture_free(w, 1, id), MT_OK);
}

/* What is live was told several times: as many frees come. */
static void repeats_go_on(void **state)
{
	enum { PLAIN = 5, NINE = 6, FREED = 7 };

	(void)state;
	for (repeats = REPEATS_COLLAPSE; repeats <= REPEATS_COUNT; repeats++) {
		bool counts = repeats == REPEATS_COUNT;

		fixture_open(&one, &(struct writer_options){.cap_bytes = CAP, .repeats = repeats});
		fixture_device(&one, 1, 0, 0);
		alloc_times(&one, PLAIN, 1);
		alloc_times(&one, NINE, 9);
		alloc_times(&one, FREED, 4);
		free_times(&one, FREED, 2); /* COLLAPSE: its end, after which it is a new one */
		alloc_times(&one, FREED, 3);
		replay();
		views_agree();
		assert_int_equal(two.repeated, 0); /* here */
		alloc_times(&two, NINE, 1);
		free_times(&two, NINE, 9);
		assert_int_equal(writer_is_live(&two, 1, NINE), counts);
		free_times(&two, NINE, 1);
		free_times(&two, FREED, counts ? 5 : 3);
		free_times(&two, PLAIN, 1);
		assert_int_equal(two.index.count, 0);
		assert_int_equal(two.header->fault_total, 0);
		for (uint64_t id = PLAIN; id <= FREED; id++)
			assert_int_equal(fixture_free(&two, 1, id), MT_DOUBLE_FREE);
		end();
	}
	repeats = REPEATS_ARE_FAULTS;
}

/* The segment has room for so many; and what says nothing of them is as before. */
static void repeats_beyond_the_limit(void **state)
{
	static const int times[] = {SLOT_REPEATS_MAX, SLOT_REPEATS_MAX + 1, SLOT_REPEATS_MAX + 40};

	(void)state;
	repeats = REPEATS_COUNT;
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		int known = times[i] < SLOT_REPEATS_MAX + 1 ? times[i] : SLOT_REPEATS_MAX + 1;

		fixture_open(&one, &(struct writer_options){.cap_bytes = CAP, .repeats = repeats});
		fixture_device(&one, 1, 0, 0);
		alloc_times(&one, 5, times[i]);
		replay();
		views_agree();
		free_times(&two, 5, known - 1);
		assert_true(writer_is_live(&two, 1, 5));
		free_times(&two, 5, 1);
		assert_false(writer_is_live(&two, 1, 5));
		end();
	}
	repeats = REPEATS_ARE_FAULTS;
}

static void many_buffers(void **state)
{
	(void)state;
	fixture_open(&one, &(struct writer_options){.cap_bytes = CAP});
	fixture_device(&one, 1, 0, 0);
	for (uint64_t id = 0; id < 100000; id++)
		fixture_alloc(&one, 1, id, 64 + id);
	for (uint64_t id = 0; id < 100000; id += 3)
		fixture_free(&one, 1, id);
	replay();
	views_agree();
	end();
}

/* Of buffers without detail nothing can be replayed: the totals say that they are a lower bound. */
static void without_detail_it_is_not_exact(void **state)
{
	struct segment_view *view;

	(void)state;
	fixture_open(&one, &(struct writer_options){.cap_bytes = 1 << 20});
	fixture_device(&one, 1, 0, 0);
	for (uint64_t id = 0; id < 20000; id++)
		fixture_alloc(&one, 1, id, 64);
	assert_true(one.header->no_detail_buffers > 0);
	replay();
	view = fixture_view(&two, VIEW_BUFFERS);
	assert_true(view->state & SEGMENT_STATE_INEXACT);
	assert_int_equal(view->unrecorded, one.header->no_detail_buffers);
	assert_int_equal(view->buffer_count, 20000 - one.header->no_detail_buffers);
	segment_view_destroy(view);
	end();
}

static void only_a_fresh_writer_takes_it(void **state)
{
	struct segment_view *view, *totals;

	(void)state;
	history(1, 50);
	view = fixture_view(&one, VIEW_BUFFERS);
	totals = fixture_view(&one, VIEW_TOTALS);
	fixture_open(&two, &(struct writer_options){.cap_bytes = CAP});
	assert_int_equal(segment_replay(&two, totals), -EINVAL);
	assert_int_equal(segment_replay(&one, view), -EINVAL);
	assert_int_equal(segment_replay(&two, view), 0);
	assert_int_equal(segment_replay(&two, view), -EINVAL);
	segment_view_destroy(view);
	segment_view_destroy(totals);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_histories),
		cmocka_unit_test(what_comes_after_is_the_same),
		cmocka_unit_test(repeats_go_on),
		cmocka_unit_test(repeats_beyond_the_limit),
		cmocka_unit_test(many_buffers),
		cmocka_unit_test(without_detail_it_is_not_exact),
		cmocka_unit_test(only_a_fresh_writer_takes_it),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
