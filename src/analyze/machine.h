/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All processes of a machine put together: which device of which process is the same chip, and what
 * is held on it by whom. Made from views (segments) and from tt-metal's counters; both must outlive
 * it. Pure: looks at nothing but what it is given.
 *
 * A device is its unique id, else its bus address and ordinal. One that has neither is what another
 * source of the same process knows by that ordinal; else it is one chip for all processes whose
 * ordinals count by the same mask; else it belongs to one process alone.
 *
 * Places of what is allocated, and on no chip yet (MT_UNPLACED), are no devices: those of all
 * processes together are one row, behind the devices.
 *
 * Per {process, chip} one source counts: the process's own segment, else the socket (a proxy
 * segment), else the counters; the others are witnesses.
 */
#ifndef MESHTALLY_ANALYZE_MACHINE_H
#define MESHTALLY_ANALYZE_MACHINE_H

#include "lookup.h"
#include "memory.h"
#include "tt_counters.h"
#include "view.h"

enum { MACHINE_MAX_KINDS = 64 };

/* One device and kind, or a sum of them. */
struct machine_figure {
	bool present; /* some process has this memory, or something in it */
	bool exact;
	bool peak_known; /* one process alone: peaks of several do not add up */
	uint64_t bytes[CLASS_LIMIT];
	uint64_t buffers[CLASS_LIMIT];
	uint64_t unclassified_bytes; /* of tt-metal's counters: nobody says whose */
	uint64_t held;
	uint64_t peak, peak_since_mark;
	uint64_t capacity; /* 0 unknown */
	uint32_t sources;  /* processes that have something here, or had */
};

struct machine_device {
	bool unplaced;          /* no device: see above */
	uint64_t unique_id;     /* 0 unknown */
	int32_t ordinal;        /* of the process that was seen first */
	const char *arch, *bus; /* "" unknown */
	uint32_t process_count; /* that have it open */
	struct machine_figure figures[MACHINE_MAX_KINDS];
};

/* Who says it. The first that there is counts. */
enum process_source { SOURCE_SEGMENT, SOURCE_SOCKET, SOURCE_COUNTERS };

struct machine_process {
	enum process_source source;
	const struct segment_view *view; /* NULL for counters */
	size_t subject; /* of views: number of the first one of the same process; else SIZE_MAX */
	int32_t pid;
	size_t next;  /* number of the next one of this pid; SIZE_MAX none */
	bool counted; /* its figures are in the devices' */
	bool dead;
	bool witness;        /* a proxy of which nothing counts: the process has its own segment */
	const char *command; /* any bytes */
	/* By device index of the view: row, or UINT32_MAX where another source counts; and the row
	 * in any case. */
	uint32_t *rows, *chips;
	/* By kind of the view: kind of the machine. */
	uint8_t kinds[SEGMENT_MAX_KINDS];
	/* Rows it has open, ascending. */
	VEC(uint32_t) devices;
	/* Over all its devices. */
	struct machine_figure figures[MACHINE_MAX_KINDS];
};

/* What another source says of a {process, chip} than the one that counts. */
struct machine_witness {
	enum process_source source; /* of the witness */
	size_t process;             /* that counts */
	uint32_t row;
	uint8_t kind;
	uint64_t counted_bytes, witness_bytes;
};

/* Where the totals of a file of tt-metal's counters are not what its living processes have. */
struct machine_file_total {
	uint32_t row;
	uint8_t kind;
	uint64_t file_bytes;             /* as the file has it */
	uint64_t live_bytes, dead_bytes; /* of the processes in it */
};

struct machine {
	VEC(struct machine_device) devices; /* rows: chips, and then perhaps the unplaced */
	VEC(struct machine_process) processes;
	struct lookup by_pid; /* the first one of each pid */
	VEC(struct machine_witness) witnesses;
	VEC(struct machine_file_total) file_totals;
	const struct tt_counters *counters; /* NULL none */
	uint32_t *counter_rows;             /* by file of the counters */
	uint32_t kind_count;
	const char *kind_names[MACHINE_MAX_KINDS]; /* the first six are tt-metal's */
};

struct machine_input {
	struct segment_view *const *views;
	size_t view_count;
	const struct tt_counters *counters; /* NULL: none */
	bool count_dead;                    /* of files: what the dead held counts as well */
};

void machine_build(struct machine *machine, const struct machine_input *input);
void machine_finish(struct machine *machine);

/* Kind by name, in any case; UINT32_MAX: no such kind. */
uint32_t machine_kind(const struct machine *machine, const char *name);

/* Whether the kind is memory of the device, and not of the host. */
bool machine_kind_on_device(const struct machine *machine, uint32_t kind);

/* How many devices there are. The row of this number, if it is there, is the unplaced. */
static inline uint32_t machine_chips(const struct machine *machine)
{
	size_t count = machine->devices.count;

	return (uint32_t)count - (count != 0 && machine->devices.items[count - 1].unplaced);
}

/* Whether anything is allocated and on no device yet: else nothing is said of the unplaced. */
bool machine_has_unplaced(const struct machine *machine);
/* Rows that are shown: the devices, and the unplaced if there is something. */
uint32_t machine_shown_rows(const struct machine *machine);

/* user + system + cache + unclassified */
uint64_t figure_bytes(const struct machine_figure *figure);
uint64_t figure_buffers(const struct machine_figure *figure);
/* sum += part, without looking at peaks. */
void figure_add(struct machine_figure *sum, const struct machine_figure *part);

/* What one process has of a kind on one device. False: no such memory, nothing there. */
bool machine_process_figure(const struct machine *machine, const struct machine_process *process,
                            uint32_t row, uint32_t kind, struct machine_figure *ret_figure);

/* Whether it lives, but what wrote down what it reported is gone: what is known of it is old. */
bool machine_is_stale(const struct machine_process *process);

/* The life of a process in a word: "live", "stale", "ended", "killed", "exec", "stopped", "file",
 * "dead" (in counters). */
const char *life_word(const struct machine_process *process);

/* Where figures come from: "segment", "socket", "tt_metal_counters". */
const char *source_name(enum process_source source);

#endif
