/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command buffers (cl_khr_command_buffer). What they name comes to a device when they are enqueued,
 * so their commands are kept until then.
 */
#include "wrap.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

struct recorded {
	cl_command_queue queue; /* that it was recorded for */
	struct arguments objects;
	struct label label;
	bool is_kernel;
};

/* Lock held, but for its making. */
struct command_buffer {
	cl_command_buffer_khr handle;
	uint32_t references;
	cl_uint queue_count;
	cl_command_queue *queues; /* as at its creation */
	size_t count, room;
	struct recorded *commands;
	bool settled; /* all of it is known to be on its own queues' devices */
};

/* All of this process, a tree of tsearch(). Lock held; void in another epoch. */
static struct {
	void *root;
	uint32_t epoch;
} known;

static int compare(const void *a, const void *b)
{
	const struct command_buffer *x = a, *y = b;

	return ((uintptr_t)x->handle > (uintptr_t)y->handle) -
	       ((uintptr_t)x->handle < (uintptr_t)y->handle);
}

static void **known_root(void)
{
	if (known.epoch != layer_epoch()) {
		known.epoch = layer_epoch();
		known.root = NULL;
	}
	return &known.root;
}

static struct command_buffer *find(cl_command_buffer_khr handle)
{
	const struct command_buffer key = {.handle = handle};
	struct command_buffer **found = tfind(&key, known_root(), compare);

	return found ? *found : NULL;
}

static void destroy(struct command_buffer *buffer)
{
	if (!buffer)
		return;
	for (size_t i = 0; i < buffer->count; i++)
		arguments_free(&buffer->commands[i].objects);
	free(buffer->commands);
	free(buffer->queues);
	free(buffer);
}

/* --- life ----------------------------------------------------------------------------------- */

static struct command_buffer *create(cl_command_buffer_khr handle, cl_uint count,
                                     const cl_command_queue *queues)
{
	struct command_buffer *buffer = calloc(1, sizeof *buffer);

	if (!buffer)
		return NULL;
	buffer->queues = calloc(count, sizeof *queues);
	if (!buffer->queues) {
		free(buffer);
		return NULL;
	}
	memcpy(buffer->queues, queues, count * sizeof *queues);
	buffer->handle = handle;
	buffer->queue_count = count;
	buffer->references = 1;
	return buffer;
}

/* Lock held. */
static void forget(struct command_buffer *buffer)
{
	if (buffer)
		tdelete(buffer, known_root(), compare);
	destroy(buffer);
}

WRAP(cl_command_buffer_khr, clCreateCommandBufferKHR,
     (cl_uint count, const cl_command_queue *queues,
      const cl_command_buffer_properties_khr *properties, cl_int *errcode_ret),
     (count, queues, properties, errcode_ret))
{
	cl_command_buffer_khr handle = driver(count, queues, properties, errcode_ret);
	struct command_buffer *buffer;
	int saved = errno;

	if (handle && layer_enter()) {
		forget(find(handle)); /* of one that is gone */
		buffer = create(handle, count, queues);
		if (buffer && !tsearch(buffer, known_root(), compare))
			destroy(buffer);
		layer_leave();
	}
	errno = saved;
	return handle;
}

WRAP(cl_int, clRetainCommandBufferKHR, (cl_command_buffer_khr handle), (handle))
{
	cl_int error = driver(handle);
	struct command_buffer *buffer;

	if (!error && layer_enter()) {
		if ((buffer = find(handle)))
			buffer->references++;
		layer_leave();
	}
	return error;
}

WRAP(cl_int, clReleaseCommandBufferKHR, (cl_command_buffer_khr handle), (handle))
{
	struct command_buffer *buffer;

	if (layer_enter()) {
		buffer = find(handle);
		if (buffer && --buffer->references == 0)
			forget(buffer);
		layer_leave();
	}
	return driver(handle);
}

