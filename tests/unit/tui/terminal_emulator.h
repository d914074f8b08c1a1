/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal for tests: takes the bytes of the monitor and keeps what would be seen. It knows the
 * sequences that the monitor uses and no other, and says at once when something else comes.
 */
#ifndef MESHTALLY_TEST_TERMINAL_EMULATOR_H
#define MESHTALLY_TEST_TERMINAL_EMULATOR_H

#include "cell.h"

/* What SGR has set: -1 the terminal's own; below 256 by number, above 0x1000000 + rgb. */
struct emulator_style {
	int text, ground;
	bool bold, underline, reverse;
};

struct emulator_cell {
	char bytes[32];
	int columns; /* 0: right half */
	struct emulator_style style;
};

struct emulator {
	int rows, columns;
	struct emulator_cell *cells;
	int row, column;
	struct emulator_style style;
	bool cursor_shown, alternate, wraps;
	/* Terminals do not agree: every wide character has one column, or every character that is
	 * not of the few that are sure has two. */
	bool thinks_narrow, thinks_wide;
	unsigned char waiting[256]; /* of a sequence that came in part */
	size_t waiting_count;
	char complaint[200]; /* "" while all was understood */
};

void emulator_init(struct emulator *emulator, int rows, int columns);
void emulator_finish(struct emulator *emulator);
void emulator_feed(struct emulator *emulator, const char *bytes, size_t count);
const struct emulator_cell *emulator_cell(const struct emulator *emulator, int row, int column);
/* "" or the first place where it does not show the canvas. Characters whose width is in
 * dispute are passed over, but not what is around them. */
const char *emulator_differs(struct emulator *emulator, const struct canvas *canvas,
                             const struct palette *palette);

#endif
