/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the other promises cost: being off, a mesh beside one device, dispatching programs, two
 * threads, and the slowest events while the number of live buffers grows. Each beside what it is
 * compared with. With an argument: only the parts whose name has it.
 */
#include "bench.h"
#include "meshtally.h"

#include <pthread.h>
#include <stdio.h>

enum { CALLS = 2000000, LIVE = 1000, MAX_DEVICES = 1024, GROWTH = 1000000 };

static mt_space devices[MAX_DEVICES];
static const struct mt_memory memories[] = {
        {.kind = MT_DRAM, .banks = 1, .bank_bytes = 1ull << 40},
        {.kind = MT_L1, .banks = 64, .bank_bytes = 1464 << 10},
};

static mt_space open_device(uint32_t index)
{
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .ordinal = (int32_t)index,
	                                 .unique_id = index + 1,
	                                 .arch = "bench",
	                                 .memories = memories,
	                                 .memory_count = 2,
	                                 .flags = MT_UNIQUE_IDS};

	return mt_device_open(&device);
}

static mt_space open_mesh(uint32_t count)
{
	const struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                             .rows = 1,
	                             .columns = count,
	                             .flags = MT_UNIQUE_IDS,
	                             .devices = devices};

	return count == 1 ? devices[0] : mt_mesh_open(&mesh);
}

/* --- off --------------------------------------------------------------------------------- */

static void bench_off(void)
{
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .bytes = 64};
	double off[BENCH_TURNS], empty[BENCH_TURNS];

	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		double start = bench_now_ns();

		for (int i = 0; i < CALLS * 10; i++)
			__asm__ volatile("" : : "r"(i) : "memory");
		empty[turn] = (bench_now_ns() - start) / (CALLS * 10);
		start = bench_now_ns();
		for (int i = 0; i < CALLS * 10; i++) {
			mt_result result = mt_alloc(&buffer);

			__asm__ volatile("" : : "r"(result), "r"(i) : "memory");
		}
		off[turn] = (bench_now_ns() - start) / (CALLS * 10);
	}
	printf("off: mt_alloc %.2f ns, the loop alone %.2f ns: %.2f ns a call (wanted: 1)\n",
	       bench_median(off, BENCH_TURNS), bench_median(empty, BENCH_TURNS),
	       bench_median(off, BENCH_TURNS) - bench_median(empty, BENCH_TURNS));
}

/* --- mesh -------------------------------------------------------------------------------- */

static double mesh_event(mt_space space)
{
	static uint64_t next = 1;
	static uint64_t ids[LIVE];
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = space,
	                           .bytes = 4096,
	                           .kind = MT_DRAM};
	uint64_t random = 88172645463325252ull;
	double start, end;

	for (int i = 0; i < LIVE; i++) {
		buffer.id = ids[i] = next++;
		mt_alloc(&buffer);
	}
	start = bench_now_ns();
	for (int i = 0; i < CALLS / 8; i++) {
		uint64_t at = bench_random(&random) % LIVE;

		mt_free(space, ids[at]);
		buffer.id = ids[at] = next++;
		mt_alloc(&buffer);
	}
	end = bench_now_ns();
	for (int i = 0; i < LIVE; i++)
		mt_free(space, ids[i]);
	return (end - start) / (CALLS / 4);
}

static void bench_mesh(void)
{
	static const struct {
		uint32_t count;
		double wanted;
	} sizes[] = {{8, 0}, {32, 1.6}, {1024, 10}};
	double one[BENCH_TURNS], many[BENCH_TURNS], ratio[BENCH_TURNS];

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		mt_space mesh = open_mesh(sizes[i].count);

		for (int turn = 0; turn < BENCH_TURNS; turn++) {
			one[turn] = mesh_event(devices[0]);
			many[turn] = mesh_event(mesh);
			ratio[turn] = many[turn] / one[turn];
		}
		printf("mesh: an event on %u devices %.1f ns, on one %.1f ns: %.2f times", sizes[i].count,
		       bench_median(many, BENCH_TURNS), bench_median(one, BENCH_TURNS),
		       bench_median(ratio, BENCH_TURNS));
		printf(sizes[i].wanted > 0 ? " (wanted: %.1f)\n" : "\n", sizes[i].wanted);
		mt_close(mesh, 0);
	}
}

