/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bank allocator: placement, coalescing, statistics, exhaustion, and lockstep over sets.
 */
#include "bank_allocator.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bank_allocator one;
static struct bank_allocator *only = &one;
static const struct bank_set single = {&only, 1};

static int set_up(void **state)
{
	(void)state;
	return bank_allocator_init(&one, 0x1000, 0x10000);
}

static int tear_down(void **state)
{
	(void)state;
	bank_allocator_finish(&one);
	return 0;
}

static uint64_t take(uint64_t span, bool top_down)
{
	uint64_t address = 0;

	assert_int_equal(bank_set_alloc(single, span, 32, top_down, &address), 0);
	return address;
}

static void give(uint64_t address, uint64_t span)
{
	assert_int_equal(bank_set_free(single, address, span), 0);
}

static struct bank_stats stats_of(struct bank_set set)
{
	struct bank_stats stats;

	bank_set_stats(set, &stats);
	return stats;
}

static void test_bottom_up_and_top_down(void **state)
{
	(void)state;
	assert_int_equal(take(0x800, false), 0x1000);
	assert_int_equal(take(0x800, false), 0x1800);
	assert_int_equal(take(0x800, true), 0x10800);
	assert_int_equal(take(0x800, true), 0x10000);
}

static void test_alignment(void **state)
{
	uint64_t address;

	(void)state;
	take(0x21, false);
	assert_int_equal(take(0x20, false), 0x1040);
	assert_int_equal(take(0x21, true), 0x11000 - 0x40);
	assert_int_equal(bank_set_alloc(single, 0x100, 0x1000, false, &address), 0);
	assert_int_equal(address, 0x2000);
	assert_int_equal(bank_set_alloc(single, 0x100, 48, false, &address), -EINVAL);
	assert_int_equal(bank_set_alloc(single, 0, 32, false, &address), -EINVAL);
}

/* Holes of 0x800, 0x400 and the rest: the smallest that fits is taken, whatever the direction. */
static void test_best_fit(void **state)
{
	uint64_t big, small;

	(void)state;
	big = take(0x800, false);
	take(0x20, false);
	small = take(0x400, false);
	take(0x20, false);
	give(big, 0x800);
	give(small, 0x400);
	assert_int_equal(take(0x400, false), small);
	assert_int_equal(take(0x400, true), big + 0x400);
	assert_int_equal(take(0x401, false), small + 0x420);
}

static void test_coalescing_in_every_order(void **state)
{
	static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
					 {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		uint64_t address[3];
		uint64_t low = take(0x20, false);

		for (size_t j = 0; j < 3; j++)
			address[j] = take(0x400, false);
		take(0x20, false);
		for (size_t j = 0; j < 3; j++)
			give(address[orders[i][j]], 0x400);
		assert_int_equal(take(0xc00, false), address[0]);
		give(address[0], 0xc00);
		give(low, 0x20);
		give(low + 0xc20, 0x20);
		assert_int_equal(stats_of(single).largest_free_bytes, 0x10000);
	}
}

static void test_statistics(void **state)
{
	struct bank_stats stats = stats_of(single);
	uint64_t hole;

	(void)state;
	assert_int_equal(stats.total_bytes, 0x10000);
	assert_int_equal(stats.free_bytes, 0x10000);
	assert_int_equal(bank_allocator_lowest(&one), 0x11000);
	hole = take(0x4000, false);
	take(0x1000, false);
	give(hole, 0x4000);
	stats = stats_of(single);
	assert_int_equal(stats.allocated_bytes, 0x1000);
	assert_int_equal(stats.free_bytes, 0xf000);
	assert_int_equal(stats.largest_free_bytes, 0xb000);
	assert_int_equal(bank_allocator_lowest(&one), 0x5000);
}