/* --- recording ------------------------------------------------------------------------------ */

/* Takes over the objects. Lock held. */
static int append(struct command_buffer *buffer, cl_command_queue queue, struct arguments *objects,
                  bool is_kernel)
{
	if (buffer->count == buffer->room) {
		size_t room = buffer->room ? 2 * buffer->room : 8;
		struct recorded *commands = realloc(buffer->commands, room * sizeof *commands);

		if (!commands)
			return -ENOMEM;
		buffer->commands = commands;
		buffer->room = room;
	}
	buffer->commands[buffer->count++] = (struct recorded){
		.queue = queue ? queue : buffer->queues[0],
		.objects = *objects,
		.label = {.name = objects->name},
		.is_kernel = is_kernel,
	};
	buffer->settled = false;
	return 0;
}

static void record(cl_command_buffer_khr handle, cl_command_queue queue, struct arguments *objects,
                   bool is_kernel)
{
	struct command_buffer *buffer;
	int error = -ENOENT;

	if (layer_enter()) {
		buffer = find(handle);
		if (buffer)
			error = append(buffer, queue, objects, is_kernel);
		layer_leave();
	}
	if (error)
		arguments_free(objects);
}

/* A command that copies or fills; `to` may be NULL. */
static cl_int recorded(cl_command_buffer_khr handle, cl_command_queue queue, const void *from,
                       const void *to, cl_int error)
{
	const void *const handles[] = {from, to};
	struct arguments objects = {.count = 2};
	int saved = errno;

	if (error)
		return error;
	objects.handles = calloc(2, sizeof *objects.handles);
	objects.ids = calloc(2, sizeof *objects.ids);
	if (!objects.handles || !objects.ids || !layer_enter()) {
		arguments_free(&objects);
		errno = saved;
		return error;
	}
	for (size_t i = 0; i < 2; i++) {
		const struct record *memory = table_find(table_of_memory(), handles[i]);

		if (!memory)
			memory = table_find(table_of_memory(), svm_base(handles[i]));
		objects.handles[i] = memory ? memory->handle : NULL;
		objects.ids[i] = memory ? memory->id : 0;
	}
	layer_leave();
	record(handle, queue, &objects, false);
	errno = saved;
	return error;
}

WRAP(cl_int, clCommandNDRangeKernelKHR,
     (cl_command_buffer_khr buffer, cl_command_queue queue,
      const cl_ndrange_kernel_command_properties_khr *properties, cl_kernel kernel,
      cl_uint dimensions, const size_t *offset, const size_t *global, const size_t *local,
      cl_uint waits, const cl_sync_point_khr *wait_list, cl_sync_point_khr *point,
      cl_mutable_command_khr *command),
     (buffer, queue, properties, kernel, dimensions, offset, global, local, waits, wait_list, point,
      command))
{
	cl_int error = driver(buffer, queue, properties, kernel, dimensions, offset, global, local,
	                      waits, wait_list, point, command);
	struct arguments objects;

	if (!error && kernel_copy(kernel, &objects) == 0)
		record(buffer, queue, &objects, true);
	return error;
}

/* The rest in two forms: before 0.9.5 of the extension, and with properties since. */
#define POINTS                                                                                     \
	cl_uint waits, const cl_sync_point_khr *wait_list, cl_sync_point_khr *point,               \
		cl_mutable_command_khr *command
#define POINTS_ARGS waits, wait_list, point, command
#define RECORDED(name, params, args, from, to)                                                     \
	WRAP(cl_int, name,                                                                         \
	     (cl_command_buffer_khr buffer, cl_command_queue queue, WRAP_BARE params, POINTS),     \
	     (buffer, queue, WRAP_BARE args, POINTS_ARGS))                                         \
	{                                                                                          \
		return recorded(buffer, queue, from, to,                                           \
		                driver(buffer, queue, WRAP_BARE args, POINTS_ARGS));               \
	}                                                                                          \
	WRAP(cl_int, name##_with_properties,                                                       \
	     (cl_command_buffer_khr buffer, cl_command_queue queue,                                \
	      const cl_properties *properties, WRAP_BARE params, POINTS),                          \
	     (buffer, queue, properties, WRAP_BARE args, POINTS_ARGS))                             \
	{                                                                                          \
		return recorded(buffer, queue, from, to,                                           \
		                driver(buffer, queue, properties, WRAP_BARE args, POINTS_ARGS));   \
	}

