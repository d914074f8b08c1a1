/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally top`: the monitor, or devices and processes printed once. */
#include "meshtally.h"
#include "monitor.h"
#include "render.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PRINT_ROWS = 40, PRINT_COLUMNS = 80, PRINT_MOST = 1000 };

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
	text_addf(out, "meshtally  %s  %" PRIu32 " device%s, %zu process%s\n",
	          units_time(&when, scene->now_ns), machine_chips(&scene->machine),
	          machine_chips(&scene->machine) == 1 ? "" : "s", live, live == 1 ? "" : "es");
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

/* A term of the filter language; quoted where the name would be two. */
static void add_term(struct text *filter, const char *name, const char *value)
{
	const char *quote = strpbrk(value, " \t") != NULL ? "\"" : "";

	text_addf(filter, "%s%s:%s%s%s", filter->length != 0 ? " " : "", name, quote, value, quote);
}

/* The options as they could be typed after `/`. */
static void filter_of(struct text *filter, const struct options *options)
{
	for (size_t i = 0; i < options->devices.count; i++)
		add_term(filter, "dev", options->devices.items[i]);
	for (size_t i = 0; i < options->kinds.count; i++)
		add_term(filter, "kind", options->kinds.items[i]);
	for (size_t i = 0; i < options->pids.count; i++)
		text_addf(filter, "%spid:%" PRId32, filter->length != 0 ? " " : "",
		          options->pids.items[i]);
	if (options->filter != NULL && options->filter[0] != '\0')
		text_addf(filter, "%s%s", filter->length != 0 ? " " : "", options->filter);
}

static struct monitor_options monitor_of(const struct options *options, struct text *filter)
{
	filter_of(filter, options);
	return (struct monitor_options){
		.from = options->from,
		.filter = text_string(filter),
		.screen = options->screen,
		.refresh_ms = options->refresh_ms,
		.no_color = options->no_color,
		.ascii = options->ascii,
	};
}

static int report(const struct options *options, int result, struct text *error)
{
	int status = STATUS_OK;

	if (result != 0)
		status = verb_fails(options, "%s",
		                    error->length != 0 ? text_string(error) : strerror(-result));
	text_finish(error);
	return status;
}

static int print_rows(void)
{
	const char *lines = getenv("LINES");
	struct winsize size;

	if (lines != NULL && atoi(lines) > 0)
		return atoi(lines) < PRINT_MOST ? atoi(lines) : PRINT_MOST;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
		return size.ws_row;
	return PRINT_ROWS;
}

/* Without the last line, which tells keys, and without empty ones before it. */
static void cut_end(struct text *out)
{
	size_t length = out->length;

	if (length == 0)
		return;
	out->bytes[length - 1] = '\0';
	for (length--; length > 0 && out->bytes[length] != '\n';)
		length--;
	while (length > 0 && out->bytes[length - 1] == '\n')
		length--;
	out->length = length;
	text_add(out, "\n");
}

/* One picture of a screen, without a terminal. */
static int print_screen(const struct options *options)
{
	size_t width = show_width() < PRINT_MOST ? show_width() : PRINT_MOST;
	struct text filter = {0}, out = {0}, error = {0};
	struct monitor_options monitor = monitor_of(options, &filter);
	int result = monitor_print(&monitor, print_rows(), width != 0 ? (int)width : PRINT_COLUMNS,
	                           &out, &error);
	int status = report(options, result, &error);

	text_finish(&filter);
	if (result == 0) {
		cut_end(&out);
		return show_text(&out);
	}
	text_finish(&out);
	return status;
}

static int print_once(const struct options *options)
{
	if (options->screen != NULL || options->filter != NULL)
		return print_screen(options);
	return render_verb(options, VIEW_TOTALS, top_text, top_json);
}

static int watch(const struct options *options)
{
	struct text filter = {0}, error = {0};
	struct monitor_options monitor = monitor_of(options, &filter);
	int status = report(options, monitor_run(&monitor, &error), &error);

	text_finish(&filter);
	return status;
}

/* Why there is no monitor where the output is a terminal; NULL: there is one. */
static const char *no_monitor(void)
{
	const char *term = getenv("TERM");

	if (!isatty(STDIN_FILENO))
		return "standard input is not a terminal, so that no keys can come";
	if (term == NULL || term[0] == '\0')
		return "TERM is not set, so that nothing is known of the terminal";
	if (strcmp(term, "dumb") == 0)
		return "the terminal (TERM=dumb) cannot move its cursor";
	return NULL;
}

/* STATUS_USAGE, with a sentence, where --filter is none. */
static int check_filter(const struct options *options)
{
	struct text error = {0};
	struct filter filter;
	int status = STATUS_OK;

	if (options->filter == NULL)
		return STATUS_OK;
	if (filter_parse(&filter, options->filter, &error) != 0) {
		verb_fails(options, "--filter: %s", text_string(&error));
		status = STATUS_USAGE;
	}
	filter_finish(&filter);
	text_finish(&error);
	return status;
}

int verb_top(const struct options *options)
{
	const char *reason;
	int status = check_filter(options);

	if (status != STATUS_OK)
		return status;
	if (options->once || options->json || !isatty(STDOUT_FILENO))
		return print_once(options);
	reason = no_monitor();
	if (reason == NULL)
		return watch(options);
	fprintf(stderr, "meshtally top: %s: printed once\n", reason);
	return print_once(options);
}
