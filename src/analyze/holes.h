/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the free memory of a device is cut up: the holes between the buffers, per bank.
 */
#ifndef MESHTALLY_ANALYZE_HOLES_H
#define MESHTALLY_ANALYZE_HOLES_H

#include "machine.h"

struct holes {
	bool known; /* every byte is accounted for by a buffer with an address */
	uint64_t free, largest, count;
	uint64_t bank_bytes;
	uint32_t banks;
};

/* Needs views with buffers. */
void holes_find(const struct machine *machine, uint32_t row, uint32_t kind,
                struct holes *ret_holes);

#endif
