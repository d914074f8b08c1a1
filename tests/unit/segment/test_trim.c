/* SPDX-License-Identifier: Apache-2.0 */
/* Memory given back after frees: how much, what is known of the freed afterwards, and what readers
 * see of it meanwhile. */
#include "writer_fixture.h"
#include "writer_internal.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEVICE = 1, MANY = 100000, CAP = 64 << 20, KIB = 1024 };

static struct writer w;

static void begin(enum writer_repeats repeats, uint64_t cap_bytes)
{
	fixture_open(&w, &(struct writer_options){.cap_bytes = cap_bytes, .repeats = repeats});
	fixture_device(&w, DEVICE, 100, 0);
}

static void end(void)
{
	writer_close(&w, 0);
	test_dir_remove();
}

static void alloc_range(uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id < to; id++)
		assert_int_equal(fixture_alloc(&w, DEVICE, id, 64 + id), MT_OK);
}

static void free_range(uint64_t from, uint64_t to)
{
	for (uint64_t id = from; id < to; id++)
		assert_int_equal(fixture_free(&w, DEVICE, id), MT_OK);
}

static void trim(void)
{
	while (writer_trim(&w))
		;
	assert_false(writer_trim(&w));
	assert_int_equal(w.header->populated_bytes, w.file.populated_bytes);
}

/* What a reader sees: the buffers of [from, to). */
static void live(uint64_t from, uint64_t to)
{
	struct segment_view *view = fixture_view(&w, VIEW_BUFFERS);

	assert_true(view->exact && !view->counters_differ);
	assert_int_equal(view->corrupt_records, 0);
	assert_int_equal(view->buffer_count, to - from);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		assert_in_range(view->buffers[i].id, from, to - 1);
		assert_int_equal(view->buffers[i].bytes, 64 + view->buffers[i].id);
		assert_string_equal(view->buffers[i].site, "add");
	}
	segment_view_destroy(view);
}

/* The file shrinks to what it was, wherever the few lie that stay; then all goes on. */
static void memory_comes_back(void **state)
{
	static const uint64_t stay[][2] = {{0, 0}, {0, 100}, {MANY - 100, MANY}, {5000, 5100}};
	uint64_t before;

	(void)state;
	for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) {
		begin(REPEATS_ARE_FAULTS, CAP);
		before = fixture_file_bytes(&w);
		for (int turn = 0; turn < 3; turn++) {
			alloc_range(turn ? stay[i][1] : 0, MANY);
			if (turn)
				alloc_range(0, stay[i][0]);
			assert_true(fixture_file_bytes(&w) > before + MANY * 64);
			live(0, MANY);
			free_range(0, stay[i][0]);
			free_range(stay[i][1], MANY);
			trim();
			assert_in_range(fixture_file_bytes(&w), before, before + 256 * KIB);
			assert_true(w.index.now.capacity <= 4096);
			assert_true(w.free_mask < 16384);
			live(stay[i][0], stay[i][1]);
		}
		assert_int_equal(w.header->fault_total, 0);
		assert_int_equal(w.header->unrecorded, 0);
		end();
	}
}

/* A buffer in every thousandth slot keeps a page each. */
static void scattered_ones_keep_their_pages(void **state)
{
	uint64_t before;

	(void)state;
	begin(REPEATS_ARE_FAULTS, CAP);
	before = fixture_file_bytes(&w);
	alloc_range(0, MANY);
	for (uint64_t id = 0; id < MANY; id++) {
		if (id % 1000)
			assert_int_equal(fixture_free(&w, DEVICE, id), MT_OK);
	}
	trim();
	assert_in_range(fixture_file_bytes(&w), before + 80 * 4 * KIB, before + 800 * KIB);
	alloc_range(MANY, 2 * MANY);
	for (uint64_t id = 0; id < MANY; id += 1000)
		assert_int_equal(fixture_free(&w, DEVICE, id), MT_OK);
	live(MANY, 2 * MANY);
	end();
}

