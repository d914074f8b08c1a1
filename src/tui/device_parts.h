/* SPDX-License-Identifier: Apache-2.0 */
/* What the screen of one device is put together from. */
#ifndef MESHTALLY_TUI_DEVICE_PARTS_H
#define MESHTALLY_TUI_DEVICE_PARTS_H

#include "mesh_figures.h"

/* The survey in a look, if it is of this device. */
const struct survey *device_survey(const struct look *look, uint32_t row);

/* The key of its row in the sheet. */
uint64_t device_buffer_key(const struct survey_buffer *buffer);

/* What to say where there is no device: how programs are tracked. */
void say_no_devices(const struct look *look, struct text *out);

/* A bar for each kind, line by line. */
void device_kinds(const struct mesh_figures *figures, uint32_t row, struct canvas *canvas,
                  struct area area);
/* Maps of the kinds that have one; with headings where there are lines for them. The selected
 * buffer (NULL: none) stands out. */
void device_maps(const struct look *look, const struct mesh_figures *figures, uint32_t row,
                 const struct survey_buffer *selected, struct canvas *canvas, struct area area);
/* Curves side by side, or below each other where the area is `stacked`. */
void device_curves(const struct look *look, const struct mesh_figures *figures, uint32_t row,
                   bool stacked, struct canvas *canvas, struct area area);
/* In one line: who holds it. */
void device_holders_line(const struct look *look, uint32_t row, struct canvas *canvas,
                         struct area area);

#endif
