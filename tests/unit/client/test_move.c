/* SPDX-License-Identifier: Apache-2.0 */
/* mt_move: buffers that come to lie elsewhere, or under another tag, and the memory of no chip. */
#include "client_fixture.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static mt_space unplaced(void)
{
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = -1,
	                           .arch = "context",
	                           .flags = MT_UNIQUE_IDS | MT_UNPLACED};

	return mt_device_open(&device);
}

static mt_tag tag_of(const char *name)
{
	mt_tag tag = mt_tag_push(name);

	mt_tag_pop();
	return tag;
}

static const struct view_buffer *only_buffer(const struct segment_view *view)
{
	same(view->buffer_count, 1);
	return &view->buffers[0];
}

TEST(a_buffer_moves_to_another_device)
{
	mt_space from = chip_with(0, MT_UNIQUE_IDS), to = chip_with(1, MT_UNIQUE_IDS);
	struct mt_buffer b = buffer(from, 5, 4096);
	struct view_buffer before, after;

	b.site = "clCreateBuffer";
	b.region = 3;
	ok(mt_alloc(&b));
	before = *only_buffer(outside());
	ok(mt_move(from, 5, to, 0));
	expect(0, MT_DRAM, 0, 0, 0);
	expect(1, MT_DRAM, 4096, 0, 0);
	expect_peak(0, MT_DRAM, 4096);
	expect_peak(1, MT_DRAM, 4096);
	after = *only_buffer(outside());
	same(after.time, before.time);
	same(after.thread, before.thread);
	same(after.address, before.address);
	same(after.region, 3);
	holds(strcmp(after.site, "clCreateBuffer") == 0);
	same(after.tag, before.tag);
	told(mt_free(from, 5), MT_WRONG_SPACE);
	ok(mt_free(0, 5));
	expect(1, MT_DRAM, 0, 0, 0);
	expect_faults(1);
}

TEST(address_like_ids_move_too)
{
	mt_space from = chip(0), to = chip(1);

	ok(put(from, 0x40, 100));
	ok(put(from, 0x80, 1000));
	ok(put(to, 0x80, 10));
	ok(mt_move(from, 0x40, to, 0));
	told(mt_move(from, 0x80, to, 0), MT_DUPLICATE);
	expect(0, MT_DRAM, 1000, 0, 0);
	expect(1, MT_DRAM, 110, 0, 0);
	ok(mt_free(to, 0x40));
	ok(mt_free(from, 0x80));
	expect(1, MT_DRAM, 10, 0, 0);
	expect_no_faults();
}

TEST(only_the_tag_changes)
{
	mt_space devices[2], m;
	const struct view_buffer *b;
	struct segment_view *view;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(put(m, 1, 64));
	ok(mt_ready(m));
	ok(mt_move(m, 1, 0, tag_of("conv")));
	expect(0, MT_DRAM, 0, 64, 0); /* what was SYSTEM stays it */
	expect(1, MT_DRAM, 0, 64, 0);
	view = outside();
	b = only_buffer(view);
	holds(strcmp(view->tags[b->tag].path, "conv") == 0);
	ok(mt_move(m, 1, 0, 0));
	same(outside()->op, view->op); /* nothing to do */
	ok(mt_free(m, 1));
	expect_no_faults();
}

/* Rule 18: a move takes away as a free does, so what made the peak is kept before it. */
TEST(what_made_a_peak_is_kept_before_a_move)
{
	mt_space from = chip_with(0, MT_UNIQUE_IDS), to = chip_with(1, MT_UNIQUE_IDS);
	const struct view_frame *frame;
	struct segment_view *view;

	mt_tag_push("before");
	ok(put(from, 1, 4096));
	mt_tag_pop();
	ok(mt_move(from, 1, to, tag_of("after")));
	view = outside();
	holds(figure_of(view, 0, MT_DRAM)->frame);
	frame = &view->frames[figure_of(view, 0, MT_DRAM)->frame - 1];
	same(frame->line_count, 1);
	same(frame->lines[0].bytes, 4096);
	holds(strcmp(frame->lines[0].tag, "before") == 0);
}