RECORDED(clCommandCopyBufferKHR,
         (cl_mem from, cl_mem to, size_t from_offset, size_t to_offset, size_t size),
         (from, to, from_offset, to_offset, size), from, to)
RECORDED(clCommandCopyBufferRectKHR,
         (cl_mem from, cl_mem to, const size_t *from_origin, const size_t *to_origin,
          const size_t *region, size_t from_row, size_t from_slice, size_t to_row, size_t to_slice),
         (from, to, from_origin, to_origin, region, from_row, from_slice, to_row, to_slice), from,
         to)
RECORDED(clCommandCopyBufferToImageKHR,
         (cl_mem from, cl_mem to, size_t offset, const size_t *origin, const size_t *region),
         (from, to, offset, origin, region), from, to)
RECORDED(clCommandCopyImageKHR,
         (cl_mem from, cl_mem to, const size_t *from_origin, const size_t *to_origin,
          const size_t *region),
         (from, to, from_origin, to_origin, region), from, to)
RECORDED(clCommandCopyImageToBufferKHR,
         (cl_mem from, cl_mem to, const size_t *origin, const size_t *region, size_t offset),
         (from, to, origin, region, offset), from, to)
RECORDED(clCommandFillBufferKHR,
         (cl_mem to, const void *pattern, size_t pattern_size, size_t offset, size_t size),
         (to, pattern, pattern_size, offset, size), NULL, to)
RECORDED(clCommandFillImageKHR,
         (cl_mem to, const void *color, const size_t *origin, const size_t *region),
         (to, color, origin, region), NULL, to)
RECORDED(clCommandSVMMemcpyKHR, (void *to, const void *from, size_t size), (to, from, size), from,
         to)
RECORDED(clCommandSVMMemFillKHR, (void *to, const void *pattern, size_t pattern_size, size_t size),
         (to, pattern, pattern_size, size), NULL, to)

/* --- enqueueing ----------------------------------------------------------------------------- */

/* The queue that a recorded command goes to, where those of the creation were replaced. */
static cl_command_queue queue_of(const struct command_buffer *buffer,
                                 const struct recorded *command, cl_uint count,
                                 const cl_command_queue *queues)
{
	for (cl_uint i = 0; i < count && i < buffer->queue_count; i++) {
		if (buffer->queues[i] == command->queue)
			return queues[i];
	}
	return command->queue;
}

static cl_command_queue queue_at(cl_command_buffer_khr handle, size_t at, cl_uint count,
                                 const cl_command_queue *queues)
{
	const struct command_buffer *buffer;
	cl_command_queue queue = NULL;

	if (!layer_enter())
		return NULL;
	buffer = find(handle);
	if (buffer && at < buffer->count && (count || !buffer->settled))
		queue = queue_of(buffer, &buffer->commands[at], count, queues);
	layer_leave();
	return queue;
}

/* Of one command, with the lock, which is taken with each anew: it is not held while a driver is
 * asked whose the next one's queue is. */
typedef bool step_fn(struct queue *queue, const struct command *command, void *arg);

