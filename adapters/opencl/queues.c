/* SPDX-License-Identifier: Apache-2.0 */
/* Which device a queue is of, and the commands that read and write memory. */
#include "use.h"

#include <errno.h>
#include <stdlib.h>

/* --- queues --------------------------------------------------------------------------------- */

static bool queue_ask(cl_command_queue handle, struct queue *queue)
{
	cl_device_id device;

	if (!target.clGetCommandQueueInfo ||
	    target.clGetCommandQueueInfo(handle, CL_QUEUE_CONTEXT, sizeof queue->context,
	                                 &queue->context, NULL) ||
	    target.clGetCommandQueueInfo(handle, CL_QUEUE_DEVICE, sizeof device, &device, NULL))
		return false;
	queue->device = device_of(device);
	return queue->device != NULL;
}

/* Without the lock. False: no queue, or no memory. */
static bool queue_learn(cl_command_queue handle)
{
	int saved = errno;
	struct queue *queue = calloc(1, sizeof *queue);
	bool put = false;

	errno = saved;
	if (queue && queue_ask(handle, queue) && layer_enter()) {
		put = !table_find(table_of_queues(), handle) &&
		      table_put(table_of_queues(), handle, queue) == 0;
		layer_leave();
	}
	if (!put)
		free(queue);
	return put;
}

bool queue_enter(cl_command_queue handle, struct queue **ret_queue)
{
	/* The third time: another thread learned it too, and was faster. */
	for (int tries = 0; tries < 3; tries++) {
		struct queue *queue;

		if (!handle || !layer_enter())
			return false;
		queue = table_find(table_of_queues(), handle);
		if (queue) {
			*ret_queue = queue;
			return true;
		}
		layer_leave();
		if (tries < 2)
			queue_learn(handle);
	}
	return false;
}

/* Whoever still has a reference is told again by the driver whose the queue is. So no reference
 * is counted, and no handle that is given to another queue means the old one. */
static cl_int CL_API_CALL hook_clReleaseCommandQueue(cl_command_queue queue)
{
	if (layer_enter()) {
		free(table_take(table_of_queues(), queue));
		layer_leave();
	}
	return target.clReleaseCommandQueue(queue);
}

/* --- around a command ----------------------------------------------------------------------- */

cl_int command_admit(cl_command_queue handle, const struct command *command)
{
	cl_int error = CL_SUCCESS;
	struct queue *queue;

	if (budget_bytes() && queue_enter(handle, &queue)) {
		error = uses_admit(queue, command);
		layer_leave();
	}
	return error;
}

bool is_short(cl_int error)
{
	return error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_RESOURCES ||
	       error == CL_OUT_OF_HOST_MEMORY;
}

cl_int command_done(cl_command_queue handle, const struct command *command, cl_int error)
{
	uint64_t missing = 0;
	cl_context context;
	struct queue *queue;

	if ((error && !is_short(error)) || !queue_enter(handle, &queue))
		return error;
	context = queue->context;
	if (error)
		missing = uses_missing(queue, command);
	else
		uses_done(queue, command);
	layer_leave();
	if (error)
		record_failed(context, missing, command->site, error);
	return error;
}

/* For those that return a pointer, and the error beside it. */
static void *mapped(void *pointer, cl_int error, cl_int *errcode_ret)
{
	if (errcode_ret)
		*errcode_ret = error;
	return pointer;
}

/* --- commands ------------------------------------------------------------------------------- */

static cl_int CL_API_CALL hook_clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer,
                                                   cl_bool blocking, size_t offset, size_t size,
                                                   void *to, WAIT)
{
	COMMAND(queue, "clEnqueueReadBuffer",
	        target.clEnqueueReadBuffer(queue, buffer, blocking, offset, size, to, WAITS),
	        buffer);
}

static cl_int CL_API_CALL hook_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer,
                                                    cl_bool blocking, size_t offset, size_t size,
                                                    const void *from, WAIT)
{
	COMMAND(queue, "clEnqueueWriteBuffer",
	        target.clEnqueueWriteBuffer(queue, buffer, blocking, offset, size, from, WAITS),
	        buffer);
}

static cl_int CL_API_CALL hook_clEnqueueReadBufferRect(
	cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *buffer_origin,
	const size_t *host_origin, const size_t *region, size_t buffer_row, size_t buffer_slice,
	size_t host_row, size_t host_slice, void *to, WAIT)
{
	COMMAND(queue, "clEnqueueReadBufferRect",
	        target.clEnqueueReadBufferRect(queue, buffer, blocking, buffer_origin, host_origin,
	                                       region, buffer_row, buffer_slice, host_row,
	                                       host_slice, to, WAITS),
	        buffer);
}

