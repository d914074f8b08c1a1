/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How soon a real server notices that a process was killed: programs with the library and clients
 * of the socket, one at a time and many at once, beside a bare poll of a pidfd in the same run, of
 * the same deaths. When the server noticed is what it wrote into the post-mortem. And what it takes
 * while nothing happens. Usage: bench_dead MESHTALLY
 */
#include "bench.h"
#include "meshtally.h"
#include "postmortem_dir.h"
#include "reader.h"
#include "socket_load.h"
#include "socket_peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KILLS = 300, CROWD = 50, CROWD_TURNS = 6, IDLE_S = 31, WAIT_MS = 10000 };

struct program {
	pid_t pid;
	int pidfd, socket;
};

/* CLOCK_REALTIME, in ns. */
struct death {
	double killed, told, noticed, kept;
};

static struct peer server;
static char dead_dir[160];
static int dead_watch;

static double realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void report_by_library(void)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 12, .bank_bytes = 1ull << 30};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = 1,
	                                 .arch = "bench",
	                                 .memories = &memory,
	                                 .memory_count = 1};
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .bytes = 4096, .kind = MT_DRAM};

	mt_enable(1, NULL, NULL);
	buffer.space = mt_device_open(&device);
	buffer.id = 1;
	if (mt_alloc(&buffer) != MT_OK)
		_exit(1);
}

/* Holds one buffer, and waits to be killed. */
static bool program_start(struct program *program, bool by_socket)
{
	int ready[2];
	char byte;
	bool is_ready;

	if (pipe(ready) < 0)
		return false;
	program->pid = fork();
	if (program->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (by_socket && load_hold(server.path, 1) < 0)
			_exit(1);
		if (!by_socket)
			report_by_library();
		if (write(ready[1], "", 1) == 1)
			pause();
		_exit(1);
	}
	close(ready[1]);
	is_ready = read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	program->pidfd = (int)syscall(SYS_pidfd_open, program->pid, 0);
	return is_ready && program->pidfd >= 0;
}

static int take_end(struct segment_view *view, void *arg)
{
	*(double *)arg = (double)view->end.realtime_ns;
	segment_view_destroy(view);
	return 0;
}

/* Reads and removes the post-mortem of that process, if it is there. */
static bool take_postmortem(pid_t pid, struct death *death)
{
	struct postmortem_list list = {0};
	char path[256];
	bool found = false;

	postmortem_list(&list, dead_dir);
	for (size_t i = 0; i < list.count && !found; i++) {
		found = list.items[i].pid == pid;
		if (!found)
			continue;
		death->kept = realtime_ns();
		snprintf(path, sizeof path, "%s/%s", dead_dir, list.items[i].name);
		found = segment_file_read(path, take_end, &death->noticed, NULL) == 0;
		unlink(path);
	}
	postmortem_list_finish(&list);
	return found;
}

static bool await_postmortem(pid_t pid, struct death *death)
{
	struct pollfd watch = {.fd = dead_watch, .events = POLLIN};
	char events[4096];

	while (!take_postmortem(pid, death))
		if (poll(&watch, 1, WAIT_MS) <= 0 || read(dead_watch, events, sizeof events) <= 0)
			return false;
	return true;
}

static bool await_word(const struct program *program, struct death *death)
{
	struct pollfd word = {.fd = program->pidfd, .events = POLLIN};

	if (poll(&word, 1, WAIT_MS) != 1)
		return false;
	death->told = realtime_ns();
	return true;
}

static void program_finish(const struct program *program)
{
	waitpid(program->pid, NULL, 0);
	close(program->pidfd);
}

static double percentile(double *values, size_t count, double p)
{
	qsort(values, count, sizeof *values, bench_compare);
	return values[(size_t)((double)(count - 1) * p)];
}

static void row(const char *name, double *values, size_t count)
{
	double middle = percentile(values, count, 0.5), late = percentile(values, count, 0.99);

	printf("  %-44s %8.3f %8.3f %8.3f\n", name, middle, late, values[count - 1]);
}