static void test_out_of_memory_takes_nothing(void **state)
{
	uint64_t address = 7, middle;

	(void)state;
	middle = take(0x8000, false);
	take(0x20, false);
	give(middle, 0x8000);
	assert_int_equal(bank_set_alloc(single, 0x8001, 32, false, &address), -ENOMEM);
	assert_int_equal(bank_set_alloc(single, UINT64_MAX, 32, true, &address), -ENOMEM);
	assert_int_equal(address, 7);
	assert_int_equal(stats_of(single).allocated_bytes, 0x20);
}

static void test_free_of_what_is_not_taken(void **state)
{
	uint64_t address = take(0x800, false);

	(void)state;
	assert_int_equal(bank_set_free(single, address, 0x1000), -EINVAL);
	assert_int_equal(bank_set_free(single, 0, 0x20), -EINVAL);
	assert_int_equal(bank_set_free(single, 0x11000, 0x20), -EINVAL);
	give(address, 0x800);
	assert_int_equal(bank_set_free(single, address, 0x800), -EINVAL);
}

/* Four members; a pair has taken its low half, another member an island of its own. */
static void test_lockstep_over_sets(void **state)
{
	struct bank_allocator chips[4];
	struct bank_allocator *members[4];
	struct bank_set all = {members, 4}, pair = {members, 2}, lone = {members + 3, 1};
	uint64_t address;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		members[i] = &chips[i];
		assert_int_equal(bank_allocator_init(&chips[i], 0, 0x1000), 0);
	}
	assert_int_equal(bank_set_alloc(pair, 0x800, 32, false, &address), 0);
	assert_int_equal(bank_set_alloc(lone, 0x100, 32, true, &address), 0);
	assert_int_equal(stats_of(all).free_bytes, 0x700);
	assert_int_equal(bank_set_alloc(all, 0x701, 32, false, &address), -ENOMEM);
	assert_int_equal(bank_set_alloc(all, 0x700, 32, false, &address), 0);
	assert_int_equal(address, 0x800);
	assert_int_equal(stats_of(all).free_bytes, 0);
	assert_int_equal(bank_set_alloc(lone, 0x800, 32, false, &address), 0);
	assert_int_equal(address, 0);
	assert_int_equal(bank_set_free(all, 0, 0x800), -EINVAL);
	assert_int_equal(bank_set_free(all, 0x800, 0x700), 0);
	assert_int_equal(stats_of(all).largest_free_bytes, 0x700);
	for (size_t i = 0; i < 4; i++)
		bank_allocator_finish(&chips[i]);
}

/* Against a byte map: no overlap, nothing lost. */
static void test_random_against_a_map(void **state)
{
	static unsigned char map[0x11000];
	struct {
		uint64_t address, span;
	} live[64] = {{0, 0}};
	uint32_t random = 12345;

	(void)state;
	memset(map, 0, sizeof map);
	for (int i = 0; i < 20000; i++) {
		size_t at = (random = random * 1664525 + 1013904223) >> 26;
		uint64_t span = 32 * (1 + (random >> 8) % 60);

		if (live[at].span != 0) {
			give(live[at].address, live[at].span);
			memset(map + live[at].address, 0, live[at].span);
			live[at].span = 0;
		} else if (bank_set_alloc(single, span, 32, random & 64, &live[at].address) == 0) {
			live[at].span = span;
			for (uint64_t b = 0; b < span; b++)
				assert_int_equal(map[live[at].address + b]++, 0);
		}
	}
	for (size_t at = 0; at < 64; at++) {
		if (live[at].span != 0)
			give(live[at].address, live[at].span);
	}
	assert_int_equal(stats_of(single).largest_free_bytes, 0x10000);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_bottom_up_and_top_down),
		UNIT(test_alignment),
		UNIT(test_best_fit),
		UNIT(test_coalescing_in_every_order),
		UNIT(test_statistics),
		UNIT(test_out_of_memory_takes_nothing),
		UNIT(test_free_of_what_is_not_taken),
		UNIT(test_lockstep_over_sets),
		UNIT(test_random_against_a_map),
	};

	return cmocka_run_group_tests_name("bank allocator", tests, NULL, NULL);
}
