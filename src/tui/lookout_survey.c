/* SPDX-License-Identifier: Apache-2.0 */
#include "lookout_survey.h"

#include "scene_cache.h"
#include "tui_clock.h"

#include <errno.h>

enum { BUFFERS_PER_LOOK = 8192 };

struct survey_run {
	struct survey_pass *pass;
	const struct machine_process *process;
	const struct survey_hooks *hooks;
	uint32_t buffers;
};

static int begin(const struct segment_view *view, void *arg)
{
	struct survey_run *run = arg;

	survey_process(run->pass, run->process, view);
	return 0;
}

static int found(const struct view_buffer *buffer, void *arg)
{
	struct survey_run *run = arg;

	survey_add(run->pass, buffer);
	if (++run->buffers % BUFFERS_PER_LOOK != 0)
		return 0;
	if (run->hooks->is_over(run->hooks->arg))
		return -ECANCELED;
	run->hooks->between(run->hooks->arg);
	return 0;
}

static int add_view(struct survey_run *run)
{
	const struct segment_view *view = run->process->view;
	int error = begin(view, run);

	for (uint32_t i = 0; i < view->buffer_count && error == 0; i++)
		error = found(&view->buffers[i], run);
	return error;
}

/* Of a segment that is gone totals alone are left; one that cannot be read is missing in the sums,
 * which is said. */
static int add_process(struct survey_run *run, struct lookout_source *source)
{
	const struct segment_stream stream = {begin, found, run};
	struct segment_reject reject;
	uint64_t off_by = 0;
	int error;

	if (source->cache == NULL || run->process->view->depth == VIEW_BUFFERS)
		return add_view(run);
	error = scene_cache_stream(source->cache, run->process->view->identity, &stream, &off_by,
	                           &reject);
	if (error == -ECANCELED)
		return error;
	if (off_by != 0 || (error != 0 && error != -ENOENT))
		survey_inexact(run->pass, off_by != 0 ? off_by : 1);
	return 0;
}

struct survey *lookout_survey(struct lookout_source *source, const struct reading *reading,
                              const struct survey_request *request,
                              const struct survey_hooks *hooks)
{
	const struct machine *machine = &reading->scene.machine;
	struct survey_run run = {.hooks = hooks};
	uint64_t began_ns = tui_cpu_ns();
	const struct machine_process *process;
	struct survey *survey;
	int error = 0;

	run.pass = survey_begin(machine, request, reading->scene.now_ns);
	vec_for (process, &machine->processes) {
		if (process->view == NULL || !survey_wants(run.pass, process))
			continue;
		run.process = process;
		error = hooks->is_over(hooks->arg) ? -ECANCELED : add_process(&run, source);
		if (error != 0)
			break;
		hooks->between(hooks->arg);
	}
	survey = survey_end(run.pass);
	if (error != 0) {
		survey_release(survey);
		return NULL;
	}
	survey->cost_ns = tui_cpu_ns() - began_ns;
	return survey;
}
