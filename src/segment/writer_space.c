/* SPDX-License-Identifier: Apache-2.0 */
/* Devices and spaces: opening, readiness, closing; figures of one device. See writer.h. */
#include "writer_internal.h"

#include <errno.h>
#include <string.h>

enum { MAX_BANKS = 4096 };

static bool device_is(struct writer *w, const struct segment_device *known,
                      const struct mt_device *device)
{
	if ((device->flags ^ known->flags) & MT_UNPLACED)
		return false;
	if (device->unique_id || known->unique_id)
		return device->unique_id == known->unique_id;
	return device->ordinal == known->ordinal &&
	       known->bus == (device->bus ? writer_string(w, device->bus) : 0);
}

static void device_memories(struct writer *w, uint32_t index, const struct mt_device *device)
{
	struct segment_device *out = &w->devices[index];

	for (uint32_t i = 0; i < device->memory_count; i++) {
		const struct mt_memory *memory = &device->memories[i];
		uint32_t banks = memory->banks ? memory->banks : 1;

		out->memories[i] = (struct segment_memory){.kind = memory->kind,
		                                           .banks = banks,
		                                           .base = memory->base,
		                                           .bank_bytes = memory->bank_bytes,
		                                           .align = memory->align};
		w->capacity[memory->kind * SEGMENT_MAX_DEVICES + index] =
			memory->bank_bytes * banks;
		counters_need(w, memory->kind);
	}
	out->memory_count = device->memory_count;
}

uint32_t writer_device_add(struct writer *w, const struct mt_device *device)
{
	uint32_t index = w->device_count;
	struct segment_device *out;

	if (index == SEGMENT_MAX_DEVICES ||
	    region_need(w, REGION_DEVICES, (index + 1) * sizeof *out))
		return UINT32_MAX;
	out = &w->devices[index];
	out->unique_id = device->unique_id;
	out->ordinal = device->ordinal;
	out->arch = device->arch ? writer_string(w, device->arch) : 0;
	out->bus = device->bus ? writer_string(w, device->bus) : 0;
	out->flags = device->flags & MT_UNPLACED;
	out->first_op = w->op + 1;
	w->device_count++;
	if (w->device_count == SEGMENT_MAX_DEVICES / 2 + 1) {
		for (uint32_t kind = 0; kind < SEGMENT_MAX_KINDS; kind++) {
			if (w->kinds_ready & 1u << kind && counters_need(w, kind))
				return w->device_count--, UINT32_MAX;
		}
	}
	device_memories(w, index, device);
	region_count(w, REGION_DEVICES, w->device_count);
	return index;
}

/* The index of a device in the table, where it is put at its first opening. */
static uint32_t device_index(struct writer *w, const struct mt_device *device)
{
	uint32_t index = 0;

	while (index < w->device_count && !device_is(w, &w->devices[index], device))
		index++;
	return index < w->device_count ? index : writer_device_add(w, device);
}

static void kinds_of_device(const struct writer *w, uint32_t index, struct writer_kind *kinds)
{
	const struct segment_device *device = &w->devices[index];
	/* What a proxy is told need not be addresses: no range is checked. */
	bool checked = !(w->header->compat & SEGMENT_COMPAT_PROXY);

	for (uint32_t i = 0; i < SEGMENT_MAX_KINDS; i++)
		kinds[i] = (struct writer_kind){.banks = 1, .alike = true};
	for (uint32_t i = 0; i < device->memory_count; i++) {
		const struct segment_memory *memory = &device->memories[i];

		kinds[memory->kind] =
			(struct writer_kind){.base = memory->base,
		                             .bank_bytes = checked ? memory->bank_bytes : 0,
		                             .banks = memory->banks,
		                             .alike = true};
	}
}

/* Gives back what a closed space still has, before its table entry is another's. */
static void space_finish(struct writer *w, struct writer_space *space, struct segment_space *out)
{
	if (!space->handle)
		return;
	/* First the entry, then what it names: no reader is to follow it into another's block. */
	__atomic_store_n(&out->handle, 0, __ATOMIC_RELEASE);
	program_space_finish(w, space->handle % SEGMENT_MAX_SPACES);
	writer_rows_free(w, space);
	if (space->type == SPACE_MESH)
		block_free(w, out->members_block, space->member_count * sizeof(uint32_t));
	block_free(w, out->resident_block, SEGMENT_MAX_RESIDENTS * sizeof(struct segment_resident));
	if (space->runs != &space->one)
		private_unmap(space->runs, space->run_count * sizeof *space->runs);
}

