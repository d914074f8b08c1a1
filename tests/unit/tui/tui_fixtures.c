/* SPDX-License-Identifier: Apache-2.0 */
#include "tui_fixtures.h"

#include "tt_counters.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000ull

static void fixed_environment(void)
{
	setenv("TZ", "UTC", 1);
	tzset();
	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		abort();
}

static void add_view(struct tui_fixture *fixture, struct built_view *built)
{
	fixture->views[fixture->view_count++] = built;
	*vec_add(&fixture->reading.scene.views) = segment_view_hold(&built->view);
}

/* A process that tt-metal's counters alone know, on the last device. */
static void add_counters(struct tui_fixture *fixture, uint64_t unique_id)
{
	struct tt_device *chip = vec_add(&fixture->reading.scene.counters.devices);

	chip->unique_id = unique_id;
	chip->device_id = 31;
	chip->process_count = 1;
	chip->processes[0] = (struct tt_process){
		.pid = 991, .bytes = {300 << 20, 2 << 20}, .name = "ttnn-stock"};
	chip->bytes[TT_DRAM] = 300 << 20;
	chip->bytes[TT_L1] = 2 << 20;
}

static void build_machine(struct scene *scene)
{
	struct machine_input input = {scene->views.items, scene->views.count, &scene->counters,
	                              scene->from != NULL};

	scene->selection.all_kinds = true;
	scene->now_ns = FIXTURE_NOW_NS;
	machine_build(&scene->machine, &input);
}

static void take_example(struct tui_fixture *fixture, const char *from)
{
	fixture->example = mem_calloc(1, sizeof(*fixture->example));
	example_make(fixture->example);
	fixture->reading.scene = fixture->example->scene;
	fixture->reading.scene.from = fixture->reading.from = from;
}

static void take_places(struct tui_fixture *fixture)
{
	fixture->places = mem_calloc(1, sizeof(*fixture->places));
	example_places_make(fixture->places);
	fixture->reading.scene = fixture->places->scene;
}

/* An hour of readings, as if what is held had come in waves. */
static void fill_history(struct tui_fixture *fixture)
{
	struct machine *machine = &fixture->reading.scene.machine;
	struct machine_device *now = mem_calloc(machine->devices.count, sizeof(*now));

	memcpy(now, machine->devices.items, machine->devices.count * sizeof(*now));
	for (uint64_t ago = 3600; ago != 0; ago -= 5) {
		for (size_t d = 0; d < machine->devices.count; d++)
			for (uint32_t k = 0; k < machine->kind_count; k++)
				machine->devices.items[d].figures[k].held =
					now[d].figures[k].held / 100 *
					(40 + (3600 - ago) / 90 + (ago % 600) / 30);
		fixture->reading.monotonic_ns = FIXTURE_MONOTONIC_NS - ago * SECOND_NS;
		history_add(fixture->history, &fixture->reading);
	}
	memcpy(machine->devices.items, now, machine->devices.count * sizeof(*now));
	free(now);
}

static void finish_reading(struct tui_fixture *fixture)
{
	struct reading *reading = &fixture->reading;
	size_t count = reading->scene.machine.processes.count;

	reading->rates = mem_calloc(count + 1, sizeof(*reading->rates));
	for (size_t i = 0; i < count; i++) {
		const struct machine_process *process = &reading->scene.machine.processes.items[i];

		if (process->view != NULL && !process->dead)
			reading->rates[i] = (struct process_rates){true, 120.0 / (double)(i + 1),
			                                           96.5 / (double)(i + 1)};
	}
	fixture->history = history_create();
	if (reading->from == NULL && count != 0)
		fill_history(fixture);
	reading->monotonic_ns = FIXTURE_MONOTONIC_NS - SECOND_NS / 5;
	reading->survey_monotonic_ns = reading->monotonic_ns - SECOND_NS;
	history_add(fixture->history, reading);
	reading->last_event_ns = count != 0 ? FIXTURE_NOW_NS - 2 * SECOND_NS : 0;
	reading->events = count != 0 ? 217 : 0;
	findings_find(&reading->findings, &reading->scene.machine, &reading->scene.selection);
}

