/* SPDX-License-Identifier: Apache-2.0 */
#include "selection.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char unplaced_name[] = "unplaced";

/* Notes that a name means this row; with two different ones it means neither. */
static void meet(uint32_t row, uint32_t *found, bool *two)
{
	*two = *two || (*found != UINT32_MAX && *found != row);
	*found = row;
}

static bool parse_number(const char *text, char end_byte, uint64_t *ret_number,
                         const char **ret_end)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(text, &end, 0);
	*ret_end = end;
	return errno == 0 && *end == end_byte;
}

static void find_by_bus(const struct machine *machine, const char *name, uint32_t *found, bool *two)
{
	for (uint32_t i = 0; i < machine->devices.count; i++)
		if (strcasecmp(machine->devices.items[i].bus, name) == 0)
			meet(i, found, two);
}

static void find_by_ordinal(const struct machine *machine, uint64_t pid, uint64_t ordinal,
                            uint32_t *found, bool *two)
{
	const struct machine_process *process;

	vec_for (process, &machine->processes) {
		if (process->view == NULL || (uint64_t)process->pid != pid)
			continue;
		for (uint32_t d = 0; d < process->view->device_count; d++)
			if (!process->view->devices[d].unplaced &&
			    (uint64_t)process->view->devices[d].ordinal == ordinal)
				meet(process->chips[d], found, two);
	}
}

static bool is_mesh_named(const struct view_space *space, const char *name, size_t length)
{
	if (space->type != SPACE_MESH || space->state == SPACE_CLOSED)
		return false;
	if (length == 0 || (length == 4 && strncmp(name, "mesh", 4) == 0))
		return space->parent == 0;
	return strncmp(space->name, name, length) == 0 && space->name[length] == '\0';
}

static void find_in_meshes(const struct machine *machine, const char *name, const char *at,
                           uint32_t *found, bool *two)
{
	const struct machine_process *process;
	unsigned row, column;
	int used = 0;

	if (sscanf(at, "@%u,%u%n", &row, &column, &used) != 2 || at[used] != '\0')
		return;
	vec_for (process, &machine->processes) {
		for (uint32_t i = 0; process->view != NULL && i < process->view->space_count; i++) {
			const struct view_space *space = &process->view->spaces[i];
			uint64_t member = (uint64_t)row * space->columns + column;

			if (!is_mesh_named(space, name, (size_t)(at - name)) ||
			    row >= space->rows || column >= space->columns ||
			    member >= space->member_count ||
			    space->members[member] >= process->view->device_count)
				continue;
			meet(process->chips[space->members[member]], found, two);
		}
	}
}

static void find_any(const struct machine *machine, const char *name, uint32_t *found, bool *two)
{
	const char *at = strrchr(name, '@'), *end;
	uint64_t number, ordinal;

	find_by_bus(machine, name, found, two);
	if (*found != UINT32_MAX)
		return;
	if (strcmp(name, unplaced_name) == 0) {
		if (machine_chips(machine) < machine->devices.count)
			meet(machine_chips(machine), found, two);
	} else if (at != NULL) {
		find_in_meshes(machine, name, at, found, two);
	} else if (strncasecmp(name, "0x", 2) == 0 && parse_number(name, '\0', &number, &end)) {
		for (uint32_t i = 0; number != 0 && i < machine->devices.count; i++)
			if (machine->devices.items[i].unique_id == number)
				meet(i, found, two);
	} else if (parse_number(name, ':', &number, &end) &&
	           parse_number(end + 1, '\0', &ordinal, &end)) {
		find_by_ordinal(machine, number, ordinal, found, two);
	} else if (parse_number(name, '\0', &number, &end) && number < machine_chips(machine)) {
		meet((uint32_t)number, found, two);
	}
}

int selection_device(const struct machine *machine, const char *name, uint32_t *ret_row,
                     char (*ret_reason)[SELECTION_REASON])
{
	uint32_t found = UINT32_MAX;
	bool two = false;

	if (name[0] != '\0')
		find_any(machine, name, &found, &two);
	if (two) {
		snprintf(*ret_reason, SELECTION_REASON,
		         "device '%.60s' means more than one device here: name it by its row or by "
		         "0xUID (see `meshtally devices --long`)",
		         name);
		return -EEXIST;
	}
	if (found == UINT32_MAX && strcmp(name, unplaced_name) == 0) {
		snprintf(*ret_reason, SELECTION_REASON,
		         "nothing is unplaced: no program says that anything is allocated and on "
		         "no device yet");
		return -ENOENT;
	}
	if (found == UINT32_MAX) {
		snprintf(*ret_reason, SELECTION_REASON,
		         "no device '%.60s': give a row of `meshtally devices` (there are %" PRIu32
		         "), a "
		         "0xUID, a bus address, mesh@row,column or pid:ordinal",
		         name, machine_chips(machine));
		return -ENOENT;
	}
	*ret_row = found;
	return 0;
}

