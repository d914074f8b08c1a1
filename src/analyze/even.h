/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices in words. Those of which most are alike, in one line: "devices 1-7: 14.07 MB each; device
 * 0: +36 KB", or, where it is far from the others, what the odd one has: "devices 1-7: 14 MB each;
 * device 0: 36 KB".
 */
#ifndef MESHTALLY_ANALYZE_EVEN_H
#define MESHTALLY_ANALYZE_EVEN_H

#include "machine.h"
#include "text.h"

#include <stddef.h>
#include <stdint.h>

/* bytes[i] is what device rows[i] (ascending) has. Nothing is written where all have none. */
void even_text(struct text *text, const struct machine *machine, const uint32_t *rows,
               const uint64_t *bytes, size_t count);

/* "0-3,7" of the rows for which on[row]; "-" if none. */
void even_rows(struct text *text, const struct machine *machine, const unsigned char *on);

/* "0-3,7" of rows (ascending), and "unplaced" of the one that is no device; "-" if none. */
void row_names(struct text *text, const struct machine *machine, const uint32_t *rows,
               size_t count);

/* "device 3", "devices 0-3,7", "unplaced", "device 3 and unplaced". */
void device_names(struct text *text, const struct machine *machine, const uint32_t *rows,
                  size_t count);

#endif
