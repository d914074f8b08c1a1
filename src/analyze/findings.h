/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong and seen only by comparing: computed by readers, never written. An allocation and
 * the free before it may be reported in either order, so what one scan finds counts only if a
 * second one, a moment later, finds it again (findings_confirm).
 */
#ifndef MESHTALLY_ANALYZE_FINDINGS_H
#define MESHTALLY_ANALYZE_FINDINGS_H

#include "machine.h"
#include "selection.h"

enum finding_type {
	FINDING_OVERLAP,         /* two buffers share addresses of one region of a chip */
	FINDING_OVER_CAPACITY,   /* all processes together hold more than there is */
	FINDING_DANGLING_VIEW,   /* a view, or part of a pool, whose owner is gone */
	FINDING_COUNTERS_DIFFER, /* a segment's counters are not the sum of its buffers */
	FINDING_TYPE_LIMIT
};

extern const char *const finding_words[FINDING_TYPE_LIMIT];

struct finding {
	enum finding_type type;
	uint32_t kind;
	const struct machine_process *process, *other_process; /* NULL: none */
	const struct view_buffer *buffer, *other;              /* NULL: none */
	uint64_t bytes; /* shared addresses per bank; or held */
	uint64_t capacity;
	unsigned char *on; /* by row */
	/* The same in every scan. */
	uint64_t identity, other_identity, op, other_op;
};

enum { FINDINGS_LIMIT = 1000 };

struct findings {
	VEC(struct finding) findings; /* at most FINDINGS_LIMIT */
	uint64_t more;                /* that were not kept */
};

/* Needs views with buffers. */
void findings_find(struct findings *findings, const struct machine *machine,
                   const struct selection *selection);
/* Keeps those of `second` that are in `first` too. */
void findings_confirm(const struct findings *first, struct findings *second);
void findings_finish(struct findings *findings);

#endif
