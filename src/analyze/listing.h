/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live buffers, the first of them in some order, out of any number; and sums over them by tag,
 * device, kind or process. Lists need views with buffers, sums do not. Records that are the same
 * buffer on several devices (same process, kind, address, size, tag and site; where the address is
 * not known, the same id) make one line, so that a list looks the same whichever way a runtime
 * reports its mesh buffers.
 */
#ifndef MESHTALLY_ANALYZE_LISTING_H
#define MESHTALLY_ANALYZE_LISTING_H

#include "machine.h"
#include "selection.h"

enum listing_order {
	LIST_BY_SIZE,
	LIST_BY_AGE,
	LIST_BY_DEVICE,
	LIST_BY_TAG,
	LIST_BY_YOUTH, /* what has no time comes last */
	LIST_ORDER_LIMIT
};

struct listed_buffer {
	const struct machine_process *process;
	const struct view_buffer *buffer;
	uint64_t total_bytes; /* on all selected devices */
	uint32_t devices;     /* how many of them it is on */
	uint32_t first_row;
	uint32_t records;
	VEC(uint32_t) rows; /* ascending; filled in listing_make for those that are listed */
};

/* Which buffers; zeroed is all. */
struct listing_filter {
	const char *tag;      /* or pattern, see tag_matches(); NULL: any */
	unsigned classes;     /* a bit each; 0: all */
	uint64_t least_bytes; /* on each device */
};

struct listing_options {
	enum listing_order order;
	size_t limit; /* 0: all */
	bool dead;    /* those of dead processes as well */
	struct listing_filter filter;
};

struct listing {
	VEC(struct listed_buffer) buffers;
	uint64_t listed_records; /* in these */
	uint64_t records;        /* how many there are in all */
	uint64_t device_buffers; /* shares of them, one per device */
	uint64_t bytes;          /* of the counted ones, on all devices */
	uint64_t no_detail;      /* counted, but without a record */
	bool exact;
};

void listing_make(struct listing *listing, const struct machine *machine,
                  const struct selection *selection, const struct listing_options *options);
void listing_finish(struct listing *listing);

enum sum_key { SUM_BY_TAG, SUM_BY_DEVICE, SUM_BY_KIND, SUM_BY_PROCESS, SUM_KEY_LIMIT };

struct sum {
	const char *tag;                       /* SUM_BY_TAG: any bytes, "" none */
	uint32_t row;                          /* SUM_BY_DEVICE */
	uint32_t kind;                         /* SUM_BY_KIND */
	const struct machine_process *process; /* SUM_BY_PROCESS */
	uint64_t bytes[CLASS_LIMIT];
	uint64_t device_buffers; /* of the counted classes */
	uint64_t total_bytes, held;
};

struct sums {
	VEC(struct sum) sums; /* the largest first; devices by row */
	bool exact;
};

void sums_make(struct sums *sums, const struct machine *machine, const struct selection *selection,
               enum sum_key key, bool dead);
void sums_finish(struct sums *sums);

/* Whether a process belongs into lists of what is live. */
bool listing_wants(const struct selection *selection, const struct machine_process *process,
                   bool dead);

#endif
