/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read, for a verb: opened by its options, errors said; and what to say where there is
 * nothing.
 */
#ifndef MESHTALLY_CLI_SCENE_TEXT_H
#define MESHTALLY_CLI_SCENE_TEXT_H

#include "query.h"
#include "scene.h"
#include "scene_empty.h"
#include "verb.h"

/* Names are kept by reference. */
struct report_query options_query(const struct options *options);

/* Reads and selects, with errors said: 0 or an exit status. */
int scene_open(struct scene *scene, const struct options *options, enum view_depth depth);

/* Says how many processes only tt-metal's counters know, if there are any. */
void scene_unknown_text(const struct scene *scene, bool dead, size_t width, struct text *out);
/* Says `nothing` where nothing was found, or, where no process is known but by such totals, that
 * `what` is not known. */
void scene_nothing_text(const struct scene *scene, const char *what, const char *nothing,
                        size_t width, struct text *out);

#endif
