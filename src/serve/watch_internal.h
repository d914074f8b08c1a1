/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by watch.c (directories, inotify, scans) and watch_segment.c (what becomes of one). */
#ifndef MESHTALLY_SERVE_WATCH_INTERNAL_H
#define MESHTALLY_SERVE_WATCH_INTERNAL_H

#include "memory.h"
#include "postmortem.h"
#include "reader.h"
#include "watch.h"

#include <event2/event.h>

struct watch_dir {
	char path[256];
	int wd;
	bool is_parent; /* directories of segments come and go in it */
};

struct watch {
	struct server *server;
	int inotify; /* -1: there is none, or not for all directories */
	struct event *inotify_event, *scan_timer;
	uint64_t scan_ns; /* CLOCK_MONOTONIC: of the last */
	VEC(struct watch_dir) dirs;
	void *by_path; /* tsearch(3) of watched */
	VEC(struct watched *) segments;
	uint64_t generation; /* of the scan */
	VEC(char *) to_look; /* of the scan that is under way; it goes from the end */
	bool scan_again;     /* once that is through */
	bool searching;      /* for processes of other pid namespaces */
	struct watch_stats stats;
};

enum watched_state {
	WATCHED_LIVE,
	WATCHED_ENDING,  /* dead; how it ended is not known yet */
	WATCHED_TAKEN,   /* the worker has it */
	WATCHED_AWAITED, /* kept; `meshtally run` will read the segment */
	WATCHED_RETRY,   /* could not be kept */
	WATCHED_LEFT     /* dealt with; not ours to remove, or not readable */
};

/* One segment, by its path. */
struct watched {
	char *path; /* first: compared by it */
	struct watch *watch;
	size_t at; /* in watch->segments */
	enum watched_state state;
	uint64_t identity; /* 0: not read yet */
	uint64_t generation;
	int pidfd; /* -1 none */
	int32_t pid;
	struct segment_process subject;
	bool sought; /* its pid is to be found */
	bool over;   /* the pidfd said so */
	struct event *pidfd_event, *timer;
	unsigned tries;
	uint64_t noticed_ns;    /* CLOCK_REALTIME; 0: not dead */
	struct segment_end end; /* once it was taken */
	uint64_t deadline_ns;   /* CLOCK_MONOTONIC: of ENDING, RETRY */
};

uint64_t watch_now_ns(void); /* CLOCK_MONOTONIC */

/* Looks at the segment at a path, known or new. closed: its file was closed by a writer just now.
 */
void watch_look(struct watch *watch, const char *path, bool closed);
/* The same for a scan: nothing is asked of one that has been dealt with. */
void watch_look_through(struct watch *watch, const char *path);
/* The path is not there any more. */
void watch_gone(struct watch *watch, const char *path);
/* What cannot be a segment, said once. */
void watch_reject(struct watch *watch, const struct segment_reject *reject);
/* A run of `meshtally run` has ended: what it waited for is taken. */
void watch_run_ended(struct watch *watch);
/* Finds the pids of those that are sought, by and by. */
void watch_search(struct watch *watch);
void watch_found(struct watch *watch, const char *path, const struct segment_process *subject,
                 int32_t pid);
void watched_destroy(struct watched *watched);

#endif
