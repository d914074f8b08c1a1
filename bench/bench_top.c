/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the monitor costs: `meshtally top` on a terminal of 200 x 60 at two readings a second,
 * beside programs that hold 1,000,000 buffers on 32 devices and report 10,000 events a second, then
 * beside quiet ones, on 1,024 devices, beside one that holds 5,000,000, and alone. Processor time
 * of a core, memory, bytes to the terminal, how long a key waits for its picture, and how late
 * totals come while single buffers are looked at. One reading and one survey are shown beside
 * their floor, reading the same slots with pread. Tables as in docs/performance.md. Usage:
 * bench_top MESHTALLY [SECONDS [LOAD]], LOAD being the number of one of them, from 0
 */
#include "bench.h"
#include "lookout.h"
#include "lookout_survey.h"
#include "meshtally.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	ROWS = 60,
	COLUMNS = 200,
	REFRESH_MS = 500,
	TAGS = 200,
	PROCESSES = 4,
	KEYS = 252, /* a multiple of the screens */
	KEY_GAP_MS = 15,
	GAP_REFRESH_MS = 100,
	GAP_SECONDS = 8,
	KEPT = 32,
	WARM_SECONDS = 2,
	YOUNG_SECONDS = 10 /* after the last event, until a screen is quiet */
};

/* What the watched programs hold and do, each. */
struct load {
	const char *name;
	int processes, devices, rows;
	uint64_t buffers;
	int events; /* a second */
	size_t screens;
};

static const struct load loads[] = {
	{"32 devices, 1,000,000 buffers, 10,000 events/s", PROCESSES, 32, 4, 250000, 2500, 6},
	{"32 devices, 1,000,000 buffers, quiet", PROCESSES, 32, 4, 250000, 0, 6},
	{"1,024 devices, 100,000 buffers, 1,000 events/s", 1, 1024, 32, 100000, 1000, 6},
	{"1 device, 5,000,000 buffers of one process, 1,000 events/s", 1, 1, 1, 5000000, 1000, 2},
	{"nothing tracked", 0, 0, 0, 0, 0, 2},
};

static mt_space devices[1024];

static mt_space open_mesh(const struct load *load)
{
	const struct mt_memory memories[] = {
		{.kind = MT_DRAM, .banks = 12, .bank_bytes = 1ull << 30},
		{.kind = MT_L1, .banks = 64, .bank_bytes = 1464ull << 10}};
	struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                       .rows = (uint16_t)load->rows,
	                       .columns = (uint16_t)(load->devices / load->rows),
	                       .flags = MT_UNIQUE_IDS,
	                       .devices = devices};
	mt_space space;

	for (int i = 0; i < load->devices; i++) {
		const struct mt_device device = {.struct_size = sizeof device,
		                                 .ordinal = i,
		                                 .unique_id = (uint64_t)i + 1,
		                                 .arch = "bench",
		                                 .memories = memories,
		                                 .memory_count = 2,
		                                 .flags = MT_UNIQUE_IDS};

		devices[i] = mt_device_open(&device);
	}
	space = mt_mesh_open(&mesh);
	mt_ready(space);
	return space;
}

/* Every second one is on the whole mesh, the others on one device. */
static void allocate(const struct load *load, mt_space mesh, uint64_t n, uint64_t id)
{
	static const char *const parts[] = {"attn", "mlp", "norm", "embed", "cache"};
	const struct mt_buffer buffer = {
		.struct_size = sizeof buffer,
		.space = n % 2 != 0 ? mesh : devices[n / 2 % (uint64_t)load->devices],
		.id = id,
		.address = n % 8 == 1 ? n * 512 % (1u << 20) : n * 4096 % (1u << 30),
		.bytes = 512 * (1 + n % 7),
		.kind = n % 8 == 1 ? MT_L1 : MT_DRAM};
	char layer[32];

	snprintf(layer, sizeof layer, "model/layer%d", (int)(n / 5 % (TAGS / 5)));
	mt_tag_push(layer);
	mt_tag_push(parts[n % 5]);
	mt_alloc(&buffer);
	mt_tag_pop();
	mt_tag_pop();
}

