/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clients of the socket protocol, for its benchmarks: processes of their own that send allocations
 * and frees, 112 bytes each, blocking, and keep a number of buffers live. All start at one word.
 */
#ifndef BENCH_SOCKET_LOAD_H
#define BENCH_SOCKET_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { LOAD_QUERY = 3, LOAD_RESPONSE = 4, LOAD_CLIENTS_MAX = 8 };

struct load {
	const char *path;
	unsigned clients;
	uint64_t messages; /* of each client */
	unsigned batch;    /* messages per write */
	unsigned pause_us; /* between two writes; 0: none */
	uint32_t live;     /* buffers held */
	bool timed;        /* each write is */
};

struct load_result {
	double send_ns;  /* until the last write of the slowest client returned */
	double wall_ns;  /* until all was read at the other end */
	double cpu_ns;   /* of the clients, all together */
	uint32_t *times; /* of writes, sorted; NULL: not timed. Belongs to the module until the next
	                    run */
	size_t time_count;
};

/* -1: nobody listens. */
int load_connect(const char *path);

bool load_run(const struct load *load, struct load_result *ret_result);

/* The p-th part of a sorted list, in microseconds; 1: the last. */
double load_percentile_us(const struct load_result *result, double p);

/* A client that sends without end, in batches; until it is stopped. */
pid_t load_flood_start(const char *path, unsigned batch);
void load_flood_stop(pid_t pid);

/* Queries one after the other; the times of their round trips. */
bool load_queries(const char *path, unsigned count, struct load_result *ret_result);

/* A connection that has this many buffers live, and frees them on demand. -1: failed. */
int load_hold(const char *path, uint32_t live);
bool load_release(int fd, uint32_t live);

#endif
