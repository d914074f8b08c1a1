/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who listens, for the benchmarks of the socket: a real `meshtally serve` as a child, or the floor,
 * a child that reads and discards, and may answer queries. Each on a socket of its own in a
 * directory of its own, with the same buffer sizes.
 */
#ifndef BENCH_SOCKET_PEER_H
#define BENCH_SOCKET_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	pid_t pid;
	char directory[64]; /* of segments, for a server */
	char path[96];
	const char *name;
};

/* True once it can be connected to. */
bool peer_start_server(struct peer *peer, const char *meshtally, const char *directory);
bool peer_start_reader(struct peer *peer, bool answers, const char *directory);
void peer_stop(struct peer *peer);

/* CPU time of all its threads. */
double peer_cpu_ns(const struct peer *peer);

/* Its own memory: anonymous pages, in bytes. Segments are files. */
uint64_t peer_anonymous_bytes(const struct peer *peer);
/* What its segments take of the shared memory's file system. */
uint64_t peer_segment_bytes(const struct peer *peer);

#endif
