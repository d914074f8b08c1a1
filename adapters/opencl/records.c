/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t last_id;         /* lock held; a forked child goes on where its parent was */
static uint32_t releases_matter; /* some record's end is not, or perhaps not, told */

/* --- where and as what -------------------------------------------------------------------- */

/* The index of the device that it lies on from the start; UINT32_MAX: not known yet. `device` may
 * be NULL. */
static uint32_t place_of(const struct context *context, const struct device *device)
{
	uint32_t index = device ? context_device(context, device) : UINT32_MAX;

	return index == UINT32_MAX && context->device_count == 1 ? 0 : index;
}

static bool is_unified(const struct context *context, uint32_t place)
{
	return place == UINT32_MAX ? context->unified : context->devices[place]->unified;
}

/* Kind and flags of what is to be reported. */
static void classify(struct record *record, const struct allocation *allocation, uint32_t place)
{
	const struct context *context = record->context;
	bool unified = is_unified(context, place);

	record->flags = allocation->flags;
	if (allocation->program && unified)
		record->flags |= MT_VIEW;
	if (allocation->host && !unified)
		record->kind = MT_HOST;
	else
		record->kind = place == UINT32_MAX ? context->kind : context->devices[place]->kind;
}

static bool is_counted(const struct record *record)
{
	return !(record->flags & (MT_VIEW | MT_IMPORT)) && record->kind != MT_HOST;
}

/* A view lies where its owner lies, whatever is said of it. */
static void follow_owner(struct record *record, const void *owner_handle)
{
	const struct record *owner = table_find(table_of_memory(), owner_handle);

	record->flags |= MT_VIEW;
	if (!owner)
		return;
	/* Of a view of a view: what both lie in. */
	record->owner = owner->owner ? owner->owner : owner->id;
	record->owner_handle = owner->owner ? owner->owner_handle : owner_handle;
	record->kind = owner->kind;
	record->space = owner->space;
	record->places = 0; /* its own: where the owner is further, the view is not shown yet */
	for (uint32_t i = 0; i < record->context->device_count; i++) {
		if (record->context->spaces[i] == record->space)
			record->places = 1ull << i;
	}
}

static bool has_tag(void)
{
	mt_tag tag = mt_tag_swap(0);

	mt_tag_swap(tag);
	return tag != 0;
}

/* --- the budget --------------------------------------------------------------------------- */

/* Lock held. False: refused, and reported. */
static bool reserve(struct context *context, struct allocation *allocation, struct device *device)
{
	struct record asked = {.context = context};
	uint32_t place = place_of(context, device);

	classify(&asked, allocation, place);
	if (!is_counted(&asked) || allocation->owner)
		return true;
	if (place == UINT32_MAX) {
		if (budget_allows(context, allocation->bytes))
			return true;
		failure_of_budget(context, NULL, allocation->bytes, allocation->site);
		return false;
	}
	device = context->devices[place];
	if (!budget_take(device, allocation->bytes)) {
		failure_of_budget(context, device, allocation->bytes, allocation->site);
		return false;
	}
	allocation->reserved_on = device;
	allocation->reserved_bytes = allocation->bytes;
	return true;
}

cl_int record_admit(struct allocation *allocation)
{
	struct device *device;
	struct context *context;
	int saved = errno;
	bool fits = true;

	if (!budget_bytes() || !MT_IS_ON() || context_make(allocation->context))
		return CL_SUCCESS;
	device = device_of(allocation->device);
	if (layer_enter()) {
		context = context_find(allocation->context);
		fits = !context || reserve(context, allocation, device);
		layer_leave();
	}
	errno = saved;
	allocation->refused = !fits;
	return fits ? CL_SUCCESS : CL_MEM_OBJECT_ALLOCATION_FAILURE;
}

void record_withdraw(const struct allocation *allocation)
{
	if (!allocation->reserved_on || !layer_enter())
		return;
	budget_give(allocation->reserved_on, allocation->reserved_bytes);
	layer_leave();
}

/* What was reserved becomes the record's. The driver may have made more of it than was asked. */
static void settle_budget(struct record *record, const struct allocation *allocation,
                          uint32_t place)
{
	if (allocation->reserved_on)
		budget_give(allocation->reserved_on, allocation->reserved_bytes);
	if (place == UINT32_MAX || !is_counted(record))
		return;
	record->copies |= 1ull << place;
	record->context->devices[place]->budget_used += record->bytes;
	record->budgeted = true;
}

