/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who has ended. Every directory of segments and their parents are watched with inotify: the last
 * reference of a writer's mapping goes when its address space does, which closes the file; whether
 * that was a death is then asked of the segment's lock. It needs no pid and works across pid
 * namespaces. A pidfd per subject of our own namespace tells how it ended, and notices the deaths
 * of those whose lock somebody else still holds. A slow scan of everything finds what was missed.
 *
 * All functions are called on the loop's thread.
 */
#ifndef MESHTALLY_SERVE_WATCH_H
#define MESHTALLY_SERVE_WATCH_H

#include "server.h"

/* What has ended goes to server->postmortems. Never fails for a lack of inotify. */
int watch_create(struct watch **ret, struct server *server);
void watch_destroy(struct watch *watch);

struct watch_stats {
	uint64_t segments; /* known now */
	uint64_t rejected; /* of them, not readable */
	uint64_t ended;    /* noticed */
	uint64_t scans;
	bool inotify;
};
struct watch_stats watch_stats(const struct watch *watch);

/*
 * A process by its pidfd, which stays the caller's and must stay open until ended() was called, or
 * it was forgotten. ended() is called once, at most 20 ms after the kernel's word: a zombie's
 * status may not be for us to see, and that of a process whose parent takes its time is then not
 * known.
 */
struct watched_process;
struct watched_process *watch_process(struct watch *watch, int pidfd,
                                      void (*ended)(void *arg, const struct segment_end *end),
                                      void *arg);
void watch_forget(struct watched_process *process);

#endif
