/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally top`: devices and processes, once or again and again. */
#include "meshtally.h"
#include "render.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* But for failed allocations, which are told by themselves. */
static size_t count_faults(const struct scene *scene)
{
	uint64_t faults = 0;

	for (size_t i = 0; i < scene->views.count; i++)
		if (selection_has_process(&scene->selection, &scene->machine.processes.items[i]))
			faults += scene->views.items[i]->fault_total -
			          scene->views.items[i]->faults_by_type[MT_ALLOC_FAILED];
	return faults;
}

static size_t count_failures(const struct scene *scene)
{
	size_t failures = 0;

	for (size_t i = 0; i < scene->views.count; i++)
		if (selection_has_process(&scene->selection, &scene->machine.processes.items[i]))
			failures += scene->views.items[i]->failure_count;
	return failures;
}

/* What else is worth a look, with the verb that tells it. */
static void print_hints(const struct scene *scene, struct text *out)
{
	size_t dead = 0, faults = count_faults(scene), failures = count_failures(scene), rejects;
	const struct machine_process *process;

	vec_for (process, &scene->machine.processes)
		dead += process->dead && process->view != NULL && !process->witness &&
		        selection_has_process(&scene->selection, process);
	if (failures != 0)
		text_addf(out, "%zu failed allocation%s: meshtally oom\n", failures,
		          failures == 1 ? "" : "s");
	if (faults != 0)
		text_addf(out, "%zu fault%s: meshtally faults\n", faults, faults == 1 ? "" : "s");
	if (dead != 0)
		text_addf(out,
		          "%zu process%s ended with something to tell: meshtally leaks --dead\n",
		          dead, dead == 1 ? "" : "es");
	rejects = scene->rejects.count + scene->counters.rejects.count;
	if (rejects != 0)
		text_addf(out, "%zu file%s could not be read: meshtally doctor\n", rejects,
		          rejects == 1 ? "" : "s");
}

void top_text(const struct scene *scene, const struct options *options, size_t width,
              struct text *out)
{
	const struct machine_process *process;
	char when[UNITS_SIZE];
	size_t live = 0;

	if (scene_is_empty(scene)) {
		scene_empty_text(scene, out);
		return;
	}
	vec_for (process, &scene->machine.processes)
		live += process->counted && selection_has_process(&scene->selection, process);
	text_addf(out, "meshtally  %s  %zu device%s, %zu process%s\n",
	          units_time(&when, scene->now_ns), scene->machine.devices.count,
	          scene->machine.devices.count == 1 ? "" : "s", live, live == 1 ? "" : "es");
	devices_table(scene, false, width, out);
	if (live != 0) {
		text_add(out, "\n");
		processes_table(scene, scene->from != NULL, options->limit, width, out);
		sources_note(scene, scene->from != NULL, width, out);
	} else {
		text_add(out, "\nNo live process.\n");
	}
	print_hints(scene, out);
}

json_t *top_json(const struct scene *scene, const struct report_query *query)
{
	const struct report_query all = {.names = query->names, .by = -1};
	json_t *root = devices_json(scene, &all), *processes = ps_json(scene, &all);

	json_object_update(root, processes);
	json_decref(processes);
	json_object_set_new(root, "unix_seconds", json_time(scene->now_ns));
	return root;
}

static volatile sig_atomic_t stopped;

static void stop(int number)
{
	(void)number;
	stopped = 1;
}

/* One picture, on the screen from its top, so that it does not flicker. */
static int draw(const struct options *options)
{
	struct text out = {0}, screen = {0};
	struct scene scene;
	int status = scene_open(&scene, options, VIEW_TOTALS);

	if (status != STATUS_OK)
		return status;
	top_text(&scene, options, show_width(), &out);
	text_add(&screen, "\033[H");
	for (const char *line = text_string(&out); *line != '\0';) {
		size_t length = strcspn(line, "\n");

		text_bytes(&screen, line, length);
		text_add(&screen, "\033[K\n");
		line += length + (line[length] == '\n');
	}
	text_add(&screen, "\033[J");
	text_finish(&out);
	scene_close(&scene);
	status = show_text(&screen);
	return fflush(stdout) == 0 ? status : STATUS_FAILED;
}

static int draw_until_stopped(const struct options *options)
{
	const struct timespec pause = {options->refresh_ms / 1000,
	                               (long)(options->refresh_ms % 1000) * 1000000};
	struct sigaction action = {.sa_handler = stop};
	int status = STATUS_OK;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	fputs("\033[2J", stdout);
	while (stopped == 0 && status == STATUS_OK) {
		status = draw(options);
		if (status == STATUS_OK && stopped == 0)
			nanosleep(&pause, NULL);
	}
	return status;
}

int verb_top(const struct options *options)
{
	if (options->once || options->json || options->from != NULL || !isatty(STDOUT_FILENO))
		return render_verb(options, VIEW_TOTALS, top_text, top_json);
	return draw_until_stopped(options);
}
