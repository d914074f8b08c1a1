/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces that the verbs' outputs are made of: cells, JSON values, and getting them out. Text goes
 * to the terminal in its width; JSON has plain numbers with units in the keys, null where a value
 * is not known, and numbers of 64 bits that are names, not amounts, as "0x..." strings.
 */
#ifndef MESHTALLY_CLI_SHOW_H
#define MESHTALLY_CLI_SHOW_H

#include "machine.h"
#include "scene.h"
#include "table.h"
#include "units.h"

#include <jansson.h>

/* Columns of the terminal that a descriptor is; 0: it is none, no limit. */
size_t show_width_of(int fd);
size_t show_width(void); /* of standard output */

/* Prints and frees. Both return STATUS_OK or STATUS_FAILED. */
int show_text(struct text *out);
int show_json(json_t *root);

extern const char *const class_words[CLASS_LIMIT];

void cell_bytes(struct table *table, uint64_t bytes, bool known, bool exact);
void cell_count(struct table *table, uint64_t count);
void cell_rows(struct table *table, const uint32_t *rows, size_t count);

json_t *json_amount(uint64_t amount);
json_t *json_known(uint64_t amount, bool known);
json_t *json_hex(uint64_t name);
json_t *json_hex_known(uint64_t name); /* null for 0 */
json_t *json_foreign(const char *foreign);
json_t *json_foreign_known(const char *foreign); /* null for "" */
json_t *json_time(uint64_t realtime_ns);         /* unix seconds; null for 0 */
json_t *json_rows(const unsigned char *on, size_t count);
json_t *json_kind(const struct machine *machine, uint32_t kind);
json_t *json_process(const struct machine_process *process); /* {"pid":..,"command":..} */

/* {"kind": ..., "bytes": ...}: one figure. */
json_t *json_figure(const struct machine *machine, uint32_t kind,
                    const struct machine_figure *figure);

/* The last part of a path of a program: what people call it. */
void text_command(struct text *text, const char *command, size_t width);

/* mt_result by its number: "double free" and "MT_DOUBLE_FREE". */
const char *fault_words(uint32_t type);
const char *fault_name(uint32_t type);

#endif
