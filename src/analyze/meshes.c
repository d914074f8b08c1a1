/* SPDX-License-Identifier: Apache-2.0 */
#include "meshes.h"

#include <stdlib.h>
#include <string.h>

struct mesh_find {
	struct meshes *found;
	const struct machine *machine;
	struct lookup by_shape;
	VEC(size_t) last_seen; /* by mesh: number of the process that was seen with it last */
	uint32_t *devices;     /* of the space at hand */
};

static bool same_mesh(const void *elements, size_t position, const void *key)
{
	const struct mesh *a = (const struct mesh *)elements + position, *b = key;

	return a->rows == b->rows && a->columns == b->columns &&
	       memcmp(a->devices, b->devices, (size_t)a->rows * a->columns * sizeof(*a->devices)) ==
	               0;
}

/* False: no mesh of several devices, of which at least one is here. */
static bool describe(struct mesh_find *find, const struct machine_process *process,
                     const struct view_space *space, struct mesh *ret_mesh)
{
	uint32_t here = 0;

	if (space->type != SPACE_MESH || space->member_count < 2 ||
	    (space->state != SPACE_OPEN && space->state != SPACE_READY) ||
	    (uint64_t)space->rows * space->columns != space->member_count ||
	    space->member_count > SEGMENT_MAX_MEMBERS)
		return false;
	for (uint32_t m = 0; m < space->member_count; m++) {
		uint32_t device = space->members[m];
		uint32_t row =
			device < process->view->device_count ? process->chips[device] : UINT32_MAX;

		find->devices[m] = row < machine_chips(find->machine) ? row : UINT32_MAX;
		here += find->devices[m] != UINT32_MAX;
	}
	*ret_mesh = (struct mesh){space->name, space->rows, space->columns, find->devices, 0};
	return here != 0;
}

static void add_space(struct mesh_find *find, size_t process, const struct mesh *mesh)
{
	size_t bytes = (size_t)mesh->rows * mesh->columns * sizeof(*mesh->devices);
	size_t count = find->found->meshes.count, at;
	uint64_t hash = hash_bytes(hash_number(mesh->rows, mesh->columns), mesh->devices, bytes);
	struct mesh *known;

	at = count < MESHES_LIMIT
	             ? lookup_place(&find->by_shape, find->found->meshes.items, mesh, hash, count)
	             : lookup_find(&find->by_shape, find->found->meshes.items, mesh, hash);
	if (at == SIZE_MAX)
		return;
	if (at == count) {
		known = vec_add(&find->found->meshes);
		*known = *mesh;
		known->devices = mem_calloc(1, bytes);
		memcpy(known->devices, mesh->devices, bytes);
		*vec_add(&find->last_seen) = SIZE_MAX;
	}
	known = &find->found->meshes.items[at];
	known->name = known->name[0] != '\0' ? known->name : mesh->name;
	known->processes += find->last_seen.items[at] != process;
	find->last_seen.items[at] = process;
}

static uint32_t mesh_size(const struct mesh *mesh)
{
	return mesh->rows * mesh->columns;
}

/* The order is the same whichever way the processes are in. */
static int largest_first(const void *a, const void *b)
{
	const struct mesh *x = a, *y = b;
	int order;

	if (mesh_size(x) != mesh_size(y))
		return mesh_size(x) > mesh_size(y) ? -1 : 1;
	if (x->processes != y->processes)
		return x->processes > y->processes ? -1 : 1;
	for (uint32_t i = 0; i < mesh_size(x); i++)
		if (x->devices[i] != y->devices[i])
			return x->devices[i] < y->devices[i] ? -1 : 1;
	order = (x->rows > y->rows) - (x->rows < y->rows);
	return order;
}

/* The devices of a mesh: those that are here a bit each, and in the first word how many are not. */
static void fill_set(uint64_t *set, const struct mesh *mesh)
{
	for (uint32_t i = 0; i < mesh_size(mesh); i++) {
		uint32_t row = mesh->devices[i];

		if (row == UINT32_MAX)
			set[0]++;
		else
			set[1 + row / 64] |= UINT64_C(1) << row % 64;
	}
}

/* Which ones the others are is not known: no fewer must be in the whole. */
static bool is_within(const uint64_t *part, const uint64_t *whole, size_t words)
{
	for (size_t i = 1; i < words; i++)
		if ((part[i] & ~whole[i]) != 0)
			return false;
	return part[0] <= whole[0];
}

/* Leaves out what lies within another; of several of the same devices the first in the order, which
 * has the most processes, stays. */
static void drop_parts(struct meshes *found, size_t words)
{
	size_t count = found->meshes.count, kept = 0;
	uint64_t *sets = mem_calloc(count * words, sizeof(*sets));
	bool *drop = mem_calloc(count, sizeof(*drop));

	for (size_t i = 0; i < count; i++)
		fill_set(&sets[i * words], &found->meshes.items[i]);
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < count && !drop[i]; j++)
			drop[i] = j != i && !drop[j] &&
			          is_within(&sets[i * words], &sets[j * words], words) &&
			          (j < i || !is_within(&sets[j * words], &sets[i * words], words));
	for (size_t i = 0; i < count; i++) {
		if (drop[i])
			free(found->meshes.items[i].devices);
		else
			found->meshes.items[kept++] = found->meshes.items[i];
	}
	found->meshes.count = kept;
	free(sets);
	free(drop);
}

static void list_unconnected(struct meshes *found, const struct machine *machine)
{
	bool *connected = mem_calloc(machine->devices.count, sizeof(*connected));
	const struct mesh *mesh;

	vec_for (mesh, &found->meshes)
		for (uint32_t i = 0; i < mesh_size(mesh); i++)
			if (mesh->devices[i] != UINT32_MAX)
				connected[mesh->devices[i]] = true;
	for (uint32_t row = 0; row < machine_chips(machine); row++)
		if (!connected[row])
			*vec_add(&found->unconnected) = row;
	free(connected);
}

void meshes_find(struct meshes *meshes, const struct machine *machine)
{
	struct mesh_find find = {meshes, machine, {.same = same_mesh}, {0}, NULL};
	struct mesh mesh;

	*meshes = (struct meshes){0};
	find.devices = mem_calloc(SEGMENT_MAX_MEMBERS, sizeof(*find.devices));
	for (size_t i = 0; i < machine->processes.count; i++) {
		const struct machine_process *process = &machine->processes.items[i];

		for (uint32_t s = 0;
		     process->counted && process->view != NULL && s < process->view->space_count;
		     s++)
			if (describe(&find, process, &process->view->spaces[s], &mesh))
				add_space(&find, i, &mesh);
	}
	if (meshes->meshes.count > 1)
		qsort(meshes->meshes.items, meshes->meshes.count, sizeof(*meshes->meshes.items),
		      largest_first);
	drop_parts(meshes, machine->devices.count / 64 + 2);
	list_unconnected(meshes, machine);
	free(find.devices);
	vec_finish(&find.last_seen);
	lookup_finish(&find.by_shape);
}

void meshes_finish(struct meshes *meshes)
{
	struct mesh *mesh;

	vec_for (mesh, &meshes->meshes)
		free(mesh->devices);
	vec_finish(&meshes->meshes);
	vec_finish(&meshes->unconnected);
}
