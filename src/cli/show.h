/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces that the verbs' outputs are made of: cells, and getting text and JSON out. Text goes to
 * the terminal in its width.
 */
#ifndef MESHTALLY_CLI_SHOW_H
#define MESHTALLY_CLI_SHOW_H

#include "json_value.h"
#include "table.h"
#include "units.h"
#include "verb.h"
#include "words.h"

/* Columns of the terminal that a descriptor is; 0: it is none, no limit. */
size_t show_width_of(int fd);
size_t show_width(void); /* of standard output */

/* Prints and frees. Both return STATUS_OK or STATUS_FAILED. */
int show_text(struct text *out);
int show_json(json_t *root);

void cell_bytes(struct table *table, uint64_t bytes, bool known, bool exact);
void cell_address(struct table *table, uint64_t address);
void cell_count(struct table *table, uint64_t count);
void cell_rows(struct table *table, const struct machine *machine, const uint32_t *rows,
               size_t count);

/* The last part of a path of a program: what people call it. */
void text_command(struct text *text, const char *command, size_t width);

#endif
