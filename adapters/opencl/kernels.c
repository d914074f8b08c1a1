/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels are given, and where they are launched. */
#include "use.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The memory that a kernel uses. Places [0, parameters) are its arguments; behind them is what it
 * was said to reach by pointers. Made when it is first given memory. */
struct kernel_arguments {
	const void **handles; /* NULL: no memory */
	uint64_t *ids;        /* of the records: a handle may be another object's by now */
	size_t parameters, count;
	uint64_t settled; /* bit per device of the context on which all of it is known to be */
	uint32_t references;
	struct label label;
	char name[];
};

static void kernel_free(struct kernel_arguments *kernel)
{
	if (!kernel)
		return;
	free(kernel->handles);
	free(kernel->ids);
	free(kernel);
}

static struct kernel_arguments *kernel_find(cl_kernel handle)
{
	return table_find(table_of_kernels(), handle);
}

/* --- making it ------------------------------------------------------------------------------ */

static int resize(struct kernel_arguments *kernel, size_t count)
{
	size_t room = count ? count : 1;
	const void **handles = realloc(kernel->handles, room * sizeof *handles);
	uint64_t *ids;

	if (!handles)
		return -ENOMEM;
	kernel->handles = handles;
	ids = realloc(kernel->ids, room * sizeof *ids);
	if (!ids)
		return -ENOMEM;
	kernel->ids = ids;
	for (size_t i = kernel->count; i < count; i++) {
		handles[i] = NULL;
		ids[i] = 0;
	}
	kernel->count = count;
	return 0;
}

/* Without the lock. */
static struct kernel_arguments *kernel_new(cl_kernel handle)
{
	struct kernel_arguments *kernel;
	cl_uint parameters = 0, references = 1;
	size_t length = 0;

	if (target.clGetKernelInfo(handle, CL_KERNEL_NUM_ARGS, sizeof parameters, &parameters,
	                           NULL) ||
	    target.clGetKernelInfo(handle, CL_KERNEL_FUNCTION_NAME, 0, NULL, &length))
		return NULL;
	target.clGetKernelInfo(handle, CL_KERNEL_REFERENCE_COUNT, sizeof references, &references,
	                       NULL);
	kernel = calloc(1, sizeof *kernel + length + 1);
	if (!kernel)
		return NULL;
	target.clGetKernelInfo(handle, CL_KERNEL_FUNCTION_NAME, length, kernel->name, NULL);
	kernel->label.name = kernel->name;
	kernel->references = references;
	kernel->parameters = parameters;
	if (resize(kernel, parameters)) {
		kernel_free(kernel);
		return NULL;
	}
	return kernel;
}

/* Takes the lock, with what is known of the kernel; makes it where it is not known yet. */
static struct kernel_arguments *kernel_enter(cl_kernel handle)
{
	struct kernel_arguments *kernel, *made;
	int saved = errno;

	if (!layer_enter())
		return NULL;
	kernel = kernel_find(handle);
	if (kernel)
		return kernel;
	layer_leave();
	made = kernel_new(handle);
	errno = saved;
	if (!made)
		return NULL;
	if (!layer_enter()) {
		kernel_free(made);
		return NULL;
	}
	kernel = kernel_find(handle);
	if (!kernel && table_put(table_of_kernels(), handle, made) == 0)
		return made;
	kernel_free(made);
	if (!kernel)
		layer_leave();
	return kernel;
}

/* --- arguments ------------------------------------------------------------------------------ */

static void set(struct kernel_arguments *kernel, size_t at, const struct record *record)
{
	const void *handle = record ? record->handle : NULL;
	uint64_t id = record ? record->id : 0;

	if (at >= kernel->count || (kernel->handles[at] == handle && kernel->ids[at] == id))
		return;
	kernel->handles[at] = handle;
	kernel->ids[at] = id;
	kernel->settled = 0;
}

void kernel_argument(cl_kernel handle, cl_uint index, const void *argument, bool svm)
{
	struct kernel_arguments *kernel;
	const struct record *record;

	if (!layer_enter())
		return;
	kernel = kernel_find(handle);
	record = table_find(table_of_memory(), svm ? svm_base(argument) : argument);
	if (!kernel && record) {
		layer_leave();
		kernel = kernel_enter(handle);
		if (!kernel)
			return;
		record = table_find(table_of_memory(), svm ? svm_base(argument) : argument);
	}
	if (kernel && index < kernel->parameters)
		set(kernel, index, record);
	layer_leave();
}

