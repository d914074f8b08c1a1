/* SPDX-License-Identifier: Apache-2.0 */
/* The index against a table that is indexed directly: growth in steps, in one go, and erasure. */
#include "index.h"

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 200000, CHECK_EVERY = 20000 };

static bool is_live[KEYS];
static uint64_t random_state;

static uint32_t random_next(void)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33);
}

static uint64_t hash_of(uint64_t key)
{
	return (key + 1) * 0x9e3779b97f4a7c15ull;
}

static void check_all(struct index *index)
{
	uint64_t live = 0;

	for (uint32_t key = 0; key < KEYS; key++) {
		const struct index_entry *entry = index_find(index, hash_of(key));

		assert_int_equal(entry != NULL, is_live[key]);
		if (entry)
			assert_int_equal(entry->place, key);
		live += is_live[key];
	}
	assert_int_equal(index->count, live);
}

/* Inserts or erases a random key; `bias` of 8 inserts. */
static void step(struct index *index, uint32_t keys, unsigned bias, bool tend)
{
	uint32_t key = random_next() % keys;
	bool insert = random_next() % 8 < bias;

	if (insert && !is_live[key]) {
		assert_int_equal(index_insert(index, hash_of(key), key), 0);
		is_live[key] = true;
	} else if (!insert && is_live[key]) {
		index_erase(index, index_find(index, hash_of(key)));
		is_live[key] = false;
	}
	if (tend && index_may_want_tending(index) && index_wants_tending(index))
		assert_int_equal(index_tend(index), 0);
}

static void run(bool tend)
{
	static const unsigned biases[] = {8, 4, 6, 1, 7, 0};
	struct index index;

	memset(is_live, 0, sizeof is_live);
	random_state = 7;
	assert_int_equal(index_init(&index, 256), 0);
	for (unsigned phase = 0; phase < 6; phase++) {
		for (unsigned i = 0; i < 3 * CHECK_EVERY; i++)
			step(&index, KEYS, biases[phase], tend);
		check_all(&index);
	}
	index_finish(&index);
}

static void grows_in_steps(void **state)
{
	(void)state;
	run(true);
}

static void grows_in_one_go_where_nobody_tends_it(void **state)
{
	(void)state;
	run(false);
}

/* In the midst of growth every operation must find its way between both tables. */
static void every_operation_while_growing(void **state)
{
	struct index index;
	unsigned checked = 0;

	(void)state;
	memset(is_live, 0, sizeof is_live);
	random_state = 11;
	assert_int_equal(index_init(&index, 64), 0);
	for (unsigned i = 0; i < 400000 && checked < 40; i++) {
		step(&index, KEYS, 5, true);
		if (index.next.entries && i % 1000 == 0) {
			check_all(&index);
			checked++;
		}
	}
	assert_true(checked > 5);
	index_finish(&index);
}

/* Shrinks a little at a time, with insertions and erasures between: from a size that many erasures
 * left, and with as many insertions as there are. */
static void shrinks_in_steps(void **state)
{
	(void)state;
	for (unsigned bias = 0; bias <= 8; bias += 4) {
		struct index index;
		unsigned turns = 0, most;

		memset(is_live, 0, sizeof is_live);
		random_state = 5;
		assert_int_equal(index_init(&index, 2048), 0);
		for (uint32_t i = 0; i < 20 * CHECK_EVERY; i++)
			step(&index, KEYS, 8, true);
		for (uint32_t key = 0; key < KEYS; key++) {
			if (is_live[key] && key % 1000)
				index_erase(&index, index_find(&index, hash_of(key)));
			is_live[key] = is_live[key] && key % 1000 == 0;
		}
		most = (unsigned)index.now.capacity;
		while (index_shrink(&index, 2048, 100)) {
			for (unsigned i = 0; i < 3; i++)
				step(&index, KEYS, bias, turns % 2);
			if (++turns % 500 == 0)
				check_all(&index);
		}
		assert_true(turns > most / 128);
		assert_null(index.next.entries);
		assert_true(index.now.capacity <= index.count * 5 + 4096);
		check_all(&index);
		index_finish(&index);
	}
}

static void hashes_at_both_ends(void **state)
{
	struct index index;

	(void)state;
	assert_int_equal(index_init(&index, 256), 0);
	for (uint64_t i = 0; i < 600; i++) {
		assert_int_equal(index_insert(&index, UINT64_MAX - i, i), 0);
		assert_int_equal(index_insert(&index, 1 + i, i), 0);
	}
	for (uint64_t i = 0; i < 600; i++) {
		assert_int_equal(index_find(&index, UINT64_MAX - i)->place, i);
		assert_int_equal(index_find(&index, 1 + i)->place, i);
	}
	assert_null(index_find(&index, 1ull << 63));
	index_finish(&index);
}

/* Two keys of one hash are both there. */
static void equal_hashes(void **state)
{
	struct index index;
	struct index_entry *entry;

	(void)state;
	assert_int_equal(index_init(&index, 64), 0);
	for (uint64_t key = 0; key < 2000; key++) {
		assert_int_equal(index_insert(&index, hash_of(key), key), 0);
		assert_int_equal(index_insert(&index, hash_of(key), key + 10000), 0);
		if (index_wants_tending(&index))
			index_tend(&index);
	}
	for (uint64_t key = 0; key < 2000; key++) {
		entry = index_find(&index, hash_of(key));
		assert_int_equal(entry->place + index_find_next(entry)->place, 2 * key + 10000);
		index_erase(&index, entry);
		entry = index_find(&index, hash_of(key));
		assert_non_null(entry);
		assert_null(index_find_next(entry));
	}
	index_finish(&index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_in_steps),
		cmocka_unit_test(grows_in_one_go_where_nobody_tends_it),
		cmocka_unit_test(every_operation_while_growing),
		cmocka_unit_test(shrinks_in_steps),
		cmocka_unit_test(hashes_at_both_ends),
		cmocka_unit_test(equal_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
