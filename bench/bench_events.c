/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cost of one allocation or free, beside its floors: reading the clock, an uncontended lock
 * pair, a hash table's insert or erase at the same live count, writing a 32-byte event. Random
 * victims: free one, allocate another under a new id.
 */
#include "bench.h"
#include "meshtally.h"

#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 2000000, RING = 8192 };

/* --- floors ------------------------------------------------------------------------------ */

static volatile uint64_t sink;

static double
floor_clock(void)
{
	uint64_t sum = 0;
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS; i++) {
#if defined(__x86_64__)
		sum += __builtin_ia32_rdtsc();
#else
		sum += (uint64_t)bench_now_ns();
#endif
	}
	sink = sum;
	return (bench_now_ns() - start) / EVENTS;
}

static double
floor_lock(void)
{
	static uint32_t lock;
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS; i++) {
		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			;
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
	return (bench_now_ns() - start) / EVENTS;
}

static double
floor_ring(void)
{
	static volatile uint64_t ring[RING][4];
	double start = bench_now_ns();

	for (uint64_t i = 0; i < EVENTS; i++) {
		volatile uint64_t *event = ring[i % RING];

		event[0] = i;
		event[1] = i;
		event[2] = i;
		event[3] = i;
	}
	return (bench_now_ns() - start) / EVENTS;
}

/* A plain open-addressing table of 16-byte entries at a load of at most 0.5. */
struct table {
	uint64_t (*entries)[2];
	uint64_t mask;
	uint32_t shift;
	uint64_t hole; /* whose id was erased last */
};

static uint64_t
table_home(const struct table *table, uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ull >> table->shift;
}

static void
table_insert(struct table *table, uint64_t key, uint64_t value)
{
	uint64_t at = table_home(table, key);

	while (table->entries[at][0])
		at = (at + 1) & table->mask;
	table->entries[at][0] = key;
	table->entries[at][1] = value;
}

static void
table_erase(struct table *table, uint64_t key)
{
	uint64_t at = table_home(table, key), next;

	while (table->entries[at][0] != key)
		at = (at + 1) & table->mask;
	for (next = (at + 1) & table->mask; table->entries[next][0];
	     next = (next + 1) & table->mask) {
		uint64_t home = table_home(table, table->entries[next][0]);

		if (((next - home) & table->mask) < ((next - at) & table->mask))
			continue;
		table->entries[at][0] = table->entries[next][0];
		table->entries[at][1] = table->entries[next][1];
		at = next;
	}
	table->entries[at][0] = 0;
}

static void
table_init(struct table *table, uint64_t live)
{
	uint32_t bits = 1;

	while (1ull << bits < live * 2)
		bits++;
	table->mask = (1ull << bits) - 1;
	table->shift = 64 - bits;
	table->entries = calloc(1ull << bits, sizeof *table->entries);
}

static double
floor_hash(struct table *table, uint64_t *ids, uint64_t live, uint64_t *next, uint64_t *random)
{
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS / 2; i++) {
		uint64_t at = bench_random(random) % live;

		table_erase(table, ids[at]);
		ids[at] = (*next)++;
		table_insert(table, ids[at], at);
	}
	return (bench_now_ns() - start) / EVENTS;
}

/* All four in one loop: what an event with an answer can cost at best, as no work of one event
 * hides behind the next. */
static double floor_together(struct table *table, uint64_t *ids, uint64_t live, uint64_t *next,
                             uint64_t *random)
{
	static volatile uint64_t ring[RING][4];
	static uint32_t lock;
	double start = bench_now_ns();

	for (uint64_t i = 0; i < EVENTS; i++) {
		volatile uint64_t *event = ring[i % RING];
		uint64_t at = bench_random(random) % live;

		while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
			;
#if defined(__x86_64__)
		event[0] = __builtin_ia32_rdtsc();
#else
		event[0] = (uint64_t)bench_now_ns();
#endif
		event[1] = ids[at];
		event[2] = i;
		event[3] = at;
		if (i % 2) {
			table_insert(table, *next, at);
			ids[table->hole] = (*next)++;
		} else {
			table->hole = at;
			table_erase(table, ids[at]);
		}
		__atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
	}
	return (bench_now_ns() - start) / EVENTS;
}

/* --- events ------------------------------------------------------------------------------ */