/* Until a step is false, or to the end. */
static void each(cl_command_buffer_khr handle, cl_uint count, const cl_command_queue *queues,
                 step_fn *step, void *arg)
{
	cl_command_queue queue_handle;
	bool go_on = true;

	for (size_t i = 0; go_on && (queue_handle = queue_at(handle, i, count, queues)); i++) {
		struct command_buffer *buffer;
		struct queue *queue;

		if (!queue_enter(queue_handle, &queue))
			return;
		buffer = find(handle);
		if (buffer && i < buffer->count) {
			struct recorded *at = &buffer->commands[i];
			const struct command command = {
				.handles = (const void *const *)at->objects.handles,
				.ids = at->objects.ids,
				.count = at->objects.count,
				.label = at->is_kernel ? &at->label : NULL,
				.site = "clEnqueueCommandBufferKHR",
			};

			go_on = step(queue, &command, arg);
		}
		layer_leave();
	}
}

static bool step_admit(struct queue *queue, const struct command *command, void *arg)
{
	cl_int *error = arg;

	*error = uses_admit(queue, command);
	return !*error;
}

struct outcome {
	cl_int error; /* the driver's */
	uint64_t missing;
	cl_context context;
	bool settled;
};

static bool step_done(struct queue *queue, const struct command *command, void *arg)
{
	struct outcome *outcome = arg;

	outcome->context = queue->context;
	if (outcome->error)
		outcome->missing += uses_missing(queue, command);
	else
		outcome->settled &= uses_done(queue, command) != 0;
	return true;
}

static void settle(cl_command_buffer_khr handle)
{
	struct command_buffer *buffer;

	if (!layer_enter())
		return;
	if ((buffer = find(handle)))
		buffer->settled = true;
	layer_leave();
}

WRAP(cl_int, clEnqueueCommandBufferKHR,
     (cl_uint count, cl_command_queue *queues, cl_command_buffer_khr buffer, WAIT),
     (count, queues, buffer, WAITS))
{
	struct outcome outcome = {.settled = true};

	if (budget_bytes())
		each(buffer, count, queues, step_admit, &outcome.error);
	if (outcome.error)
		return outcome.error;
	outcome.error = driver(count, queues, buffer, WAITS);
	if (!outcome.error || is_short(outcome.error))
		each(buffer, count, queues, step_done, &outcome);
	if (outcome.error && outcome.context)
		record_failed(outcome.context, outcome.missing, "clEnqueueCommandBufferKHR",
		              outcome.error);
	else if (outcome.context && outcome.settled && !count)
		settle(buffer);
	return outcome.error;
}

/* --- by name -------------------------------------------------------------------------------- */

enum {
	FIRST = CL_MAKE_VERSION(0, 9, 0),
	WITH_PROPERTIES = CL_MAKE_VERSION(0, 9, 5),
	NEXT = CL_MAKE_VERSION(2, 0, 0),
};
#define TWO_FORMS(name)                                                                            \
	WRAPPED_AS(#name, name, FIRST, WITH_PROPERTIES),                                           \
		WRAPPED_AS(#name, name##_with_properties, WITH_PROPERTIES, NEXT)
#define ONE_FORM(name) WRAPPED_AS(#name, name, FIRST, NEXT)

const struct extension command_buffer_extensions[] = {
	ONE_FORM(clCreateCommandBufferKHR),
	ONE_FORM(clRetainCommandBufferKHR),
	ONE_FORM(clReleaseCommandBufferKHR),
	ONE_FORM(clEnqueueCommandBufferKHR),
	ONE_FORM(clCommandNDRangeKernelKHR),
	TWO_FORMS(clCommandCopyBufferKHR),
	TWO_FORMS(clCommandCopyBufferRectKHR),
	TWO_FORMS(clCommandCopyBufferToImageKHR),
	TWO_FORMS(clCommandCopyImageKHR),
	TWO_FORMS(clCommandCopyImageToBufferKHR),
	TWO_FORMS(clCommandFillBufferKHR),
	TWO_FORMS(clCommandFillImageKHR),
	TWO_FORMS(clCommandSVMMemcpyKHR),
	TWO_FORMS(clCommandSVMMemFillKHR),
	{0},
};