/* Begins the table entry of a space: its members and kinds are the caller's to fill in. */
static struct writer_space *space_begin(struct writer *w, uint32_t handle, uint8_t type,
                                        uint16_t flags)
{
	uint32_t at = handle % SEGMENT_MAX_SPACES;
	struct writer_space *space = &w->spaces[at];

	if (region_need(w, REGION_SPACES, (at + 1) * sizeof(struct segment_space)))
		return NULL;
	space_finish(w, space, &w->spaces_out[at]);
	memset(space, 0, sizeof *space);
	space->type = type;
	space->flags = flags;
	space->salt = space_salt(handle);
	space->runs = &space->one;
	memset(&w->spaces_out[at], 0, sizeof w->spaces_out[at]);
	return space;
}

static void space_publish(struct writer *w, struct writer_space *space, uint32_t handle)
{
	uint32_t at = handle % SEGMENT_MAX_SPACES;
	struct segment_space *out = &w->spaces_out[at];
	uint64_t op = batch_begin(w, 1);

	space->handle = handle;
	space->state = SPACE_OPEN;
	out->handle = handle;
	out->type = space->type;
	out->flags = space->flags;
	out->member_count = space->member_count;
	out->open_op = op;
	__atomic_store_n(&out->state, (uint8_t)SPACE_OPEN, __ATOMIC_RELEASE);
	if (w->header->regions[REGION_SPACES].count <= at)
		region_count(w, REGION_SPACES, at + 1);
	event_put(w, op, EVENT_OPEN, 0, writer_now(w), handle, place_pack(EVENT_NO_SLOT, 0, 0));
	batch_end(w);
}

static bool device_is_valid(const struct mt_device *device)
{
	if (device->flags & MT_UNPLACED &&
	    (device->unique_id || device->bus || device->memory_count))
		return false;
	if (device->memory_count > SEGMENT_MAX_MEMORIES ||
	    (device->memory_count && !device->memories))
		return false;
	for (uint32_t i = 0; i < device->memory_count; i++) {
		if (device->memories[i].kind >= SEGMENT_MAX_KINDS ||
		    device->memories[i].banks > MAX_BANKS)
			return false;
	}
	return true;
}

mt_result writer_space_on_device(struct writer *w, uint32_t handle, uint32_t device, uint16_t flags)
{
	struct writer_space *space = space_begin(w, handle, SPACE_DEVICE, flags);

	if (!space)
		return MT_FULL;
	space->member_count = 1;
	space->run_count = 1;
	space->one = (struct writer_run){.start = device, .length = 1};
	space->members = &space->one.start;
	kinds_of_device(w, device, space->kinds);
	w->spaces_out[handle % SEGMENT_MAX_SPACES].device = device;
	w->spaces_out[handle % SEGMENT_MAX_SPACES].rows = 1;
	w->spaces_out[handle % SEGMENT_MAX_SPACES].columns = 1;
	space_publish(w, space, handle);
	return MT_OK;
}

mt_result writer_open_device(struct writer *w, uint32_t handle, const struct mt_device *device,
                             uint16_t flags)
{
	uint32_t index;

	if (!device_is_valid(device))
		return MT_BAD_ARGUMENT;
	index = device_index(w, device);
	return index == UINT32_MAX ? MT_FULL : writer_space_on_device(w, handle, index, flags);
}

void writer_device_ordinals(struct writer *w, uint32_t handle, uint64_t ordinals)
{
	const struct writer_space *space = space_find(w, handle);

	if (space && space->type == SPACE_DEVICE)
		__atomic_store_n(&w->devices[space->one.start].ordinals, ordinals,
		                 __ATOMIC_RELEASE);
}

uint32_t space_member_of(const struct writer_space *space, uint32_t device)
{
	for (uint32_t i = 0; i < space->member_count; i++) {
		if (space->members[i] == device)
			return i;
	}
	return UINT32_MAX;
}

