/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct _cl_command_queue {
	uint32_t references;
	cl_context context;
	cl_device_id device;
};

struct _cl_kernel {
	uint32_t references;
	char name[32];
};

__thread struct fake_commands fake_did = {.has_svm = true};

static cl_int answer(const void *value, size_t size, size_t room, void *ret, size_t *ret_size)
{
	if (ret && room < size)
		return CL_INVALID_VALUE;
	if (ret)
		memcpy(ret, value, size);
	if (ret_size)
		*ret_size = size;
	return CL_SUCCESS;
}

static cl_int did(const char *function, const uint64_t *arguments, size_t count)
{
	fake_did.function = function;
	fake_did.argument_count = (uint32_t)count;
	memcpy(fake_did.arguments, arguments, count * sizeof *arguments);
	fake_did.calls++;
	return fake_did.refuse;
}

void fake_check(const char *function, const uint64_t *arguments, size_t count, int line)
{
	if (!fake_did.function || strcmp(fake_did.function, function) != 0)
		check_failed(__FILE__, line, "%s: the driver got %s", function,
		             fake_did.function ? fake_did.function : "nothing");
	if (fake_did.argument_count != count)
		check_failed(__FILE__, line, "%s: %u arguments", function, fake_did.argument_count);
	for (size_t i = 0; i < count; i++) {
		if (fake_did.arguments[i] != arguments[i])
			check_failed(__FILE__, line, "%s: argument %zu", function, i);
	}
}

/* --- queues -------------------------------------------------------------------------------- */

static __thread cl_command_queue spare_queue; /* a handle is used again */

static cl_command_queue CL_API_CALL
fake_clCreateCommandQueue(cl_context context, cl_device_id device,
                          cl_command_queue_properties properties, cl_int *ret_error)
{
	cl_command_queue queue = spare_queue ? spare_queue : calloc(1, sizeof *queue);

	(void)properties;
	spare_queue = NULL;
	*queue = (struct _cl_command_queue){1, context, device};
	if (ret_error)
		*ret_error = CL_SUCCESS;
	return queue;
}