/* Slots come back in no order: each is used once. */
static void at_random(void **state)
{
	static bool is_live[20000];
	uint64_t random = 1;
	uint32_t count = 0;
	struct segment_view *view;

	(void)state;
	memset(is_live, 0, sizeof is_live);
	begin(REPEATS_ARE_FAULTS, CAP);
	for (uint32_t i = 0; i < 600000; i++) {
		uint32_t phase = i / 50000 % 3, id;

		random = random * 6364136223846793005u + 1442695040888963407u;
		id = (uint32_t)(random >> 33) % 20000;
		if (!is_live[id] && phase != 1) {
			assert_int_equal(fixture_alloc(&w, DEVICE, id, 64 + id), MT_OK);
			is_live[id] = true;
			count++;
		} else if (is_live[id] && phase != 0) {
			assert_int_equal(fixture_free(&w, DEVICE, id), MT_OK);
			is_live[id] = false;
			count--;
		}
		if (i % 7777 == 0)
			writer_trim(&w);
	}
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_true(view->exact && !view->counters_differ && !view->corrupt_records);
	assert_int_equal(view->buffer_count, count);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		assert_true(is_live[view->buffers[i].id]);
		is_live[view->buffers[i].id] = false;
	}
	segment_view_destroy(view);
	assert_int_equal(w.header->fault_total, 0);
	end();
}

/* A trim of the smallest slices, with what comes between them in every step of it. */
static void between_slices(void **state)
{
	enum { LIVE = 40000 };
	uint32_t steps = 0;
	uint64_t first = 0, last = LIVE;

	(void)state;
	begin(REPEATS_ARE_FAULTS, CAP);
	alloc_range(0, LIVE);
	for (int turn = 0; turn < 6; turn++) {
		free_range(first, last - 100);
		first = last - 100;
		for (uint32_t slice = 0; writer_trim_slice(&w, 3000); slice++) {
			uint32_t some = slice % 5 ? 0 : 1u + slice % 7;

			steps |= 1u << w.trimming.step;
			/* In the midst of the queue more rarely: it would never come to its end. */
			if (w.trimming.step == TRIM_QUEUE && slice % 40)
				continue;
			alloc_range(last, last + some);
			last += some;
			free_range(first, first + some / 2);
			first += some / 2;
		}
		live(first, last);
		assert_true(w.parked_count > 0);
		alloc_range(last, first + LIVE);
		last = first + LIVE;
		live(first, last);
	}
	assert_int_equal(steps & 1u << TRIM_QUEUE, 1u << TRIM_QUEUE);
	assert_int_equal(steps & 1u << TRIM_PAGES, 1u << TRIM_PAGES);
	assert_int_equal(steps & 1u << TRIM_INDEXES, 1u << TRIM_INDEXES);
	assert_int_equal(w.header->fault_total, 0);
	assert_int_equal(w.header->unrecorded, 0);
	end();
}

/* Pages that are to be given back are needed before it comes to that. */
static void needed_again_at_once(void **state)
{
	uint64_t populated;

	(void)state;
	begin(REPEATS_ARE_FAULTS, CAP);
	alloc_range(0, MANY);
	free_range(0, MANY);
	populated = w.file.populated_bytes;
	while (w.trimming.step != TRIM_PAGES)
		assert_true(writer_trim_slice(&w, 1 << 20));
	assert_true(w.parked_count > 1000);
	alloc_range(0, MANY);
	assert_in_range(w.file.populated_bytes, populated, populated + 512 * KIB);
	live(0, MANY);
	trim();
	live(0, MANY);
	free_range(0, MANY);
	trim();
	assert_true(w.file.populated_bytes < populated / 4);
	assert_int_equal(w.header->fault_total, 0);
	end();
}

/* An end in parts says all at once, and gives back everything, whatever is under way. */
static void an_end_in_parts(void **state)
{
	const struct segment_end killed = {.how = END_SIGNAL, .code = 9, .realtime_ns = 1};

	(void)state;
	for (int slices = 0; slices < 4; slices++) {
		struct writer_releasing how_far = {0};
		struct segment_view *view;
		int parts = 1;

		begin(REPEATS_ARE_FAULTS, CAP);
		alloc_range(0, MANY);
		free_range(0, MANY / 2);
		for (int i = 0; i < slices * 10; i++)
			writer_trim(&w);
		writer_mark_end(&w, &killed);
		live(MANY / 2, MANY);
		for (; writer_release(&w, &how_far); parts++)
			;
		assert_true(parts > 3);
		assert_null(w.file.base);
		view = fixture_view_of(w.file.path, VIEW_BUFFERS);
		assert_int_equal(view->buffer_count, MANY - MANY / 2);
		assert_int_equal(view->end.code, 9);
		assert_int_equal(view->corrupt_records, 0);
		segment_view_destroy(view);
		w.header = NULL;
		test_dir_remove();
	}
}

