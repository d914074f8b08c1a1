/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeping post-mortems: a directory of images (report/postmortem_dir.h),
 * bounded by number and bytes, the oldest going first. A dead segment is
 * removed once its post-mortem is on disk, or when it has nothing to tell.
 * Called from one thread at a time, the worker's; waits for the disk.
 */
#ifndef MESHTALLY_SERVE_POSTMORTEM_STORE_H
#define MESHTALLY_SERVE_POSTMORTEM_STORE_H

#include "postmortem_dir.h"
#include "view.h"

struct postmortem_store {
	char dir[PATH_MAX]; /* <state directory>/dead */
	unsigned files;     /* at most; 0: nothing is kept */
	uint64_t bytes;     /* likewise */
};

enum postmortem_outcome {
	POSTMORTEM_KEPT,
	POSTMORTEM_SPOTLESS, /* nothing live, no fault, no failure: nothing to keep */
	POSTMORTEM_KNOWN,    /* kept before */
	POSTMORTEM_UNWANTED, /* none are to be kept: it is left to its owner's next program */
	POSTMORTEM_GONE,     /* no such segment any more, or it is not dead */
	POSTMORTEM_CORRUPT,  /* cannot be read: left alone */
	POSTMORTEM_FAILED    /* cannot be kept now: see error */
};

struct postmortem_result {
	enum postmortem_outcome outcome;
	bool removed; /* the segment is */
	bool awaited; /* it stays until `meshtally run` has read it */
	bool reduced; /* only the largest of its buffers were kept */
	int error;    /* negative errno: of keeping, or why the segment could not be
	                 removed */
	char reason[200];
	/* What was in it; of KEPT and SPOTLESS. */
	enum view_life life;
	struct segment_end end;
	int32_t pid;
	char comm[17];
	uint64_t buffers, total_bytes;
	uint32_t devices;
	uint64_t faults;
	char name[POSTMORTEM_NAME]; /* of the file */
};

/* Makes the directory, and removes what a server that was killed left
 * half-written. 0, or a negative errno: then keeping tries again. */
int postmortem_store_open(struct postmortem_store *store, const char *state_dir, unsigned files,
                          uint64_t bytes);

/* Keeps what is worth it of the dead segment at `path`, if it still has this
 * identity, and removes the segment. */
void postmortem_keep(const struct postmortem_store *store, const char *path, uint64_t identity,
                     const struct segment_end *end, struct postmortem_result *ret_result);

/* Removes the oldest until there is room for one more of so many bytes. */
void postmortem_prune(const struct postmortem_store *store, uint64_t bytes);

#endif
