/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one table of options, as data: parsing, help (options.c), man pages and completions
 * (manual.c) are made from it.
 */
#ifndef MESHTALLY_CLI_OPTIONS_H
#define MESHTALLY_CLI_OPTIONS_H

#include "verb.h"

struct option_row {
	uint64_t bit;
	char letter; /* 0: none */
	const char *name;
	const char *argument; /* NULL: none; "[...]": may be left out */
	const char *help;     /* whole lines, the last without its end */
	/* What the argument may be, ends with NULL; "mark=NAME:N" stands for all with that start.
	 * NULL: anything, as far as this table knows. */
	const char *const *words;
};

extern const struct option_row option_rows[];
extern const size_t option_row_count;

/* Whether a verb takes an option. */
bool option_of_verb(const struct option_row *row, const struct verb *verb);

/* Which of the words an argument is, or -1. */
int option_word(const struct option_row *row, const char *argument);

/* "4096", "512K", "64MB", "2GiB": units are powers of 1,024, as in all that is printed. */
bool option_size(const char *text, uint64_t *ret_bytes);

#endif
