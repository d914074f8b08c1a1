/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long looking takes: 100 processes with 32 devices each and 1,000,000 live buffers in all, then
 * `meshtally top --once` and `meshtally ls`, timed as whole commands. Usage: bench_crowd MESHTALLY
 */
#include "bench.h"
#include "meshtally.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 100, DEVICES = 32, BUFFERS = 10000, TURNS = 7 };

/* A process of the crowd: allocates, says so, and waits to be killed. */
static void member(int told)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 12, .bank_bytes = 1ull << 30};
	mt_space devices[DEVICES];
	struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                       .rows = 4,
	                       .columns = DEVICES / 4,
	                       .flags = MT_UNIQUE_IDS,
	                       .devices = devices};
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .bytes = 4096, .kind = MT_DRAM};

	mt_enable(1, NULL, NULL);
	for (int i = 0; i < DEVICES; i++) {
		const struct mt_device device = {.struct_size = sizeof device,
		                                 .ordinal = i,
		                                 .unique_id = (uint64_t)i + 1,
		                                 .arch = "bench",
		                                 .memories = &memory,
		                                 .memory_count = 1,
		                                 .flags = MT_UNIQUE_IDS};

		devices[i] = mt_device_open(&device);
	}
	buffer.space = mt_mesh_open(&mesh);
	mt_ready(buffer.space);
	for (uint64_t i = 0; i < BUFFERS; i++) {
		buffer.id = i + 1;
		buffer.address = i * 4096 % (1u << 30);
		buffer.bytes = 4096 * (1 + i % 7);
		mt_alloc(&buffer);
	}
	if (write(told, "", 1) != 1)
		_exit(1);
	pause();
	_exit(0);
}

/* Milliseconds of one command whose output nobody reads. */
static double command_ms(const char *command, char *const arguments[])
{
	double start = bench_now_ns();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, STDOUT_FILENO);
		execv(command, arguments);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "bench_crowd: %s %s failed\n", command, arguments[1]);
		return -1;
	}
	return (bench_now_ns() - start) / 1e6;
}

static void measure(const char *command, char *const arguments[], const char *name, double wanted)
{
	double times[TURNS];

	for (int turn = 0; turn < TURNS; turn++)
		times[turn] = command_ms(command, arguments);
	printf("%-16s %7.1f ms (wanted: %.0f)\n", name, bench_median(times, TURNS), wanted);
}

int main(int argc, char **argv)
{
	char *version[] = {"meshtally", "version", NULL};
	char *top[] = {"meshtally", "top", "--once", NULL};
	char *list[] = {"meshtally", "ls", "-n", "20", NULL};
	pid_t members[PROCESSES];
	int told[2];
	char byte;

	if (argc != 2 || pipe(told) < 0) {
		fprintf(stderr, "usage: bench_crowd MESHTALLY\n");
		return 2;
	}
	for (int i = 0; i < PROCESSES; i++) {
		members[i] = fork();
		if (members[i] == 0)
			member(told[1]);
	}
	for (int i = 0; i < PROCESSES; i++) {
		if (read(told[0], &byte, 1) != 1)
			return 1;
	}
	measure(argv[1], version, "a process alone", 0);
	measure(argv[1], top, "top --once", 50);
	measure(argv[1], list, "ls -n 20", 300);
	for (int i = 0; i < PROCESSES; i++) {
		kill(members[i], SIGKILL);
		waitpid(members[i], NULL, 0);
	}
	return 0;
}