void kernel_pointers(cl_kernel handle, const void *const *pointers, size_t count)
{
	struct kernel_arguments *kernel = kernel_enter(handle);
	int saved = errno;

	if (!kernel)
		return;
	kernel->settled = 0;
	if (resize(kernel, kernel->parameters + count) == 0) {
		for (size_t i = 0; i < count; i++)
			set(kernel, kernel->parameters + i,
			    table_find(table_of_memory(), svm_base(pointers[i])));
	}
	layer_leave();
	errno = saved;
}

int kernel_copy(cl_kernel handle, struct arguments *ret_arguments)
{
	const struct kernel_arguments *kernel;
	struct arguments copy = {0};
	int error = -ENOENT, saved = errno;

	if (!layer_enter())
		return -ENOENT;
	kernel = kernel_find(handle);
	if (kernel) {
		size_t room = kernel->count ? kernel->count : 1;

		copy.count = kernel->count;
		copy.handles = calloc(room, sizeof *copy.handles);
		copy.ids = calloc(room, sizeof *copy.ids);
		copy.name = strdup(kernel->name);
		error = copy.handles && copy.ids && copy.name ? 0 : -ENOMEM;
	}
	if (!error) {
		memcpy(copy.handles, kernel->handles, copy.count * sizeof *copy.handles);
		memcpy(copy.ids, kernel->ids, copy.count * sizeof *copy.ids);
		*ret_arguments = copy;
	} else {
		arguments_free(&copy);
	}
	layer_leave();
	errno = saved;
	return error;
}

void arguments_free(struct arguments *arguments)
{
	free(arguments->handles);
	free(arguments->ids);
	free(arguments->name);
}

static cl_int CL_API_CALL hook_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size,
                                              const void *value)
{
	cl_int error = target.clSetKernelArg(kernel, index, size, value);
	const void *handle = NULL;

	/* A number of that size that happens to be a handle is taken for one. */
	if (error || size != sizeof handle)
		return error;
	if (value)
		memcpy(&handle, value, sizeof handle);
	kernel_argument(kernel, index, handle, false);
	return error;
}

static cl_int CL_API_CALL hook_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index,
                                                        const void *pointer)
{
	cl_int error = target.clSetKernelArgSVMPointer(kernel, index, pointer);

	if (!error)
		kernel_argument(kernel, index, pointer, true);
	return error;
}

static cl_int CL_API_CALL hook_clSetKernelExecInfo(cl_kernel kernel, cl_kernel_exec_info name,
                                                   size_t size, const void *value)
{
	cl_int error = target.clSetKernelExecInfo(kernel, name, size, value);

	if (!error && value &&
	    (name == CL_KERNEL_EXEC_INFO_SVM_PTRS || name == CL_KERNEL_EXEC_INFO_USM_PTRS_INTEL))
		kernel_pointers(kernel, value, size / sizeof(void *));
	return error;
}

/* --- life ----------------------------------------------------------------------------------- */

/* What is still known under a new kernel's handle is of one that is gone. */
static void forget(cl_kernel handle)
{
	if (!handle || !layer_enter())
		return;
	kernel_free(table_take(table_of_kernels(), handle));
	layer_leave();
}

static cl_kernel CL_API_CALL hook_clCreateKernel(cl_program program, const char *name,
                                                 cl_int *errcode_ret)
{
	cl_kernel kernel = target.clCreateKernel(program, name, errcode_ret);

	forget(kernel);
	return kernel;
}

static cl_int CL_API_CALL hook_clCreateKernelsInProgram(cl_program program, cl_uint room,
                                                        cl_kernel *kernels, cl_uint *ret_count)
{
	cl_uint count = 0;
	cl_int error = target.clCreateKernelsInProgram(program, room, kernels, &count);

	for (cl_uint i = 0; !error && kernels && i < count && i < room; i++)
		forget(kernels[i]);
	if (!error && ret_count)
		*ret_count = count;
	return error;
}

static cl_kernel CL_API_CALL hook_clCloneKernel(cl_kernel source, cl_int *errcode_ret)
{
	cl_kernel clone = target.clCloneKernel(source, errcode_ret);
	struct kernel_arguments *kernel;
	struct arguments arguments;

	forget(clone);
	if (!clone || kernel_copy(source, &arguments))
		return clone;
	kernel = kernel_enter(clone);
	if (kernel) {
		if (resize(kernel, arguments.count) == 0) {
			memcpy(kernel->handles, arguments.handles,
			       arguments.count * sizeof *arguments.handles);
			memcpy(kernel->ids, arguments.ids, arguments.count * sizeof *arguments.ids);
		}
		layer_leave();
	}
	arguments_free(&arguments);
	return clone;
}

