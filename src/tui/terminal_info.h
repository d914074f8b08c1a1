/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the terminfo database says of a terminal, as far as the monitor asks. Apart from terminal.c
 * because <term.h> makes macros of ordinary words ("columns", "lines").
 */
#ifndef MESHTALLY_TUI_TERMINAL_INFO_H
#define MESHTALLY_TUI_TERMINAL_INFO_H

#include "text.h"

#include <stdbool.h>

struct terminal_info {
	int colors;               /* -1: none */
	bool erases;              /* ECH */
	struct text enter, leave; /* alternate screen, no wrapping, cursor hidden; and back */
};

/* Of TERM. 0, or a negative errno with a sentence in `error`. */
int terminal_info_load(struct terminal_info *info, int output, struct text *error);
void terminal_info_finish(struct terminal_info *info);

#endif