/* The members as runs of neighbouring device indices. */
static bool mesh_runs(struct writer_space *space)
{
	uint64_t bits[SEGMENT_MAX_DEVICES / 64] = {0};
	struct writer_run runs[SEGMENT_MAX_DEVICES / 2 + 1];
	uint32_t count = 0;

	for (uint32_t i = 0; i < space->member_count; i++) {
		uint32_t device = space->members[i];

		if (device != SPACE_REMOTE)
			bits[device / 64] |= 1ull << device % 64;
	}
	for (uint32_t device = 0; device < SEGMENT_MAX_DEVICES; device++) {
		if (!(bits[device / 64] & 1ull << device % 64))
			continue;
		if (count && runs[count - 1].start + runs[count - 1].length == device)
			runs[count - 1].length++;
		else
			runs[count++] = (struct writer_run){.start = device, .length = 1};
	}
	space->run_count = count;
	space->one = count ? runs[0] : (struct writer_run){0};
	if (count <= 1)
		return true;
	space->runs = private_map(count * sizeof *runs);
	if (!space->runs)
		return false;
	memcpy(space->runs, runs, count * sizeof *runs);
	return true;
}

/* What all local members have in common; kinds in which they differ are counted one by one. */
static void mesh_kinds(const struct writer *w, struct writer_space *space)
{
	struct writer_kind kinds[SEGMENT_MAX_KINDS];
	bool first = true;

	for (uint32_t i = 0; i < space->member_count; i++) {
		if (space->members[i] == SPACE_REMOTE)
			continue;
		kinds_of_device(w, space->members[i], first ? space->kinds : kinds);
		for (uint32_t k = 0; !first && k < SEGMENT_MAX_KINDS; k++) {
			struct writer_kind *all = &space->kinds[k];

			if (all->banks != kinds[k].banks)
				all->alike = false;
			if (all->base != kinds[k].base || all->bank_bytes != kinds[k].bank_bytes)
				all->bank_bytes = 0;
		}
		first = false;
	}
	for (uint32_t k = 0; first && k < SEGMENT_MAX_KINDS; k++)
		space->kinds[k] = (struct writer_kind){.banks = 1, .alike = true};
}

static mt_result mesh_members(struct writer *w, uint32_t *out, const struct mt_mesh *mesh)
{
	for (uint32_t i = 0; i < mesh->rows * mesh->columns; i++) {
		const struct writer_space *device = space_find(w, mesh->devices[i]);

		out[i] = SPACE_REMOTE;
		if (!mesh->devices[i])
			continue;
		if (!device || device->type != SPACE_DEVICE || !space_is_open(device))
			return MT_UNKNOWN_SPACE;
		out[i] = device->one.start;
		if (w->devices[out[i]].flags & SEGMENT_DEVICE_UNPLACED)
			return MT_BAD_ARGUMENT;
		for (uint32_t j = 0; j < i; j++) {
			if (out[j] == out[i])
				return MT_BAD_ARGUMENT;
		}
	}
	return MT_OK;
}

/* A mesh whose members are in a block, which becomes the space's. */
static mt_result mesh_space(struct writer *w, uint32_t handle, const struct mt_mesh *mesh,
                            uint32_t block, uint16_t flags)
{
	struct segment_space *out = &w->spaces_out[handle % SEGMENT_MAX_SPACES];
	struct writer_space *space = space_begin(w, handle, SPACE_MESH, flags);

	if (!space) {
		block_free(w, block, (uint64_t)mesh->rows * mesh->columns * sizeof(uint32_t));
		return MT_FULL;
	}
	space->member_count = mesh->rows * mesh->columns;
	space->members = block_at(w, block);
	if (!mesh_runs(space))
		return MT_FULL;
	mesh_kinds(w, space);
	out->rows = (uint16_t)mesh->rows;
	out->columns = (uint16_t)mesh->columns;
	out->members_block = block;
	out->parent = mesh->parent;
	out->name = mesh->name ? writer_string(w, mesh->name) : 0;
	space_publish(w, space, handle);
	return MT_OK;
}