/* --- programs ---------------------------------------------------------------------------- */

static double dispatch_event(mt_program **programs, uint32_t count, mt_space space)
{
	double start = bench_now_ns();

	for (int i = 0; i < CALLS / 4; i++)
		mt_program_dispatch(programs[(uint32_t)i % count], space);
	return (bench_now_ns() - start) / (CALLS / 4);
}

static void bench_dispatch(void)
{
	static mt_program *programs[4096];
	const struct mt_cb cbs[] = {
	        {.x1 = 7, .y1 = 7, .address = 100 << 10, .bytes = 64 << 10},
	        {.x1 = 7, .y1 = 7, .address = 164 << 10, .bytes = 64 << 10},
	};
	double same[BENCH_TURNS], two[BENCH_TURNS], all[BENCH_TURNS], ratio[BENCH_TURNS];

	for (uint64_t i = 0; i < 4096; i++)
		programs[i] = mt_program_define(i, cbs, 2, 0);
	mt_program_dispatch(programs[0], devices[0]);
	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		two[turn] = dispatch_event(programs, 2, devices[0]);
		all[turn] = dispatch_event(programs, 4096, devices[0]);
		same[turn] = dispatch_event(programs, 1, devices[0]);
		ratio[turn] = all[turn] / two[turn];
	}
	printf("dispatch: a resident program %.1f ns (wanted: 20); another one, 2 cached: %.1f ns, "
	       "4,096 cached: %.1f ns: %.2f times\n",
	       bench_median(same, BENCH_TURNS), bench_median(two, BENCH_TURNS),
	       bench_median(all, BENCH_TURNS), bench_median(ratio, BENCH_TURNS));
	for (uint64_t i = 0; i < 4096; i++)
		mt_program_drop(programs[i]);
}

/* --- threads ----------------------------------------------------------------------------- */

struct worker {
	pthread_t thread;
	pthread_barrier_t *barrier;
	uint64_t first_id;
	uint64_t work_rounds; /* of own work per event */
	double seconds_ns;
};

static volatile uint64_t sink;

static void own_work(uint64_t rounds)
{
	uint64_t x = rounds;

	for (uint64_t i = 0; i < rounds; i++)
		x = x * 6364136223846793005ull + 1;
	sink = x;
}

static void *worker_run(void *arg)
{
	struct worker *worker = arg;
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = devices[worker->first_id % 2],
	                           .bytes = 4096,
	                           .kind = MT_DRAM};
	double start;

	pthread_barrier_wait(worker->barrier);
	start = bench_now_ns();
	for (uint64_t i = 0; i < CALLS / 8; i++) {
		buffer.id = worker->first_id + i * 2;
		mt_alloc(&buffer);
		own_work(worker->work_rounds);
		mt_free(buffer.space, buffer.id);
		own_work(worker->work_rounds);
	}
	worker->seconds_ns = bench_now_ns() - start;
	return NULL;
}

/* Events per ns of a number of threads. */
static double threads_rate(uint32_t count, uint64_t work_rounds)
{
	struct worker workers[2];
	pthread_barrier_t barrier;
	double slowest = 0;

	pthread_barrier_init(&barrier, NULL, count);
	for (uint32_t i = 0; i < count; i++) {
		workers[i] = (struct worker){.barrier = &barrier,
		                             .first_id = (1ull << 40) + i,
		                             .work_rounds = work_rounds};
		pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].seconds_ns > slowest)
			slowest = workers[i].seconds_ns;
	}
	pthread_barrier_destroy(&barrier);
	return count * (CALLS / 4.0) / slowest;
}

static uint64_t rounds_of_half_microsecond(void)
{
	double start = bench_now_ns();

	own_work(10000000);
	return (uint64_t)(500 / ((bench_now_ns() - start) / 10000000));
}

static void bench_threads(void)
{
	uint64_t rounds = rounds_of_half_microsecond();
	double busy[BENCH_TURNS], flat[BENCH_TURNS];

	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		busy[turn] = threads_rate(2, rounds) / threads_rate(1, rounds);
		flat[turn] = threads_rate(2, 0) / threads_rate(1, 0);
	}
	printf("threads: two with 0.5 us of own work per event do %.2f times the events of one "
	       "(wanted: 1.7); flat out %.2f times\n",
	       bench_median(busy, BENCH_TURNS), bench_median(flat, BENCH_TURNS));
}

