/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of the monitor: raw mode, alternate screen, mouse, size, and being left clean
 * whatever happens. Sequences come from the terminfo database. One per process; the main thread.
 */
#ifndef MESHTALLY_TUI_TERMINAL_H
#define MESHTALLY_TUI_TERMINAL_H

#include "paint.h"

struct terminal;

/* Takes over the terminal that the descriptors are. On failure says why in `error`, and what to do
 * ("TERM is not set ..."), and returns a negative errno. no_color: as NO_COLOR. */
int terminal_open(struct terminal **ret_terminal, int input, int output, bool no_color,
                  struct text *error);
/* Gives it back as it was. Also done at a crash (SIGSEGV and its like, then the signal takes its
 * course). NULL is fine. */
void terminal_close(struct terminal *terminal);

/* The descriptor to wait for; -1 (which poll passes over) while the terminal is not ours: we were
 * continued in the background. */
int terminal_input(const struct terminal *terminal);
void terminal_size(const struct terminal *terminal, int *ret_rows, int *ret_columns);
bool terminal_is_utf8(const struct terminal *terminal);
struct paint *terminal_paint(struct terminal *terminal); /* the loop may change its palette */

/* Shows a canvas: one write of what differs. Waits for a slow terminal no longer than for what is
 * on its way: -EAGAIN, nothing was begun, try again when poll says so; 0; or a negative errno: it
 * is gone. ret_bytes: what the picture took. */
int terminal_show(struct terminal *terminal, const struct canvas *canvas, size_t *ret_bytes);
/* Bytes of an earlier picture that the terminal has not taken yet; the loop waits for POLLOUT. */
bool terminal_is_behind(const struct terminal *terminal);
/* Writes what it takes now. 0, also when some is left; or a negative errno: it is gone. */
int terminal_flush(struct terminal *terminal);

/* For Ctrl-Z, and for SIGTSTP from outside: gives the terminal back, stops the job, and takes it
 * again when continued. */
void terminal_suspend(struct terminal *terminal);
/* After SIGCONT, when it was stopped in another way: takes it again, if it is in the foreground,
 * and draws all anew the next time. */
void terminal_resume(struct terminal *terminal);
/* The whole picture is drawn anew the next time. */
void terminal_forget(struct terminal *terminal);

#endif
