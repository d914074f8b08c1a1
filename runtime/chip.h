/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The physical side: a machine of equal chips, each with an allocator per memory. What is open over
 * them (devices, meshes) lies above and shares the chips, so that two meshes over one chip cannot
 * be given the same bytes. `lock` guards allocators and the meshes' lists.
 */
#ifndef RUNTIME_CHIP_H
#define RUNTIME_CHIP_H

#include "arch_table.h"
#include "backend.h"
#include "bank_allocator.h"

#include <meshtally.h>
#include <pthread.h>
#include <stdatomic.h>

struct graph_tracker;

struct machine_config {
	const char *board; /* a row of the architecture table */
	uint32_t chips;
	const struct backend *backend; /* NULL: host */
	struct backend_problem *problem; /* why it did not open; NULL: not asked */
	uint64_t trace_bank_bytes;     /* carved from the top of each bank of the main memory */
	uint64_t l1_small_bank_bytes;  /* the same of L1 */
	uint64_t queue_bytes;	       /* command queues of an open device, in the main memory */
	uint64_t fabric_bytes;	       /* fabric state in the L1 of ordinal 0 */
	bool queues_unhooked;	       /* giving the command queues back is not reported */
};

struct chip {
	int32_t ordinal;
	uint64_t unique_id;
	char bus[16];
	mt_space last_space; /* of its last opening: what "device 0" resolves to by ordinal */
	struct bank_allocator allocators[MEMORY_ROLES];
};

struct machine {
	struct machine_config config;
	const struct arch *arch;
	const struct backend *backend;
	void *backend_state;
	struct graph_tracker *tracker;
	struct mt_memory memories[MEMORY_ROLES]; /* banks 0: no such memory */
	uint64_t positions[MEMORY_ROLES];        /* where each begins in a chip's arena */
	struct chip *chips;
	pthread_mutex_t lock;
	_Atomic uint64_t last_unique_id;
};

/* The tracker is the caller's and must outlive the machine. -ENODEV: no such board. */
int machine_create(const struct machine_config *config, struct graph_tracker *tracker,
		   struct machine **ret_machine);
void machine_destroy(struct machine *machine);

/* Addresses that a buffer of these bytes takes on each bank. */
uint64_t machine_span(const struct machine *machine, enum memory_role role, uint64_t bytes);

/* Ids of buffers: never 0, never given twice. */
uint64_t machine_unique_id(struct machine *machine);

/* Opens what a buffer at `address` takes of a chip, at the same place of every chip. The pages of a
 * buffer lie round-robin over the banks: counted row by row, as an arena does, they follow each
 * other, so [address, address + span) on all banks is one range. */
int machine_range_open(struct machine *machine, const struct chip *chip, enum memory_role role,
                       uint64_t address, uint64_t span, void **ret_range);

#endif
