/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shapes of JSON output (docs/api.md) that verbs and the server share, as pure functions of
 * what was read and what was asked for. The caller owns what comes back.
 */
#ifndef MESHTALLY_REPORT_SHAPES_H
#define MESHTALLY_REPORT_SHAPES_H

#include "findings.h"
#include "json_value.h"
#include "leaks.h"
#include "query.h"
#include "scene.h"
#include "survey.h"

json_t *devices_json(const struct scene *scene, const struct report_query *query);
json_t *ps_json(const struct scene *scene, const struct report_query *query);
json_t *ls_json(const struct scene *scene, const struct report_query *query);
json_t *leaks_json(const struct scene *scene, const struct leaks *leaks,
                   const struct report_query *query);
json_t *faults_json(const struct scene *scene, const struct findings *findings,
                    const struct report_query *query);

/* What came and stayed within so many seconds; `cut_short`: why it was less than asked for, or NULL.
 */
json_t *growth_json(const struct scene *scene, const struct survey *survey, double seconds,
                    const char *cut_short, const struct report_query *query);

/* Files that were rejected: {"path", "reason"} each. */
json_t *unreadable_json(const struct scene *scene);

/* Whether a fault is on a device and of a kind that are selected. */
bool scene_shows_fault(const struct scene *scene, const struct machine_process *process,
                       const struct view_fault *fault);

#endif
