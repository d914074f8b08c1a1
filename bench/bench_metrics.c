/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /metrics costs: 100 processes on 32 devices, with 10,000 live buffers each under 20 tags and
 * two kinds of memory. The floor is reading as many bytes, of the same files, with pread.
 * "changed": every process has done something since the last look, or (none) nothing is known of
 * before.
 */
#include "bench.h"
#include "meshtally.h"
#include "metrics.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 100, DEVICES = 32, BUFFERS = 10000, TAGS = 20, TURNS = 15 };

struct member {
	pid_t pid;
	int orders, answers; /* a byte each: do something, done */
};

static void open_devices(struct mt_buffer *buffer)
{
	const struct mt_memory memories[] = {
		{.kind = MT_DRAM, .banks = 12, .bank_bytes = 1ull << 30},
		{.kind = MT_L1, .banks = 64, .bank_bytes = 1ull << 20}};
	mt_space devices[DEVICES];
	struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                       .rows = 4,
	                       .columns = DEVICES / 4,
	                       .flags = MT_UNIQUE_IDS,
	                       .devices = devices};

	for (int i = 0; i < DEVICES; i++) {
		const struct mt_device device = {.struct_size = sizeof device,
		                                 .ordinal = i,
		                                 .unique_id = (uint64_t)i + 1,
		                                 .arch = "bench",
		                                 .memories = memories,
		                                 .memory_count = 2,
		                                 .flags = MT_UNIQUE_IDS};

		devices[i] = mt_device_open(&device);
	}
	buffer->space = mt_mesh_open(&mesh);
	mt_ready(buffer->space);
}

static void allocate(struct mt_buffer *buffer, uint64_t n)
{
	static const char *const tags[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j",
	                                   "k", "l", "m", "n", "o", "p", "q", "r", "s", "t"};

	mt_tag_push(tags[n % TAGS]);
	buffer->id = n + 1;
	buffer->kind = n % 2 != 0 ? MT_L1 : MT_DRAM;
	buffer->address = n * 4096 % (1u << 20);
	buffer->bytes = 4096 * (1 + n % 7);
	mt_alloc(buffer);
	mt_tag_pop();
}

static void run_member(int orders, int answers)
{
	struct mt_buffer buffer = {.struct_size = sizeof buffer};
	uint64_t next = 0;
	char byte = 0;

	mt_enable(1, NULL, NULL);
	open_devices(&buffer);
	while (next < BUFFERS)
		allocate(&buffer, next++);
	while (write(answers, &byte, 1) == 1 && read(orders, &byte, 1) == 1)
		allocate(&buffer, next++);
	_exit(0);
}

static void start(struct member *member)
{
	int orders[2], answers[2];

	if (pipe(orders) < 0 || pipe(answers) < 0)
		exit(1);
	member->pid = fork();
	if (member->pid == 0)
		run_member(orders[0], answers[1]);
	close(orders[0]);
	close(answers[1]);
	member->orders = orders[1];
	member->answers = answers[0];
}

static void wait_for(struct member *members)
{
	char byte;

	for (int i = 0; i < PROCESSES; i++)
		if (read(members[i].answers, &byte, 1) != 1)
			exit(1);
}

static void change(struct member *members)
{
	for (int i = 0; i < PROCESSES; i++)
		if (write(members[i].orders, "", 1) != 1)
			exit(1);
	wait_for(members);
}

struct server_state {
	struct scene_cache *cache;
	struct totals totals;
	struct metrics_reads reads;
	size_t bytes; /* of the text */
};

/* What a loaded machine does not change much: of all threads. */
static double cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

/* As the worker does it. */
static double metrics_ms(struct server_state *state, double *ret_read_ms, double *ret_cpu_ms)
{
	const struct scene_request request = {.depth = VIEW_TOTALS, .cache = state->cache};
	double begin = bench_now_ns(), cpu_begin = cpu_ms(), end;
	struct text out = {0}, error = {0};
	struct scene scene;
	struct metrics_input input = {
		.scene = &scene, .totals = &state->totals, .reads = &state->reads};

	scene_read(&scene, &request, &error);
	*ret_read_ms = (bench_now_ns() - begin) / 1e6;
	input.cache = scene_cache_stats(state->cache);
	metrics_write(&out, &input, true);
	end = bench_now_ns();
	*ret_cpu_ms = cpu_ms() - cpu_begin;
	state->bytes = out.length;
	scene_close(&scene);
	text_finish(&out);
	return (end - begin) / 1e6;
}