mt_result writer_space_on_members(struct writer *w, uint32_t handle, const struct mt_mesh *mesh,
                                  const uint32_t *members, uint16_t flags)
{
	uint64_t bytes = (uint64_t)mesh->rows * mesh->columns * sizeof *members;
	uint32_t block = block_alloc(w, bytes);

	if (!block)
		return MT_FULL;
	memcpy(block_at(w, block), members, bytes);
	return mesh_space(w, handle, mesh, block, flags);
}

mt_result writer_open_mesh(struct writer *w, uint32_t handle, const struct mt_mesh *mesh,
                           uint16_t flags)
{
	uint64_t count = (uint64_t)mesh->rows * mesh->columns;
	uint32_t block;
	mt_result result;

	if (!count || mesh->rows > SEGMENT_MAX_MEMBERS || count > SEGMENT_MAX_MEMBERS ||
	    !mesh->devices)
		return MT_BAD_ARGUMENT;
	block = block_alloc(w, count * sizeof(uint32_t));
	if (!block)
		return MT_FULL;
	result = mesh_members(w, block_at(w, block), mesh);
	if (result == MT_OK)
		return mesh_space(w, handle, mesh, block, flags);
	block_free(w, block, count * sizeof(uint32_t));
	return result;
}

mt_result space_unknown(struct writer *w, uint32_t handle, const struct writer_call *call)
{
	struct writer_fault fault = {.type = MT_UNKNOWN_SPACE,
	                             .space = handle,
	                             .kind = UINT32_MAX,
	                             .device = UINT32_MAX,
	                             .tag_second = call->tag,
	                             .thread_second = call->thread};

	return w->known(handle) ? MT_LATE : writer_fault(w, &fault);
}

mt_result writer_ready(struct writer *w, uint32_t handle, const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	struct segment_space *out = &w->spaces_out[handle % SEGMENT_MAX_SPACES];
	bool changed = false;
	uint64_t op;

	if (!space || !space_is_open(space))
		return space_unknown(w, handle, call);
	if (space->state == SPACE_READY)
		return MT_OK;
	op = batch_begin(w, 1);
	event_put(w, op, EVENT_READY, 0, writer_now(w), handle, place_pack(EVENT_NO_SLOT, 0, 0));
	for (uint32_t row = space->first_row; row; row = w->row_next[row - 1]) {
		struct segment_row *r = &w->rows[row - 1];

		if (r->class_now != CLASS_USER && r->class_now != CLASS_CACHE)
			continue;
		r->ready_op = op;
		r->class_now = CLASS_SYSTEM;
		changed = true;
	}
	space->state = SPACE_READY;
	out->ready_op = op;
	out->state = SPACE_READY;
	batch_end(w);
	/* Rows that turned into system ones are found under that key from now on, and their old
	 * keys are free for the user's. */
	if (changed)
		writer_rows_rekey(w);
	return MT_OK;
}

/* Takes what a space still holds out of the counters of its devices. */
static void space_release(struct writer *w, const struct writer_space *space)
{
	for (uint32_t row = space->first_row; row; row = w->row_next[row - 1]) {
		const struct segment_row *r = &w->rows[row - 1];

		if (!class_is_counted(r->class_now) || !r->held)
			continue;
		if (r->member != ROW_ALL_MEMBERS) {
			w->counters[r->kind].held[space->members[r->member]] -= r->held;
			continue;
		}
		for (uint32_t i = 0; i < space->run_count; i++)
			counters_sub(&w->counters[r->kind], space->runs[i].start,
			             space->runs[i].length, r->held, w->avx2);
	}
}

mt_result writer_close_space(struct writer *w, uint32_t handle, bool lost,
                             const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	struct segment_space *out = &w->spaces_out[handle % SEGMENT_MAX_SPACES];
	uint64_t op;

	if (!space || !space_is_open(space))
		return space_unknown(w, handle, call);
	writer_capture_peaks(w);
	op = batch_begin(w, 1);
	event_put(w, op, EVENT_CLOSE, 0, writer_now(w), handle, place_pack(EVENT_NO_SLOT, 0, 0));
	out->close_op = op;
	space->last_op = op;
	space->state = lost ? SPACE_LOST : SPACE_CLOSED;
	__atomic_store_n(&out->state, space->state, __ATOMIC_RELEASE);
	space_release(w, space);
	out->resident_count = 0;
	batch_end(w);
	return MT_OK;
}