static void run_program(const struct load *load, int told)
{
	const struct timespec pause_time = {.tv_nsec = 10000000};
	uint64_t next = 0, oldest = 1;
	mt_space mesh;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mt_enable(1, NULL, NULL);
	mesh = open_mesh(load);
	for (; next < load->buffers; next++)
		allocate(load, mesh, next, next + 1);
	if (write(told, "", 1) != 1)
		_exit(1);
	while (load->events == 0)
		pause();
	for (;;) {
		for (int i = 0; i < load->events / 200; i++) {
			mt_free(0, oldest++);
			allocate(load, mesh, next, next + 1);
			next++;
		}
		nanosleep(&pause_time, NULL);
	}
}

static void start_programs(const struct load *load, pid_t *pids)
{
	int told[2];
	char byte;

	if (pipe(told) != 0)
		exit(1);
	for (int i = 0; i < load->processes; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			run_program(load, told[1]);
	}
	for (int i = 0; i < load->processes; i++)
		if (read(told[0], &byte, 1) != 1)
			exit(1);
	close(told[0]);
	close(told[1]);
}

static int remove_file(const char *path, void *arg)
{
	(void)arg;
	unlink(path);
	return 0;
}

static void end_programs(const struct load *load, const pid_t *pids)
{
	for (int i = 0; i < load->processes; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	segment_dir_scan(getenv("MESHTALLY_DIR"), remove_file, NULL, NULL);
}

/* A running monitor, and what came from it. */
struct monitor {
	pid_t pid;
	int fd;
	double begin_ns;
	uint64_t bytes;
	unsigned writes; /* as they were read */
};

static struct monitor start_monitor(const char *command, const char *screen)
{
	struct winsize size = {.ws_row = ROWS, .ws_col = COLUMNS};
	struct monitor monitor = {.begin_ns = bench_now_ns()};

	monitor.pid = forkpty(&monitor.fd, NULL, NULL, &size);
	if (monitor.pid == 0) {
		setenv("TERM", "xterm-256color", 1);
		setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
		execl(command, command, "top", "-r", "500", "--screen", screen, (char *)NULL);
		_exit(127);
	}
	return monitor;
}

static void end_monitor(struct monitor *monitor)
{
	char bytes[4096];

	kill(monitor->pid, SIGTERM);
	while (read(monitor->fd, bytes, sizeof bytes) > 0)
		;
	waitpid(monitor->pid, NULL, 0);
	close(monitor->fd);
}

/* Reads what comes until then. With `wanted`: until that has come; returns when it did, or 0. */
static double read_until(struct monitor *monitor, double until_ns, const char *wanted)
{
	struct pollfd ready = {.fd = monitor->fd, .events = POLLIN};
	char bytes[KEPT + 65536];
	size_t kept = 0;
	double now;

	while ((now = bench_now_ns()) < until_ns) {
		ssize_t count;

		if (poll(&ready, 1, (int)((until_ns - now) / 1e6) + 1) <= 0)
			continue;
		count = read(monitor->fd, bytes + kept, sizeof bytes - kept);
		if (count <= 0)
			break;
		monitor->bytes += (uint64_t)count;
		monitor->writes++;
		kept += (size_t)count;
		if (wanted != NULL && memmem(bytes, kept, wanted, strlen(wanted)) != NULL)
			return bench_now_ns();
		/* What is looked for may come in two pieces. */
		if (kept > KEPT)
			memmove(bytes, bytes + kept - KEPT, KEPT);
		kept = kept < KEPT ? kept : KEPT;
	}
	return 0;
}

/* Of all its threads. */
static double cpu_ns(pid_t pid)
{
	struct timespec used = {0};
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) == 0)
		clock_gettime(clock, &used);
	return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static long peak_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", pid);
	file = fopen(path, "r");
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		sscanf(line, "VmHWM: %ld", &kb);
	if (file != NULL)
		fclose(file);
	return kb;
}