/* Rule 7: a memory that a move has filled is full; a fault only if that lasts. */
TEST(a_move_into_a_full_memory)
{
	struct mt_memory small = {.kind = MT_DRAM, .banks = 1, .bank_bytes = 1000};
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = 1,
	                           .unique_id = chip_unique_id(1),
	                           .memories = &small,
	                           .memory_count = 1};
	mt_space from = chip(0), to = mt_device_open(&device);
	struct mt_buffer b = buffer(from, 1, 800);

	b.flags = MT_NO_ADDRESS;
	for (b.id = 1; b.id <= 3; b.id++)
		ok(mt_alloc(&b));
	ok(mt_move(from, 1, to, 0));
	ok(mt_move(from, 2, to, 0));
	ok(mt_move(to, 2, from, 0)); /* no longer so at the next event there */
	expect_no_faults();
	ok(mt_move(from, 2, to, 0));
	told(mt_move(from, 3, to, 0), MT_OVER_CAPACITY);
	same(faults_of(MT_OVER_CAPACITY), 1);
	expect(1, MT_DRAM, 2400, 0, 0);
}

TEST(what_cannot_be_moved_stays)
{
	mt_space devices[2], m, other = chip(5);

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(put(m, 1, 64));
	ok(mt_free_on(m, 1, devices[0]));
	ok(put(devices[0], 2, 32));
	told(mt_move(m, 1, other, 0), MT_BAD_ARGUMENT);          /* divided */
	told(mt_move(devices[0], 2, m, 0), MT_BAD_ARGUMENT);     /* to a mesh */
	told(mt_move(devices[0], 9, other, 0), MT_BAD_ARGUMENT); /* not there */
	told(mt_move(devices[1], 2, other, 0), MT_BAD_ARGUMENT); /* not there either */
	told(mt_move(devices[0], 2, 0x7ffff, 0), MT_BAD_ARGUMENT);
	ok(mt_close(other, 0));
	told(mt_move(devices[0], 2, other, 0), MT_BAD_ARGUMENT);
	expect(0, MT_DRAM, 32, 0, 0);
	expect(1, MT_DRAM, 64, 0, 0);
	expect_no_faults();
}

TEST(a_range_beyond_the_new_memory_is_in_the_fault_log)
{
	struct mt_memory small = {.kind = MT_DRAM, .banks = 1, .bank_bytes = 0};
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = 1,
	                           .unique_id = chip_unique_id(1),
	                           .memories = &small,
	                           .memory_count = 1};
	mt_space from = chip(0), to;
	struct mt_buffer b = buffer(from, 1, 8192);

	small.bank_bytes = b.address + 4096;
	to = mt_device_open(&device);
	ok(mt_alloc(&b));
	told(mt_move(from, 1, to, 0), MT_OUT_OF_RANGE);
	expect(0, MT_DRAM, 0, 0, 0);
	expect_faults(1);
	told(mt_move(to, 1, 0, tag_of("conv")), MT_VIRTUAL_ONLY); /* told once */
	expect_faults(1);
	ok(mt_free(to, 1));
}

