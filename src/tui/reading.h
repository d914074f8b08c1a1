/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read at one time: the scene (all totals), what changed since the reading before, and the
 * latest survey of single buffers, which may be older. Immutable once made, so that it is drawn
 * from while the next one is under way. Views are shared by reference (segment_view_hold).
 */
#ifndef MESHTALLY_TUI_READING_H
#define MESHTALLY_TUI_READING_H

#include "findings.h"
#include "process_facts.h"
#include "scene.h"
#include "survey.h"
#include "untracked.h"

/* Of one process, by its number in scene.machine.processes. */
struct process_rates {
	bool known;           /* there was a reading before */
	double allocs, frees; /* per second */
};

struct reading {
	unsigned refs; /* 0 and 1 are the same: one */
	struct scene scene;
	uint64_t monotonic_ns; /* when it was made */
	struct process_rates *rates;
	struct process_facts *facts; /* by number likewise; NULL: nothing more is known of them */
	uint64_t last_event_ns;      /* CLOCK_REALTIME, over all live processes; 0 unknown */
	uint64_t events;             /* since the reading before, over all live processes */
	uint64_t changed_ns;   /* CLOCK_REALTIME: since then all has been as it is; 0 unknown */
	struct survey *survey; /* NULL: none yet; shared (survey_hold) */
	uint64_t survey_monotonic_ns;
	bool survey_pending;        /* a newer one that fits what is asked for is on its way */
	struct findings findings;   /* empty unless single buffers were read for it */
	struct untracked untracked; /* as last looked for (lookout_source.c); a copy */
	/* A file: never read again. The string of whoever started the lookout. */
	const char *from;
};

struct reading *reading_hold(struct reading *reading);
/* Gives a reference back; with the last one it ends. NULL is fine; from any thread. */
void reading_destroy(struct reading *reading);

#endif
