/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Totals that only grow, whoever comes and goes: allocations and frees by device and kind, faults
 * by type, what ended processes left. Segments tell what they have seen so far; what is new since
 * the last look at each is added here. On one thread at a time, the worker's.
 */
#ifndef MESHTALLY_SERVE_METRICS_TOTALS_H
#define MESHTALLY_SERVE_METRICS_TOTALS_H

#include "leaks.h"
#include "lookup.h"
#include "machine.h"
#include "memory.h"

/* A device as metrics name it, for as long as the server runs. Those that nothing identifies are
 * one per ordinal; what is on no device yet is one of its own. */
struct totals_device {
	bool unplaced; /* nothing else of it is known */
	uint64_t unique_id;
	int32_t ordinal; /* as it was known first */
	char *arch, *bus;
};

/* Beyond, the rest is one device, or one kind, "other": what programs say must not grow for ever.
 */
enum { TOTALS_DEVICES = 4096, TOTALS_LINES = 16384 };

struct totals_line {
	uint32_t device; /* of totals->devices */
	char kind[4 * SEGMENT_KIND_NAME + 1];
	uint64_t allocs, frees;
};

/* A process by the names that it goes by; inner: in its own pid namespace, where that is another
 * and known. */
struct totals_subject {
	struct segment_process process;
	int32_t inner_pid;
	uint64_t inner_pid_ns;
};

struct totals_row;
struct totals_segment {
	uint64_t identity;
	struct totals_subject subject;
	bool is_proxy;
	VEC(uint32_t) devices; /* of totals->devices */
	/* Of a proxy: devices on which its process has had a segment of its own. What both say
	 * counts once. */
	VEC(uint32_t) witnessed;
	struct totals_row *rows; /* sorted */
	size_t row_count;
	uint64_t faults[SEGMENT_FAULT_TYPES];
};

struct totals {
	VEC(struct totals_device) devices;
	VEC(struct totals_line) lines;
	VEC(struct totals_segment) segments; /* that are there */
	struct lookup by_device, by_line;
	uint64_t faults[SEGMENT_FAULT_TYPES];
	uint64_t left_bytes[VERDICT_LIMIT];
	uint64_t ended; /* segments */
};

void totals_init(struct totals *totals);
void totals_finish(struct totals *totals);

/* Hooks of a scene cache. */
void totals_loaded(void *totals, const struct segment_view *view);
void totals_gone(void *totals, const struct segment_view *last);

/* The metrics' device of such a device; names are any bytes, and not kept. */
struct device_key {
	bool unplaced;
	uint64_t unique_id;
	int32_t ordinal;
	const char *arch, *bus;
};
uint32_t totals_device(struct totals *totals, const struct device_key *device);

/* Its line for a kind: an index that stays. */
uint32_t totals_line(struct totals *totals, uint32_t device, const char *kind);

/* Bytes of spaces that a view's process has closed, or left, by verdict: what row has which. */
enum verdict totals_verdict(const struct segment_view *view, const struct view_row *row);
/* A row's bytes on all its devices. */
uint64_t totals_row_bytes(const struct segment_view *view, const struct view_row *row);

#endif
