/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was not given back, and what to call it. Live processes: buffers of spaces that they have
 * closed. Dead ones: everything left. One word per reason, never one for all.
 */
#ifndef MESHTALLY_ANALYZE_LEAKS_H
#define MESHTALLY_ANALYZE_LEAKS_H

#include "machine.h"
#include "selection.h"

enum verdict {
	VERDICT_LEAKED, /* the user's, at the close of its space or at clean exit */
	VERDICT_LOST,   /* the user's, when the device was reset under it */
	VERDICT_KILLED, /* the user's, held when the process was killed: no chance to free */
	VERDICT_CACHE,  /* of caches: kept on purpose */
	VERDICT_SYSTEM, /* the runtime's own */
	/* No verdict: exec, or tracking turned off, while it was held; or the end of a process that
	 * reported over a socket, whose protocol has no word for the closing of a device. */
	VERDICT_OPEN,
	VERDICT_LIMIT
};

extern const char *const verdict_words[VERDICT_LIMIT];

/* Records that are alike: {process, verdict, kind, tag, site, bytes}. */
struct leak {
	const struct machine_process *process;
	enum verdict verdict;
	uint32_t kind;
	const char *tag, *site; /* any bytes; "" none */
	uint64_t bytes;         /* of one, on each device */
	uint64_t records, device_buffers, total_bytes;
	uint64_t oldest_ns; /* CLOCK_REALTIME */
	uint64_t first_id;
	unsigned char *on; /* by row */
};

struct leak_total {
	uint64_t records, device_buffers, bytes;
};

struct leaks {
	VEC(struct leak) leaks; /* by verdict, then the largest first */
	struct leak_total totals[VERDICT_LIMIT];
	/* Bytes by [kind * devices + row]; NULL where there are none. */
	uint64_t *device_bytes[VERDICT_LIMIT];
	size_t device_count;
};

struct leak_options {
	bool dead_only;
};

void leaks_find(struct leaks *leaks, const struct machine *machine,
                const struct selection *selection, const struct leak_options *options);
void leaks_finish(struct leaks *leaks);

/* What to call a buffer of this process that is still there. VERDICT_LIMIT: nothing, it is in use.
 */
enum verdict leak_verdict(const struct segment_view *view, const struct view_buffer *buffer);

#endif