static void measure_screen(const char *command, const char *screen, int seconds)
{
	struct monitor monitor = start_monitor(command, screen);
	double begin_ns, begin_cpu, passed;

	read_until(&monitor, monitor.begin_ns + WARM_SECONDS * 1e9, NULL);
	monitor.bytes = monitor.writes = 0;
	begin_ns = bench_now_ns();
	begin_cpu = cpu_ns(monitor.pid);
	read_until(&monitor, begin_ns + seconds * 1e9, NULL);
	passed = bench_now_ns() - begin_ns;
	printf("| %s | %.2f %% | %.1f MB | %.0f | %u |\n", screen,
	       (cpu_ns(monitor.pid) - begin_cpu) / passed * 100,
	       (double)peak_kb(monitor.pid) / 1024,
	       (double)monitor.bytes / (passed / (REFRESH_MS * 1e6)), monitor.writes);
	fflush(stdout);
	end_monitor(&monitor);
}

static void random_pause(struct monitor *monitor, uint64_t *state)
{
	double gap_ms = KEY_GAP_MS + (double)(bench_random(state) % 30);

	read_until(monitor, bench_now_ns() + gap_ms * 1e6, NULL);
}

/* `?` shows a text that is nowhere else; the key after it takes it away again, and the one after
 * that goes to the next screen. */
static void measure_keys(const char *command)
{
	struct monitor monitor = start_monitor(command, "mesh");
	double waits[KEYS];
	uint64_t state = 7;
	size_t count = 0, lost = 0;

	read_until(&monitor, monitor.begin_ns + WARM_SECONDS * 1e9, NULL);
	for (int key = 0; key < KEYS; key++) {
		const char away[] = {'x', (char)('1' + (key + 1) % 6)};
		double pressed_ns, shown_ns;

		random_pause(&monitor, &state);
		pressed_ns = bench_now_ns();
		if (write(monitor.fd, "?", 1) != 1)
			break;
		shown_ns = read_until(&monitor, pressed_ns + 1e9, "age>10m");
		if (shown_ns != 0)
			waits[count++] = (shown_ns - pressed_ns) / 1e6;
		else
			lost++;
		random_pause(&monitor, &state);
		if (write(monitor.fd, away, sizeof away) != sizeof away)
			break;
	}
	qsort(waits, count, sizeof *waits, bench_compare);
	if (count != 0)
		printf("\nA key, on all screens in turn: %.1f ms median, %.1f ms p99, %.1f ms at "
		       "most (%zu keys, %zu unanswered)\n",
		       waits[count / 2], waits[count * 99 / 100], waits[count - 1], count, lost);
	end_monitor(&monitor);
}