static char bytes_read[1 << 20];

static size_t floor_part(int fd, uint64_t offset, size_t size)
{
	ssize_t count = pread(fd, bytes_read, size < sizeof(bytes_read) ? size : sizeof(bytes_read),
	                      (off_t)offset);

	return count > 0 ? (size_t)count : 0;
}

/* What totals need of a file: the header, the tables, and of the counters those of the devices and
 * kinds that there are. */
static int floor_file(const char *path, void *arg)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct segment_header header;
	size_t *total = arg;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) < (ssize_t)sizeof(header))
		return -1;
	for (int id = 0; id <= REGION_PROGRAMS; id++) {
		const struct segment_region *region = &header.regions[id];

		if (id != REGION_COUNTERS)
			*total += floor_part(fd, region->offset,
			                     (size_t)region->count * region->element_bytes);
		for (uint32_t kind = 0; id == REGION_COUNTERS && kind < header.kind_count; kind++)
			for (int i = 0; i < 4; i++)
				*total += floor_part(fd,
				                     region->offset + kind * region->element_bytes +
				                             (uint64_t)i * SEGMENT_MAX_DEVICES * 8,
				                     DEVICES * 8);
	}
	*total += sizeof(header);
	close(fd);
	return 0;
}

static double floor_ms(size_t *ret_bytes)
{
	double begin = bench_now_ns();

	*ret_bytes = 0;
	segment_dir_scan(getenv("MESHTALLY_DIR"), floor_file, NULL, ret_bytes);
	return (bench_now_ns() - begin) / 1e6;
}

static void make(struct server_state *state)
{
	const struct scene_cache_hooks hooks = {totals_loaded, totals_gone, &state->totals};

	totals_init(&state->totals);
	state->cache = scene_cache_create(&hooks);
}

static void finish(struct server_state *state)
{
	scene_cache_destroy(state->cache);
	totals_finish(&state->totals);
}

enum { NONE, CHANGED, SAME, CASES };

int main(void)
{
	static const char *const names[CASES] = {"nothing known before", "all have changed",
	                                         "none has changed"};
	struct member members[PROCESSES];
	double times[CASES][TURNS], reads[CASES][TURNS], cpu[CASES][TURNS], floors[TURNS];
	struct server_state kept = {0};
	size_t bytes = 0;

	if (getenv("MESHTALLY_DIR") == NULL) {
		fprintf(stderr, "bench_metrics: set MESHTALLY_DIR to an empty directory\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < PROCESSES; i++)
		start(&members[i]);
	wait_for(members);
	make(&kept);
	for (int turn = 0; turn < TURNS; turn++) {
		struct server_state fresh = {0};

		make(&fresh);
		times[NONE][turn] = metrics_ms(&fresh, &reads[NONE][turn], &cpu[NONE][turn]);
		finish(&fresh);
		change(members);
		times[CHANGED][turn] =
			metrics_ms(&kept, &reads[CHANGED][turn], &cpu[CHANGED][turn]);
		times[SAME][turn] = metrics_ms(&kept, &reads[SAME][turn], &cpu[SAME][turn]);
		floors[turn] = floor_ms(&bytes);
	}
	printf("%d processes x %d devices, %zu KB of metrics; floor: %zu KB in %.2f ms\n",
	       PROCESSES, DEVICES, kept.bytes >> 10, bytes >> 10, bench_median(floors, TURNS));
	printf("%-22s %10s %10s %10s %10s %10s\n", "", "reading", "all, ms", "CPU, ms", "wanted",
	       "all/floor");
	for (int i = 0; i < CASES; i++)
		printf("%-22s %10.2f %10.2f %10.2f %10.1f %10.2f\n", names[i],
		       bench_median(reads[i], TURNS), bench_median(times[i], TURNS),
		       bench_median(cpu[i], TURNS), 10.0,
		       bench_median(times[i], TURNS) / bench_median(floors, TURNS));
	finish(&kept);
	for (int i = 0; i < PROCESSES; i++) {
		kill(members[i].pid, SIGKILL);
		waitpid(members[i].pid, NULL, 0);
	}
	return 0;
}
