/* SPDX-License-Identifier: Apache-2.0 */
#include "fault_lines.h"

#include "list_screen.h"
#include "lookup.h"
#include "meshtally.h"

#include <stdlib.h>

static bool fits_selection(const struct look *look, const struct machine_process *process,
                           const struct view_fault *fault)
{
	const struct segment_view *view = process->view;

	if (fault->device < view->device_count &&
	    !selection_has_device(&look->selection, process->chips[fault->device]))
		return false;
	return fault->kind >= view->kind_count ||
	       selection_has_kind(&look->selection, process->kinds[fault->kind]);
}

/* Every word is in one of both tags, both sites or the command. */
static bool fits_words(const struct filter *filter, const struct machine_process *process,
                       const struct view_fault *fault)
{
	struct text all = {0};
	bool fits;

	if (filter->words.count == 0)
		return true;
	text_addf(&all, "%s\n%s\n%s\n%s", fault->tag_first, fault->site_first, fault->tag_second,
	          fault->site_second);
	fits = filter_has_words(filter, text_string(&all), process->command);
	text_finish(&all);
	return fits;
}

static bool fits(const struct look *look, const struct machine_process *process,
                 const struct view_fault *fault)
{
	const struct filter *filter = &look->ui->filter;

	return fits_selection(look, process, fault) && filter_has_fault(filter, fault->type) &&
	       (filter->tags.count == 0 || filter_has_tag(filter, fault->tag_first) ||
	        filter_has_tag(filter, fault->tag_second)) &&
	       fits_words(filter, process, fault);
}

bool fault_has_failure(const struct view_fault *fault, const struct view_failure *failure)
{
	return fault->type == MT_ALLOC_FAILED && fault->first_op <= failure->op &&
	       failure->op <= fault->last_op + 1;
}

static bool is_in_log(const struct segment_view *view, const struct view_failure *failure)
{
	for (uint32_t i = 0; i < view->fault_count; i++)
		if (fault_has_failure(&view->faults[i], failure))
			return true;
	return false;
}

static bool fits_failure(const struct look *look, const struct machine_process *process,
                         const struct view_failure *failure)
{
	const struct segment_view *view = process->view;
	const struct filter *filter = &look->ui->filter;
	bool on_device = look->selection.devices == NULL || failure->space >= view->space_count;

	for (uint32_t m = 0; !on_device && m < view->spaces[failure->space].member_count; m++) {
		uint32_t device = view->spaces[failure->space].members[m];

		on_device = device < view->device_count &&
		            selection_has_device(&look->selection, process->chips[device]);
	}
	return on_device && filter_has_fault(filter, MT_ALLOC_FAILED) &&
	       (failure->kind >= view->kind_count ||
	        selection_has_kind(&look->selection, process->kinds[failure->kind])) &&
	       filter_has_tag(filter, failure->tag) &&
	       filter_has_words(filter, failure->tag, process->command);
}

static uint64_t add_failures(struct fault_lines *lines, const struct look *look,
                             const struct machine_process *process)
{
	uint32_t chosen = look->ui->fault_type;
	uint64_t count = 0;

	for (uint32_t i = 0; i < process->view->failure_count; i++) {
		const struct view_failure *failure = &process->view->failures[i];

		if (is_in_log(process->view, failure) || !fits_failure(look, process, failure))
			continue;
		count++;
		if (chosen == 0 || chosen == MT_ALLOC_FAILED)
			*vec_add(&lines->lines) = (struct fault_line){process, NULL, failure, NULL};
	}
	return count;
}

