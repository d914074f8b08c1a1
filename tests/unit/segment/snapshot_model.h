/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model that snapshots are compared with: what is live after each call of the public API,
 * replayed from a log that the writing process keeps in memory shared with the test. An id is
 * counter << 20 | place in the model.
 */
#ifndef MESHTALLY_TESTS_SNAPSHOT_MODEL_H
#define MESHTALLY_TESTS_SNAPSHOT_MODEL_H

#include "view.h"

#include <stdbool.h>
#include <stdint.h>

enum { MODEL_DEVICES = 4, MODEL_PLACES = 1 << 18, MODEL_KINDS = 2, LOG_ENTRIES = 1 << 20 };

enum entry_type {
	ENTRY_ALLOC,
	ENTRY_FREE,
	ENTRY_MOVE,
	ENTRY_FREE_ON,
	ENTRY_LOCAL,
	ENTRY_OPEN,
	ENTRY_CLOSE,
	ENTRY_READY,
	ENTRY_OTHER
};

struct entry {
	uint64_t op; /* `commit` after the call; 0 while it goes on */
	uint64_t id;
	uint64_t bytes, span;
	uint32_t space; /* handle */
	uint32_t other; /* LOCAL: place of the backing record; OPEN: device, or -1 for the mesh */
	uint8_t type, kind, member, flags;
};

/* Shared between the writer and the test. */
struct model_log {
	uint64_t count; /* entries that are complete; stored with release */
	uint64_t taken; /* entries that the test has replayed */
	uint64_t limit; /* of count: the writer goes no further */
	uint32_t run;   /* the writer may go on */
	uint32_t idle;  /* the writer stands between two calls */
	uint32_t ready; /* it has begun */
	struct entry entries[LOG_ENTRIES];
};

struct model_record {
	uint64_t id, bytes, span;
	uint32_t space;
	uint32_t gone; /* bit per member */
	uint32_t seen; /* number of the comparison */
	uint8_t kind, class_now, locals;
	bool live;
	uint32_t backing; /* LOCAL: place of the backing record + 1 */
};

struct model_space {
	uint32_t handle;
	int32_t device; /* -1: the mesh */
	bool closed;
};

struct model {
	struct model_record records[MODEL_PLACES];
	struct model_space spaces[4096];
	uint64_t op;
	uint32_t comparison;
};

/* Devices differ in the banks of kind 0: the last has half as many. */
uint32_t model_banks(uint32_t kind, uint32_t device);
void model_apply(struct model *model, const struct entry *entry);
/* NULL, or what differs. */
const char *model_compare(struct model *model, const struct segment_view *view);

#endif
