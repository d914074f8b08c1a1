/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include "safe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say_missing(struct text *missing, const char *what, const char *name, const char *hint)
{
	if (missing == NULL)
		return;
	text_addf(missing, "%sno %s '", missing->length != 0 ? "; " : "", what);
	safe_terminal(missing, name);
	text_addf(missing, "' here%s", hint);
}

/* "0-3": rows, both ends with them. */
static bool parse_range(const char *name, uint64_t *ret_first, uint64_t *ret_last)
{
	char *end;

	if (name[0] < '0' || name[0] > '9')
		return false;
	errno = 0;
	*ret_first = strtoull(name, &end, 10);
	if (*end != '-' || end[1] < '0' || end[1] > '9')
		return false;
	*ret_last = strtoull(end + 1, &end, 10);
	return errno == 0 && *end == '\0' && *ret_first <= *ret_last;
}

static bool select_device(const struct machine *machine, const char *name,
                          struct selection *selection, struct text *ambiguous)
{
	char reason[SELECTION_REASON];
	uint64_t first, last;
	uint32_t row;
	int error;

	if (parse_range(name, &first, &last)) {
		for (uint64_t i = first; i <= last && i < machine_chips(machine); i++)
			selection->devices[i] = true;
		return first < machine_chips(machine);
	}
	error = selection_device(machine, name, &row, &reason);
	if (error == 0)
		selection->devices[row] = true;
	else if (error == -EEXIST && ambiguous != NULL)
		safe_terminal(ambiguous, reason);
	return error == 0 || error == -EEXIST;
}

static void select_devices(const struct filter *filter, const struct machine *machine,
                           struct selection *selection, struct text *missing)
{
	struct text said = {0};
	char hint[80];

	if (filter->devices.count == 0)
		return;
	if (machine_chips(machine) == 0)
		snprintf(hint, sizeof(hint), ": there are none");
	else
		snprintf(hint, sizeof(hint), ": there are 0 to %" PRIu32,
		         machine_chips(machine) - 1);
	selection->devices = mem_calloc(machine->devices.count, sizeof(bool));
	for (size_t i = 0; i < filter->devices.count; i++) {
		text_clear(&said);
		if (!select_device(machine, filter->devices.items[i], selection, &said))
			say_missing(missing, "device", filter->devices.items[i], hint);
		else if (said.length != 0 && missing != NULL)
			text_addf(missing, "%s%s", missing->length != 0 ? "; " : "", said.bytes);
	}
	text_finish(&said);
}

static void select_kinds(const struct filter *filter, const struct machine *machine,
                         struct selection *selection, struct text *missing)
{
	struct text hint = {0};

	selection->all_kinds = filter->kinds.count == 0;
	for (uint32_t i = 0; i < machine->kind_count && !selection->all_kinds; i++) {
		text_add(&hint, i != 0 ? ", " : ": there are ");
		safe_terminal(&hint, machine->kind_names[i]);
	}
	for (size_t i = 0; i < filter->kinds.count; i++) {
		uint32_t kind = machine_kind(machine, filter->kinds.items[i]);

		if (kind < MACHINE_MAX_KINDS)
			selection->kinds[kind] = true;
		else
			say_missing(missing, "kind of memory", filter->kinds.items[i],
			            text_string(&hint));
	}
	text_finish(&hint);
}

static bool has_pid(const struct machine *machine, int32_t pid)
{
	const struct machine_process *process;

	vec_for (process, &machine->processes)
		if (process->pid == pid)
			return true;
	return false;
}

void filter_select(const struct filter *filter, const struct scene *scene,
                   struct selection *ret_selection, struct text *ret_missing)
{
	char name[16];

	*ret_selection =
		(struct selection){.pids = filter->pids.items, .pid_count = filter->pids.count};
	select_devices(filter, &scene->machine, ret_selection, ret_missing);
	select_kinds(filter, &scene->machine, ret_selection, ret_missing);
	for (size_t i = 0; i < filter->pids.count; i++) {
		if (has_pid(&scene->machine, filter->pids.items[i]))
			continue;
		snprintf(name, sizeof(name), "%d", filter->pids.items[i]);
		say_missing(ret_missing, "process", name, "");
	}
}
