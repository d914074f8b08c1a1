/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t last_id; /* lock held; a forked child goes on where its parent was */

/* --- ends --------------------------------------------------------------------------------- */

/* What is still there has no end of its own any more (SVM): the closing says that it was leaked. */
static void drop_records(const struct context *context)
{
	struct table *memory = table_of_memory();
	uint64_t left = context->live;
	struct record *record;
	size_t at = 0;

	while (left > 0 && (record = table_next(memory, &at))) {
		if (record->context != context)
			continue;
		record_forget(record);
		at--;
		left--;
	}
}

/* Lock held. The context is freed. */
static void context_end(struct context *context)
{
	table_take(table_of_contexts(), context->handle);
	drop_records(context);
	for (uint32_t i = 0; i < context->device_count; i++) {
		if (context->spaces[i])
			mt_close(context->spaces[i], 0);
	}
	if (context->unplaced)
		mt_close(context->unplaced, 0);
	free(context);
}

void context_settle(struct context *context)
{
	if (context->released && context->live == 0)
		context_end(context);
}

static void CL_CALLBACK context_destroyed(cl_context handle, void *id)
{
	struct context *context;

	if (!layer_enter())
		return;
	context = table_find(table_of_contexts(), handle);
	if (context && (uintptr_t)context->id == (uintptr_t)id)
		context_end(context);
	layer_leave();
}

/* --- beginnings --------------------------------------------------------------------------- */

/* Lock held. The record of a handle, empty where it is new; NULL: no memory. */
static struct context *context_note(cl_context handle)
{
	struct context *context = table_find(table_of_contexts(), handle);

	if (context)
		return context;
	context = calloc(1, sizeof *context);
	if (!context)
		return NULL;
	context->handle = handle;
	context->id = ++last_id;
	context->references = -1;
	if (table_put(table_of_contexts(), handle, context)) {
		free(context);
		return NULL;
	}
	return context;
}

struct context *context_find(cl_context handle)
{
	struct context *context = table_find(table_of_contexts(), handle);

	return context && context->made ? context : NULL;
}

uint32_t context_device(const struct context *context, const struct device *device)
{
	for (uint32_t i = 0; i < context->device_count; i++) {
		if (context->devices[i] == device)
			return i;
	}
	return UINT32_MAX;
}

/* Ids are ours, and another runtime in the program may count like us: they are of the space. */
static mt_space open_device(const struct device *device)
{
	const struct mt_memory memory = {
		.kind = device->kind, .banks = 1, .bank_bytes = device->capacity};
	const struct mt_device description = {
		.struct_size = sizeof description,
		.ordinal = device->ordinal,
		.unique_id = device->unique_id,
		.arch = device->name,
		.bus = device->bus[0] ? device->bus : NULL,
		.memories = &memory,
		.memory_count = 1,
	};

	return mt_device_open(&description);
}

mt_space context_space(struct context *context, uint32_t index)
{
	if (!context->spaces[index])
		context->spaces[index] = open_device(context->devices[index]);
	return context->spaces[index];
}

/* Fills in the devices: each root device once, also where the context is of parts of it. */
static void add_devices(struct context *context, const cl_device_id *handles, size_t count)
{
	context->unified = true;
	for (size_t i = 0; i < count && context->device_count < CONTEXT_DEVICES_MAX; i++) {
		struct device *device = device_of(handles[i]);

		if (!device || context_device(context, device) != UINT32_MAX)
			continue;
		context->devices[context->device_count++] = device;
		context->version = device->version;
		if (context->unified)
			context->kind = device->kind;
		if (!device->unified)
			context->unified = false;
	}
}

/* Lock held. */
static void open_spaces(struct context *context)
{
	const struct mt_device unplaced = {
		.struct_size = sizeof unplaced, .ordinal = -1, .flags = MT_UNPLACED};

	for (uint32_t i = 0; i < context->device_count; i++)
		context_space(context, i);
	if (context->device_count > 1)
		context->unplaced = mt_device_open(&unplaced);
}

/* Without the lock. NULL: no memory. The caller frees. */
static cl_device_id *devices_of(cl_context handle, size_t *ret_count)
{
	cl_device_id *handles;
	size_t size = 0;

	if (target.clGetContextInfo(handle, CL_CONTEXT_DEVICES, 0, NULL, &size) != CL_SUCCESS)
		return NULL;
	handles = calloc(1, size + 1);
	if (handles && target.clGetContextInfo(handle, CL_CONTEXT_DEVICES, size, handles, NULL) !=
	                       CL_SUCCESS) {
		free(handles);
		return NULL;
	}
	*ret_count = size / sizeof *handles;
	return handles;
}