/* --- the slowest events ------------------------------------------------------------------ */

static void bench_growth(void)
{
	double *times = malloc(GROWTH * sizeof *times);
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = devices[0],
	                           .bytes = 4096,
	                           .kind = MT_DRAM};
	double p999[BENCH_TURNS], mean[BENCH_TURNS], most[BENCH_TURNS], clock[BENCH_TURNS];

	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		double sum = 0, before = bench_now_ns(), after;

		for (int i = 0; i < GROWTH; i++) {
			buffer.id = (1ull << 41) + (unsigned long long)i;
			before = bench_now_ns();
			mt_alloc(&buffer);
			after = bench_now_ns();
			times[i] = after - before;
			sum += times[i];
		}
		mean[turn] = sum / GROWTH;
		qsort(times, GROWTH, sizeof *times, bench_compare);
		p999[turn] = times[GROWTH / 1000 * 999];
		most[turn] = times[GROWTH - 1];
		for (int i = 0; i < GROWTH; i++) {
			before = bench_now_ns();
			after = bench_now_ns();
			times[i] = after - before;
		}
		qsort(times, GROWTH, sizeof *times, bench_compare);
		clock[turn] = times[GROWTH / 1000 * 999];
		for (int i = 0; i < GROWTH; i++)
			mt_free(devices[0], (1ull << 41) + (unsigned long long)i);
		mt_enable(0, NULL, NULL); /* so that the next turn grows anew */
		mt_enable(1, NULL, NULL);
		buffer.space = devices[0] = open_device(0);
	}
	printf("growth: 0 to 1,000,000 live: mean %.0f ns, 99.9 %% within %.0f ns (wanted: 1000), the "
	       "slowest %.0f us; the clock around nothing: 99.9 %% within %.0f ns\n",
	       bench_median(mean, BENCH_TURNS), bench_median(p999, BENCH_TURNS),
	       bench_median(most, BENCH_TURNS) / 1000, bench_median(clock, BENCH_TURNS));
	free(times);
}

/* --- memory ------------------------------------------------------------------------------ */

/* Private memory of this process, from the line RssAnon of /proc/self/status. */
static double anonymous_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	double kib = 0;

	while (file && fgets(line, sizeof line, file)) {
		if (sscanf(line, "RssAnon: %lf kB", &kib) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kib * 1024;
}

static void bench_memory(void)
{
	static const uint64_t lives[] = {1000000, 2000000, 10000000};
	struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                           .space = devices[0],
	                           .bytes = 4096,
	                           .kind = MT_DRAM};
	double before = anonymous_bytes();
	uint64_t live = 0;

	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		mt_result result = MT_OK;

		for (; live < lives[i] && result == MT_OK; live++) {
			buffer.id = (1ull << 42) + live;
			result = mt_alloc(&buffer);
		}
		printf("memory: at %llu live %.1f private bytes per buffer (wanted: 36), last "
		       "answer %s\n",
		       (unsigned long long)live, (anonymous_bytes() - before) / (double)live,
		       mt_result_name(result));
	}
	for (uint64_t i = 0; i < live; i++)
		mt_free(devices[0], (1ull << 42) + i);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
	        {"mesh", bench_mesh},
	        {"dispatch", bench_dispatch},
	        {"threads", bench_threads},
	        {"memory", bench_memory},
	        {"growth", bench_growth},
	};

	setenv("MESHTALLY_MAX_BYTES", "2G", 0);
	if (argc < 2 || strstr("off", argv[1]))
		bench_off();
	mt_enable(1, NULL, NULL);
	for (uint32_t i = 0; i < MAX_DEVICES; i++) {
		devices[i] = open_device(i);
		if (!devices[i]) {
			fprintf(stderr,
			        "bench_calls: no segment could be made; see meshtally doctor\n");
			return 1;
		}
	}
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (argc < 2 || strstr(parts[i].name, argv[1]))
			parts[i].run();
	}
	mt_enable(0, NULL, NULL);
	return 0;
}
