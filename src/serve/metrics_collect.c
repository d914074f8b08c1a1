/* SPDX-License-Identifier: Apache-2.0 */
/* From what was read to what is written: figures by device and kind, the largest processes. */
#include "metrics_internal.h"
#include "safe.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_BYTES = 64 };

const char *const metrics_states[] = {"live", "stale",   "ended", "killed", "exec",
                                      "dead", "stopped", "file",  NULL};

void metrics_label(struct text *out, const char *name, const char *foreign)
{
	struct text safe = {0};

	safe_utf8(&safe, foreign);
	text_addf(out, "%s=\"", name);
	for (const char *at = text_string(&safe); *at != '\0'; at++) {
		if (*at == '\n')
			text_add(out, "\\n");
		else if (*at == '"' || *at == '\\')
			text_addf(out, "\\%c", *at);
		else
			text_bytes(out, at, 1);
	}
	text_add(out, "\"");
	text_finish(&safe);
}

static char *line_labels(const struct totals *totals, const struct totals_line *line)
{
	const struct totals_device *device = &totals->devices.items[line->device];
	char name[24] = "", ordinal[24] = "";
	struct text labels = {0};

	if (device->unplaced)
		snprintf(name, sizeof(name), "%s", unplaced_name);
	else if (device->unique_id != 0)
		snprintf(name, sizeof(name), "0x%" PRIx64, device->unique_id);
	if (!device->unplaced)
		snprintf(ordinal, sizeof(ordinal), "%" PRId32, device->ordinal);
	metrics_label(&labels, "device", name);
	text_add(&labels, ",");
	metrics_label(&labels, "bus", device->bus);
	text_add(&labels, ",");
	metrics_label(&labels, "ordinal", ordinal);
	text_add(&labels, ",");
	metrics_label(&labels, "arch", device->arch);
	text_add(&labels, ",");
	metrics_label(&labels, "kind", line->kind);
	return labels.bytes;
}

/* Several rows of the machine may be one device here: those that nothing tells apart. */
static void add_figure(struct metrics_line *line, const struct machine_figure *figure)
{
	uint64_t capacity = line->figure.capacity;
	bool first = !line->figure.present;

	figure_add(&line->figure, figure);
	line->figure.capacity = capacity > figure->capacity ? capacity : figure->capacity;
	line->figure.peak_known = first && figure->peak_known;
	line->figure.peak = figure->peak;
}

static struct metrics_line *line_at(struct metrics *m, uint32_t at)
{
	while (m->lines.count <= at)
		vec_add(&m->lines);
	return &m->lines.items[at];
}

static void collect_devices(struct metrics *m)
{
	const struct machine *machine = &m->input->scene->machine;
	struct totals *totals = m->input->totals;

	for (size_t row = 0; row < machine->devices.count; row++) {
		const struct machine_device *device = &machine->devices.items[row];
		const struct device_key key = {device->unplaced, device->unique_id, device->ordinal,
		                               device->arch, device->bus};
		uint32_t at = totals_device(totals, &key);

		for (uint32_t kind = 0; kind < machine->kind_count; kind++)
			if (device->figures[kind].present)
				add_figure(line_at(m, totals_line(totals, at,
				                                  machine->kind_names[kind])),
				           &device->figures[kind]);
	}
	for (uint32_t i = 0; i < totals->lines.count; i++)
		line_at(m, i)->labels = line_labels(totals, &totals->lines.items[i]);
}

struct ranked {
	const struct machine_process *process;
	uint64_t bytes;
};

static int largest_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->process->pid < y->process->pid ? -1 : x->process->pid > y->process->pid;
}

/* Names that are written the same are the same: no sample may be there twice. */
static void add_process(struct metrics *m, const char *labels, const struct machine_figure *figure)
{
	struct metrics_process *line = m->processes.items, *end = line + m->processes.count;

	while (line != end && strcmp(line->labels, labels) != 0)
		line++;
	if (line == end) {
		line = vec_add(&m->processes);
		line->labels = mem_strdup(labels);
	}
	line->bytes += figure_bytes(figure);
	line->buffers += figure_buffers(figure);
}

