/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients of the socket protocol pay, and what the server takes: against a real server, beside
 * a reader that only discards (or, for queries, only answers), in turns. Ratios are medians over
 * the turns. Usage: bench_socket MESHTALLY
 */
#include "bench.h"
#include "meshtally.h"
#include "socket_load.h"
#include "socket_peer.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SINGLES = 200000, BATCHED = 4000000, BATCH = 64, LIVE = 1000, PACED = 20000 };
enum { QUERIES = 5000, HELD = 1000000, SEGMENTS = 50, SEGMENT_BUFFERS = 1000, IDLE_SECONDS = 25 };

static struct peer server, discarding, answering;

static void row(const char *what, const char *measured, const char *floor, double ratio,
                const char *wanted)
{
	char text[16] = "-";

	if (ratio > 0)
		snprintf(text, sizeof text, "%.2f", ratio);
	printf("%-52s %26s %26s %6s  %s\n", what, measured, floor, text, wanted);
	fflush(stdout);
}

struct pair {
	double server[BENCH_TURNS], floor[BENCH_TURNS], ratio[BENCH_TURNS];
};

static void pair_row(const char *what, const struct pair *pair, const char *form,
                     const char *wanted)
{
	char measured[32], floor[32];

	snprintf(measured, sizeof measured, form, bench_median(pair->server, BENCH_TURNS));
	snprintf(floor, sizeof floor, form, bench_median(pair->floor, BENCH_TURNS));
	row(what, measured, floor, bench_median(pair->ratio, BENCH_TURNS), wanted);
}

/* (a) One client, one message per send: what an event costs it. */
static bool measure_singles(void)
{
	struct load load = {.clients = 1, .messages = SINGLES, .batch = 1, .live = LIVE};
	struct load_result result;
	struct pair wall, cpu;

	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		load.path = discarding.path;
		if (!load_run(&load, &result))
			return false;
		wall.floor[turn] = result.send_ns / SINGLES;
		cpu.floor[turn] = result.cpu_ns / SINGLES;
		load.path = server.path;
		if (!load_run(&load, &result))
			return false;
		wall.server[turn] = result.send_ns / SINGLES;
		cpu.server[turn] = result.cpu_ns / SINGLES;
		wall.ratio[turn] = wall.server[turn] / wall.floor[turn];
		cpu.ratio[turn] = cpu.server[turn] / cpu.floor[turn];
	}
	pair_row("one client, one message per send: time per event", &wall, "%.0f ns",
	         "ratio <= 1.2");
	pair_row("  the client's CPU per event", &cpu, "%.0f ns", "");
	return true;
}

/* (b) Clients that batch: messages per second of the server's CPU. */
static bool measure_batches(unsigned clients)
{
	struct load load = {.clients = clients,
	                    .messages = BATCHED / clients / BATCH * BATCH,
	                    .batch = BATCH,
	                    .live = LIVE};
	double count = (double)(load.messages * clients);
	struct pair cpu, wall;
	char what[80];

	for (int turn = 0; turn < BENCH_TURNS; turn++) {
		for (int which = 0; which < 2; which++) {
			const struct peer *peer = which == 0 ? &discarding : &server;
			double before = peer_cpu_ns(peer);
			struct load_result result;

			load.path = peer->path;
			if (!load_run(&load, &result))
				return false;
			(which == 0 ? cpu.floor : cpu.server)[turn] =
				count / (peer_cpu_ns(peer) - before) * 1e3;
			(which == 0 ? wall.floor : wall.server)[turn] =
				count / result.wall_ns * 1e3;
		}
		cpu.ratio[turn] = cpu.floor[turn] / cpu.server[turn];
		wall.ratio[turn] = wall.floor[turn] / wall.server[turn];
	}
	snprintf(what, sizeof what, "%u client%s, 64 messages per write: per CPU second", clients,
	         clients == 1 ? "" : "s");
	pair_row(what, &cpu, "%.2f million", ">= 2 million");
	pair_row("  per second", &wall, "%.2f million", "");
	return true;
}