/* What was freed last is still known by address, site and credit. */
static void the_freed_are_remembered(void **state)
{
	struct segment_view *view;

	(void)state;
	begin(REPEATS_COLLAPSE, CAP);
	alloc_range(0, MANY);
	alloc_range(MANY - 1, MANY); /* a repeat */
	free_range(0, MANY);
	trim();
	assert_int_equal(fixture_free(&w, DEVICE, MANY - 1), MT_OK);
	assert_int_equal(fixture_free(&w, DEVICE, MANY - 1), MT_DOUBLE_FREE);
	assert_int_equal(fixture_free(&w, DEVICE, MANY - SEGMENT_QUARANTINE), MT_DOUBLE_FREE);
	assert_int_equal(fixture_free(&w, DEVICE, MANY - SEGMENT_QUARANTINE - 1), MT_UNKNOWN_FREE);
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_int_equal(view->faults[0].type, MT_DOUBLE_FREE);
	assert_int_equal(view->faults[0].address, MANY - 1);
	assert_int_equal(view->faults[0].bytes_first, 64 + MANY - 1);
	assert_string_equal(view->faults[0].site_first, "add");
	segment_view_destroy(view);
	alloc_range(0, MANY);
	free_range(0, MANY);
	end();
}

/* Details and blocks of shares go with the slots that they belong to; mirrored frees are absorbed
 * afterwards as before. */
static void divided_records(void **state)
{
	const uint32_t members[2] = {1, 2};
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = 3,
	                           .bytes = 64,
	                           .parent = 9,
	                           .flags = MT_BACKING};
	uint64_t before = 0;
	uint32_t blocks = 0;

	(void)state;
	begin(REPEATS_ARE_FAULTS, CAP);
	fixture_device(&w, 2, 101, 1);
	fixture_mesh(&w, 3, 2, members);
	for (int turn = 0; turn < 3; turn++) {
		for (buffer.id = 1; buffer.id <= 20000; buffer.id++) {
			writer_tend(&w);
			assert_int_equal(writer_alloc(&w, &buffer, &fixture_call), MT_OK);
			assert_int_equal(writer_free_on(&w, 3, buffer.id, 1, &fixture_call), MT_OK);
		}
		for (uint64_t id = 1; id <= 20000; id++)
			assert_int_equal(writer_free(&w, 3, id, &fixture_call), MT_OK);
		trim();
		/* The last ones stay, with their shares. */
		assert_int_equal(writer_free_on(&w, 3, 20000, 2, &fixture_call), MT_OK);
		assert_int_equal(writer_free_on(&w, 3, 20000, 2, &fixture_call), MT_DOUBLE_FREE);
		if (turn < 2) { /* the last thousand of the turn before hold blocks, too */
			before = fixture_file_bytes(&w);
			blocks = w.header->regions[REGION_BLOCKS].count;
		}
		assert_in_range(fixture_file_bytes(&w), before - 128 * KIB, before + 128 * KIB);
		assert_int_equal(w.header->regions[REGION_BLOCKS].count, blocks);
	}
	assert_true(before < 3u << 20);
	end();
}

/* Buffers without detail lie in memory of the writer's own. */
static void phantoms(void **state)
{
	(void)state;
	begin(REPEATS_ARE_FAULTS, 1 << 20);
	for (uint64_t id = 0; id < MANY; id++)
		fixture_alloc(&w, DEVICE, id, 64 + id);
	assert_true(w.header->no_detail_buffers > MANY / 2);
	free_range(0, MANY);
	assert_true(w.phantom_high > MANY / 2);
	trim();
	assert_int_equal(w.phantom_high, 0);
	assert_int_equal(fixture_free(&w, DEVICE, MANY - 1), MT_DOUBLE_FREE);
	for (uint64_t id = 0; id < MANY; id++)
		fixture_alloc(&w, DEVICE, id, 64 + id);
	free_range(0, MANY);
	assert_int_equal(w.header->no_detail_buffers, 0);
	assert_int_equal(w.header->unrecorded, 0);
	live(0, 0);
	end();
}

/* --- readers ------------------------------------------------------------------------------ */

/* What is to happen before the reader's next look at slots of this process's own writer. */
static void (*before_slots)(void);

