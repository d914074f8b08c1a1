/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of this machine's devices that the server is told with --devices FILE: what clients of
 * the socket protocol do not say about the devices that they name by ordinal. See
 * examples/tt-devices.ini for the format. Read once, then constant.
 */
#ifndef MESHTALLY_INGEST_TT_DEVICES_H
#define MESHTALLY_INGEST_TT_DEVICES_H

#include "meshtally.h"
#include "tt_protocol.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TT_DEVICES_LIMIT = 64, TT_ARCH_BYTES = 32, TT_BUS_BYTES = 32, TT_MEMORY_LIMIT = 4 };

struct tt_device_entry {
	int32_t ordinal;          /* -1: given by its unique id alone */
	uint64_t unique_id;       /* 0 unknown */
	char arch[TT_ARCH_BYTES]; /* "" unknown */
	char bus[TT_BUS_BYTES];
	uint32_t line; /* of its section, for messages */
	/* As writer_open_device takes them: DRAM, L1, L1_SMALL, TRACE, those that are given. */
	struct mt_memory memories[TT_MEMORY_LIMIT];
	uint32_t memory_count;
};

struct tt_devices {
	uint32_t count;
	bool alike; /* all have the same architecture and memories */
	struct tt_device_entry entries[TT_DEVICES_LIMIT];
};

/* Reads the file. 0, or a negative errno with a sentence in error:
 * "FILE:LINE: ..., expected ..." where its text is wrong. */
int tt_devices_load(const char *path, struct tt_devices *ret_devices, char *error,
                    size_t error_size);

/* The same for text in memory; name is used in the error. */
int tt_devices_parse(const char *text, const char *name, struct tt_devices *ret_devices,
                     char *error, size_t error_size);

/* The entry of an ordinal; NULL: none, also for devices == NULL. */
const struct tt_device_entry *tt_devices_find(const struct tt_devices *devices, int32_t ordinal);

/* One more than the highest ordinal in the table: what DEVICE_INFO_QUERY with -1 asks for; 0 none.
 */
uint32_t tt_devices_limit(const struct tt_devices *devices);

/* Fills in what DEVICE_INFO_RESPONSE says of a device: architecture, totals, channels, available.
 * entry NULL: leaves it as it is. */
void tt_device_describe(const struct tt_device_entry *entry, struct tt_answer *answer);

#endif