void tui_fixture_init(struct tui_fixture *fixture, const char *name)
{
	memset(fixture, 0, sizeof(*fixture));
	fixed_environment();
	if (strcmp(name, "example") == 0)
		take_example(fixture, NULL);
	else if (strcmp(name, "file") == 0)
		take_example(fixture, "/home/ann/before-crash.mts");
	else if (strcmp(name, "places") == 0)
		take_places(fixture);
	if (strcmp(name, "mesh32") == 0) {
		add_view(fixture, fixture_train());
		add_view(fixture, fixture_eval());
		add_view(fixture, fixture_killed());
		add_counters(fixture, fixture->views[0]->view.devices[31].unique_id);
	} else if (strcmp(name, "mesh1024") == 0) {
		add_view(fixture, fixture_big());
	} else if (strcmp(name, "hostile") == 0) {
		add_view(fixture, fixture_hostile());
	}
	fixture->waiting = strcmp(name, "waiting") == 0;
	if (fixture->example == NULL && fixture->places == NULL)
		build_machine(&fixture->reading.scene);
	finish_reading(fixture);
	ui_init(&fixture->ui, 1000);
	look_init(&fixture->look, fixture->waiting ? NULL : &fixture->reading, fixture->history,
	          &fixture->ui, FIXTURE_NOW_NS, FIXTURE_MONOTONIC_NS);
	tui_fixture_survey(fixture);
}

/* One pass over all buffers for what the ui asks for. */
static struct survey *make_survey(struct tui_fixture *fixture)
{
	struct machine *machine = &fixture->reading.scene.machine;
	struct machine_process *process;
	struct survey_pass *pass;
	struct ui_want want;
	struct survey *survey;

	ui_want(&fixture->ui, &fixture->reading, &want);
	pass = survey_begin(machine, &want.request, FIXTURE_NOW_NS);
	vec_for (process, &machine->processes) {
		if (process->view == NULL || !survey_wants(pass, process))
			continue;
		survey_process(pass, process, process->view);
		for (uint32_t i = 0; i < process->view->buffer_count; i++)
			survey_add(pass, &process->view->buffers[i]);
	}
	survey = survey_end(pass);
	ui_want_finish(&want);
	return survey;
}

static void look_again(struct tui_fixture *fixture)
{
	look_finish(&fixture->look);
	look_init(&fixture->look, fixture->waiting ? NULL : &fixture->reading, fixture->history,
	          &fixture->ui, FIXTURE_NOW_NS, FIXTURE_MONOTONIC_NS);
}

void tui_fixture_survey(struct tui_fixture *fixture)
{
	struct survey *before = fixture->reading.survey;

	if (!fixture->waiting)
		fixture->reading.survey = make_survey(fixture);
	survey_release(before);
	look_again(fixture);
}

void tui_fixture_filter(struct tui_fixture *fixture, const char *filter)
{
	struct text error = {0};

	filter_finish(&fixture->ui.filter);
	if (filter_parse(&fixture->ui.filter, filter, &error) != 0)
		abort();
	text_finish(&error);
	look_again(fixture);
	tui_fixture_survey(fixture);
}

void tui_fixture_mark(struct tui_fixture *fixture, unsigned percent)
{
	struct ui_mark *mark = &fixture->ui.mark;
	struct survey_since *since;
	struct sum *sum;

	mark_set(mark, &fixture->reading);
	mark->realtime_ns = FIXTURE_NOW_NS - 300 * SECOND_NS;
	vec_for (since, &mark->since)
		since->op = since->op * percent / 100;
	vec_for (sum, &mark->tags.sums) {
		sum->total_bytes = sum->total_bytes / 100 * percent;
		sum->held = sum->held / 100 * percent;
		sum->device_buffers = sum->device_buffers * percent / 100;
		for (size_t i = 0; i < CLASS_LIMIT; i++)
			sum->bytes[i] = sum->bytes[i] / 100 * percent;
	}
	tui_fixture_survey(fixture);
}

struct ui_wish tui_fixture_key(struct tui_fixture *fixture, uint32_t key)
{
	struct input_event event = {.type = INPUT_KEY, .key = key};
	struct hits hits = {0};
	struct ui_wish wish;

	ui_event(&fixture->ui, &fixture->look, &hits, &event, &wish);
	hits_finish(&hits);
	tui_fixture_survey(fixture);
	return wish;
}

void tui_fixture_finish(struct tui_fixture *fixture)
{
	struct scene *scene = &fixture->reading.scene;

	look_finish(&fixture->look);
	ui_finish(&fixture->ui);
	history_destroy(fixture->history);
	survey_release(fixture->reading.survey);
	findings_finish(&fixture->reading.findings);
	free(fixture->reading.rates);
	if (fixture->example != NULL) {
		fixture->example->scene = *scene;
		example_finish(fixture->example);
		free(fixture->example);
	} else if (fixture->places != NULL) {
		fixture->places->scene = *scene;
		example_places_finish(fixture->places);
		free(fixture->places);
	} else {
		scene_close(scene);
	}
	for (size_t i = 0; i < fixture->view_count; i++)
		fixture_view_free(fixture->views[i]);
}
