/* SPDX-License-Identifier: Apache-2.0 */
#include "process_details.h"

#include "end_words.h"
#include "even.h"
#include "row_walk.h"
#include "safe.h"
#include "units.h"

#include <inttypes.h>

enum style process_style(const struct machine_process *process)
{
	if (process->dead)
		return process->view != NULL && process->view->life == LIFE_KILLED ? STYLE_BAD
		                                                                   : STYLE_DEAD;
	if (machine_is_stale(process))
		return STYLE_WARNING;
	return process->source == SOURCE_COUNTERS ? STYLE_DIM : STYLE_GOOD;
}

/* By the clock of the picture, which goes in steps where nothing happens. */
static uint64_t last_call_ago(const struct look *look, const struct segment_view *view)
{
	if (look->reading->from != NULL || view->last_ns == 0)
		return scene_age(&look->reading->scene, view);
	return view->last_ns < look->now_ns ? look->now_ns - view->last_ns : 0;
}

static void say_state(const struct look *look, const struct machine_process *process,
                      struct said *said)
{
	struct text *words = said_line(said, "state", process_style(process));
	const struct segment_view *view = process->view;
	uint64_t age_ns = view != NULL ? last_call_ago(look, view) : UINT64_MAX;

	if (view == NULL) {
		text_add(words,
		         process->dead
		                 ? "dead: tt-metal's counters still have what it held; nobody took "
		                   "it "
		                   "back"
		                 : "tt-metal's counters alone: totals are known, its buffers are "
		                   "not");
		return;
	}
	end_words(words, view->life, &view->end);
	if (process->dead && view->end.realtime_ns != 0 && view->end.realtime_ns < look->now_ns) {
		text_add(words, ", ");
		say_ago(words, look->now_ns - view->end.realtime_ns);
	}
	if (machine_is_stale(process))
		text_add(words, "; the server that it reports to is gone: what is known is old");
	else if (!process->dead && age_ns != UINT64_MAX) {
		text_add(words, "; last call ");
		say_ago(words, age_ns);
	}
	if (process->dead)
		text_add(words, "; d dismisses it");
}

static void say_source(const struct look *look, const struct machine_process *process,
                       struct said *said)
{
	static const char *const sources[] = {
		[SOURCE_SEGMENT] = "its own segment",
		[SOURCE_SOCKET] = "the socket: the server writes down what it reports",
		[SOURCE_COUNTERS] = "tt-metal's counters in shared memory"};
	const struct machine *machine = &look->reading->scene.machine;
	const struct segment_view *view = process->view;
	struct text *words = said_line(said, "source", STYLE_TEXT);
	const struct machine_witness *witness;
	char a[UNITS_SIZE];

	text_add(words, sources[process->source]);
	if (view != NULL && (!view->exact || (view->state & SEGMENT_STATE_INEXACT) != 0))
		text_add(words, "; not exact: some operation could not be recorded");
	if (view != NULL && view->no_detail_buffers != 0)
		text_addf(words, "; %s buffers have no record of their own",
		          units_count(&a, view->no_detail_buffers));
	vec_for (witness, &machine->witnesses)
		if (&machine->processes.items[witness->process] == process &&
		    witness->counted_bytes != witness->witness_bytes) {
			words = said_line(said, "but", STYLE_WARNING);
			text_addf(words, "%s says %s", source_name(witness->source),
			          units_change(&a, witness->counted_bytes, witness->witness_bytes));
			text_add(words, " of ");
			safe_terminal(words, machine->kind_names[witness->kind]);
			text_addf(words, " on device %" PRIu32, witness->row);
		}
}

static void say_memory(const struct look *look, const struct machine_process *process,
                       struct said *said)
{
	const struct machine *machine = &look->reading->scene.machine;
	struct text *words = said_line(said, "memory", STYLE_TEXT);
	struct machine_figure figure;
	char size[UNITS_SIZE];

	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		if (!look_process_figure(look, process, kind, &figure) ||
		    (figure_bytes(&figure) == 0 && figure.peak == 0))
			continue;
		text_add(words, words->length != 0 ? "; " : "");
		safe_terminal(words, machine->kind_names[kind]);
		text_addf(words, " %s%s", figure.exact ? "" : "~",
		          units_bytes_short(&size, figure_bytes(&figure)));
		if (figure.held > figure_bytes(&figure) + figure_bytes(&figure) / 100)
			text_addf(words, ", held %s", units_bytes_short(&size, figure.held));
		if (figure.peak_known && figure.peak != 0)
			text_addf(words, ", peak %s", units_bytes_short(&size, figure.peak));
	}
	if (words->length == 0)
		text_add(words, "nothing");
	text_add(words, "; ");
	if (process->devices.count != 0)
		device_names(words, machine, process->devices.items, process->devices.count);
	else
		text_add(words, "devices none");
}

struct left_sum {
	size_t number;
	uint64_t bytes, buffers;
};

static void add_left(void *arg, const struct row_part *part)
{
	struct left_sum *sum = arg;

	if (part->number != sum->number)
		return;
	sum->bytes += part->bytes * part->row_count;
	sum->buffers += part->buffers * part->row_count;
}

static void say_left(const struct look *look, const struct machine_process *process,
                     struct said *said)
{
	struct left_sum sum = {(size_t)(process - look->reading->scene.machine.processes.items), 0,
	                       0};
	char bytes[UNITS_SIZE], buffers[UNITS_SIZE];

	row_walk_left(look, add_left, &sum);
	if (sum.buffers == 0)
		return;
	text_addf(
		said_line(said, "left", STYLE_WARNING),
		"%s in %s buffer%s not given back %s; `meshtally leaks -p %" PRId32 "` lists them",
		units_bytes_short(&bytes, sum.bytes), units_count(&buffers, sum.buffers),
		sum.buffers == 1 ? "" : "s",
		process->dead ? "when it ended" : "before their devices were closed", process->pid);
}

void process_details(const struct look *look, const struct machine_process *process,
                     struct said *said)
{
	const struct segment_view *view = process->view;
	char figure[UNITS_SIZE];

	text_addf(&said->title, "process %" PRId32, process->pid);
	safe_terminal(said_line(said, "command", STYLE_TEXT),
	              view != NULL && view->command_line[0] != '\0' ? view->command_line
	                                                            : process->command);
	say_state(look, process, said);
	say_memory(look, process, said);
	say_left(look, process, said);
	if (view != NULL && view->fault_total != 0)
		text_addf(said_line(said, "faults", STYLE_BAD), "%s: see screen 6",
		          units_count(&figure, view->fault_total));
	say_source(look, process, said);
	if (view != NULL && view->birth_realtime_ns != 0)
		text_addf(said_line(said, "since", STYLE_TEXT), "%s, %s operations",
		          units_time(&(char[UNITS_SIZE]){0}, view->birth_realtime_ns),
		          units_count(&figure, view->op));
}
