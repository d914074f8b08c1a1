/* SPDX-License-Identifier: Apache-2.0 */
#include "run_summary.h"

#include "meshtally.h"
#include "safe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { MAX_PEAKS = 4, MAX_LINES = 8 };

int run_exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

static void text_end(const struct run_result *result, struct text *out)
{
	char age[UNITS_SIZE];

	text_add(out, "\nmeshtally: ");
	text_command(out, result->program, 60);
	if (WIFSIGNALED(result->wait_status))
		text_addf(out, " was killed by signal %d (%s)", WTERMSIG(result->wait_status),
		          strsignal(WTERMSIG(result->wait_status)));
	else
		text_addf(out, " ended with status %d", WEXITSTATUS(result->wait_status));
	text_addf(out, " after %s", units_age(&age, (uint64_t)(result->seconds * 1e9)));
	if (result->scene->views.count > 1)
		text_addf(out, "; %zu processes were tracked", result->scene->views.count);
	text_add(out, "\n");
}

static void text_failures(const struct run_result *result, size_t width, struct text *out)
{
	const struct machine_process *process;

	vec_for (process, &result->scene->machine.processes)
		for (uint32_t i = 0; i < process->view->failure_count; i++) {
			text_add(out, "\n");
			oom_failure_text(result->scene, process, &process->view->failures[i],
			                 MAX_LINES, width, out);
		}
}

static uint64_t peak_of(const struct machine_process *process)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < process->view->kind_count * process->view->device_count; i++)
		if (process->view->figures[i].peak > most)
			most = process->view->figures[i].peak;
	return most;
}

/* Of the processes with the highest peaks. */
static void text_peaks(const struct run_result *result, size_t width, struct text *out)
{
	const struct machine *machine = &result->scene->machine;
	bool *done = mem_calloc(machine->processes.count, sizeof(*done));
	size_t shown = 0;

	for (; shown < MAX_PEAKS; shown++) {
		const struct machine_process *process, *best = NULL;

		vec_for (process, &machine->processes)
			if (!done[process - machine->processes.items] && peak_of(process) != 0 &&
			    (best == NULL || peak_of(process) > peak_of(best)))
				best = process;
		if (best == NULL)
			break;
		done[best - machine->processes.items] = true;
		text_add(out, "\nPeak");
		if (machine->processes.count > 1)
			text_addf(out, " of process %" PRId32, best->pid);
		text_add(out, "\n");
		peak_process_text(result->scene, best, MAX_LINES, width, out);
	}
	if (shown == 0)
		text_addf(out, "\nPeak\n%s\n",
		          machine->devices.count == 0
		                  ? "It opened no device, and so nothing was ever held."
		                  : "Nothing was ever held.");
	else if (shown == MAX_PEAKS && machine->processes.count > MAX_PEAKS)
		text_add(out, "... and those of other processes, with less: see --json\n");
	free(done);
}

static void text_left(const struct run_result *result, size_t width, struct text *out)
{
	const struct machine_process *process;

	text_add(out, "\nLeft\n");
	leaks_text(result->scene, result->leaks, MAX_LINES, width, out);
	vec_for (process, &result->scene->machine.processes) {
		if (process->view->life == LIFE_ALIVE)
			text_addf(out, "Process %" PRId32 " is still running.\n", process->pid);
		if ((process->view->state & SEGMENT_STATE_INEXACT) != 0)
			text_addf(out,
			          "Figures of process %" PRId32 " are not exact: %" PRIu64
			          " operations could not be recorded.\n",
			          process->pid, process->view->unrecorded);
	}
}

/* But for failed allocations, which have been told. */
static void text_faults(const struct run_result *result, size_t width, struct text *out)
{
	uint64_t faults = 0;

	for (size_t i = 0; i < result->scene->views.count; i++)
		faults += result->scene->views.items[i]->fault_total -
		          result->scene->views.items[i]->faults_by_type[MT_ALLOC_FAILED];
	if (faults == 0)
		return;
	text_add(out, "\n");
	faults_text(result->scene, NULL, MAX_LINES, width, out);
}

/* Segments that stay, and what to type to look at them. */
static void text_kept(const struct run_result *result, struct text *out)
{
	const struct scene *scene = result->scene;

	for (size_t i = 0; i < scene->views.count; i++) {
		int32_t pid = scene->views.items[i]->subject.pid;

		if (!result->kept[i] || scene->views.items[i]->life == LIFE_ALIVE)
			continue;
		text_addf(out,
		          "\nKept for a closer look: meshtally leaks --dead -p %" PRId32
		          " (or ls --dead, faults, oom, peak)\n  ",
		          pid);
		safe_terminal(out, scene->paths.items[i]);
		text_add(out, "\n");
	}
	if (result->keep_note != NULL)
		text_addf(out, "\n%s\n", result->keep_note);
}

void run_summary_text(const struct run_result *result, size_t width, struct text *out)
{
	text_end(result, out);
	if (result->silence != NULL) {
		text_addf(out, "\n%s", result->silence);
		return;
	}
	text_failures(result, width, out);
	text_peaks(result, width, out);
	text_left(result, width, out);
	text_faults(result, width, out);
	text_kept(result, out);
}

static json_t *kept_json(const struct run_result *result)
{
	json_t *paths = json_array();

	for (size_t i = 0; i < result->scene->views.count; i++)
		if (result->kept[i])
			json_array_append_new(paths, json_foreign(result->scene->paths.items[i]));
	return paths;
}

json_t *run_summary_json(const struct run_result *result)
{
	json_t *root = json_object(), *peaks;
	const struct report_query all = {.by = -1};
	struct findings findings = {0};
	bool killed = WIFSIGNALED(result->wait_status);

	json_object_set_new(root, "program", json_foreign(result->program));
	json_object_set_new(root, "run_id", json_hex(result->run_id));
	json_object_set_new(root, "status", json_integer(run_exit_status(result->wait_status)));
	json_object_set_new(root, "signal",
	                    killed ? json_integer(WTERMSIG(result->wait_status)) : json_null());
	json_object_set_new(root, "seconds", json_real(result->seconds));
	json_object_update_new(root, oom_json(result->scene, &all));
	peaks = peak_json(result->scene, &all);
	json_object_set(root, "peaks", json_object_get(peaks, "processes"));
	json_decref(peaks);
	json_object_update_new(root, ps_json(result->scene, &all));
	json_object_set_new(root, "left", leaks_json(result->scene, result->leaks, &all));
	json_object_update_new(root, faults_json(result->scene, &findings, &all));
	json_object_set_new(root, "segments_kept", kept_json(result));
	json_object_set_new(root, "snapshot",
	                    result->keep_file != NULL ? json_foreign(result->keep_file)
	                                              : json_null());
	json_object_set_new(root, "silence",
	                    result->silence != NULL ? json_foreign(result->silence) : json_null());
	return root;
}