/* --- ends --------------------------------------------------------------------------------- */

static void give_budget(const struct record *record)
{
	const struct context *context = record->context;

	for (uint32_t i = 0; record->budgeted && i < context->device_count; i++) {
		if (record->copies >> i & 1)
			budget_give(context->devices[i], record->bytes);
	}
}

void record_forget(struct record *record)
{
	use_end(record);
	give_budget(record);
	table_take(table_of_memory(), record->handle);
	free(record);
}

static void end(struct record *record);

/* What lies in an object ends with it, though nobody told: it would have kept it alive. */
static void end_views(const struct record *owner)
{
	struct record *record;

	for (uint32_t left = owner->views; left > 0; left--) {
		size_t at = 0;

		do {
			record = table_next(table_of_memory(), &at);
		} while (record && record->owner != owner->id);
		if (!record)
			return;
		end(record);
	}
}

/* Lock held. The record is freed, and the context's, if it was the last of a released one. */
static void end(struct record *record)
{
	struct context *context = record->context;
	struct record *owner = NULL;

	table_take(table_of_memory(), record->handle);
	end_views(record);
	use_end(record);
	mt_free(record->space, record->id);
	give_budget(record);
	if (record->owner_handle)
		owner = table_find(table_of_memory(), record->owner_handle);
	if (owner && owner->id == record->owner && owner->views > 0)
		owner->views--;
	else
		owner = NULL;
	free(record);
	context->live--;
	if (owner && owner->counted && !owner->references && !owner->views)
		end(owner); /* of the same context, which it keeps alive until here */
	else
		context_settle(context);
}

void record_end(const void *handle)
{
	struct record *record;
	int saved = errno;

	if (!layer_enter())
		return;
	record = table_find(table_of_memory(), handle);
	if (record)
		end(record);
	layer_leave();
	errno = saved;
}

/* The driver's word, from a thread of its choice. The id tells whether the record is still that of
 * this object: a handle is used again. */
static void CL_CALLBACK memory_destroyed(cl_mem memory, void *id)
{
	struct record *record;
	int saved = errno;

	if (!layer_enter())
		return;
	record = table_find(table_of_memory(), memory);
	if (record && (uintptr_t)record->id == (uintptr_t)id)
		end(record);
	layer_leave();
	errno = saved;
}

/* --- beginnings --------------------------------------------------------------------------- */

/* Lock held. 0 where it is recorded now, even if it is not counted in detail. */
static int report(const struct record *record, const struct allocation *allocation)
{
	const struct mt_buffer buffer = {
		.struct_size = sizeof buffer,
		.space = record->space,
		.id = record->id,
		.address = record->flags & MT_NO_ADDRESS ? 0 : allocation->address,
		.bytes = record->bytes,
		.parent = record->owner,
		.kind = record->kind,
		.flags = record->flags,
		.site = allocation->site,
	};
	mt_result result = mt_alloc(&buffer);

	return result == MT_OFF || result == MT_UNKNOWN_SPACE || result >= MT_BAD_ARGUMENT ? -EIO
	                                                                                   : 0;
}

/* Lock held. */
static int add(struct context *context, const struct allocation *allocation,
               const struct device *device)
{
	struct record *record, *old;
	uint32_t place = place_of(context, device);
	int error;

	/* Nobody told us its end, and the handle is another's now. */
	old = table_find(table_of_memory(), allocation->handle);
	if (old) {
		context->live++; /* stays, though the old one may have been its last */
		end(old);
		context->live--;
	}
	record = calloc(1, sizeof *record);
	if (!record)
		return -ENOMEM;
	record->id = ++last_id;
	record->handle = allocation->handle;
	record->context = context;
	record->bytes = allocation->bytes;
	record->tagged = has_tag();
	record->references = 1;
	classify(record, allocation, place);
	record->space = place == UINT32_MAX ? context->unplaced : context_space(context, place);
	record->places = place == UINT32_MAX ? 0 : 1ull << place;
	if (allocation->owner)
		follow_owner(record, allocation->owner);
	error = report(record, allocation);
	if (!error && table_put(table_of_memory(), record->handle, record)) {
		mt_free(record->space, record->id);
		error = -ENOMEM;
	}
	if (error) {
		free(record);
		return error;
	}
	settle_budget(record, allocation, place);
	if (record->owner_handle) {
		old = table_find(table_of_memory(), record->owner_handle);
		if (old)
			old->views++;
		__atomic_store_n(&releases_matter, 1, __ATOMIC_RELAXED);
	}
	context->live++;
	return 0;
}