static void times_text(char text[64], const struct load_result *result)
{
	snprintf(text, 64, "%.1f/%.1f/%.1f/%.0f", load_percentile_us(result, 0.5),
	         load_percentile_us(result, 0.99), load_percentile_us(result, 0.999),
	         load_percentile_us(result, 1));
}

/* (c) The times of single sends, to the server and to the floor; with a flood beside, if any. */
static bool measure_sends(const char *what, struct load load, bool flooded, const char *wanted)
{
	char texts[2][64];
	double worst[2];

	for (int which = 0; which < 2; which++) {
		const struct peer *peer = which == 0 ? &discarding : &server;
		pid_t flood = flooded ? load_flood_start(peer->path, BATCH) : 0;
		struct load_result result;
		bool done;

		load.path = peer->path;
		load.timed = true;
		done = load_run(&load, &result);
		if (flooded)
			load_flood_stop(flood);
		if (!done)
			return false;
		times_text(texts[which], &result);
		worst[which] = load_percentile_us(&result, 0.99);
	}
	row(what, texts[1], texts[0], worst[1] / worst[0], wanted);
	return true;
}

static bool measure_all_sends(void)
{
	struct load load = {.batch = 1, .live = LIVE};
	char what[80];

	printf("Sends in microseconds: p50/p99/p99.9/longest; the ratio is that of p99.\n");
	for (unsigned clients = 1; clients <= LOAD_CLIENTS_MAX; clients *= clients == 1 ? 2 : 4) {
		load.clients = clients;
		load.messages = SINGLES / clients;
		snprintf(what, sizeof what, "%u client%s flat out: a send", clients,
		         clients == 1 ? "" : "s");
		if (!measure_sends(what, load, false, ""))
			return false;
	}
	load.clients = 1;
	load.messages = PACED;
	load.pause_us = 50;
	return measure_sends("an event every 0.1 ms: a send", load, false, "") &&
	       measure_sends("the same while another client floods", load, true, "longest <= 5 ms");
}

/* (d) What the server needs per live buffer, and what it keeps when they are freed. */
static bool measure_memory(const char *meshtally, const char *directory)
{
	uint64_t anonymous, segments;
	struct peer fresh;
	char text[64];
	int fd;

	if (!peer_start_server(&fresh, meshtally, directory))
		return false;
	anonymous = peer_anonymous_bytes(&fresh);
	segments = peer_segment_bytes(&fresh);
	fd = load_hold(fresh.path, HELD);
	if (fd < 0)
		return false;
	snprintf(text, sizeof text, "%.1f + %.1f B",
	         (double)(peer_segment_bytes(&fresh) - segments) / HELD,
	         (double)(peer_anonymous_bytes(&fresh) - anonymous) / HELD);
	row("memory per live buffer, 1,000,000 live: file + own", text, "-", 0, "64 + 36 B");
	if (!load_release(fd, HELD))
		return false;
	for (int i = 0; i < 100; i++) {
		if (peer_segment_bytes(&fresh) + peer_anonymous_bytes(&fresh) <
		    segments + anonymous + (HELD << 3))
			break;
		usleep(100000);
	}
	snprintf(text, sizeof text, "%.2f + %.2f MB",
	         ((double)peer_segment_bytes(&fresh) - (double)segments) / (1 << 20),
	         ((double)peer_anonymous_bytes(&fresh) - (double)anonymous) / (1 << 20));
	row("  all freed, the client still there: what is kept", text, "-", 0, "given back");
	close(fd);
	peer_stop(&fresh);
	return true;
}

enum beside { ALONE, FLOODED, FLOODED_AT_ONCE };

/* At real-time priority: the answer is not also the wait of who asked for a CPU. */
static bool go_first(bool first)
{
	const struct sched_param priority = {.sched_priority = first};

	return sched_setscheduler(0, first ? SCHED_FIFO : SCHED_OTHER, &priority) == 0;
}

