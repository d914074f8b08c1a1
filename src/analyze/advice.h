/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a failed allocation: which frees would have been enough. The fewest bytes per bank that
 * have to go so that a hole of the size that was asked for is there, from the buffers that were
 * frozen with the failure. What belongs to the runtime cannot go. Where the addresses of some are
 * not known, holes are not either, and there is no advice.
 */
#ifndef MESHTALLY_ANALYZE_ADVICE_H
#define MESHTALLY_ANALYZE_ADVICE_H

#include "view.h"

struct advice {
	bool placed;   /* it is known where all of them lie; false: nothing else is known */
	bool known;    /* something is enough; false: nothing that we know of */
	bool complete; /* all buffers were frozen: there is nothing cheaper, or nothing at all */
	/* The buffers to free: failure->buffers[order[first]] ... [order[first + count - 1]]. */
	uint32_t first, count;
	uint32_t *order; /* by address; buffer_count long; freed by advice_finish */
	uint64_t span;   /* that they take, per bank */
	uint64_t bytes;  /* that they are, per device */
	uint64_t hole;   /* that there would be, per bank */
};

void advice_make(struct advice *advice, const struct segment_view *view,
                 const struct view_failure *failure);
void advice_finish(struct advice *advice);

#endif
