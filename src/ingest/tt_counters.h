/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tt-metal's own counters: one file per chip, /dev/shm/tt_device_<id>_memory, versions 1 to 4.
 * They say how much each process has on a chip, and nothing of single buffers ("totals only").
 * Read only, never mapped, and nothing in them is believed before it was checked. In tests another
 * directory stands in for /dev/shm: MESHTALLY_TT_SHM.
 */
#ifndef MESHTALLY_INGEST_TT_COUNTERS_H
#define MESHTALLY_INGEST_TT_COUNTERS_H

#include "memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TT_DRAM, TT_L1, TT_L1_SMALL, TT_TRACE, TT_CB, TT_KERNEL, TT_COUNTER_LIMIT };
enum { TT_MAX_CHIPS = 16, TT_MAX_PROCESSES = 64, TT_NAME_BYTES = 64 };

extern const char *const tt_counter_names[TT_COUNTER_LIMIT];

struct tt_process {
	int32_t pid;
	bool dead; /* killed: nobody took its bytes out of the totals */
	uint64_t bytes[TT_COUNTER_LIMIT];
	uint64_t last_update_ns;
	char name[TT_NAME_BYTES + 1]; /* any bytes */
};

struct tt_chip {
	uint32_t chip_id;
	bool remote;
	uint64_t bytes[TT_COUNTER_LIMIT];
};

/* One file. */
struct tt_device {
	uint64_t unique_id; /* of the file's name */
	uint32_t version;
	int32_t device_id;
	uint64_t board_serial, asic_id;
	uint64_t last_update_ns;
	uint64_t bytes[TT_COUNTER_LIMIT]; /* as the file has it, the dead included */
	uint32_t chip_count, process_count;
	struct tt_chip chips[TT_MAX_CHIPS];
	struct tt_process processes[TT_MAX_PROCESSES];
};

struct tt_reject {
	char path[512];
	char reason[96];
};

struct tt_counters {
	VEC(struct tt_device) devices;
	VEC(struct tt_reject) rejects;
};

/* Parses the bytes of a file. 0, or -EINVAL with the reason. The liveness of processes is not
 * looked at. */
int tt_counters_parse(const void *bytes, size_t size, struct tt_device *ret_device,
                      const char **ret_reason);

/* The directory where the files are: $MESHTALLY_TT_SHM or /dev/shm. */
const char *tt_counters_dir(void);

/* Reads every counter file of a directory, sorted by id. 0 or a negative errno (no directory). */
int tt_counters_scan(const char *dir, struct tt_counters *ret_counters);
void tt_counters_finish(struct tt_counters *counters);

#endif