static bool queries_to(const struct peer *peer, enum beside beside, struct load_result *result)
{
	pid_t flood = beside != ALONE ? load_flood_start(peer->path, BATCH) : 0;
	bool done;

	if (beside == FLOODED_AT_ONCE && !go_first(true))
		fprintf(stderr, "bench_socket: no right to real-time priority\n");
	done = load_queries(peer->path, QUERIES, result);
	go_first(false);
	if (flood)
		load_flood_stop(flood);
	return done;
}

/* (e) Queries, alone and while another client floods. */
static bool measure_queries(const char *what, enum beside beside, const char *wanted)
{
	char texts[2][64];
	double worst[2];

	for (int which = 0; which < 2; which++) {
		struct load_result result;

		if (!queries_to(which == 0 ? &answering : &server, beside, &result))
			return false;
		times_text(texts[which], &result);
		worst[which] = load_percentile_us(&result, 0.99);
	}
	row(what, texts[1], texts[0], worst[1] / worst[0], wanted);
	return true;
}

static void member(int told, const struct peer *peer)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 12, .bank_bytes = 1ull << 30};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = 1,
	                                 .arch = "bench",
	                                 .memories = &memory,
	                                 .memory_count = 1};
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .bytes = 4096, .kind = MT_DRAM};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setenv("MESHTALLY_DIR", peer->directory, 1);
	mt_enable(1, NULL, NULL);
	buffer.space = mt_device_open(&device);
	for (uint64_t i = 0; i < SEGMENT_BUFFERS; i++) {
		buffer.id = i + 1;
		buffer.address = i * 4096;
		mt_alloc(&buffer);
	}
	if (write(told, "", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

/* (f) The server with nothing to do but to watch over 50 segments. */
static bool measure_idle(const char *meshtally, const char *directory)
{
	pid_t members[SEGMENTS];
	struct peer fresh;
	double before, start;
	char text[64], byte;
	int told[2];

	if (!peer_start_server(&fresh, meshtally, directory) || pipe(told) < 0)
		return false;
	for (int i = 0; i < SEGMENTS; i++) {
		members[i] = fork();
		if (members[i] == 0)
			member(told[1], &fresh);
	}
	for (int i = 0; i < SEGMENTS; i++) {
		if (read(told[0], &byte, 1) != 1)
			return false;
	}
	sleep(2);
	before = peer_cpu_ns(&fresh);
	start = bench_now_ns();
	sleep(IDLE_SECONDS);
	snprintf(text, sizeof text, "%.3f %%",
	         (peer_cpu_ns(&fresh) - before) / (bench_now_ns() - start) * 100);
	row("idle with 50 segments, 25 s: of a core", text, "-", 0, "< 0.2 %");
	for (int i = 0; i < SEGMENTS; i++) {
		kill(members[i], SIGKILL);
		waitpid(members[i], NULL, 0);
	}
	peer_stop(&fresh);
	return true;
}

int main(int argc, char **argv)
{
	char directory[48] = "/dev/shm/meshtally-bench.XXXXXX", command[96];
	bool done;

	if (argc != 2 || !mkdtemp(directory)) {
		fprintf(stderr, "usage: bench_socket MESHTALLY\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	row("what", "measured", "floor", 0, "wanted");
	done = peer_start_server(&server, argv[1], directory) &&
	       peer_start_reader(&discarding, false, directory) && measure_singles() &&
	       measure_batches(1) && measure_batches(2) && measure_batches(8) &&
	       measure_all_sends();
	peer_stop(&discarding);
	done = done && peer_start_reader(&answering, true, directory) &&
	       measure_queries("a query", ALONE, "") &&
	       measure_queries("a query while another client floods", FLOODED, "p99 < 200 us") &&
	       measure_queries("  asked at real-time priority", FLOODED_AT_ONCE, "p99 < 200 us");
	peer_stop(&answering);
	peer_stop(&server);
	done = done && measure_memory(argv[1], directory) && measure_idle(argv[1], directory);
	snprintf(command, sizeof command, "rm -rf %s", directory);
	return system(command) == 0 && done ? 0 : 1;
}
