/* SPDX-License-Identifier: Apache-2.0 */
/* What to say where there is nothing to show: for verbs and the monitor. */
#ifndef MESHTALLY_REPORT_SCENE_EMPTY_H
#define MESHTALLY_REPORT_SCENE_EMPTY_H

#include "scene.h"

/* Whether there is nothing to show at all: then says what to type. */
bool scene_is_empty(const struct scene *scene);
void scene_empty_text(const struct scene *scene, struct text *out);

#endif