static cl_int CL_API_CALL hook_clRetainKernel(cl_kernel handle)
{
	cl_int error = target.clRetainKernel(handle);
	struct kernel_arguments *kernel;

	if (!error && layer_enter()) {
		if ((kernel = kernel_find(handle)))
			kernel->references++;
		layer_leave();
	}
	return error;
}

static cl_int CL_API_CALL hook_clReleaseKernel(cl_kernel handle)
{
	struct kernel_arguments *kernel;

	if (layer_enter()) {
		kernel = kernel_find(handle);
		if (kernel && --kernel->references == 0)
			kernel_free(table_take(table_of_kernels(), handle));
		layer_leave();
	}
	return target.clReleaseKernel(handle);
}

/* --- launches ------------------------------------------------------------------------------- */

static struct command command_of(struct kernel_arguments *kernel, const char *site)
{
	return (struct command){
		.handles = (const void *const *)kernel->handles,
		.ids = kernel->ids,
		.count = kernel->count,
		.label = &kernel->label,
		.site = site,
	};
}

/* Known to be there already: the device's bit is in `settled`. */
static bool is_settled(const struct kernel_arguments *kernel, const struct queue *queue)
{
	return queue->context_id && queue->index != UINT32_MAX &&
	       kernel->settled >> queue->index & 1;
}

static cl_int launch_admit(cl_command_queue queue_handle, cl_kernel handle, const char *site)
{
	struct kernel_arguments *kernel;
	cl_int error = CL_SUCCESS;
	struct queue *queue;

	if (!budget_bytes() || !queue_enter(queue_handle, &queue))
		return CL_SUCCESS;
	kernel = kernel_find(handle);
	if (kernel && !is_settled(kernel, queue)) {
		struct command command = command_of(kernel, site);

		error = uses_admit(queue, &command);
	}
	layer_leave();
	return error;
}

static cl_int launch_failed(cl_command_queue queue_handle, cl_kernel handle, const char *site,
                            cl_int error)
{
	struct kernel_arguments *kernel;
	uint64_t missing = 0;
	cl_context context;
	struct queue *queue;

	if (!is_short(error) || !queue_enter(queue_handle, &queue))
		return error;
	kernel = kernel_find(handle);
	if (kernel) {
		struct command command = command_of(kernel, site);

		missing = uses_missing(queue, &command);
	}
	context = queue->context;
	layer_leave();
	record_failed(context, missing, site, error);
	return error;
}

static cl_int launch_done(cl_command_queue queue_handle, cl_kernel handle, const char *site,
                          cl_int error)
{
	struct kernel_arguments *kernel;
	struct queue *queue;

	if (error)
		return launch_failed(queue_handle, handle, site, error);
	if (!queue_enter(queue_handle, &queue))
		return error;
	kernel = kernel_find(handle);
	if (kernel && !is_settled(kernel, queue)) {
		struct command command = command_of(kernel, site);

		kernel->settled |= uses_done(queue, &command);
	}
	layer_leave();
	return error;
}

static cl_int CL_API_CALL hook_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                                      cl_uint dimensions, const size_t *offset,
                                                      const size_t *global, const size_t *local,
                                                      cl_uint waits, const cl_event *wait_list,
                                                      cl_event *event)
{
	cl_int error = launch_admit(queue, kernel, "clEnqueueNDRangeKernel");

	if (error)
		return error;
	error = target.clEnqueueNDRangeKernel(queue, kernel, dimensions, offset, global, local,
	                                      waits, wait_list, event);
	return launch_done(queue, kernel, "clEnqueueNDRangeKernel", error);
}

static cl_int CL_API_CALL hook_clEnqueueTask(cl_command_queue queue, cl_kernel kernel,
                                             cl_uint waits, const cl_event *wait_list,
                                             cl_event *event)
{
	cl_int error = launch_admit(queue, kernel, "clEnqueueTask");

	if (error)
		return error;
	error = target.clEnqueueTask(queue, kernel, waits, wait_list, event);
	return launch_done(queue, kernel, "clEnqueueTask", error);
}

void kernels_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clSetKernelArg);
	LAYER_HOOK(table, clSetKernelArgSVMPointer);
	LAYER_HOOK(table, clSetKernelExecInfo);
	LAYER_HOOK(table, clCreateKernel);
	LAYER_HOOK(table, clCreateKernelsInProgram);
	LAYER_HOOK(table, clCloneKernel);
	LAYER_HOOK(table, clRetainKernel);
	LAYER_HOOK(table, clReleaseKernel);
	LAYER_HOOK(table, clEnqueueNDRangeKernel);
	LAYER_HOOK(table, clEnqueueTask);
}
