/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frozen picture (a peak, or a failure) says of one device: its lines by {class, tag}, the
 * largest first. A tag that was in several spaces is one line.
 */
#ifndef MESHTALLY_ANALYZE_COMPOSITION_H
#define MESHTALLY_ANALYZE_COMPOSITION_H

#include "memory.h"
#include "view.h"

struct composition_line {
	uint8_t class_then;
	const char *tag; /* any bytes; "" none */
	uint64_t bytes, held, buffers;
};

struct composition {
	VEC(struct composition_line) lines;
	uint64_t bytes, held;
};

/* device: of the view. */
void composition_make(struct composition *composition, const struct segment_view *view,
                      const struct view_line *lines, uint32_t count, uint32_t device);
void composition_finish(struct composition *composition);

#endif
