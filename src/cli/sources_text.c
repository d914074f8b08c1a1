/* SPDX-License-Identifier: Apache-2.0 */
/* Notes below tables: where figures come from, and where sources do not agree. */
#include "even.h"
#include "render.h"
#include "safe.h"

#include <inttypes.h>

static void counters_note(const struct scene *scene, bool dead, size_t width, struct text *out)
{
	const struct machine_process *process;
	bool any = false, any_dead = false;

	vec_for (process, &scene->machine.processes)
		if (process->source == SOURCE_COUNTERS && scene_shows(scene, process, dead)) {
			any = true;
			any_dead = any_dead || process->dead;
		}
	if (any)
		safe_wrap(out,
		          any_dead ? "* totals only, from tt-metal's counters; of a dead process: "
		                     "what it never took back, not counted"
		                   : "* totals only, from tt-metal's counters",
		          width, 2);
}

void stale_note(const struct scene *scene, size_t width, struct text *out)
{
	const struct machine_process *process;
	struct text line = {0};
	char figure[UNITS_SIZE];

	vec_for (process, &scene->machine.processes) {
		if (!machine_is_stale(process) || !scene_shows(scene, process, false))
			continue;
		text_clear(&line);
		text_addf(&line, "process %" PRId32 " is stale", process->pid);
		if (scene_stale_since(scene, process) != 0)
			text_addf(&line, " since %s or later",
			          units_time(&figure, scene_stale_since(scene, process)));
		text_add(&line, ": the server that it reports to is gone (`meshtally serve` takes "
		                "it over)");
		safe_wrap(out, line.bytes, width, 2);
	}
	text_finish(&line);
}

void sources_note(const struct scene *scene, bool dead, size_t width, struct text *out)
{
	counters_note(scene, dead, width, out);
	stale_note(scene, width, out);
}

/* Rows of lines that are alike. */
struct alike {
	VEC(uint32_t) rows;
};

/* "device 3" or "devices 0-7" */
static void text_alike(struct text *line, const struct scene *scene, struct alike *alike)
{
	device_names(line, &scene->machine, alike->rows.items, alike->rows.count);
	vec_finish(&alike->rows);
}

static bool is_told(const struct scene *scene, const struct machine_witness *witness)
{
	return witness->counted_bytes != witness->witness_bytes &&
	       selection_has_device(&scene->selection, witness->row) &&
	       selection_has_kind(&scene->selection, witness->kind) &&
	       scene_shows(scene, &scene->machine.processes.items[witness->process], true);
}

static bool is_like(const struct machine_witness *a, const struct machine_witness *b)
{
	return a->source == b->source && a->process == b->process && a->kind == b->kind &&
	       a->counted_bytes == b->counted_bytes && a->witness_bytes == b->witness_bytes;
}

static void witness_line(const struct scene *scene, const struct machine_witness *witness,
                         struct alike *alike, struct text *line)
{
	const struct machine_process *process = &scene->machine.processes.items[witness->process];
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(line, "process %" PRId32 ", ", process->pid);
	text_alike(line, scene, alike);
	text_add(line, ", ");
	safe_terminal(line, scene->machine.kind_names[witness->kind]);
	text_addf(line, ": %s %s, %s of what %s says",
	          witness->source == SOURCE_SOCKET ? "the socket says" : "tt-metal's counters say",
	          units_bytes_short(&a, witness->witness_bytes),
	          units_change(&b, witness->counted_bytes, witness->witness_bytes),
	          process->source == SOURCE_SOCKET ? "the socket" : "its segment");
}

void witnesses_text(const struct scene *scene, size_t width, struct text *out)
{
	const struct machine_witness *all = scene->machine.witnesses.items;
	size_t count = scene->machine.witnesses.count;
	struct text line = {0};

	for (size_t i = 0; i < count; i++) {
		struct alike alike = {0};
		size_t first = 0;

		while (first < i && !(is_like(&all[first], &all[i]) && is_told(scene, &all[first])))
			first++;
		if (first != i || !is_told(scene, &all[i]))
			continue;
		for (size_t j = i; j < count; j++)
			if (is_like(&all[i], &all[j]) && is_told(scene, &all[j]))
				*vec_add(&alike.rows) = all[j].row;
		text_clear(&line);
		witness_line(scene, &all[i], &alike, &line);
		safe_wrap(out, line.bytes, width, 2);
	}
	text_finish(&line);
}

static void total_line(const struct scene *scene, const struct machine_file_total *total,
                       struct text *line)
{
	char a[UNITS_SIZE], b[UNITS_SIZE];

	text_addf(line, "device %" PRIu32 ", ", total->row);
	safe_terminal(line, scene->machine.kind_names[total->kind]);
	text_addf(line, ": tt-metal's counters say %s in all; their living processes have %s",
	          units_bytes_short(&a, total->file_bytes),
	          units_bytes_short(&b, total->live_bytes));
	if (total->dead_bytes != 0)
		text_addf(line, ", their dead ones %s", units_bytes_short(&a, total->dead_bytes));
}

void counter_files_text(const struct scene *scene, size_t width, struct text *out)
{
	const struct machine_file_total *total;
	const struct tt_reject *reject;
	struct text line = {0};

	vec_for (total, &scene->machine.file_totals) {
		if (!selection_has_device(&scene->selection, total->row) ||
		    !selection_has_kind(&scene->selection, total->kind))
			continue;
		text_clear(&line);
		total_line(scene, total, &line);
		safe_wrap(out, line.bytes, width, 2);
	}
	vec_for (reject, &scene->counters.rejects) {
		text_clear(&line);
		text_add(&line, "not known: what ");
		safe_terminal(&line, reject->path);
		text_addf(&line, " says (%s)", reject->reason);
		safe_wrap(out, line.bytes, width, 2);
	}
	text_finish(&line);
}