static void print(const char *name, const struct death *deaths, size_t count)
{
	static double told[KILLS], noticed[KILLS], after[KILLS], kept[KILLS];

	for (size_t i = 0; i < count; i++) {
		told[i] = (deaths[i].told - deaths[i].killed) / 1e6;
		noticed[i] = (deaths[i].noticed - deaths[i].killed) / 1e6;
		after[i] = (deaths[i].noticed - deaths[i].told) / 1e6;
		kept[i] = (deaths[i].kept - deaths[i].killed) / 1e6;
	}
	printf("%s, %zu kills, ms%*sp50      p99  slowest\n", name, count, (int)(26 - strlen(name)),
	       "");
	row("kill to the kernel's word (bare pidfd)", told, count);
	row("kill to noticed", noticed, count);
	row("the kernel's word to noticed (wanted: 50)", after, count);
	row("kill to the post-mortem on disk", kept, count);
}

static bool one_at_a_time(const char *name, bool by_socket)
{
	static struct death deaths[KILLS];

	for (int i = 0; i < KILLS; i++) {
		struct program program;

		if (!program_start(&program, by_socket))
			return false;
		usleep(2000); /* its birth is not what is measured */
		deaths[i].killed = realtime_ns();
		kill(program.pid, SIGKILL);
		if (!await_word(&program, &deaths[i]))
			return false;
		program_finish(&program);
		if (!await_postmortem(program.pid, &deaths[i]))
			return false;
	}
	print(name, deaths, KILLS);
	return true;
}

static bool many_at_once(const char *name, bool by_socket)
{
	static struct death deaths[CROWD * CROWD_TURNS];

	for (int turn = 0; turn < CROWD_TURNS; turn++) {
		struct death *death = deaths + (size_t)turn * CROWD;
		struct program programs[CROWD];

		for (int i = 0; i < CROWD; i++)
			if (!program_start(&programs[i], by_socket))
				return false;
		usleep(20000);
		for (int i = 0; i < CROWD; i++) {
			death[i].killed = realtime_ns();
			kill(programs[i].pid, SIGKILL);
		}
		for (int i = 0; i < CROWD; i++)
			if (!await_word(&programs[i], &death[i]))
				return false;
		for (int i = 0; i < CROWD; i++) {
			program_finish(&programs[i]);
			if (!await_postmortem(programs[i].pid, &death[i]))
				return false;
		}
	}
	print(name, deaths, CROWD * CROWD_TURNS);
	return true;
}

static bool idle(void)
{
	struct program programs[CROWD];
	double before;

	for (int i = 0; i < CROWD; i++)
		if (!program_start(&programs[i], false))
			return false;
	sleep(1);
	before = peer_cpu_ns(&server);
	sleep(IDLE_S);
	printf("idle, %d segments: %.4f %% of a core (wanted: below 0.2)\n", CROWD,
	       (peer_cpu_ns(&server) - before) / (IDLE_S * 1e9) * 100);
	for (int i = 0; i < CROWD; i++) {
		kill(programs[i].pid, SIGKILL);
		program_finish(&programs[i]);
	}
	return true;
}

static bool run(const char *meshtally, const char *directory)
{
	if (!peer_start_server(&server, meshtally, directory))
		return false;
	setenv("MESHTALLY_DIR", server.directory, 1);
	snprintf(dead_dir, sizeof dead_dir, "%s/state/dead", directory);
	dead_watch = inotify_init1(IN_CLOEXEC);
	if (inotify_add_watch(dead_watch, dead_dir, IN_MOVED_TO) < 0) {
		fprintf(stderr, "bench_dead: %s is not there\n", dead_dir);
		return false;
	}
	return one_at_a_time("programs, one at a time", false) &&
	       one_at_a_time("clients, one at a time", true) &&
	       many_at_once("programs, 50 at once", false) &&
	       many_at_once("clients, 50 at once", true) && idle();
}

int main(int argc, char **argv)
{
	char directory[] = "/dev/shm/bench-dead-XXXXXX", command[64];
	bool done;

	if (argc != 2 || !mkdtemp(directory)) {
		fprintf(stderr, "usage: bench_dead MESHTALLY\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	done = run(argv[1], directory);
	if (!done)
		fprintf(stderr, "bench_dead: failed\n");
	peer_stop(&server);
	snprintf(command, sizeof command, "rm -r %s", directory);
	return system(command) != 0 || !done;
}
