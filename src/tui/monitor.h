/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor: terminal, thread of readings, one loop. Called by `meshtally top`. */
#ifndef MESHTALLY_TUI_MONITOR_H
#define MESHTALLY_TUI_MONITOR_H

#include "screens.h"

struct monitor_options {
	const char *from;    /* NULL: what is running */
	const char *filter;  /* as it could be typed; "" none */
	const char *screen;  /* NULL: the first, or as in the settings */
	unsigned refresh_ms; /* 0: as in the settings */
	bool no_color, ascii;
};

/* Returns 0, or a negative errno with a sentence in `error`. */
int monitor_run(const struct monitor_options *options, struct text *error);

/* One picture of a screen without a terminal, as text. columns 0: 80. */
int monitor_print(const struct monitor_options *options, int rows, int columns, struct text *out,
                  struct text *error);

/* The screen of a name, or SCREEN_LIMIT. */
enum screen_id screen_find(const char *name);

#endif
