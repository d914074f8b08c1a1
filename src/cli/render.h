/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs print, as pure functions of what was read: text of a given width (0: no limit), or
 * JSON. The verbs themselves read, call one of these and write it out.
 */
#ifndef MESHTALLY_CLI_RENDER_H
#define MESHTALLY_CLI_RENDER_H

#include "compare.h"
#include "findings.h"
#include "leaks.h"
#include "scene.h"
#include "show.h"

typedef void (*render_text)(const struct scene *scene, const struct options *options, size_t width,
                            struct text *out);
typedef json_t *(*render_json)(const struct scene *scene, const struct options *options);

/* Reads, renders, prints: what most verbs are. */
int render_verb(const struct options *options, enum view_depth depth, render_text text,
                render_json json);

void devices_text(const struct scene *scene, const struct options *options, size_t width,
                  struct text *out);
json_t *devices_json(const struct scene *scene, const struct options *options);
void ps_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out);
json_t *ps_json(const struct scene *scene, const struct options *options);
void ls_text(const struct scene *scene, const struct options *options, size_t width,
             struct text *out);
json_t *ls_json(const struct scene *scene, const struct options *options);
void oom_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out);
json_t *oom_json(const struct scene *scene, const struct options *options);
void peak_text(const struct scene *scene, const struct options *options, size_t width,
               struct text *out);
json_t *peak_json(const struct scene *scene, const struct options *options);
void top_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out);
json_t *top_json(const struct scene *scene, const struct options *options);

void leaks_text(const struct scene *scene, const struct leaks *leaks, size_t limit, size_t width,
                struct text *out);
json_t *leaks_json(const struct scene *scene, const struct leaks *leaks, size_t limit);
/* findings NULL: nothing was compared. */
void faults_text(const struct scene *scene, const struct findings *findings, size_t limit,
                 size_t width, struct text *out);
json_t *faults_json(const struct scene *scene, const struct findings *findings, size_t limit);
void diff_text(const struct comparison *comparison, size_t limit, size_t width, struct text *out);
json_t *diff_json(const struct comparison *comparison, size_t limit);

/* The figure of a device, of the selected processes. False: nothing to show. */
bool scene_figure(const struct scene *scene, uint32_t row, uint32_t kind,
                  struct machine_figure *ret_figure);
/* Of a process, on the selected devices. */
bool scene_process_figure(const struct scene *scene, const struct machine_process *process,
                          uint32_t kind, struct machine_figure *ret_figure);

/* Whether a kind is worth a line for this figure: something is or was there, or it is big memory.
 */
bool figure_is_worth_a_line(const struct machine_figure *figure, uint32_t kind);

/* Faults a process has recorded, or UINT64_MAX where it has no segment. */
uint64_t process_faults(const struct machine_process *process);

/* The pieces that `top` and `run` are made of. */
void devices_table(const struct scene *scene, bool long_form, size_t width, struct text *out);
void processes_table(const struct scene *scene, bool dead, size_t limit, size_t width,
                     struct text *out);
/* What the star behind a process's state means, if one has it. */
void counters_note(const struct scene *scene, bool dead, size_t width, struct text *out);
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
