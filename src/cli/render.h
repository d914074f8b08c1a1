/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs print, as pure functions of what was read: text of a given width (0: no limit), or
 * JSON. The verbs themselves read, call one of these and write it out.
 */
#ifndef MESHTALLY_CLI_RENDER_H
#define MESHTALLY_CLI_RENDER_H

#include "compare.h"
#include "scene_text.h"
#include "shapes.h"
#include "show.h"

typedef void (*render_text)(const struct scene *scene, const struct options *options, size_t width,
                            struct text *out);
typedef json_t *(*render_json)(const struct scene *scene, const struct report_query *query);

/* Reads, renders, prints: what most verbs are. */
int render_verb(const struct options *options, enum view_depth depth, render_text text,
                render_json json);

void devices_text(const struct scene *scene, const struct options *options, size_t width,
                  struct text *out);
void ps_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out);
void ls_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out);
void oom_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out);
json_t *oom_json(const struct scene *scene, const struct report_query *query);
void peak_text(const struct scene *scene, const struct options *options, size_t width,
               struct text *out);
json_t *peak_json(const struct scene *scene, const struct report_query *query);
void top_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out);
json_t *top_json(const struct scene *scene, const struct report_query *query);

struct ended_list;
void ended_text(const struct ended_list *list, size_t limit, size_t width, struct text *out);
void leaks_text(const struct scene *scene, const struct leaks *leaks, size_t limit, size_t width,
                struct text *out);
/* findings NULL: nothing was compared. */
void faults_text(const struct scene *scene, const struct findings *findings, size_t limit,
                 size_t width, struct text *out);
void diff_text(const struct comparison *comparison, size_t limit, size_t width, struct text *out);
json_t *diff_json(const struct comparison *comparison, size_t limit);

/* Whether a kind is worth a line for this figure: something is or was there, or it is big memory.
 */
bool figure_is_worth_a_line(const struct machine_figure *figure, uint32_t kind);

/* Faults a process has recorded, or UINT64_MAX where it has no segment. */
uint64_t process_faults(const struct machine_process *process);

/* The pieces that `top` and `run` are made of. */
void devices_table(const struct scene *scene, bool long_form, size_t width, struct text *out);
void processes_table(const struct scene *scene, bool dead, size_t limit, size_t width,
                     struct text *out);
/* What the star behind a process's state means, and who is stale, if one is. */
void sources_note(const struct scene *scene, bool dead, size_t width, struct text *out);
/* The second half of it. */
void stale_note(const struct scene *scene, size_t width, struct text *out);
/* Where a process is seen in several ways and they do not agree. */
void witnesses_text(const struct scene *scene, size_t width, struct text *out);
/* Files of tt-metal's counters that cannot be read, or whose totals are not those of the living. */
void counter_files_text(const struct scene *scene, size_t width, struct text *out);
void oom_failure_text(const struct scene *scene, const struct machine_process *process,
                      const struct view_failure *failure, size_t limit, size_t width,
                      struct text *out);
void peak_process_text(const struct scene *scene, const struct machine_process *process,
                       size_t limit, size_t width, struct text *out);
json_t *peak_process_json(const struct scene *scene, const struct machine_process *process);
json_t *oom_failure_json(const struct scene *scene, const struct machine_process *process,
                         const struct view_failure *failure);
/* "12 records, 84 device buffers" */
void text_records(struct text *out, uint64_t records, uint64_t device_buffers);

#endif
