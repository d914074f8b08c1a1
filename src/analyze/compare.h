/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two states compared: what came, what went. Buffers of the same process (the same segment) are
 * matched one by one; those of different processes (two runs of a program) by what they look like.
 */
#ifndef MESHTALLY_ANALYZE_COMPARE_H
#define MESHTALLY_ANALYZE_COMPARE_H

#include "machine.h"
#include "selection.h"

/* Buffers that are alike: {tag, site, kind, class, bytes, devices}. */
struct change {
	const char *tag, *site; /* any bytes; "" none */
	const char *kind;
	uint8_t class_now;
	uint64_t bytes; /* of one, on each device */
	uint32_t devices;
	uint64_t came, went;             /* records */
	uint64_t came_bytes, went_bytes; /* on all devices */
};

/* Sums per tag, kind and class. */
struct tag_change {
	const char *tag, *kind;
	uint8_t class_now;
	uint64_t before_bytes, after_bytes;
	uint64_t before_records, after_records;
};

struct comparison {
	VEC(struct change) changes;  /* the largest first */
	VEC(struct tag_change) tags; /* likewise; only those that differ */
	uint64_t before_bytes, after_bytes, before_records, after_records;
	bool exact;
};

struct compared {
	const struct machine *machine;
	const struct selection *selection;
};

void compare(struct comparison *comparison, const struct compared *before,
             const struct compared *after);
void compare_finish(struct comparison *comparison);

#endif