static cl_int CL_API_CALL hook_clEnqueueWriteBufferRect(
	cl_command_queue queue, cl_mem buffer, cl_bool blocking, const size_t *buffer_origin,
	const size_t *host_origin, const size_t *region, size_t buffer_row, size_t buffer_slice,
	size_t host_row, size_t host_slice, const void *from, WAIT)
{
	COMMAND(queue, "clEnqueueWriteBufferRect",
	        target.clEnqueueWriteBufferRect(queue, buffer, blocking, buffer_origin, host_origin,
	                                        region, buffer_row, buffer_slice, host_row,
	                                        host_slice, from, WAITS),
	        buffer);
}

static cl_int CL_API_CALL hook_clEnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to,
                                                   size_t from_offset, size_t to_offset,
                                                   size_t size, WAIT)
{
	COMMAND(queue, "clEnqueueCopyBuffer",
	        target.clEnqueueCopyBuffer(queue, from, to, from_offset, to_offset, size, WAITS),
	        from, to);
}

static cl_int CL_API_CALL hook_clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem from,
                                                       cl_mem to, const size_t *from_origin,
                                                       const size_t *to_origin,
                                                       const size_t *region, size_t from_row,
                                                       size_t from_slice, size_t to_row,
                                                       size_t to_slice, WAIT)
{
	COMMAND(queue, "clEnqueueCopyBufferRect",
	        target.clEnqueueCopyBufferRect(queue, from, to, from_origin, to_origin, region,
	                                       from_row, from_slice, to_row, to_slice, WAITS),
	        from, to);
}

static cl_int CL_API_CALL hook_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer,
                                                   const void *pattern, size_t pattern_size,
                                                   size_t offset, size_t size, WAIT)
{
	COMMAND(queue, "clEnqueueFillBuffer",
	        target.clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size,
	                                   WAITS),
	        buffer);
}

static cl_int CL_API_CALL hook_clEnqueueReadImage(cl_command_queue queue, cl_mem image,
                                                  cl_bool blocking, const size_t *origin,
                                                  const size_t *region, size_t row, size_t slice,
                                                  void *to, WAIT)
{
	COMMAND(queue, "clEnqueueReadImage",
	        target.clEnqueueReadImage(queue, image, blocking, origin, region, row, slice, to,
	                                  WAITS),
	        image);
}

static cl_int CL_API_CALL hook_clEnqueueWriteImage(cl_command_queue queue, cl_mem image,
                                                   cl_bool blocking, const size_t *origin,
                                                   const size_t *region, size_t row, size_t slice,
                                                   const void *from, WAIT)
{
	COMMAND(queue, "clEnqueueWriteImage",
	        target.clEnqueueWriteImage(queue, image, blocking, origin, region, row, slice, from,
	                                   WAITS),
	        image);
}

static cl_int CL_API_CALL hook_clEnqueueFillImage(cl_command_queue queue, cl_mem image,
                                                  const void *color, const size_t *origin,
                                                  const size_t *region, WAIT)
{
	COMMAND(queue, "clEnqueueFillImage",
	        target.clEnqueueFillImage(queue, image, color, origin, region, WAITS), image);
}

static cl_int CL_API_CALL hook_clEnqueueCopyImage(cl_command_queue queue, cl_mem from, cl_mem to,
                                                  const size_t *from_origin,
                                                  const size_t *to_origin, const size_t *region,
                                                  WAIT)
{
	COMMAND(queue, "clEnqueueCopyImage",
	        target.clEnqueueCopyImage(queue, from, to, from_origin, to_origin, region, WAITS),
	        from, to);
}

static cl_int CL_API_CALL hook_clEnqueueCopyImageToBuffer(cl_command_queue queue, cl_mem from,
                                                          cl_mem to, const size_t *origin,
                                                          const size_t *region, size_t offset, WAIT)
{
	COMMAND(queue, "clEnqueueCopyImageToBuffer",
	        target.clEnqueueCopyImageToBuffer(queue, from, to, origin, region, offset, WAITS),
	        from, to);
}

static cl_int CL_API_CALL hook_clEnqueueCopyBufferToImage(cl_command_queue queue, cl_mem from,
                                                          cl_mem to, size_t offset,
                                                          const size_t *origin,
                                                          const size_t *region, WAIT)
{
	COMMAND(queue, "clEnqueueCopyBufferToImage",
	        target.clEnqueueCopyBufferToImage(queue, from, to, offset, origin, region, WAITS),
	        from, to);
}

static void *CL_API_CALL hook_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer,
                                                 cl_bool blocking, cl_map_flags flags,
                                                 size_t offset, size_t size, WAIT,
                                                 cl_int *errcode_ret)
{
	const void *const handles[] = {buffer};
	const struct command command = {handles, NULL, 1, NULL, "clEnqueueMapBuffer", false};
	cl_int error = command_admit(queue, &command);
	void *pointer;

	if (error)
		return mapped(NULL, error, errcode_ret);
	pointer = target.clEnqueueMapBuffer(queue, buffer, blocking, flags, offset, size, WAITS,
	                                    &error);
	return mapped(pointer, command_done(queue, &command, error), errcode_ret);
}