/* *ret_id, *ret_version: of the record, and of the platform. */
static int add_locked(const struct allocation *allocation, uint64_t *ret_id, uint32_t *ret_version)
{
	struct context *context;
	struct device *device;
	int error = context_make(allocation->context);

	if (error)
		return error;
	device = device_of(allocation->device);
	if (!layer_enter())
		return -EAGAIN;
	context = context_find(allocation->context);
	error = context ? add(context, allocation, device) : -ENOENT;
	if (!error) {
		*ret_id = last_id;
		*ret_version = context->version;
	}
	layer_leave();
	return error;
}

int record_add(const struct allocation *allocation)
{
	uint64_t id;
	uint32_t version;
	int saved = errno;
	int error = add_locked(allocation, &id, &version);

	if (error)
		record_withdraw(allocation);
	errno = saved;
	return error;
}

/* From here on clRetainMemObject and clReleaseMemObject tell the end. */
static void count_by_hand(cl_mem memory, uint64_t id)
{
	struct record *record;

	if (!layer_enter())
		return;
	record = table_find(table_of_memory(), memory);
	if (record && record->id == id)
		record->counted = true;
	__atomic_store_n(&releases_matter, 1, __ATOMIC_RELAXED);
	layer_leave();
}

/* The callback is the first that is registered, so it is the last that is called. */
static void watch(cl_mem memory, uint64_t id, uint32_t version)
{
	if (version < 110 || !target.clSetMemObjectDestructorCallback ||
	    target.clSetMemObjectDestructorCallback(memory, memory_destroyed,
	                                            (void *)(uintptr_t)id) != CL_SUCCESS)
		count_by_hand(memory, id);
}

cl_mem memory_created(struct allocation *allocation, cl_mem memory, cl_int error,
                      cl_int *errcode_ret)
{
	uint64_t id;
	uint32_t version;
	int saved = errno;

	if (memory) {
		allocation->handle = memory;
		if (add_locked(allocation, &id, &version) == 0)
			watch(memory, id, version);
		else
			record_withdraw(allocation);
	} else {
		record_withdraw(allocation);
		if (!allocation->refused && allocation->context)
			record_failed(allocation->context, allocation->bytes, allocation->site,
			              error);
	}
	layer_call_leave();
	if (errcode_ret)
		*errcode_ret = error;
	errno = saved;
	return memory;
}

/* --- where the driver's word is not enough -------------------------------------------------- */

/* By hand, a command that still uses an object does not keep it: only the program's references and
 * views do. */
void record_retained(cl_mem memory)
{
	struct record *record;

	if (!__atomic_load_n(&releases_matter, __ATOMIC_RELAXED) || !layer_enter())
		return;
	record = table_find(table_of_memory(), memory);
	if (record && record->counted)
		record->references++;
	layer_leave();
}

/* PoCL ends an image of a buffer without a word. Its last reference is seen instead; where a
 * command has that, it is shown until its buffer ends. */
static void end_if_last(cl_mem memory, uint64_t id)
{
	struct record *record;
	cl_uint left = 0;

	if (target.clGetMemObjectInfo(memory, CL_MEM_REFERENCE_COUNT, sizeof left, &left, NULL) !=
	            CL_SUCCESS ||
	    left != 1 || !layer_enter())
		return;
	record = table_find(table_of_memory(), memory);
	if (record && record->id == id)
		end(record);
	layer_leave();
}

void record_released(cl_mem memory)
{
	struct record *record;
	uint64_t view = 0;
	int saved = errno;

	if (!__atomic_load_n(&releases_matter, __ATOMIC_RELAXED) || !layer_enter())
		return;
	record = table_find(table_of_memory(), memory);
	if (record && record->counted && record->references > 0 && --record->references == 0 &&
	    !record->views)
		end(record);
	else if (record && !record->counted && record->owner)
		view = record->id;
	layer_leave();
	if (view)
		end_if_last(memory, view);
	errno = saved;
}
