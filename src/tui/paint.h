/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one canvas to the next: the bytes that turn what a terminal shows into what it is to show,
 * and nothing where nothing changed. Pure; the caller writes them, all at once.
 */
#ifndef MESHTALLY_TUI_PAINT_H
#define MESHTALLY_TUI_PAINT_H

#include "cell.h"

struct text;

struct paint {
	struct palette palette;
	bool erases; /* the terminal knows ECH (CSI X) */
};

/* `before` NULL, or of another size: everything is drawn anew. Between pictures the terminal's
 * style is the default one. */
void paint(struct text *out, const struct paint *paint, const struct canvas *before,
           const struct canvas *now);

/* Line after line with styles and newlines, without moving: for files and golden screens. */
void paint_lines(struct text *out, const struct palette *palette, const struct canvas *canvas);
/* The characters alone. */
void paint_plain(struct text *out, const struct canvas *canvas);

#endif
