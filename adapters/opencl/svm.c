/* SPDX-License-Identifier: Apache-2.0 */
/* Shared virtual memory. */
#include "use.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>

/* --- from an address to its allocation ------------------------------------------------------ */

struct range {
	uintptr_t start;
	uint64_t bytes;
};

/* All live allocations, a tree of tsearch(). Lock held. A parent's, or one of before tracking was
 * turned off, is left alone: what it says is void. */
static struct {
	void *root;
	uint32_t epoch;
} ranges;

static void **ranges_root(void)
{
	if (ranges.epoch != layer_epoch()) {
		ranges.epoch = layer_epoch();
		ranges.root = NULL;
	}
	return &ranges.root;
}

/* Equal: they have bytes in common. */
static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->start < y->start)
		return y->start - x->start < x->bytes ? 0 : -1;
	return x->start - y->start < y->bytes ? 0 : 1;
}

static void range_remove(const void *address)
{
	const struct range key = {(uintptr_t)address, 1};
	struct range **found = tfind(&key, ranges_root(), compare);
	struct range *range;

	if (!found)
		return;
	range = *found;
	tdelete(range, ranges_root(), compare);
	free(range);
}

static void range_add(const void *start, uint64_t bytes)
{
	struct range *range = malloc(sizeof *range);
	struct range **found;

	if (!range)
		return;
	*range = (struct range){(uintptr_t)start, bytes ? bytes : 1};
	/* What still lies there was freed behind our back. */
	while ((found = tsearch(range, ranges_root(), compare)) && *found != range) {
		struct range *old = *found;

		tdelete(old, ranges_root(), compare);
		free(old);
	}
	if (!found)
		free(range);
}

const void *svm_base(const void *address)
{
	const struct range key = {(uintptr_t)address, 1};
	struct range **found = address ? tfind(&key, ranges_root(), compare) : NULL;

	return found ? (const void *)(*found)->start : address;
}

/* --- allocations ---------------------------------------------------------------------------- */

struct allocation svm_asked(cl_context context, uint64_t bytes, const char *site)
{
	/* The address is one of the process, which says nothing of where on the device it lies. */
	return (struct allocation){
		.context = context, .bytes = bytes, .flags = MT_NO_ADDRESS, .site = site};
}

void *svm_created(struct allocation *allocation, void *pointer, cl_int error)
{
	int saved = errno;

	if (pointer) {
		allocation->handle = pointer;
		if (record_add(allocation) == 0 && layer_enter()) {
			range_add(pointer, allocation->bytes);
			layer_leave();
		}
	} else {
		record_withdraw(allocation);
		if (error && !allocation->refused)
			record_failed(allocation->context, allocation->bytes, allocation->site,
			              error);
	}
	layer_call_leave();
	errno = saved;
	return pointer;
}

void svm_end(const void *pointer)
{
	if (!pointer || !layer_enter())
		return;
	if (table_find(table_of_memory(), pointer))
		range_remove(pointer);
	layer_leave();
	record_end(pointer);
}

/* What a device must be able to do for these flags; 0: they are wrong. */
static cl_device_svm_capabilities svm_needed(cl_svm_mem_flags flags)
{
	if (!(flags & CL_MEM_SVM_FINE_GRAIN_BUFFER))
		return flags & CL_MEM_SVM_ATOMICS ? 0 : CL_DEVICE_SVM_COARSE_GRAIN_BUFFER;
	return CL_DEVICE_SVM_FINE_GRAIN_BUFFER |
	       (flags & CL_MEM_SVM_ATOMICS ? CL_DEVICE_SVM_ATOMICS : 0);
}

/* clSVMAlloc() does not say why. Where the call was wrong, or no device has SVM of this sort, it
 * was not for want of memory. */
static bool svm_is_possible(cl_context context, cl_svm_mem_flags flags, cl_uint alignment)
{
	cl_device_svm_capabilities needed = svm_needed(flags);
	cl_device_id devices[CONTEXT_DEVICES_MAX];
	size_t size = 0;

	if (!needed || (alignment & (alignment - 1)))
		return false;
	if (target.clGetContextInfo(context, CL_CONTEXT_DEVICES, 0, NULL, &size) ||
	    size > sizeof devices ||
	    target.clGetContextInfo(context, CL_CONTEXT_DEVICES, size, devices, NULL))
		return false;
	for (size_t i = 0; i < size / sizeof *devices; i++) {
		cl_device_svm_capabilities svm = 0;

		if (!target.clGetDeviceInfo(devices[i], CL_DEVICE_SVM_CAPABILITIES, sizeof svm,
		                            &svm, NULL) &&
		    (svm & needed) == needed)
			return true;
	}
	return false;
}