static void *CL_API_CALL hook_clEnqueueMapImage(cl_command_queue queue, cl_mem image,
                                                cl_bool blocking, cl_map_flags flags,
                                                const size_t *origin, const size_t *region,
                                                size_t *row, size_t *slice, WAIT,
                                                cl_int *errcode_ret)
{
	const void *const handles[] = {image};
	const struct command command = {handles, NULL, 1, NULL, "clEnqueueMapImage", false};
	cl_int error = command_admit(queue, &command);
	void *pointer;

	if (error)
		return mapped(NULL, error, errcode_ret);
	pointer = target.clEnqueueMapImage(queue, image, blocking, flags, origin, region, row,
	                                   slice, WAITS, &error);
	return mapped(pointer, command_done(queue, &command, error), errcode_ret);
}

static cl_int CL_API_CALL hook_clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem memory,
                                                       void *pointer, WAIT)
{
	COMMAND(queue, "clEnqueueUnmapMemObject",
	        target.clEnqueueUnmapMemObject(queue, memory, pointer, WAITS), memory);
}

static cl_int CL_API_CALL hook_clEnqueueMigrateMemObjects(cl_command_queue queue, cl_uint count,
                                                          const cl_mem *objects,
                                                          cl_mem_migration_flags flags, WAIT)
{
	/* To the host: nothing comes to the device. */
	COMMAND_ON(false, queue, "clEnqueueMigrateMemObjects",
	           target.clEnqueueMigrateMemObjects(queue, count, objects, flags, WAITS), objects,
	           objects && !(flags & CL_MIGRATE_MEM_OBJECT_HOST) ? count : 0);
}

static cl_int CL_API_CALL hook_clEnqueueNativeKernel(cl_command_queue queue,
                                                     void(CL_CALLBACK *function)(void *),
                                                     void *args, size_t args_size, cl_uint count,
                                                     const cl_mem *objects, const void **places,
                                                     WAIT)
{
	COMMAND_ON(false, queue, "clEnqueueNativeKernel",
	           target.clEnqueueNativeKernel(queue, function, args, args_size, count, objects,
	                                        places, WAITS),
	           objects, objects ? count : 0);
}

/* The same for all that is shared with another interface. */
#define HOOK_SHARED(function)                                                                      \
	static cl_int CL_API_CALL hook_##function(cl_command_queue queue, cl_uint count,           \
	                                          const cl_mem *objects, WAIT)                     \
	{                                                                                          \
		COMMAND_ON(false, queue, #function, target.function(queue, count, objects, WAITS), \
		           objects, objects ? count : 0);                                          \
	}
HOOK_SHARED(clEnqueueAcquireGLObjects)
HOOK_SHARED(clEnqueueReleaseGLObjects)
HOOK_SHARED(clEnqueueAcquireEGLObjectsKHR)
HOOK_SHARED(clEnqueueReleaseEGLObjectsKHR)

void queues_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clReleaseCommandQueue);
	LAYER_HOOK(table, clEnqueueReadBuffer);
	LAYER_HOOK(table, clEnqueueWriteBuffer);
	LAYER_HOOK(table, clEnqueueReadBufferRect);
	LAYER_HOOK(table, clEnqueueWriteBufferRect);
	LAYER_HOOK(table, clEnqueueCopyBuffer);
	LAYER_HOOK(table, clEnqueueCopyBufferRect);
	LAYER_HOOK(table, clEnqueueFillBuffer);
	LAYER_HOOK(table, clEnqueueReadImage);
	LAYER_HOOK(table, clEnqueueWriteImage);
	LAYER_HOOK(table, clEnqueueFillImage);
	LAYER_HOOK(table, clEnqueueCopyImage);
	LAYER_HOOK(table, clEnqueueCopyImageToBuffer);
	LAYER_HOOK(table, clEnqueueCopyBufferToImage);
	LAYER_HOOK(table, clEnqueueMapBuffer);
	LAYER_HOOK(table, clEnqueueMapImage);
	LAYER_HOOK(table, clEnqueueUnmapMemObject);
	LAYER_HOOK(table, clEnqueueMigrateMemObjects);
	LAYER_HOOK(table, clEnqueueNativeKernel);
	LAYER_HOOK(table, clEnqueueAcquireGLObjects);
	LAYER_HOOK(table, clEnqueueReleaseGLObjects);
	LAYER_HOOK(table, clEnqueueAcquireEGLObjectsKHR);
	LAYER_HOOK(table, clEnqueueReleaseEGLObjectsKHR);
}