static cl_int CL_API_CALL fake_clReleaseCommandQueue(cl_command_queue queue)
{
	if (--queue->references == 0)
		spare_queue = queue;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL fake_clGetCommandQueueInfo(cl_command_queue queue,
                                                     cl_command_queue_info what, size_t room,
                                                     void *ret, size_t *ret_size)
{
	fake_did.asked_of_queues++;
	if (what == CL_QUEUE_CONTEXT)
		return answer(&queue->context, sizeof queue->context, room, ret, ret_size);
	if (what == CL_QUEUE_DEVICE)
		return answer(&queue->device, sizeof queue->device, room, ret, ret_size);
	return CL_INVALID_VALUE;
}

/* --- commands ------------------------------------------------------------------------------ */

#define BARE(...)   __VA_ARGS__
#define WAIT_PARAMS cl_uint waits, const cl_event *wait_list, cl_event *event
#define WAIT        waits, wait_list, event
#define COMMAND(name, params, ...)                                                                 \
	static cl_int CL_API_CALL fake_##name(BARE params, WAIT_PARAMS)                            \
	{                                                                                          \
		const uint64_t got[] = {NUMBERS(__VA_ARGS__, waits, wait_list, event)};            \
		return did(#name, got, sizeof got / sizeof *got);                                  \
	}

COMMAND(clEnqueueReadBuffer, (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t s, void *p),
        q, m, b, o, s, p)
COMMAND(clEnqueueWriteBuffer,
        (cl_command_queue q, cl_mem m, cl_bool b, size_t o, size_t s, const void *p), q, m, b, o, s,
        p)
COMMAND(clEnqueueCopyBuffer, (cl_command_queue q, cl_mem a, cl_mem b, size_t o, size_t p, size_t s),
        q, a, b, o, p, s)
COMMAND(clEnqueueFillBuffer,
        (cl_command_queue q, cl_mem m, const void *p, size_t n, size_t o, size_t s), q, m, p, n, o,
        s)
COMMAND(clEnqueueReadImage,
        (cl_command_queue q, cl_mem m, cl_bool b, const size_t *o, const size_t *r, size_t x,
         size_t y, void *p),
        q, m, b, o, r, x, y, p)
COMMAND(clEnqueueWriteImage,
        (cl_command_queue q, cl_mem m, cl_bool b, const size_t *o, const size_t *r, size_t x,
         size_t y, const void *p),
        q, m, b, o, r, x, y, p)
COMMAND(clEnqueueFillImage,
        (cl_command_queue q, cl_mem m, const void *c, const size_t *o, const size_t *r), q, m, c, o,
        r)
COMMAND(clEnqueueCopyImage,
        (cl_command_queue q, cl_mem a, cl_mem b, const size_t *o, const size_t *p, const size_t *r),
        q, a, b, o, p, r)
COMMAND(clEnqueueCopyImageToBuffer,
        (cl_command_queue q, cl_mem a, cl_mem b, const size_t *o, const size_t *r, size_t p), q, a,
        b, o, r, p)
COMMAND(clEnqueueCopyBufferToImage,
        (cl_command_queue q, cl_mem a, cl_mem b, size_t p, const size_t *o, const size_t *r), q, a,
        b, p, o, r)
COMMAND(clEnqueueUnmapMemObject, (cl_command_queue q, cl_mem m, void *p), q, m, p)
COMMAND(clEnqueueMigrateMemObjects,
        (cl_command_queue q, cl_uint n, const cl_mem *m, cl_mem_migration_flags f), q, n, m, f)
COMMAND(clEnqueueNativeKernel,
        (cl_command_queue q, void(CL_CALLBACK *f)(void *), void *a, size_t s, cl_uint n,
         const cl_mem *m, const void **p),
        q, f, a, s, n, m, p)
COMMAND(clEnqueueAcquireGLObjects, (cl_command_queue q, cl_uint n, const cl_mem *m), q, n, m)
COMMAND(clEnqueueReleaseGLObjects, (cl_command_queue q, cl_uint n, const cl_mem *m), q, n, m)
COMMAND(clEnqueueAcquireEGLObjectsKHR, (cl_command_queue q, cl_uint n, const cl_mem *m), q, n, m)
COMMAND(clEnqueueReleaseEGLObjectsKHR, (cl_command_queue q, cl_uint n, const cl_mem *m), q, n, m)
COMMAND(clEnqueueTask, (cl_command_queue q, cl_kernel k), q, k)
COMMAND(clEnqueueNDRangeKernel,
        (cl_command_queue q, cl_kernel k, cl_uint d, const size_t *o, const size_t *g,
         const size_t *l),
        q, k, d, o, g, l)
COMMAND(clEnqueueSVMMemcpy, (cl_command_queue q, cl_bool b, void *to, const void *from, size_t s),
        q, b, to, from, s)
COMMAND(clEnqueueSVMMemFill, (cl_command_queue q, void *to, const void *p, size_t n, size_t s), q,
        to, p, n, s)
COMMAND(clEnqueueSVMMap, (cl_command_queue q, cl_bool b, cl_map_flags f, void *p, size_t s), q, b,
        f, p, s)
COMMAND(clEnqueueSVMUnmap, (cl_command_queue q, void *p), q, p)
COMMAND(clEnqueueSVMMigrateMem,
        (cl_command_queue q, cl_uint n, const void **p, const size_t *s, cl_mem_migration_flags f),
        q, n, p, s, f)

/* These have more arguments than the macro counts: those of the same type are noted. */
#define RECT(name, pointer)                                                                        \
	static cl_int CL_API_CALL fake_##name(                                                     \
		cl_command_queue q, cl_mem m, cl_bool b, const size_t *o, const size_t *h,         \
		const size_t *r, size_t x, size_t y, size_t v, size_t w, pointer p, WAIT_PARAMS)   \
	{                                                                                          \
		const uint64_t got[] = {NUMBERS(q, m, b, o, h, r, x, y, v, w, p, waits)};          \
		(void)wait_list, (void)event;                                                      \
		return did(#name, got, sizeof got / sizeof *got);                                  \
	}
RECT(clEnqueueReadBufferRect, void *)
RECT(clEnqueueWriteBufferRect, const void *)

static cl_int CL_API_CALL fake_clEnqueueCopyBufferRect(cl_command_queue q, cl_mem a, cl_mem b,
                                                       const size_t *o, const size_t *p,
                                                       const size_t *r, size_t x, size_t y,
                                                       size_t v, size_t w, WAIT_PARAMS)
{
	const uint64_t got[] = {NUMBERS(q, a, b, o, p, r, x, y, v, w, waits, wait_list, event)};

	return did("clEnqueueCopyBufferRect", got, sizeof got / sizeof *got);
}

static void *CL_API_CALL fake_clEnqueueMapBuffer(cl_command_queue q, cl_mem m, cl_bool b,
                                                 cl_map_flags f, size_t o, size_t s, WAIT_PARAMS,
                                                 cl_int *ret_error)
{
	const uint64_t got[] = {NUMBERS(q, m, b, f, o, s, waits, wait_list, event)};

	*ret_error = did("clEnqueueMapBuffer", got, sizeof got / sizeof *got);
	return *ret_error ? NULL : m;
}

static void *CL_API_CALL fake_clEnqueueMapImage(cl_command_queue q, cl_mem m, cl_bool b,
                                                cl_map_flags f, const size_t *o, const size_t *r,
                                                size_t *x, size_t *y, WAIT_PARAMS,
                                                cl_int *ret_error)
{
	const uint64_t got[] = {NUMBERS(q, m, b, f, o, r, x, y, waits, wait_list, event)};

	*ret_error = did("clEnqueueMapImage", got, sizeof got / sizeof *got);
	return *ret_error ? NULL : m;
}

/* --- kernels ------------------------------------------------------------------------------- */

static __thread cl_kernel spare_kernel;

static cl_kernel CL_API_CALL fake_clCreateKernel(cl_program program, const char *name,
                                                 cl_int *ret_error)
{
	cl_kernel kernel = spare_kernel ? spare_kernel : calloc(1, sizeof *kernel);

	(void)program;
	spare_kernel = NULL;
	kernel->references = 1;
	snprintf(kernel->name, sizeof kernel->name, "%s", name);
	if (ret_error)
		*ret_error = CL_SUCCESS;
	return kernel;
}

static cl_int CL_API_CALL fake_clCreateKernelsInProgram(cl_program program, cl_uint room,
                                                        cl_kernel *kernels, cl_uint *ret_count)
{
	if (kernels && room)
		kernels[0] = fake_clCreateKernel(program, "only", NULL);
	if (ret_count)
		*ret_count = 1;
	return CL_SUCCESS;
}

static cl_kernel CL_API_CALL fake_clCloneKernel(cl_kernel kernel, cl_int *ret_error)
{
	return fake_clCreateKernel(NULL, kernel->name, ret_error);
}

static cl_int CL_API_CALL fake_clRetainKernel(cl_kernel kernel)
{
	kernel->references++;
	return CL_SUCCESS;
}

/* The handle is used again. */
static cl_int CL_API_CALL fake_clReleaseKernel(cl_kernel kernel)
{
	if (--kernel->references == 0)
		spare_kernel = kernel;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL fake_clGetKernelInfo(cl_kernel kernel, cl_kernel_info what, size_t room,
                                               void *ret, size_t *ret_size)
{
	const cl_uint parameters = FAKE_PARAMETERS;

	fake_did.asked_of_kernels++;
	if (what == CL_KERNEL_FUNCTION_NAME)
		return answer(kernel->name, strlen(kernel->name) + 1, room, ret, ret_size);
	if (what == CL_KERNEL_NUM_ARGS)
		return answer(&parameters, sizeof parameters, room, ret, ret_size);
	if (what == CL_KERNEL_REFERENCE_COUNT)
		return answer(&kernel->references, sizeof kernel->references, room, ret, ret_size);
	return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL fake_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size,
                                              const void *value)
{
	(void)kernel, (void)size, (void)value;
	return index < FAKE_PARAMETERS ? fake_did.refuse : CL_INVALID_ARG_INDEX;
}

static cl_int CL_API_CALL fake_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index,
                                                        const void *value)
{
	return fake_clSetKernelArg(kernel, index, 0, value);
}

static cl_int CL_API_CALL fake_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info name,
                                                   size_t size, const void *value)
{
	(void)kernel, (void)name, (void)size, (void)value;
	return fake_did.refuse;
}

/* --- shared virtual memory ----------------------------------------------------------------- */

static struct {
	cl_command_queue queue;
	cl_uint count;
	void *pointers[8];
	void(CL_CALLBACK *callback)(cl_command_queue, cl_uint, void *[], void *);
	void *arg;
} waiting;

static void *CL_API_CALL fake_clSVMAlloc(cl_context context, cl_svm_mem_flags flags, size_t bytes,
                                         cl_uint align)
{
	(void)context, (void)flags, (void)align;
	if (fake_did.refuse || !fake_did.has_svm || !bytes)
		return NULL;
	fake_did.svm++;
	return malloc(bytes);
}

static void CL_API_CALL fake_clSVMFree(cl_context context, void *pointer)
{
	(void)context;
	fake_did.svm -= pointer != NULL;
	free(pointer);
}

static cl_int CL_API_CALL
fake_clEnqueueSVMFree(cl_command_queue queue, cl_uint count, void *pointers[],
                      void(CL_CALLBACK *callback)(cl_command_queue, cl_uint, void *[], void *),
                      void *arg, WAIT_PARAMS)
{
	(void)waits, (void)wait_list, (void)event;
	if (fake_did.refuse)
		return fake_did.refuse;
	waiting.queue = queue;
	waiting.count = count;
	memcpy(waiting.pointers, pointers, count * sizeof *pointers);
	waiting.callback = callback;
	waiting.arg = arg;
	return CL_SUCCESS;
}

void fake_svm_free_now(void)
{
	if (waiting.callback)
		waiting.callback(waiting.queue, waiting.count, waiting.pointers, waiting.arg);
	for (cl_uint i = 0; !waiting.callback && i < waiting.count; i++)
		fake_clSVMFree(waiting.queue->context, waiting.pointers[i]);
	waiting.count = 0;
}

static cl_int(CL_API_CALL *device_info)(cl_device_id, cl_device_info, size_t, void *, size_t *);

static cl_int CL_API_CALL fake_clGetDeviceInfo(cl_device_id device, cl_device_info what,
                                               size_t room, void *ret, size_t *ret_size)
{
	const cl_device_svm_capabilities svm =
		fake_did.has_svm ? CL_DEVICE_SVM_COARSE_GRAIN_BUFFER : 0;
	const cl_name_version versions[] = {{CL_MAKE_VERSION(1, 0, 0), "cl_khr_other"},
	                                    {fake_did.command_buffers, "cl_khr_command_buffer"}};

	if (what == CL_DEVICE_SVM_CAPABILITIES)
		return answer(&svm, sizeof svm, room, ret, ret_size);
	if (what == CL_DEVICE_EXTENSIONS_WITH_VERSION)
		return answer(versions, sizeof versions / (fake_did.command_buffers ? 1 : 2), room,
		              ret, ret_size);
	return device_info(device, what, room, ret, ret_size);
}

/* --- loading ------------------------------------------------------------------------------- */

#define PUT(name) table->name = fake_##name

static void put_commands(cl_icd_dispatch *table)
{
	PUT(clEnqueueReadBuffer), PUT(clEnqueueWriteBuffer), PUT(clEnqueueReadBufferRect);
	PUT(clEnqueueWriteBufferRect), PUT(clEnqueueCopyBuffer), PUT(clEnqueueCopyBufferRect);
	PUT(clEnqueueFillBuffer), PUT(clEnqueueReadImage), PUT(clEnqueueWriteImage);
	PUT(clEnqueueFillImage), PUT(clEnqueueCopyImage), PUT(clEnqueueCopyImageToBuffer);
	PUT(clEnqueueCopyBufferToImage), PUT(clEnqueueMapBuffer), PUT(clEnqueueMapImage);
	PUT(clEnqueueUnmapMemObject), PUT(clEnqueueMigrateMemObjects), PUT(clEnqueueNativeKernel);
	PUT(clEnqueueAcquireGLObjects), PUT(clEnqueueReleaseGLObjects);
	PUT(clEnqueueAcquireEGLObjectsKHR), PUT(clEnqueueReleaseEGLObjectsKHR);
	PUT(clEnqueueTask), PUT(clEnqueueNDRangeKernel);
	PUT(clEnqueueSVMMemcpy), PUT(clEnqueueSVMMemFill), PUT(clEnqueueSVMMap);
	PUT(clEnqueueSVMUnmap), PUT(clEnqueueSVMMigrateMem);
}

void fake_load_commands(void)
{
	cl_icd_dispatch *table = fake_table();

	device_info = table->clGetDeviceInfo;
	PUT(clGetDeviceInfo);
	PUT(clCreateCommandQueue), PUT(clReleaseCommandQueue), PUT(clGetCommandQueueInfo);
	PUT(clCreateKernel), PUT(clCreateKernelsInProgram), PUT(clCloneKernel);
	PUT(clRetainKernel), PUT(clReleaseKernel), PUT(clGetKernelInfo);
	PUT(clSetKernelArg), PUT(clSetKernelArgSVMPointer), PUT(clSetKernelExecInfo);
	PUT(clSVMAlloc), PUT(clSVMFree), PUT(clEnqueueSVMFree);
	put_commands(table);
	fake_load();
}

/* --- as a program does --------------------------------------------------------------------- */

cl_command_queue fake_queue(cl_context context, uint32_t device)
{
	return cl->clCreateCommandQueue(context, fake_id(device), 0, NULL);
}

cl_kernel fake_kernel(const char *name)
{
	return cl->clCreateKernel(NULL, name, NULL);
}

void fake_argument(cl_kernel kernel, cl_uint index, cl_mem memory)
{
	same(cl->clSetKernelArg(kernel, index, sizeof memory, &memory), CL_SUCCESS);
}

cl_int fake_launch(cl_command_queue queue, cl_kernel kernel)
{
	const size_t items = 1;

	return cl->clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &items, NULL, 0, NULL, NULL);
}

void fake_write(cl_command_queue queue, cl_mem memory)
{
	same(cl->clEnqueueWriteBuffer(queue, memory, CL_TRUE, 0, 1, "", 0, NULL, NULL), CL_SUCCESS);
}

/* --- from outside -------------------------------------------------------------------------- */

static bool is_of(const struct segment_view *view, const struct view_buffer *buffer, int ordinal)
{
	const struct view_space *space = &view->spaces[buffer->space];
	const struct view_device *device = &view->devices[space->members[0]];

	return device->unplaced ? ordinal == UNPLACED : device->ordinal == ordinal;
}

unsigned seen_on(int ordinal, const char *site)
{
	struct segment_view *view = outside();
	unsigned count = 0;

	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];

		count += !buffer->closed && !strcmp(buffer->site, site) &&
		         is_of(view, buffer, ordinal);
	}
	segment_view_destroy(view);
	return count;
}

bool seen_tag(const char *site, const char *tag)
{
	const struct view_buffer buffer = seen_buffer(site);
	struct segment_view *view = outside();
	bool is = strcmp(view->tags[buffer.tag].path, tag) == 0;

	segment_view_destroy(view);
	return is;
}