static void *CL_API_CALL hook_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t size,
                                         cl_uint alignment)
{
	struct allocation asked = svm_asked(context, size, "clSVMAlloc");
	cl_int error = CL_SUCCESS;
	void *pointer = NULL;

	if (!layer_call_enter())
		return target.clSVMAlloc(context, flags, size, alignment);
	if (record_admit(&asked) == CL_SUCCESS)
		pointer = target.clSVMAlloc(context, flags, size, alignment);
	if (!pointer && size && svm_is_possible(context, flags, alignment))
		error = CL_MEM_OBJECT_ALLOCATION_FAILURE;
	return svm_created(&asked, pointer, error);
}

static void CL_API_CALL hook_clSVMFree(cl_context context, void *pointer)
{
	svm_end(pointer);
	target.clSVMFree(context, pointer);
}

/* --- freed by a command --------------------------------------------------------------------- */

bool svm_is_watched(void *const *pointers, cl_uint count)
{
	bool watched = false;

	if (!pointers || !layer_enter())
		return false;
	for (cl_uint i = 0; i < count && !watched; i++)
		watched = table_find(table_of_memory(), pointers[i]) != NULL;
	layer_leave();
	return watched;
}

void CL_CALLBACK svm_free_later(cl_command_queue queue, cl_uint count, void *pointers[], void *arg)
{
	const svm_free_function *svm_free = arg;
	cl_context context = NULL;

	target.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
	for (cl_uint i = 0; i < count; i++) {
		svm_end(pointers[i]);
		(*svm_free)(context, pointers[i]);
	}
}

/* Without a callback the command frees the pointers as clSVMFree() does, at a time that only the
 * driver knows: so ours is the callback, and does that. A callback of the program's calls
 * clSVMFree() by itself, or keeps the memory. */
static cl_int CL_API_CALL hook_clEnqueueSVMFree(
	cl_command_queue queue, cl_uint count, void *pointers[],
	void(CL_CALLBACK *callback)(cl_command_queue, cl_uint, void *[], void *), void *arg, WAIT)
{
	if (!callback && target.clSVMFree && svm_is_watched(pointers, count))
		return target.clEnqueueSVMFree(queue, count, pointers, svm_free_later,
		                               &target.clSVMFree, WAITS);
	return target.clEnqueueSVMFree(queue, count, pointers, callback, arg, WAITS);
}

/* --- used by a command ---------------------------------------------------------------------- */

static cl_int CL_API_CALL hook_clEnqueueSVMMemcpy(cl_command_queue queue, cl_bool blocking,
                                                  void *to, const void *from, size_t size, WAIT)
{
	COMMAND_SVM(queue, "clEnqueueSVMMemcpy",
	            target.clEnqueueSVMMemcpy(queue, blocking, to, from, size, WAITS), to, from);
}

static cl_int CL_API_CALL hook_clEnqueueSVMMemFill(cl_command_queue queue, void *to,
                                                   const void *pattern, size_t pattern_size,
                                                   size_t size, WAIT)
{
	COMMAND_SVM(queue, "clEnqueueSVMMemFill",
	            target.clEnqueueSVMMemFill(queue, to, pattern, pattern_size, size, WAITS), to);
}

static cl_int CL_API_CALL hook_clEnqueueSVMMap(cl_command_queue queue, cl_bool blocking,
                                               cl_map_flags flags, void *pointer, size_t size, WAIT)
{
	COMMAND_SVM(queue, "clEnqueueSVMMap",
	            target.clEnqueueSVMMap(queue, blocking, flags, pointer, size, WAITS), pointer);
}

static cl_int CL_API_CALL hook_clEnqueueSVMUnmap(cl_command_queue queue, void *pointer, WAIT)
{
	COMMAND_SVM(queue, "clEnqueueSVMUnmap", target.clEnqueueSVMUnmap(queue, pointer, WAITS),
	            pointer);
}

static cl_int CL_API_CALL hook_clEnqueueSVMMigrateMem(cl_command_queue queue, cl_uint count,
                                                      const void **pointers, const size_t *sizes,
                                                      cl_mem_migration_flags flags, WAIT)
{
	COMMAND_ON(true, queue, "clEnqueueSVMMigrateMem",
	           target.clEnqueueSVMMigrateMem(queue, count, pointers, sizes, flags, WAITS),
	           pointers, pointers && !(flags & CL_MIGRATE_MEM_OBJECT_HOST) ? count : 0);
}

void svm_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clSVMAlloc);
	LAYER_HOOK(table, clSVMFree);
	LAYER_HOOK(table, clEnqueueSVMFree);
	LAYER_HOOK(table, clEnqueueSVMMemcpy);
	LAYER_HOOK(table, clEnqueueSVMMemFill);
	LAYER_HOOK(table, clEnqueueSVMMap);
	LAYER_HOOK(table, clEnqueueSVMUnmap);
	LAYER_HOOK(table, clEnqueueSVMMigrateMem);
}