ssize_t pread(int fd, void *to, size_t bytes, off_t offset)
{
	const struct segment_region *slots = w.header ? &w.header->regions[REGION_SLOTS] : NULL;
	void (*happens)(void) = before_slots;

	if (happens && slots && (uint64_t)offset >= slots->offset &&
	    (uint64_t)offset < slots->offset + slots->capacity_bytes) {
		before_slots = NULL;
		happens();
	}
	return (ssize_t)syscall(SYS_pread64, fd, to, bytes, offset);
}

static void free_and_trim(void)
{
	free_range(0, 6000);
	trim();
	assert_true(w.parked_count > 60);
}

static void free_trim_and_use_again(void)
{
	free_and_trim();
	for (uint64_t id = 50000; id < 52000; id++)
		assert_int_equal(fixture_alloc(&w, DEVICE, id, 64), MT_OK);
}

/* A reader that has copied the bitmap finds holes where slots were, or slots of another life: it
 * says what was live when it began, without the addresses and sites of what was freed. */
static void a_trim_between_bitmap_and_slots(void **state)
{
	static void (*const happen[])(void) = {free_and_trim, free_trim_and_use_again};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct segment_view *view;
		uint64_t bytes = 0, expected = 0, op;
		uint32_t incomplete = 0;

		begin(REPEATS_ARE_FAULTS, CAP);
		alloc_range(6000, 20000);
		alloc_range(0, 6000); /* on the last slots */
		op = w.op;
		before_slots = happen[i];
		view = fixture_view(&w, VIEW_BUFFERS);
		assert_null(before_slots);
		assert_true(view->exact);
		assert_int_equal(view->op, op);
		assert_int_equal(view->corrupt_records, 0);
		assert_int_equal(view->buffer_count, 20000);
		for (uint32_t n = 0; n < view->buffer_count; n++) {
			bytes += view->buffers[n].bytes;
			expected += 64 + n;
			incomplete += view->buffers[n].incomplete;
			assert_true(view->buffers[n].incomplete <= (view->buffers[n].id < 6000));
		}
		assert_int_equal(bytes, expected);
		assert_true(incomplete > 4000);
		segment_view_destroy(view);
		end();
	}
}

enum { PLACES = 40000 };

struct shared {
	uint32_t ready;
	uint64_t trims, first_op;
	char path[320];
};

/* What the writing process does, step by step, is known beforehand: up, down to a few, and again.
 * Places are allocated under new ids, in an order of their own each time. */
struct plan {
	uint64_t id_of[PLACES]; /* 0: free */
	uint64_t counter, op;
	uint32_t at, turn, count;
	uint64_t bytes;
};

/* The next operation; returns the place. */
static uint32_t plan_next(struct plan *plan, bool *ret_alloc)
{
	/* Freed from the end that readers come to last, or across. */
	static const uint32_t strides[] = {1, PLACES - 1, 7919, 12347, 1, 1, 3, PLACES - 1};
	uint32_t stride = strides[plan->turn % 8];
	uint32_t limit = plan->turn % 2 ? PLACES - PLACES / 100 : PLACES, place;

	for (;; plan->at++) {
		if (plan->at == limit) {
			plan->at = 0;
			plan->turn++;
			return plan_next(plan, ret_alloc);
		}
		place = (uint32_t)((uint64_t)plan->at * stride % PLACES);
		if (!plan->id_of[place] == !(plan->turn % 2))
			break;
	}
	*ret_alloc = plan->turn % 2 == 0;
	plan->at++;
	plan->op++;
	if (*ret_alloc) {
		plan->id_of[place] = ++plan->counter * PLACES + place;
		plan->count++;
		plan->bytes += 64 + place;
	}
	return place;
}

static void plan_freed(struct plan *plan, uint32_t place)
{
	plan->id_of[place] = 0;
	plan->count--;
	plan->bytes -= 64 + place;
}