static mt_space
open_device(void)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 1, .bank_bytes = 1ull << 40};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = 1,
	                                 .arch = "bench",
	                                 .memories = &memory,
	                                 .memory_count = 1,
	                                 .flags = MT_UNIQUE_IDS};

	return mt_device_open(&device);
}

static double
events(struct mt_buffer *buffer, uint64_t *ids, uint64_t live, uint64_t *next, uint64_t *random)
{
	double start = bench_now_ns();

	for (int i = 0; i < EVENTS / 2; i++) {
		uint64_t at = bench_random(random) % live;

		mt_free(buffer->space, ids[at]);
		buffer->id = ids[at] = (*next)++;
		buffer->address = at << 12;
		mt_alloc(buffer);
	}
	return (bench_now_ns() - start) / EVENTS;
}

struct setting {
	const char *name;
	uint64_t live;
	uint64_t span; /* 0: bytes, one bank */
	double target; /* times the floors */
};

static void
measure(const struct setting *setting, mt_space space)
{
	uint64_t live = setting->live, next = 1, table_next = 1, random = 88172645463325252ull;
	uint64_t *ids = malloc(live * sizeof *ids), *keys = malloc(live * sizeof *keys);
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = space,
	                           .bytes = 4096,
	                           .span = setting->span,
	                           .kind = MT_DRAM};
	double f[5][BENCH_TURNS], sums[BENCH_TURNS], ours[BENCH_TURNS], ratios[BENCH_TURNS];
	double together[BENCH_TURNS];
	struct table table;

	table_init(&table, live);
	for (uint64_t i = 0; i < live; i++) {
		buffer.id = ids[i] = next++;
		buffer.address = i << 12;
		mt_alloc(&buffer);
		keys[i] = table_next++;
		table_insert(&table, keys[i], i);
	}
	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		f[0][turn] = floor_clock();
		f[1][turn] = floor_lock();
		f[2][turn] = floor_hash(&table, keys, live, &table_next, &random);
		f[3][turn] = floor_ring();
		f[4][turn] = floor_together(&table, keys, live, &table_next, &random);
		ours[turn] = events(&buffer, ids, live, &next, &random);
		sums[turn] = f[0][turn] + f[1][turn] + f[2][turn] + f[3][turn];
		ratios[turn] = ours[turn] / sums[turn];
		together[turn] = ours[turn] / f[4][turn];
	}
	printf("%-24s %6.1f %6.1f %6.1f %6.1f %8.1f %9.1f %8.1f %7.2f %7.2f %7.2f\n", setting->name,
	       bench_median(f[0], BENCH_TURNS), bench_median(f[1], BENCH_TURNS),
	       bench_median(f[2], BENCH_TURNS), bench_median(f[3], BENCH_TURNS),
	       bench_median(sums, BENCH_TURNS), bench_median(f[4], BENCH_TURNS),
	       bench_median(ours, BENCH_TURNS), bench_median(ratios, BENCH_TURNS), setting->target,
	       bench_median(together, BENCH_TURNS));
	for (uint64_t i = 0; i < live; i++)
		mt_free(space, ids[i]);
	free(table.entries);
	free(keys);
	free(ids);
}

int
main(int argc, char **argv)
{
	static const struct setting settings[] = {
	        {"1,000 live", 1000, 0, 1.2},
	        {"1,000 live, padded", 1000, 8192, 1.2},
	        {"100,000 live", 100000, 0, 1.2},
	        {"1,000,000 live", 1000000, 0, 1.0},
	        {"1,000,000 live, padded", 1000000, 8192, 1.0},
	};
	mt_space space;

	setenv("MESHTALLY_MAX_BYTES", "2G", 0);
	mt_enable(1, NULL, NULL);
	space = open_device();
	if (!space) {
		fprintf(stderr, "bench_events: no segment could be made; see meshtally doctor\n");
		return 1;
	}
	printf("%-24s %6s %6s %6s %6s %8s %9s %8s %7s %7s %7s\n", "ns", "clock", "lock", "hash",
	       "ring", "sum", "in one", "event", "/ sum", "wanted", "/ one");
	for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
		if (argc < 2 || strstr(settings[i].name, argv[1]))
			measure(&settings[i], space);
	}
	mt_close(space, 0);
	mt_enable(0, NULL, NULL);
	return 0;
}
