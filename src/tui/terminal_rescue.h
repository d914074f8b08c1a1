/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives the terminal back where nobody can any more: at a crash, and at exit(). Everything that is
 * needed lies ready, because a signal handler can prepare nothing. One terminal per process.
 */
#ifndef MESHTALLY_TUI_TERMINAL_RESCUE_H
#define MESHTALLY_TUI_TERMINAL_RESCUE_H

#include "text.h"

#include <stdbool.h>
#include <termios.h>

/* From now on, until terminal_rescue_disarm(), what to write and which modes to set. Handlers are
 * there from the first call to terminal_rescue_remove(). */
void terminal_rescue_arm(int output, const struct termios *modes, const struct text *leave);
void terminal_rescue_disarm(void);
void terminal_rescue_remove(void);

/* Whether it has happened: nothing may be written any more. */
bool terminal_is_rescued(void);

/* Writes all of it, but waits for a slow terminal no longer than a second. Async-signal-safe. */
void terminal_write_all(int output, const char *bytes, size_t length);

#endif