/* How far readings are apart while one survey follows the other: each asks for another order. */
static void measure_gaps(void)
{
	struct lookout_want want = {.refresh_ms = GAP_REFRESH_MS, .survey.lists = true};
	double begin_ns = bench_now_ns(), longest_ms = 0;
	struct text error = {0};
	struct lookout *lookout;
	uint64_t last_ns = 0;
	unsigned surveys = 0, readings = 0;

	if (lookout_start(&lookout, NULL, &want, &error) != 0)
		exit(1);
	while (bench_now_ns() < begin_ns + GAP_SECONDS * 1e9) {
		struct pollfd ready = {.fd = lookout_descriptor(lookout), .events = POLLIN};
		struct reading *reading;

		poll(&ready, 1, 100);
		reading = lookout_take(lookout);
		if (reading == NULL)
			continue;
		if (last_ns != 0 && (double)(reading->monotonic_ns - last_ns) / 1e6 > longest_ms)
			longest_ms = (double)(reading->monotonic_ns - last_ns) / 1e6;
		last_ns = reading->monotonic_ns;
		readings++;
		if (reading->survey != NULL && !reading->survey_pending) {
			surveys++;
			want.survey.order =
				want.survey.order == LIST_BY_SIZE ? LIST_BY_AGE : LIST_BY_SIZE;
			lookout_want(lookout, &want);
		}
		reading_destroy(reading);
	}
	lookout_stop(lookout);
	text_finish(&error);
	printf("\nReadings every %d ms while surveys follow one another: %u readings, %u surveys, "
	       "at "
	       "most %.0f ms apart\n",
	       GAP_REFRESH_MS, readings, surveys, longest_ms);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void nothing(void *arg)
{
	(void)arg;
}

static double thread_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static char chunk[1 << 20], copied[1 << 20];

struct floor {
	double copy_ms;
	uint64_t bytes;
};

/* The slots of one file, with pread; then the same again from memory to memory. */
static int floor_file(const char *path, void *arg)
{
	struct floor *floor = arg;
	struct segment_header header;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct segment_region *region = &header.regions[REGION_SLOTS];
	uint64_t size, begin;
	double copy_begin;

	if (fd < 0 || pread(fd, &header, sizeof header, 0) != sizeof header)
		return -1;
	size = (uint64_t)region->count * region->element_bytes;
	for (begin = 0; begin < size; begin += sizeof chunk) {
		ssize_t count = pread(fd, chunk, sizeof chunk, (off_t)(region->offset + begin));

		if (count <= 0)
			break;
		floor->bytes += (uint64_t)count;
		copy_begin = thread_ms();
		memcpy(copied, chunk, (size_t)count);
		__asm__ volatile("" ::: "memory");
		floor->copy_ms += thread_ms() - copy_begin;
	}
	close(fd);
	return 0;
}

static void measure_pass(uint64_t buffers)
{
	const struct survey_request request = {
		.lists = true, .has_focus = true, .focus_unique_id = 3, .focus = "2"};
	const struct survey_hooks hooks = {never, nothing, NULL};
	double totals[BENCH_TURNS], surveys[BENCH_TURNS], floors[BENCH_TURNS], copies[BENCH_TURNS];
	struct lookout_source source;
	struct text error = {0};

	lookout_source_open(&source, NULL, &error);
	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		struct floor floor = {0};
		struct reading *reading;
		double begin = thread_ms();

		reading = lookout_source_read(&source);
		totals[turn] = thread_ms() - begin;
		begin = thread_ms();
		reading->survey = lookout_survey(&source, reading, &request, &hooks);
		surveys[turn] = thread_ms() - begin;
		begin = thread_ms();
		segment_dir_scan(getenv("MESHTALLY_DIR"), floor_file, NULL, &floor);
		floors[turn] = thread_ms() - begin - floor.copy_ms;
		copies[turn] = floor.copy_ms;
		reading_destroy(reading);
	}
	lookout_source_close(&source);
	text_finish(&error);
	printf("Reading totals %.2f ms; a survey of %llu buffers %.1f ms, %.0f ns each; floor: "
	       "pread of the slots %.1f ms, memcpy %.1f ms\n",
	       bench_median(totals, BENCH_TURNS), (unsigned long long)buffers,
	       bench_median(surveys, BENCH_TURNS),
	       buffers != 0 ? bench_median(surveys, BENCH_TURNS) * 1e6 / (double)buffers : 0,
	       bench_median(floors, BENCH_TURNS), bench_median(copies, BENCH_TURNS));
}

int main(int argc, char **argv)
{
	static const char *const names[] = {"mesh", "device", "processes",
	                                    "tags", "growth", "faults"};
	int seconds = argc > 2 ? atoi(argv[2]) : 10, only = argc > 3 ? atoi(argv[3]) : -1;
	pid_t pids[PROCESSES];

	if (argc < 2 || getenv("MESHTALLY_DIR") == NULL) {
		fprintf(stderr, "usage: MESHTALLY_DIR=DIR bench_top MESHTALLY [SECONDS [LOAD]]\n");
		return 2;
	}
	/* As usual there is room for a million in a segment. */
	setenv("MESHTALLY_MAX_BYTES", "1073741824", 1);
	for (size_t i = 0; i < sizeof loads / sizeof *loads; i++) {
		const struct load *load = &loads[i];

		if (only >= 0 && (size_t)only != i)
			continue;
		printf("\n%s\n", load->name);
		fflush(stdout);
		start_programs(load, pids);
		if (load->processes != 0)
			measure_pass(load->buffers * (uint64_t)load->processes);
		if (load->events == 0 && load->processes != 0)
			sleep(YOUNG_SECONDS);
		printf("\n| screen | of a core | memory at most | bytes a refresh | writes |\n"
		       "|---|---|---|---|---|\n");
		for (size_t n = 0; n < load->screens; n++)
			measure_screen(argv[1], names[n], seconds);
		if (load->events != 0) {
			measure_keys(argv[1]);
			measure_gaps();
		}
		end_programs(load, pids);
	}
	return 0;
}