static void writer_main(struct shared *shared)
{
	static struct plan plan;
	uint32_t turn = 0;
	bool alloc;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	begin(REPEATS_ARE_FAULTS, CAP);
	shared->first_op = plan.op = w.op;
	memcpy(shared->path, w.file.path, sizeof shared->path);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	for (;;) {
		uint32_t place = plan_next(&plan, &alloc);

		if (plan.turn != turn || plan.at % 4000 == 0) {
			shared->trims += plan.turn != turn && turn % 2;
			turn = plan.turn;
			while (writer_trim(&w))
				;
		}
		if (alloc) {
			if (fixture_alloc(&w, DEVICE, plan.id_of[place], 64 + place) != MT_OK)
				_exit(3);
		} else {
			if (fixture_free(&w, DEVICE, plan.id_of[place]) != MT_OK)
				_exit(4);
			plan_freed(&plan, place);
		}
		if (w.op != plan.op)
			_exit(5);
	}
}

static void plan_until(struct plan *plan, uint64_t op)
{
	bool alloc;

	while (plan->op < op) {
		uint32_t place = plan_next(plan, &alloc);

		if (!alloc)
			plan_freed(plan, place);
	}
}

static void view_is_planned(const struct plan *plan, const struct segment_view *view)
{
	const struct view_figure *figure = &view->figures[MT_DRAM * view->device_count];

	assert_int_equal(figure->buffers[CLASS_USER], plan->count);
	assert_int_equal(figure->bytes[CLASS_USER], plan->bytes);
	if (view->depth != VIEW_BUFFERS)
		return;
	assert_int_equal(view->buffer_count, plan->count);
	for (uint32_t i = 0; i < view->buffer_count; i++)
		assert_int_equal(plan->id_of[view->buffers[i].id % PLACES], view->buffers[i].id);
}

/* A writer that never stops and trims all the time: views are what it says at exactly their op, or
 * say that they are not exact. */
static void readers_meanwhile(void **state)
{
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static struct plan plan;
	int exact = 0, inexact = 0, status;
	pid_t pid;

	(void)state;
	assert_true(shared != MAP_FAILED);
	test_dir();
	pid = fork();
	if (pid == 0)
		writer_main(shared);
	while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE)) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		sched_yield();
	}
	plan.op = shared->first_op;
	for (int i = 0; i < 600 || __atomic_load_n(&shared->trims, __ATOMIC_RELAXED) < 20; i++) {
		struct segment_view *view =
			fixture_view_of(shared->path, i % 4 == 3 ? VIEW_TOTALS : VIEW_BUFFERS);

		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		assert_int_equal(view->corrupt_records, 0);
		assert_false(view->counters_differ);
		plan_until(&plan, view->op);
		if (view->exact && plan.op == view->op)
			view_is_planned(&plan, view);
		exact += view->exact;
		inexact += !view->exact;
		segment_view_destroy(view);
	}
	printf("  exact %d, inexact %d, trims %llu\n", exact, inexact,
	       (unsigned long long)shared->trims);
	assert_true(exact > inexact);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(shared, sizeof *shared);
	test_dir_remove();
}

/* Killed anywhere, also within a trim: nothing that was live is lost. */
static void killed_within_a_trim(void **state)
{
	struct shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
	                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(shared != MAP_FAILED);
	test_dir();
	for (int i = 0; i < 20; i++) {
		static struct plan plan;
		struct segment_view *view;
		pid_t pid;

		memset(shared, 0, sizeof *shared);
		memset(&plan, 0, sizeof plan);
		pid = fork();
		if (pid == 0)
			writer_main(shared);
		while (__atomic_load_n(&shared->trims, __ATOMIC_ACQUIRE) < 1u + (unsigned)i % 3)
			sched_yield();
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		view = fixture_view_of(shared->path, VIEW_BUFFERS);
		assert_int_equal(view->life, LIFE_KILLED);
		assert_int_equal(view->corrupt_records, 0);
		plan.op = shared->first_op;
		plan_until(&plan, view->op);
		view_is_planned(&plan, view);
		segment_view_destroy(view);
	}
	munmap(shared, sizeof *shared);
	test_dir_remove();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_comes_back),
		cmocka_unit_test(scattered_ones_keep_their_pages),
		cmocka_unit_test(at_random),
		cmocka_unit_test(between_slices),
		cmocka_unit_test(needed_again_at_once),
		cmocka_unit_test(an_end_in_parts),
		cmocka_unit_test(the_freed_are_remembered),
		cmocka_unit_test(divided_records),
		cmocka_unit_test(phantoms),
		cmocka_unit_test(a_trim_between_bitmap_and_slots),
		cmocka_unit_test(readers_meanwhile),
		cmocka_unit_test(killed_within_a_trim),
	};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
