/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Circular buffers in the L1 of each core of a device. A dispatched program is resident on a core
 * until a newer one that uses the core is dispatched; what lies over each other on one core counts
 * once. Buffers that are views of L1 buffers are never added.
 */
#ifndef MESHTALLY_ANALYZE_CORES_H
#define MESHTALLY_ANALYZE_CORES_H

#include "machine.h"

struct core_report {
	bool known;              /* some program was dispatched, and the figures could be made */
	uint32_t programs;       /* resident, at least on some core */
	uint64_t resident_bytes; /* over all cores */
	uint64_t fullest_bytes;  /* on the core that has most */
	uint64_t reserved_bytes; /* what all programs in the cache may take, over all cores */
	uint64_t highest_end;    /* address, on the core where it is highest */
	bool lowest_known;       /* there is an L1 buffer, and buffers were read */
	uint64_t lowest_buffer;  /* address */
	int64_t headroom;        /* lowest_buffer - highest_end; negative: they clash */
};

/* Needs views with buffers for the headroom. */
void cores_report(const struct machine *machine, uint32_t row, struct core_report *ret_report);

/* The same where single buffers were not read, but the lowest L1 buffer on the device is known
 * (lowest_known; else there is none). */
void cores_report_over(const struct machine *machine, uint32_t row, bool lowest_known,
                       uint64_t lowest_buffer, struct core_report *ret_report);

/* Whether some process has circular buffers at all. */
bool cores_in_use(const struct segment_view *view);

#endif
