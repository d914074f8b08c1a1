/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the devices of a look have, through its filter: per device and kind; and beside it the
 * faults, failed allocations and processes of each. Made for one picture, from the thread that
 * draws.
 */
#ifndef MESHTALLY_TUI_MESH_FIGURES_H
#define MESHTALLY_TUI_MESH_FIGURES_H

#include "ui.h"

/* Of one device, whatever the kind. */
struct device_facts {
	uint64_t faults, failures; /* failures: allocations that failed */
	uint32_t processes;        /* that have it open, as filtered */
	bool headroom_known;
	int64_t headroom_bytes; /* of L1; negative: circular buffers and buffers clash */
};

struct mesh_figures {
	const struct machine *machine;
	const struct selection *selection;
	uint32_t rows, kinds;       /* rows: the devices; the unplaced come behind them */
	struct machine_figure *own; /* [row * kinds + kind]; NULL: the machine's are right */
	struct device_facts *facts; /* by row */
	bool by_tag;                /* tags or words are in the filter: no peaks */
	bool has_headroom;          /* of some device it is known */
	/* Kinds worth showing, those with a capacity first: they have bars. */
	uint32_t shown[MACHINE_MAX_KINDS];
	size_t shown_count, bar_count;
	uint32_t host[MACHINE_MAX_KINDS]; /* likewise of the host's memory */
	size_t host_count;
};

void figures_make(struct mesh_figures *figures, const struct look *look);
void figures_finish(struct mesh_figures *figures);

/* NULL: the filter does not let it through, or there is no such memory. */
const struct machine_figure *figures_get(const struct mesh_figures *figures, uint32_t row,
                                         uint32_t kind);

/* What is allocated and on no device yet, of all kinds that the filter lets through. False:
 * nothing. */
bool figures_unplaced(const struct mesh_figures *figures, struct machine_figure *ret_sum);

/* Headroom costs more than the rest: for those who show it. */
void figures_headroom(struct mesh_figures *figures, const struct look *look);

/* The device that the ui is about, by its unique id where rows have changed; UINT32_MAX: there is
 * no device. */
uint32_t look_device(const struct look *look);

/* The next kind for heat and maps. */
void ui_next_kind(struct ui *ui, const struct look *look);

/* For heat and maps: the kind that was chosen, else the first that is shown. */
uint32_t figures_main_kind(const struct mesh_figures *figures, const struct ui *ui);

#endif
