/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` looks at in programs. */
#include "checkup.h"
#include "safe.h"
#include "units.h"
#include "untracked.h"

#include <inttypes.h>

static void text_process(struct text *text, const struct segment_view *view)
{
	text_addf(text, "process %" PRId32 " (", view->subject.pid);
	safe_terminal(text, view->comm);
	text_add(text, ")");
}

static void check_live(struct checkup *checkup, const struct scene *scene,
                       const struct segment_view *view)
{
	uint64_t age_ns = scene_age(scene, view);
	struct text name = {0};
	char figure[UNITS_SIZE];

	text_process(&name, view);
	if ((view->state & SEGMENT_STATE_INEXACT) != 0)
		checkup_add(checkup, "program", CHECK_PROBLEM,
		            "make room in /dev/shm, or raise the limit on its files",
		            "%s: %" PRIu64 " operations could not be recorded; its figures are a "
		            "lower bound",
		            name.bytes, view->unrecorded);
	else if (view->no_detail_buffers != 0)
		checkup_add(checkup, "program", CHECK_NOTE,
		            "make room in /dev/shm, or raise the limit on its files",
		            "%s: %" PRIu64 " live buffers are counted, but have no record",
		            name.bytes, view->no_detail_buffers);
	else if (view->is_proxy && view->writer_gone)
		checkup_add(checkup, "program", CHECK_PROBLEM,
		            "start `meshtally serve` again: it takes over what the last one knew",
		            "%s reports to a server that is gone; what is shown of it is old",
		            name.bytes);
	else
		checkup_add(checkup, "program", CHECK_OK, NULL,
		            "%s is tracked: %" PRIu64 " operations, the last %s ago", name.bytes,
		            view->op,
		            age_ns != UINT64_MAX ? units_age(&figure, age_ns) : "some time");
	if (view->refused != 0)
		checkup_add(checkup, "program", CHECK_NOTE,
		            "do not allocate or free device memory in signal handlers",
		            "%s: %" PRIu64
		            " calls came from a signal handler inside another call and "
		            "were refused",
		            name.bytes, view->refused);
	if (view->counters_differ)
		checkup_add(checkup, "program", CHECK_PROBLEM,
		            "report it, with `meshtally snapshot`",
		            "%s: its counters are not the sum of its buffers", name.bytes);
	text_finish(&name);
}

static void check_dead(struct checkup *checkup, const struct scene *scene)
{
	uint64_t bytes = 0;
	size_t dead = 0;
	char figure[UNITS_SIZE];

	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->life != LIFE_ALIVE) {
			dead++;
			bytes += scene->views.items[i]->populated_bytes;
		}
	if (dead != 0)
		checkup_add(checkup, "post-mortem", CHECK_OK, NULL,
		            "%zu segment%s of ended processes, %s: `meshtally leaks --dead`", dead,
		            dead == 1 ? "" : "s", units_bytes_short(&figure, bytes));
}

static void check_rejects(struct checkup *checkup, const struct scene *scene)
{
	struct text path = {0}, reason = {0};

	for (size_t i = 0; i < scene->rejects.count; i++) {
		text_clear(&path);
		text_clear(&reason);
		safe_terminal(&path, scene->rejects.items[i].path);
		safe_terminal(&reason, scene->rejects.items[i].reason);
		checkup_add(checkup, "file", CHECK_PROBLEM, "remove it if nothing needs it",
		            "%s is not read: %s", text_string(&path), text_string(&reason));
	}
	for (size_t i = 0; i < scene->counters.rejects.count; i++)
		checkup_add(checkup, "counters", CHECK_NOTE, NULL, "%s is not read: %s",
		            scene->counters.rejects.items[i].path,
		            scene->counters.rejects.items[i].reason);
	text_finish(&path);
	text_finish(&reason);
}

static void check_counters(struct checkup *checkup, const struct scene *scene)
{
	size_t files = scene->counters.devices.count, dead = 0;
	const struct tt_device *chip;

	vec_for (chip, &scene->counters.devices)
		for (uint32_t i = 0; i < chip->process_count; i++)
			dead += chip->processes[i].dead;
	if (files == 0 && scene->counters.rejects.count == 0)
		checkup_add(checkup, "counters", CHECK_OK, NULL, "tt-metal has no counters in %s",
		            tt_counters_dir());
	else if (files != 0)
		checkup_add(checkup, "counters", CHECK_OK, NULL,
		            "tt-metal's counters of %zu chip%s are read (totals only)", files,
		            files == 1 ? "" : "s");
	if (dead != 0)
		checkup_add(checkup, "counters", CHECK_NOTE,
		            "they stay until the next program resets them",
		            "%zu entr%s in tt-metal's counters belong%s to dead processes", dead,
		            dead == 1 ? "y" : "ies", dead == 1 ? "s" : "");
}

static void add_untracked(struct checkup *checkup, const struct untracked_program *program)
{
	bool lost = program->reason == UNTRACKED_UNLINKED || program->reason == UNTRACKED_ELSEWHERE;
	struct text name = {0};

	safe_terminal(&name, program->command);
	text_addf(&name, ") %s", untracked_words[program->reason]);
	if (program->file[0] != '\0') {
		text_add(&name, ": ");
		safe_terminal(&name, program->file);
	}
	checkup_add(checkup, "program", lost ? CHECK_PROBLEM : CHECK_NOTE,
	            untracked_advice[program->reason], "process %ld (%s", (long)program->pid,
	            text_string(&name));
	text_finish(&name);
}

/* Programs that have the library or use OpenCL, and of which there is no segment. */
static void check_untracked(struct checkup *checkup, const struct scene *scene)
{
	const struct untracked_program *program;
	struct untracked untracked;

	untracked_find(&untracked, scene);
	vec_for (program, &untracked.programs)
		add_untracked(checkup, program);
	vec_for (program, &untracked.opencl)
		add_untracked(checkup, program);
	if (untracked.hidden != 0)
		checkup_add(checkup, "program", CHECK_NOTE, "run as root to look at all of them",
		            "%zu process%s of other users could not be looked at", untracked.hidden,
		            untracked.hidden == 1 ? "" : "es");
	untracked_finish(&untracked);
}

void checkup_programs(struct checkup *checkup, const struct scene *scene)
{
	for (size_t i = 0; i < scene->views.count; i++)
		if (scene->views.items[i]->life == LIFE_ALIVE)
			check_live(checkup, scene, scene->views.items[i]);
	check_dead(checkup, scene);
	check_rejects(checkup, scene);
	check_untracked(checkup, scene);
	check_counters(checkup, scene);
	if (scene->views.count == 0)
		checkup_add(checkup, "program", CHECK_NOTE,
		            "start one with `meshtally run -- PROGRAM` or MESHTALLY=1",
		            "no process is tracked");
}
