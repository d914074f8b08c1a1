/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chips and their memory map: the board's row, less what the back end does not have, with the trace
 * and L1_SMALL regions carved out, so that the capacities add up to the physical memory.
 */
#include "chip.h"

#include "graph_tracker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int carve(struct mt_memory *from, struct mt_memory *into, uint64_t bytes)
{
	if (bytes == 0) {
		into->banks = 0;
		return 0;
	}
	if (from->banks == 0 || bytes >= from->bank_bytes || bytes % into->align != 0)
		return -EINVAL;
	from->bank_bytes -= bytes;
	into->base = from->base + from->bank_bytes;
	into->bank_bytes = bytes;
	return 0;
}

/* Each memory begins in an arena where the one before it ends. */
static void place_memories(struct machine *machine)
{
	uint64_t end = 0;

	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		machine->positions[role] = end;
		end += machine->memories[role].banks * machine->memories[role].bank_bytes;
	}
}

static int map_memories(struct machine *machine)
{
	struct mt_memory *memories = machine->memories;
	struct backend_problem unheard, *problem = machine->config.problem;
	int error;

	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		const struct arch_memory *row = &machine->arch->memories[role];

		if (row->kind) {
			memories[role] =
				(struct mt_memory){graph_tracker_kind(row->kind), row->banks,
						   row->base, row->bank_bytes, row->align};
		}
	}
	error = machine->backend->open(machine->config.chips, memories,
	                               problem ? problem : &unheard, &machine->backend_state);
	if (!error)
		error = carve(&memories[MEMORY_MAIN], &memories[MEMORY_TRACE],
		              machine->config.trace_bank_bytes);
	if (!error)
		error = carve(&memories[MEMORY_L1], &memories[MEMORY_L1_SMALL],
		              machine->config.l1_small_bank_bytes);
	if (!error)
		place_memories(machine);
	return error;
}

static int chip_init(struct machine *machine, uint32_t ordinal)
{
	struct chip *chip = &machine->chips[ordinal];

	chip->ordinal = (int32_t)ordinal;
	chip->unique_id = 0x4d455348000000 + ordinal;
	snprintf(chip->bus, sizeof chip->bus, "0000:%02x:00.0", (ordinal + 1) & 0xff);
	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		const struct mt_memory *memory = &machine->memories[role];
		int error;

		if (memory->banks == 0)
			continue;
		error = bank_allocator_init(&chip->allocators[role], memory->base,
					    memory->bank_bytes);
		if (error)
			return error;
	}
	return 0;
}

int machine_create(const struct machine_config *config, struct graph_tracker *tracker,
		   struct machine **ret_machine)
{
	const struct arch *arch = arch_find(config->board);
	struct machine *machine;
	int error;

	if (!arch || config->chips == 0)
		return -ENODEV;
	machine = calloc(1, sizeof *machine);
	if (!machine)
		return -ENOMEM;
	pthread_mutex_init(&machine->lock, NULL);
	machine->config = *config;
	machine->arch = arch;
	machine->backend = config->backend ? config->backend : &host_backend;
	machine->tracker = tracker;
	error = map_memories(machine);
	if (error)
		goto fail;
	machine->chips = calloc(config->chips, sizeof *machine->chips);
	error = machine->chips ? 0 : -ENOMEM;
	for (uint32_t i = 0; !error && i < config->chips; i++)
		error = chip_init(machine, i);
	if (error)
		goto fail;
	*ret_machine = machine;
	return 0;
fail:
	machine_destroy(machine);
	return error;
}

void machine_destroy(struct machine *machine)
{
	if (!machine)
		return;
	for (uint32_t i = 0; machine->chips && i < machine->config.chips; i++) {
		for (size_t role = 0; role < MEMORY_ROLES; role++)
			bank_allocator_finish(&machine->chips[i].allocators[role]);
	}
	machine->backend->close(machine->backend_state);
	free(machine->chips);
	pthread_mutex_destroy(&machine->lock);
	free(machine);
}

uint64_t machine_span(const struct machine *machine, enum memory_role role, uint64_t bytes)
{
	uint64_t page = machine->arch->memories[role].page_bytes;
	uint64_t banks = machine->memories[role].banks;
	uint64_t pages = bytes / page + (bytes % page != 0);

	return (pages / banks + (pages % banks != 0)) * page;
}

uint64_t machine_unique_id(struct machine *machine)
{
	return atomic_fetch_add_explicit(&machine->last_unique_id, 1, memory_order_relaxed) + 1;
}

int machine_range_open(struct machine *machine, const struct chip *chip, enum memory_role role,
                       uint64_t address, uint64_t span, void **ret_range)
{
	const struct mt_memory *memory = &machine->memories[role];
	uint64_t position = machine->positions[role] + (address - memory->base) * memory->banks;

	return machine->backend->range_open(machine->backend_state, (uint32_t)chip->ordinal,
	                                    position, span * memory->banks, ret_range);
}