/* The log of a process has no room for all that are different; its counters have all of them. */
static void add_process(struct fault_lines *lines, const struct look *look,
                        const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	uint64_t listed[SEGMENT_FAULT_TYPES] = {0};

	for (uint32_t i = 0; i < view->fault_count; i++) {
		const struct view_fault *fault = &view->faults[i];

		if (!fits(look, process, fault))
			continue;
		listed[fault->type % SEGMENT_FAULT_TYPES] += fault->count;
		if (look->ui->fault_type == 0 || look->ui->fault_type == fault->type)
			*vec_add(&lines->lines) = (struct fault_line){process, fault, NULL, NULL};
	}
	listed[MT_ALLOC_FAILED] += add_failures(lines, look, process);
	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++) {
		uint64_t counted = lines->is_part ? 0 : view->faults_by_type[type];

		counted = counted > listed[type] ? counted : listed[type];
		lines->counts[type] += counted;
		lines->total += counted;
	}
}

static uint64_t line_ns(const struct fault_line *line)
{
	return line->fault != NULL ? line->fault->last_ns : line->failure->time_ns;
}

static uint64_t line_op(const struct fault_line *line)
{
	return line->fault != NULL ? line->fault->last_op : line->failure->op;
}

static int newest_first(const void *a, const void *b)
{
	const struct fault_line *x = a, *y = b;

	if ((x->finding == NULL) != (y->finding == NULL))
		return x->finding == NULL ? -1 : 1;
	if (x->finding != NULL)
		return x->finding < y->finding ? -1 : 1;
	if (line_ns(x) != line_ns(y))
		return line_ns(x) > line_ns(y) ? -1 : 1;
	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	if (line_op(x) != line_op(y))
		return line_op(x) > line_op(y) ? -1 : 1;
	return x->fault < y->fault ? -1 : x->fault > y->fault;
}

static bool shows_finding(const struct look *look, const struct finding *finding)
{
	const struct filter *filter = &look->ui->filter;
	const struct machine *machine = &look->reading->scene.machine;
	bool on_device = look->selection.devices == NULL;

	if (filter->types.count != 0 || filter->tags.count != 0 || filter->words.count != 0 ||
	    look->ui->fault_type != 0)
		return false;
	for (size_t row = 0; row < machine->devices.count && !on_device; row++)
		on_device = finding->on != NULL && finding->on[row] != 0 &&
		            look->selection.devices[row];
	return on_device && (finding->process == NULL ||
	                     selection_has_process(&look->selection, finding->process));
}

void fault_lines_make(struct fault_lines *lines, const struct look *look)
{
	const struct machine_process *process;
	const struct filter *filter = &look->ui->filter;
	const struct finding *finding;

	*lines = (struct fault_lines){
		.is_part = look->selection.devices != NULL || !look->selection.all_kinds ||
	                   filter->tags.count != 0 || filter->words.count != 0 ||
	                   filter->types.count != 0};
	vec_for (process, &look->reading->scene.machine.processes)
		if (process->view != NULL && !process_is_dismissed(look->ui, process) &&
		    selection_has_process(&look->selection, process))
			add_process(lines, look, process);
	vec_for (finding, &look->reading->findings.findings)
		if (shows_finding(look, finding))
			*vec_add(&lines->lines) = (struct fault_line){NULL, NULL, NULL, finding};
	if (lines->lines.count > 1)
		qsort(lines->lines.items, lines->lines.count, sizeof(*lines->lines.items),
		      newest_first);
}

void fault_lines_finish(struct fault_lines *lines)
{
	vec_finish(&lines->lines);
}

uint64_t fault_line_key(const struct fault_line *line)
{
	const struct view_fault *fault = line->fault;
	uint64_t hash;

	if (line->failure != NULL)
		return hash_number(process_identity(line->process), line->failure->op) | 1;
	if (fault == NULL) {
		hash = hash_number((uint64_t)line->finding->type, line->finding->identity);
		hash = hash_number(hash, line->finding->other_identity);
		hash = hash_number(hash, line->finding->op);
		return hash_number(hash, line->finding->other_op) | 1;
	}
	hash = hash_number(process_identity(line->process), fault->type);
	hash = hash_number(hash, fault->first_op);
	hash = hash_number(hash, fault->id);
	return hash_number(hash, fault->device) | 1;
}
