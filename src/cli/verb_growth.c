/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally growth`: what came within a time and stayed. */
#include "reader.h"
#include "render.h"
#include "safe.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_NS = 100 * 1000 * 1000 };

static const uint64_t second_ns = 1000000000u;

static const struct table_column columns[] = {
	{"STAYED", TABLE_RIGHT, 0, 0},
	{"BUFFERS", TABLE_RIGHT, 0, 0},
	{"PER SECOND", TABLE_RIGHT | TABLE_HIDE_EMPTY, 4, 0},
	{"A STEP", TABLE_RIGHT | TABLE_HIDE_EMPTY, 2, 0},
	{"EVERY STEP", TABLE_HIDE_EMPTY, 1, 0},
	{"KIND", 0, 3, 0},
	{"CLASS", TABLE_HIDE_SAME, 5, 0},
	{"PID", TABLE_RIGHT, 0, 0},
	{"TAG", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
	{"SITE", TABLE_FLEXIBLE | TABLE_CUT_START | TABLE_HIDE_EMPTY, 0, 8},
};

/* How the time went by. */
struct watch {
	uint64_t began_ns, passed_ns; /* CLOCK_MONOTONIC */
	const char *cut_short;        /* NULL: it was as long as asked for */
};

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * second_ns + (uint64_t)now.tv_nsec;
}

static bool is_watched(const struct scene *scene, size_t number)
{
	const struct machine_process *process = &scene->machine.processes.items[number];

	return process->view != NULL && !process->dead &&
	       selection_has_process(&scene->selection, process);
}

static size_t count_watched(const struct scene *scene)
{
	size_t count = 0;

	for (size_t i = 0; i < scene->machine.processes.count; i++)
		count += is_watched(scene, i);
	return count;
}

/* Views come first among the processes, in their order. */
static bool one_lives(const struct scene *scene)
{
	struct segment_process subject;
	enum view_life life;

	for (size_t i = 0; i < scene->paths.count; i++)
		if (is_watched(scene, i) &&
		    segment_life(scene->paths.items[i], &life, &subject) == 0 && life == LIFE_ALIVE)
			return true;
	return false;
}

static void say_begun(const struct options *options, size_t watched)
{
	char time[UNITS_SIZE];

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "watching %zu process%s for %s; Ctrl-C ends it earlier\n", watched,
		        watched == 1 ? "" : "es", units_age(&time, options->for_ns));
}

/* Until the time is over, Ctrl-C was typed, or nobody is left to be watched: what there is by then
 * is told. */
static void wait_for(const struct options *options, const struct scene *scene, size_t watched,
                     struct watch *watch)
{
	const struct timespec pause = {0, LOOK_NS};
	sigset_t ends, before;

	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, &before);
	say_begun(options, watched); /* from here on Ctrl-C is understood */
	while ((watch->passed_ns = monotonic_ns() - watch->began_ns) < options->for_ns) {
		uint64_t left_ns = options->for_ns - watch->passed_ns;
		struct timespec shorter = {0, (long)left_ns};

		if (sigtimedwait(&ends, NULL, left_ns < LOOK_NS ? &shorter : &pause) > 0) {
			watch->cut_short = "interrupted";
			break;
		}
		if (!one_lives(scene)) {
			watch->cut_short = "ended";
			break;
		}
	}
	watch->passed_ns = monotonic_ns() - watch->began_ns;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static struct survey *survey_scene(const struct options *options, const struct scene *first,
                                   const struct scene *second)
{
	VEC(struct survey_since) since = {0};
	const struct machine_process *process;
	struct survey_request request;
	struct survey_pass *pass;
	struct survey *survey;

	for (size_t i = 0; i < first->views.count; i++)
		*vec_add(&since) = (struct survey_since){first->views.items[i]->identity,
		                                         first->views.items[i]->op,
		                                         first->views.items[i]->last_time};
	request = (struct survey_request){.devices = options->devices.items,
	                                  .kinds = options->kinds.items,
	                                  .device_count = options->devices.count,
	                                  .kind_count = options->kinds.count,
	                                  .pids = options->pids.items,
	                                  .pid_count = options->pids.count,
	                                  .dead = true,
	                                  .has_mark = true,
	                                  .since = since.items,
	                                  .since_count = since.count};
	pass = survey_begin(&second->machine, &request, second->now_ns);
	vec_for (process, &second->machine.processes) {
		if (!survey_wants(pass, process))
			continue;
		survey_process(pass, process, process->view);
		for (uint32_t i = 0; i < process->view->buffer_count; i++)
			survey_add(pass, &process->view->buffers[i]);
	}
	survey = survey_end(pass);
	vec_finish(&since);
	return survey;
}

static uint64_t per_step(const struct survey_growth *growth)
{
	uint64_t bytes = 0;

	for (uint32_t i = 1; i < growth->steps; i++)
		bytes += growth->step_bytes[i];
	return growth->steps > 1 ? bytes / (growth->steps - 1) : 0;
}

static bool is_told(const struct survey_growth *growth)
{
	return growth->stayed_records != 0 || growth->grows_each_step;
}

static void print_group(struct table *table, const struct scene *scene,
                        const struct survey_growth *growth, const struct watch *watch, bool exact)
{
	double seconds = (double)watch->passed_ns / 1e9;
	double rate = seconds > 0 ? (double)growth->stayed_bytes / seconds : 0;

	cell_bytes(table, growth->stayed_bytes, true, exact);
	cell_count(table, growth->stayed_device_buffers);
	cell_bytes(table, (uint64_t)(rate + 0.5), watch->passed_ns >= second_ns, exact);
	cell_bytes(table, per_step(growth), growth->steps > 1, exact);
	if (growth->grows_each_step)
		table_cell(table, "of %" PRIu32, growth->steps - 1);
	else
		table_cell(table, "-");
	table_foreign(table, scene->machine.kind_names[growth->kind]);
	table_cell(table, "%s", class_words[growth->class_now]);
	table_cell(table, "%" PRId32, growth->pid);
	table_foreign(table, growth->tag);
	table_foreign(table, growth->site);
}

static void head_text(const struct survey *survey, const struct watch *watch, size_t width,
                      struct text *out)
{
	uint64_t bytes = 0, records = 0, device_buffers = 0;
	const struct survey_growth *growth;
	char a[UNITS_SIZE], b[UNITS_SIZE];
	struct text line = {0};

	vec_for (growth, &survey->growth) {
		bytes += growth->stayed_bytes;
		records += growth->stayed_records;
		device_buffers += growth->stayed_device_buffers;
	}
	text_addf(&line, "In %s", units_age(&a, watch->passed_ns));
	if (watch->cut_short != NULL)
		text_add(&line, strcmp(watch->cut_short, "ended") == 0
		                        ? " (then the last of them had ended)"
		                        : " (interrupted)");
	if (records == 0) {
		text_add(&line, " nothing came that is still there.");
	} else {
		text_addf(&line, " %s%s came and stayed: ", survey->exact ? "" : "~",
		          units_bytes_short(&b, bytes));
		text_records(&line, records, device_buffers);
		text_add(&line, ".");
	}
	safe_wrap(out, text_string(&line), width, 0);
	text_finish(&line);
}

static void growth_text(const struct scene *scene, const struct survey *survey,
                        const struct options *options, const struct watch *watch, size_t width,
                        struct text *out)
{
	const struct survey_growth *growth;
	struct table table;
	size_t count = 0;

	head_text(survey, watch, width, out);
	table_init(&table, columns, ARRAY_COUNT(columns));
	vec_for (growth, &survey->growth)
		if (is_told(growth) && (options->limit == 0 || count++ < options->limit))
			print_group(&table, scene, growth, watch, survey->exact);
	if (table_rows(&table) != 0)
		table_print(&table, width, out);
	if (count > table_rows(&table))
		text_addf(out, "the first %zu of %zu; -n 0 lists all\n", table_rows(&table), count);
	table_finish(&table);
	vec_for (growth, &survey->growth)
		if (growth->grows_each_step && growth->class_now == CLASS_USER) {
			safe_wrap(
				out,
				"What grows with every step of a program, and is not wanted, is a "
				"leak.",
				width, 0);
			break;
		}
	scene_unknown_text(scene, false, width, out);
}

/* Of what the user allocated: caches fill up on purpose. */
static bool has_grown(const struct survey *survey)
{
	const struct survey_growth *growth;

	vec_for (growth, &survey->growth)
		if (growth->class_now == CLASS_USER && growth->stayed_bytes != 0)
			return true;
	return false;
}

static int tell(const struct options *options, const struct scene *first, const struct watch *watch)
{
	struct report_query query = options_query(options);
	struct scene second;
	struct survey *survey;
	struct text out = {0};
	int status = scene_open(&second, options, VIEW_BUFFERS);

	if (status != STATUS_OK)
		return status;
	survey = survey_scene(options, first, &second);
	if (options->json) {
		status = show_json(growth_json(&second, survey, (double)watch->passed_ns / 1e9,
		                               watch->cut_short, &query));
	} else {
		growth_text(&second, survey, options, watch, show_width(), &out);
		status = show_text(&out);
	}
	if (status == STATUS_OK && options->check && has_grown(survey))
		status = STATUS_FOUND;
	survey_release(survey);
	scene_close(&second);
	return status;
}

int verb_growth(const struct options *options)
{
	struct watch watch = {.began_ns = monotonic_ns()};
	struct text out = {0};
	struct scene first;
	int status = scene_open(&first, options, VIEW_TOTALS);
	size_t watched;

	if (status != STATUS_OK)
		return status;
	watched = count_watched(&first);
	if (watched != 0) {
		wait_for(options, &first, watched, &watch);
		status = tell(options, &first, &watch);
	} else if (options->json && options->pids.count == 0) {
		watch.cut_short = "nobody";
		status = tell(options, &first, &watch);
	} else if (scene_is_empty(&first)) {
		scene_empty_text(&first, &out);
		status = show_text(&out);
	} else {
		status = verb_fails(options, "no such process is tracked and alive: there is "
		                             "nothing to watch (`meshtally ps` lists them)");
	}
	scene_close(&first);
	return status;
}
