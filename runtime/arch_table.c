/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of parts. L1 begins above the firmware's reserved region and ends with the core's
 * 1.5 MB; the GPU-like part has one large memory under a kind of its own and no worker cores.
 */
#include "arch_table.h"

#include <string.h>

#define KIB		 ((uint64_t)1 << 10)
#define GIB		 ((uint64_t)1 << 30)
#define CORE_L1_BYTES	 (1536 * KIB)
#define CORE_L1_RESERVED (104 * KIB)
#define PAGE_BYTES	 (2 * KIB)

#define L1_OF(cores)                                                                               \
	{                                                                                          \
		"L1", (cores), CORE_L1_RESERVED, CORE_L1_BYTES - CORE_L1_RESERVED, 16, PAGE_BYTES  \
	}
#define CARVED(kind, banks)                                                                        \
	{                                                                                          \
		(kind), (banks), 0, 0, 32, PAGE_BYTES                                              \
	}

const struct arch arch_table[] = {
	{"n150",
	 "wormhole_b0",
	 {[MEMORY_MAIN] = {"DRAM", 12, 0, GIB, 32, PAGE_BYTES},
	  [MEMORY_L1] = L1_OF(64),
	  [MEMORY_TRACE] = CARVED("TRACE", 12),
	  [MEMORY_L1_SMALL] = CARVED("L1_SMALL", 64)},
	 8,
	 8},
	{"p150",
	 "blackhole",
	 {[MEMORY_MAIN] = {"DRAM", 8, 0, 0xFF000000, 64, PAGE_BYTES},
	  [MEMORY_L1] = L1_OF(130),
	  [MEMORY_TRACE] = CARVED("TRACE", 8),
	  [MEMORY_L1_SMALL] = CARVED("L1_SMALL", 130)},
	 13,
	 10},
	{"gpu", "gpu_like", {[MEMORY_MAIN] = {"VRAM", 1, 0, 24 * GIB, 256, PAGE_BYTES}}, 0, 0},
};
const size_t arch_count = sizeof arch_table / sizeof arch_table[0];

const struct arch *arch_find(const char *board)
{
	for (size_t i = 0; i < arch_count; i++) {
		if (strcmp(arch_table[i].board, board) == 0)
			return &arch_table[i];
	}
	return NULL;
}
