/* SPDX-License-Identifier: Apache-2.0 */
/* Post-mortems as a part of what was read: see scene.h. */
#ifndef MESHTALLY_REPORT_SCENE_DEAD_H
#define MESHTALLY_REPORT_SCENE_DEAD_H

#include "scene.h"

/* Adds the post-mortems that are kept, of these pids (0: of all). After the segments: one that is
 * removed meanwhile has its post-mortem by then. What is there as both counts once. */
void scene_add_dead(struct scene *scene, const int32_t *pids, size_t pid_count);

#endif
