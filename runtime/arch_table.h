/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts that the reference runtime can stand for, as data: which memories a chip has, over how
 * many banks each is spread, where it begins and how large a bank is. A machine picks one row and
 * carves its trace and L1_SMALL regions from the tops of the two physical memories.
 */
#ifndef RUNTIME_ARCH_TABLE_H
#define RUNTIME_ARCH_TABLE_H

#include <stddef.h>
#include <stdint.h>

/* What a memory is for. Which kind meshtally knows it by is the row's business. */
enum memory_role { MEMORY_MAIN, MEMORY_L1, MEMORY_TRACE, MEMORY_L1_SMALL, MEMORY_ROLES };

struct arch_memory {
	const char *kind; /* NULL: the part has no such memory */
	uint32_t banks;
	uint64_t base, bank_bytes, align;
	uint64_t page_bytes; /* unit of interleaving over the banks */
};

struct arch {
	const char *board, *name;
	struct arch_memory memories[MEMORY_ROLES]; /* bank_bytes of the carved ones is 0 here */
	uint16_t grid_columns, grid_rows;	   /* worker cores; 0: none */
};

extern const struct arch arch_table[];
extern const size_t arch_count;

/* NULL: no such board. */
const struct arch *arch_find(const char *board);

#endif