/* Closed, with nothing left in it. */
bool writer_space_is_empty(const struct writer *w, uint32_t handle)
{
	const struct writer_space *space = &w->spaces[handle % SEGMENT_MAX_SPACES];

	if (!space->handle || space_is_open(space) || space->specials)
		return false;
	for (uint32_t row = space->first_row; row; row = w->row_next[row - 1]) {
		if (w->rows[row - 1].buffers)
			return false;
	}
	return true;
}

bool writer_space_is_reusable(const struct writer *w, uint32_t handle)
{
	const struct writer_space *space = &w->spaces[handle % SEGMENT_MAX_SPACES];

	return !space->handle || (writer_space_is_empty(w, handle) && space_is_past(w, space));
}

bool spaces_meet(const struct writer_space *a, const struct writer_space *b)
{
	for (uint32_t i = 0; i < a->run_count; i++) {
		for (uint32_t j = 0; j < b->run_count; j++) {
			const struct writer_run *x = &a->runs[i], *y = &b->runs[j];

			if (x->start < y->start + y->length && y->start < x->start + x->length)
				return true;
		}
	}
	return false;
}

/* --- figures ----------------------------------------------------------------------------- */

mt_result writer_check(struct writer *w, uint32_t handle, uint32_t kind, uint64_t held,
                       const struct writer_call *call)
{
	struct writer_space *space = space_find(w, handle);
	mt_result told = MT_OK;

	if (!space || !space_is_open(space))
		return space_unknown(w, handle, call);
	if (kind >= w->header->kind_count)
		return MT_BAD_ARGUMENT;
	for (uint32_t i = 0; i < space->member_count; i++) {
		uint32_t device = space->members[i];
		struct writer_fault fault = {.type = MT_DRIFT,
		                             .space = handle,
		                             .kind = kind,
		                             .device = device,
		                             .bytes_second = held,
		                             .tag_second = call->tag,
		                             .thread_second = call->thread};

		if (device == SPACE_REMOTE)
			continue;
		if (w->kinds_ready & 1u << kind)
			fault.bytes_first = w->counters[kind].held[device];
		if (fault.bytes_first != held)
			told = writer_fault(w, &fault);
	}
	return told;
}

static void usage_add(struct mt_usage *usage, const struct segment_row *row, bool open)
{
	usage->allocs += row->allocs;
	usage->frees += row->frees;
	if (!open)
		return;
	usage->bytes += row->bytes;
	usage->buffers += row->buffers;
	if (row->class_now == CLASS_SYSTEM)
		usage->system += row->bytes;
	if (row->class_now == CLASS_CACHE)
		usage->cache += row->bytes;
}

mt_result writer_usage(struct writer *w, uint32_t handle, uint32_t kind, struct mt_usage *ret_usage)
{
	struct writer_space *device = space_find(w, handle);
	const struct segment_counters *c = &w->counters[kind % SEGMENT_MAX_KINDS];
	uint32_t at;

	if (!device)
		return MT_UNKNOWN_SPACE;
	if (kind >= SEGMENT_MAX_KINDS || device->type != SPACE_DEVICE)
		return MT_BAD_ARGUMENT;
	at = device->one.start;
	*ret_usage = (struct mt_usage){.struct_size = sizeof *ret_usage,
	                               .exact = !(w->header->state & SEGMENT_STATE_INEXACT),
	                               .capacity = w->capacity[kind * SEGMENT_MAX_DEVICES + at],
	                               .faults = w->header->fault_total};
	if (w->kinds_ready & 1u << kind) {
		ret_usage->held = c->held[at];
		ret_usage->peak = c->peak[at] > c->peak_base[at] ? c->peak[at] : c->peak_base[at];
		ret_usage->peak_since_mark = c->peak[at];
	}
	for (uint32_t i = 0; i < w->row_high; i++) {
		const struct segment_row *row = &w->rows[i];
		struct writer_space *space = row->space ? space_find(w, row->space) : NULL;
		uint32_t member = space ? space_member_of(space, at) : UINT32_MAX;

		if (member == UINT32_MAX || row->kind != kind || !class_is_counted(row->class_now))
			continue;
		if (row->member == ROW_ALL_MEMBERS || row->member == member)
			usage_add(ret_usage, row, space_is_open(space));
	}
	return MT_OK;
}
