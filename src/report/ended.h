/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that have ended, of what was read: when, how, and what was there. */
#ifndef MESHTALLY_REPORT_ENDED_H
#define MESHTALLY_REPORT_ENDED_H

#include "leaks.h"
#include "query.h"
#include "scene.h"

#include <jansson.h>

struct ended {
	const struct machine_process *process;
	uint64_t
		when_ns; /* CLOCK_REALTIME; its last call if `known` is not set, 0: nothing known */
	bool known;      /* somebody noticed the end when it came */
	/* Of counted classes, over all devices. Bytes are those of buffers without a record, too. */
	uint64_t records, device_buffers, total_bytes;
	unsigned char *on; /* by row: where something was left */
	uint64_t faults;
	const char *file; /* where this is read from; NULL: not known */
};
struct ended_list {
	VEC_FIELDS(struct ended) /* the newest first */
};

/* Of the processes that are selected. */
void ended_find(struct ended_list *list, const struct scene *scene);
void ended_finish(struct ended_list *list);

/* The leaks of the processes that ended last come first; of one process they stay in order. */
void ended_sort_leaks(const struct ended_list *list, struct leaks *leaks);

json_t *ended_json(const struct scene *scene, const struct ended *ended);
/* {"ended": [...], "ended_total": N} */
json_t *ended_list_json(const struct scene *scene, const struct ended_list *list,
                        const struct report_query *query);

#endif
