/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a machine is made: first which device of which view is which row (machine_devices.c), then
 * the figures of views (machine.c), then what the other sources of the same process say
 * (machine_sources.c). Used by these three alone.
 */
#ifndef MESHTALLY_ANALYZE_MACHINE_INTERNAL_H
#define MESHTALLY_ANALYZE_MACHINE_INTERNAL_H

#include "machine.h"

/* Where the devices of views and of tt-metal's counters are in the table. */
struct machine_places {
	size_t *subjects;   /* by view: number of the first view of the same process */
	uint32_t **rows;    /* by view and device of the view */
	uint32_t *counters; /* by file of the counters */
};

/* Fills the machine's devices. */
void machine_places_make(struct machine_places *places, struct machine *machine,
                         const struct machine_input *input);
void machine_places_finish(struct machine_places *places, const struct machine_input *input);

/* Whether another source than this proxy segment accounts for the row: a segment of the process. */
bool machine_is_witness(const struct machine_places *places, const struct machine_input *input,
                        size_t view, uint32_t row);

/* Once every view is in: what proxy segments say beside the segments that count. */
void machine_add_socket_witnesses(struct machine *machine);
/* And tt-metal's counters: processes of their own, or witnesses. */
void machine_add_counters(struct machine *machine);

/* Adds one, chained to those of the same pid. Pointers to processes are void then. */
struct machine_process *machine_add_process(struct machine *machine, int32_t pid);
/* SIZE_MAX: none. The others follow by `next`. */
size_t machine_first_of_pid(const struct machine *machine, int32_t pid);

uint8_t machine_add_kind(struct machine *machine, const char *name);
/* Adds the figure of one process to that of a device. */
void machine_add_to_row(struct machine_figure *row, const struct machine_figure *figure);

/* What tt-metal's counters say of a process that is known from them on this row. */
bool machine_counter_figure(const struct machine *machine, const struct machine_process *process,
                            uint32_t row, uint32_t kind, struct machine_figure *ret_figure);

#endif