/* The last part of the program's path, cut. */
static void process_labels(struct text *out, const struct machine_process *process)
{
	const char *command = process->command;
	size_t length = strcspn(command, " ");
	const char *slash = memrchr(command, '/', length);
	char name[COMMAND_BYTES];
	char pid[16];

	if (slash != NULL) {
		length -= (size_t)(slash + 1 - command);
		command = slash + 1;
	}
	length = length < sizeof(name) - 1 ? length : sizeof(name) - 1;
	snprintf(name, sizeof(name), "%.*s", (int)length, command);
	snprintf(pid, sizeof(pid), "%" PRId32, process->pid);
	text_clear(out);
	metrics_label(out, "pid", pid);
	text_add(out, ",");
	metrics_label(out, "command", name);
}

static void collect_figures(struct metrics *m, const struct machine_process *process,
                            const char *labels)
{
	const struct machine *machine = &m->input->scene->machine;
	struct text all = {0};

	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		if (!process->figures[kind].present)
			continue;
		text_clear(&all);
		text_add(&all, labels);
		text_add(&all, ",");
		metrics_label(&all, "kind", machine->kind_names[kind]);
		add_process(m, text_string(&all), &process->figures[kind]);
	}
	text_finish(&all);
}

static void collect_processes(struct metrics *m)
{
	const struct machine *machine = &m->input->scene->machine;
	struct ranked *ranked = mem_calloc(machine->processes.count + 1, sizeof(*ranked));
	const struct machine_process *process;
	struct text labels = {0};
	size_t count = 0;

	vec_for (process, &machine->processes) {
		if (!process->counted)
			continue;
		ranked[count].process = process;
		for (uint32_t kind = 0; kind < machine->kind_count; kind++)
			ranked[count].bytes += figure_bytes(&process->figures[kind]);
		count++;
	}
	qsort(ranked, count, sizeof(*ranked), largest_first);
	for (size_t i = 0; i < count; i++) {
		if (i < METRICS_PROCESSES)
			process_labels(&labels, ranked[i].process);
		collect_figures(m, ranked[i].process,
		                i < METRICS_PROCESSES ? text_string(&labels)
		                                      : "pid=\"other\",command=\"\"");
	}
	text_finish(&labels);
	free(ranked);
}

static void collect_states(struct metrics *m)
{
	const struct machine_process *process;

	vec_for (process, &m->input->scene->machine.processes)
		for (size_t i = 0; metrics_states[i] != NULL; i++)
			m->by_state[i] += !process->witness &&
			                  strcmp(metrics_states[i], life_word(process)) == 0;
}

/* Of live processes: what is in spaces that they have closed. */
static void collect_leaks(struct metrics *m)
{
	const struct scene *scene = m->input->scene;

	for (size_t i = 0; i < scene->views.count; i++) {
		const struct segment_view *view = scene->views.items[i];

		for (uint32_t r = 0; view->life == LIFE_ALIVE && r < view->row_count; r++) {
			enum verdict verdict = totals_verdict(view, &view->rows[r]);

			if (verdict != VERDICT_LIMIT)
				m->leaked_bytes[verdict] += totals_row_bytes(view, &view->rows[r]);
		}
	}
}

void metrics_collect(struct metrics *m)
{
	collect_devices(m);
	collect_processes(m);
	collect_states(m);
	collect_leaks(m);
}

void metrics_finish(struct metrics *m)
{
	for (size_t i = 0; i < m->lines.count; i++)
		free(m->lines.items[i].labels);
	for (size_t i = 0; i < m->processes.count; i++)
		free(m->processes.items[i].labels);
	vec_finish(&m->lines);
	vec_finish(&m->processes);
}
