/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chips, their memory map, and the moving of bytes. The map of a machine is its board's row with
 * the trace and L1_SMALL regions carved out, so that the capacities add up to the physical memory.
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

static int map_memories(struct machine *machine)
{
	struct mt_memory *memories = machine->memories;
	int error;

	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		const struct arch_memory *row = &machine->arch->memories[role];

		if (row->kind) {
			memories[role] =
				(struct mt_memory){graph_tracker_kind(row->kind), row->banks,
						   row->base, row->bank_bytes, row->align};
		}
	}
	error = carve(&memories[MEMORY_MAIN], &memories[MEMORY_TRACE],
		      machine->config.trace_bank_bytes);
	if (error)
		return error;
	return carve(&memories[MEMORY_L1], &memories[MEMORY_L1_SMALL],
		     machine->config.l1_small_bank_bytes);
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
		struct chip *chip = &machine->chips[i];

		for (size_t role = 0; role < MEMORY_ROLES; role++) {
			bank_allocator_finish(&chip->allocators[role]);
			if (chip->arenas[role])
				machine->backend->arena_destroy(chip->arenas[role]);
		}
	}
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

static int arena_of(struct machine *machine, struct chip *chip, enum memory_role role,
		    void **ret_arena)
{
	const struct mt_memory *memory = &machine->memories[role];
	int error = 0;

	pthread_mutex_lock(&machine->lock);
	if (!chip->arenas[role]) {
		error = machine->backend->arena_create(memory->banks, memory->bank_bytes,
						       &chip->arenas[role]);
	}
	*ret_arena = chip->arenas[role];
	pthread_mutex_unlock(&machine->lock);
	return error;
}

/* Where a page's part lies, and how many bytes of the request it holds. */
struct piece {
	uint32_t bank;
	uint64_t offset;
	size_t bytes;
};

static struct piece piece_at(const struct machine *machine, enum memory_role role, uint64_t address,
			     uint64_t offset, size_t bytes)
{
	const struct mt_memory *memory = &machine->memories[role];
	uint64_t page = machine->arch->memories[role].page_bytes;
	uint64_t index = offset / page, within = offset % page;
	struct piece piece = {(uint32_t)(index % memory->banks),
			      address - memory->base + index / memory->banks * page + within,
			      bytes};

	if (piece.bytes > page - within)
		piece.bytes = (size_t)(page - within);
	return piece;
}

int chip_write(struct machine *machine, struct chip *chip, enum memory_role role, uint64_t address,
	       uint64_t offset, const void *data, size_t bytes)
{
	void *arena;
	int error = arena_of(machine, chip, role, &arena);

	while (!error && bytes > 0) {
		struct piece piece = piece_at(machine, role, address, offset, bytes);

		machine->backend->write(arena, piece.bank, piece.offset, data, piece.bytes);
		data = (const char *)data + piece.bytes;
		offset += piece.bytes;
		bytes -= piece.bytes;
	}
	return error;
}

int chip_read(struct machine *machine, struct chip *chip, enum memory_role role, uint64_t address,
	      uint64_t offset, void *data, size_t bytes)
{
	void *arena;
	int error = arena_of(machine, chip, role, &arena);

	while (!error && bytes > 0) {
		struct piece piece = piece_at(machine, role, address, offset, bytes);

		machine->backend->read(arena, piece.bank, piece.offset, data, piece.bytes);
		data = (char *)data + piece.bytes;
		offset += piece.bytes;
		bytes -= piece.bytes;
	}
	return error;
}