/* As for mt_free: what was there before, or was the parent's, is no fault of the runtime's. */
TEST(what_was_never_recorded_cannot_be_moved)
{
	mt_space from = chip(0), to = chip(1);

	ok(put(from, 1, 64));
	if (fork() == 0) {
		told(mt_move(from, 1, to, 0), MT_INHERITED);
		told(mt_move(from, 1, 0, tag_of("conv")), MT_INHERITED);
		_exit(0);
	} else {
		int status;

		holds(wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	}
	ok(mt_free(from, 1));
	expect_no_faults();
}

/* Sizes that fit no event, and banks that differ: held is counted anew. */
TEST(held_is_that_of_the_new_memory)
{
	struct mt_memory one = {.kind = MT_DRAM, .banks = 3, .base = 0x1000, .bank_bytes = 1 << 30};
	struct mt_device device = {.struct_size = sizeof device,
	                           .ordinal = 1,
	                           .unique_id = chip_unique_id(1),
	                           .memories = &one,
	                           .memory_count = 1};
	mt_space from = chip(0), to = mt_device_open(&device);
	struct mt_buffer b = buffer(from, 1, 12000001);

	b.span = 1000003;
	ok(mt_alloc(&b));
	expect_held(0, MT_DRAM, 12000001, 0, 0, 12000036);
	ok(mt_move(from, 1, to, 0));
	expect(0, MT_DRAM, 0, 0, 0);
	expect_held(1, MT_DRAM, 12000001, 0, 0, 3000009);
	ok(mt_free(to, 1));
	expect_held(1, MT_DRAM, 0, 0, 0, 0);
	expect_no_faults();
}

TEST(unplaced_memory_is_of_no_chip)
{
	mt_space nowhere = unplaced(), again = unplaced(), to = chip_with(0, MT_UNIQUE_IDS);
	struct mt_buffer b = {.struct_size = sizeof b,
	                      .space = nowhere,
	                      .id = 1,
	                      .bytes = 500,
	                      .kind = MT_DRAM,
	                      .flags = MT_NO_ADDRESS};
	struct segment_view *view;

	holds(nowhere && again && nowhere != again);
	ok(mt_alloc(&b));
	b.id = 2;
	b.space = again;
	ok(mt_alloc(&b));
	view = outside();
	same(view->device_count, 2); /* one for all that is unplaced */
	expect(0, MT_DRAM, 0, 0, 0);
	ok(mt_move(nowhere, 1, to, 0));
	expect(0, MT_DRAM, 500, 0, 0); /* address 0 is below the memory, and means nothing */
	ok(mt_free(0, 1));
	ok(mt_free(0, 2));
	expect_no_faults();
}

TEST(an_unplaced_device_has_nothing_of_a_chip)
{
	struct mt_device device = {.struct_size = sizeof device, .flags = MT_UNPLACED};
	struct mt_mesh m = {.struct_size = sizeof m, .rows = 1, .columns = 1};
	mt_space unplaced_space;

	device.unique_id = 7;
	same(mt_device_open(&device), 0);
	device.unique_id = 0;
	device.bus = "0000:01:00.0";
	same(mt_device_open(&device), 0);
	device.bus = NULL;
	unplaced_space = mt_device_open(&device);
	holds(unplaced_space != 0);
	m.devices = &unplaced_space;
	same(mt_mesh_open(&m), 0);
}

/* A mover at full speed: each exact view has every buffer once. */
enum { MOVED = 300, MOVED_BYTES = 20000001 };

static void move_for_ever(void *arg)
{
	mt_space devices[4];
	uint64_t n = 0x9e3779b97f4a7c15u;

	for (unsigned i = 0; i < 4; i++)
		devices[i] = chip_with(i, MT_UNIQUE_IDS);
	for (unsigned i = 0; i < MOVED; i++)
		ok(put(devices[0], i + 1, i % 2 ? 64 : MOVED_BYTES));
	__atomic_store_n((int *)arg, 1, __ATOMIC_RELEASE);
	for (;;) {
		n = n * 6364136223846793005u + 1442695040888963407u;
		ok(mt_move(0, (n >> 33) % MOVED + 1, devices[n >> 62], 0));
	}
}

static void check_moved(const struct segment_view *view)
{
	bool seen[MOVED] = {false};
	uint64_t bytes = 0;

	same(view->buffer_count, MOVED);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		uint64_t id = view->buffers[i].id;

		holds(id >= 1 && id <= MOVED && !seen[id - 1]);
		seen[id - 1] = true;
	}
	for (unsigned n = 0; n < 4; n++)
		bytes += figure_of(view, n, MT_DRAM)->held;
	same(bytes, MOVED / 2 * (64ull + MOVED_BYTES));
}

TEST(readers_see_it_here_or_there)
{
	int *ready = shared_page(4096), status;
	unsigned exact = 0;
	pid_t pid = child_start(move_for_ever, ready);

	while (!__atomic_load_n(ready, __ATOMIC_ACQUIRE)) {
		holds(waitpid(pid, &status, WNOHANG) == 0);
		sched_yield();
	}
	for (unsigned i = 0; i < 300; i++) {
		struct segment_view *view = outside_while_busy(pid, VIEW_BUFFERS);

		if (view->exact) {
			exact++;
			check_moved(view);
		}
		segment_view_destroy(view);
	}
	holds(exact > 0);
	holds(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
	holds(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_moves_to_another_device),
		cmocka_unit_test(address_like_ids_move_too),
		cmocka_unit_test(only_the_tag_changes),
		cmocka_unit_test(what_made_a_peak_is_kept_before_a_move),
		cmocka_unit_test(a_move_into_a_full_memory),
		cmocka_unit_test(what_cannot_be_moved_stays),
		cmocka_unit_test(a_range_beyond_the_new_memory_is_in_the_fault_log),
		cmocka_unit_test(what_was_never_recorded_cannot_be_moved),
		cmocka_unit_test(held_is_that_of_the_new_memory),
		cmocka_unit_test(unplaced_memory_is_of_no_chip),
		cmocka_unit_test(an_unplaced_device_has_nothing_of_a_chip),
		cmocka_unit_test(readers_see_it_here_or_there),
	};

	(void)argc;
	return fixture_main("move", tests, sizeof tests / sizeof *tests, argv);
}