/* Makes the record whole, unless another thread was faster. *ret_watch: its id, where the driver
 * can tell its end. */
static int complete(cl_context handle, const struct context *found, uint64_t *ret_watch)
{
	struct context *context;

	*ret_watch = 0;
	if (!layer_enter())
		return -EAGAIN;
	context = context_note(handle);
	if (context && !context->made) {
		context->made = true;
		context->device_count = found->device_count;
		for (uint32_t i = 0; i < found->device_count; i++)
			context->devices[i] = found->devices[i];
		context->unified = found->unified;
		context->kind = found->kind;
		context->version = found->version;
		open_spaces(context);
		/* A driver without this function has no place for it in its table either. */
		if (context->version >= 300 && target.clSetContextDestructorCallback)
			*ret_watch = context->id;
	}
	layer_leave();
	return context ? 0 : -ENOMEM;
}

int context_make(cl_context handle)
{
	struct context found = {0}, *known;
	cl_device_id *handles;
	size_t count = 0;
	uint64_t watch;
	int saved = errno, error;

	if (!layer_enter())
		return -EAGAIN;
	known = context_find(handle);
	if (known && layer_is_void(known->spaces[0]))
		known = NULL;
	layer_leave();
	if (known)
		return 0;
	handles = devices_of(handle, &count);
	if (handles)
		add_devices(&found, handles, count);
	free(handles);
	error = found.device_count ? complete(handle, &found, &watch) : -ENODEV;
	if (!error && watch)
		target.clSetContextDestructorCallback(handle, context_destroyed,
		                                      (void *)(uintptr_t)watch);
	errno = saved;
	return error;
}

/* --- hooks -------------------------------------------------------------------------------- */

/* The handle may be that of a context whose end nobody told. */
static void context_created(cl_context handle)
{
	struct context *context;
	int saved = errno;

	if (!handle || !layer_enter())
		return;
	context = table_find(table_of_contexts(), handle);
	if (context)
		context_end(context);
	context = context_note(handle);
	if (context)
		context->references = 1;
	layer_leave();
	errno = saved;
}

static CL_API_ENTRY cl_context CL_API_CALL hook_clCreateContext(
	const cl_context_properties *properties, cl_uint num_devices, const cl_device_id *devices,
	void(CL_CALLBACK *pfn_notify)(const char *, const void *, size_t, void *), void *user_data,
	cl_int *errcode_ret)
{
	cl_context context = target.clCreateContext(properties, num_devices, devices, pfn_notify,
	                                            user_data, errcode_ret);

	context_created(context);
	return context;
}

static CL_API_ENTRY cl_context CL_API_CALL hook_clCreateContextFromType(
	const cl_context_properties *properties, cl_device_type device_type,
	void(CL_CALLBACK *pfn_notify)(const char *, const void *, size_t, void *), void *user_data,
	cl_int *errcode_ret)
{
	cl_context context = target.clCreateContextFromType(properties, device_type, pfn_notify,
	                                                    user_data, errcode_ret);

	context_created(context);
	return context;
}

static CL_API_ENTRY cl_int CL_API_CALL hook_clRetainContext(cl_context handle)
{
	struct context *context;

	if (layer_enter()) {
		context = table_find(table_of_contexts(), handle);
		if (context && context->references > 0)
			context->references++;
		layer_leave();
	}
	return target.clRetainContext(handle);
}

/* Also where the driver tells the end of a context: some keep theirs for ever. */
static CL_API_ENTRY cl_int CL_API_CALL hook_clReleaseContext(cl_context handle)
{
	struct context *context;
	bool unknown = false;
	cl_uint left = 0;
	int saved = errno;

	if (layer_enter()) {
		context = table_find(table_of_contexts(), handle);
		unknown = context && context->references < 0;
		if (context && context->references > 0 && --context->references == 0) {
			context->released = true;
			context_settle(context);
		}
		layer_leave();
	}
	/* Of one that was created before tracking began only the driver knows. */
	if (unknown && target.clGetContextInfo(handle, CL_CONTEXT_REFERENCE_COUNT, sizeof left,
	                                       &left, NULL) != CL_SUCCESS)
		left = 0;
	if (left == 1 && layer_enter()) {
		context = table_find(table_of_contexts(), handle);
		if (context && context->references < 0) {
			context->released = true;
			context_settle(context);
		}
		layer_leave();
	}
	errno = saved;
	return target.clReleaseContext(handle);
}

void contexts_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clCreateContext);
	LAYER_HOOK(table, clCreateContextFromType);
	LAYER_HOOK(table, clRetainContext);
	LAYER_HOOK(table, clReleaseContext);
}