static int select_kinds(struct selection *selection, const struct machine *machine,
                        const struct selection_names *names, char (*ret_reason)[SELECTION_REASON])
{
	char known[100] = "";
	size_t length = 0;

	selection->all_kinds = names->kind_count == 0;
	for (uint32_t i = 0; i < machine->kind_count && length < sizeof(known) - 20; i++)
		length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s",
		                           i != 0 ? ", " : "", machine->kind_names[i]);
	for (size_t i = 0; i < names->kind_count; i++) {
		uint32_t kind = machine_kind(machine, names->kinds[i]);

		if (kind == UINT32_MAX) {
			snprintf(*ret_reason, SELECTION_REASON,
			         "no memory kind '%.40s': there are %s", names->kinds[i], known);
			return -ENOENT;
		}
		selection->kinds[kind] = true;
	}
	return 0;
}

int selection_init(struct selection *selection, const struct machine *machine,
                   const struct selection_names *names, char (*ret_reason)[SELECTION_REASON])
{
	uint32_t row;
	int error;

	*selection = (struct selection){.pids = names->pids, .pid_count = names->pid_count};
	error = select_kinds(selection, machine, names, ret_reason);
	if (error == 0 && names->device_count != 0)
		selection->devices = mem_calloc(machine->devices.count, sizeof(bool));
	for (size_t i = 0; error == 0 && i < names->device_count; i++) {
		error = selection_device(machine, names->devices[i], &row, ret_reason);
		if (error == 0)
			selection->devices[row] = true;
	}
	if (error != 0)
		selection_finish(selection);
	return error;
}

void selection_finish(struct selection *selection)
{
	free(selection->devices);
	selection->devices = NULL;
}

bool selection_has_device(const struct selection *selection, uint32_t row)
{
	return row != UINT32_MAX && (selection->devices == NULL || selection->devices[row]);
}

bool selection_has_kind(const struct selection *selection, uint32_t kind)
{
	return selection->all_kinds || selection->kinds[kind];
}

bool selection_has_process(const struct selection *selection, const struct machine_process *process)
{
	for (size_t i = 0; i < selection->pid_count; i++)
		if (selection->pids[i] == process->pid)
			return true;
	return selection->pid_count == 0;
}

struct space_members *selection_spaces(const struct selection *selection,
                                       const struct machine_process *process)
{
	const struct segment_view *view = process->view;
	struct space_members *spaces = mem_calloc(view->space_count, sizeof(*spaces));

	for (uint32_t i = 0; i < view->space_count; i++) {
		const struct view_space *space = &view->spaces[i];

		spaces[i].members = mem_calloc(2 * (size_t)space->member_count, sizeof(uint32_t));
		spaces[i].rows = spaces[i].members + space->member_count;
		spaces[i].first_row = UINT32_MAX;
		for (uint32_t m = 0; m < space->member_count; m++) {
			uint32_t device = space->members[m];

			if (device >= view->device_count ||
			    !selection_has_device(selection, process->rows[device]))
				continue;
			spaces[i].members[spaces[i].count] = m;
			spaces[i].rows[spaces[i].count++] = process->rows[device];
			if (process->rows[device] < spaces[i].first_row)
				spaces[i].first_row = process->rows[device];
		}
	}
	return spaces;
}

uint64_t buffer_total_bytes(const struct view_buffer *buffer, const struct space_members *space,
                            uint32_t *ret_devices)
{
	uint64_t total = 0;

	*ret_devices = space->count;
	if (buffer->member_bytes == NULL)
		return buffer->bytes * space->count;
	*ret_devices = 0;
	for (uint32_t n = 0; n < space->count; n++) {
		total += buffer_bytes_on(buffer, space, n);
		*ret_devices += buffer_bytes_on(buffer, space, n) != 0;
	}
	return total;
}

void selection_spaces_finish(struct space_members *spaces, const struct machine_process *process)
{
	for (uint32_t i = 0; spaces != NULL && i < process->view->space_count; i++)
		free(spaces[i].members);
	free(spaces);
}
