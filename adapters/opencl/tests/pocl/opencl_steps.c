/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that uses OpenCL as a test tells it to: a line on standard input is a call, and its
 * answer is a line with the error, 0 where it succeeded. One context of all devices of the first
 * platform, a queue on each, and the kernels of `source`.
 */
#define CL_TARGET_OPENCL_VERSION 300
#include <CL/cl.h>
#include <CL/cl_ext.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES = 64, DEVICES = 16, WORDS = 8 };

static const char source[] = "kernel void first(global int *a, global int *b)\n"
			     "{ size_t i = get_global_id(0); a[i] = b[i] + 1; }\n"
			     "kernel void second(global int *a, global int *b)\n"
			     "{ size_t i = get_global_id(0); a[i] = b[i] * 2; }\n"
			     "kernel void fails(global int *a) { a[0] = 1; }\n";

static cl_context context;
static cl_uint device_count;
static cl_device_id devices[DEVICES];
static cl_command_queue queues[DEVICES];
static cl_program program;
static cl_command_buffer_khr commands;
static cl_platform_id platform;

static struct thing {
	char name[16];
	cl_mem memory;
	void *svm, *host;
	cl_kernel kernel;
	size_t bytes;
} things[NAMES];

static struct thing *thing(const char *name)
{
	struct thing *unused = NULL;

	for (int i = 0; i < NAMES; i++) {
		if (strcmp(things[i].name, name) == 0)
			return &things[i];
		if (!things[i].name[0] && !unused)
			unused = &things[i];
	}
	snprintf(unused->name, sizeof unused->name, "%s", name);
	return unused;
}

static cl_command_queue queue(const char *number)
{
	return queues[strtoul(number, NULL, 0) % DEVICES];
}

static size_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static void *extension(const char *name)
{
	return clGetExtensionFunctionAddressForPlatform(platform, name);
}
#define CALL(name) ((name##_fn)extension(#name))

/* --- calls: words[0] is the name ------------------------------------------------------------- */

static cl_int call_buffer(char **words)
{
	struct thing *it = thing(words[1]);
	cl_mem_flags flags = CL_MEM_READ_WRITE;
	cl_int error;

	it->bytes = number(words[2]);
	it->host = calloc(1, it->bytes);
	if (!strcmp(words[3], "use"))
		flags |= CL_MEM_USE_HOST_PTR;
	if (!strcmp(words[3], "alloc"))
		flags |= CL_MEM_ALLOC_HOST_PTR;
	it->memory = clCreateBuffer(context, flags, it->bytes,
	                            flags & CL_MEM_USE_HOST_PTR ? it->host : NULL, &error);
	return error;
}

static cl_int call_sub(char **words)
{
	struct thing *it = thing(words[1]);
	const cl_buffer_region region = {number(words[3]), number(words[4])};
	cl_int error;

	it->bytes = region.size;
	it->host = calloc(1, it->bytes);
	it->memory = clCreateSubBuffer(thing(words[2])->memory, CL_MEM_READ_WRITE,
	                               CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
	return error;
}

static cl_int call_release(char **words)
{
	struct thing *it = thing(words[1]);
	cl_int error = clReleaseMemObject(it->memory);

	*it = (struct thing){0};
	return error;
}

static cl_int call_write(char **words)
{
	struct thing *it = thing(words[2]);

	return clEnqueueWriteBuffer(queue(words[1]), it->memory, CL_TRUE, 0, it->bytes, it->host, 0,
	                            NULL, NULL);
}

static cl_int call_read(char **words)
{
	struct thing *it = thing(words[2]);

	return clEnqueueReadBuffer(queue(words[1]), it->memory, CL_TRUE, 0, it->bytes, it->host, 0,
	                           NULL, NULL);
}

static cl_int call_wrong(char **words) /* beyond the end: the driver refuses */
{
	struct thing *it = thing(words[2]);

	return clEnqueueWriteBuffer(queue(words[1]), it->memory, CL_TRUE, it->bytes, it->bytes,
	                            it->host, 0, NULL, NULL);
}

static cl_int call_copy(char **words)
{
	struct thing *from = thing(words[2]), *to = thing(words[3]);

	return clEnqueueCopyBuffer(queue(words[1]), from->memory, to->memory, 0, 0, from->bytes, 0,
	                           NULL, NULL);
}

static cl_int call_fill(char **words)
{
	struct thing *it = thing(words[2]);

	return clEnqueueFillBuffer(queue(words[1]), it->memory, "", 1, 0, it->bytes, 0, NULL, NULL);
}

static cl_int call_map(char **words)
{
	struct thing *it = thing(words[2]);
	cl_int error;
	void *pointer = clEnqueueMapBuffer(queue(words[1]), it->memory, CL_TRUE, CL_MAP_WRITE, 0,
	                                   it->bytes, 0, NULL, NULL, &error);

	return error ? error
	             : clEnqueueUnmapMemObject(queue(words[1]), it->memory, pointer, 0, NULL, NULL);
}

static cl_int call_migrate(char **words)
{
	struct thing *it = thing(words[2]);

	return clEnqueueMigrateMemObjects(queue(words[1]), 1, &it->memory,
	                                  strcmp(words[3], "host") ? 0 : CL_MIGRATE_MEM_OBJECT_HOST,
	                                  0, NULL, NULL);
}

static cl_int call_kernel(char **words)
{
	cl_int error;

	thing(words[1])->kernel = clCreateKernel(program, words[1], &error);
	return error;
}

static cl_int call_clone(char **words)
{
	cl_int error;

	thing(words[2])->kernel = clCloneKernel(thing(words[1])->kernel, &error);
	return error;
}

static cl_int call_arg(char **words)
{
	struct thing *it = thing(words[3]);
	cl_kernel kernel = thing(words[1])->kernel;

	if (it->svm)
		return clSetKernelArgSVMPointer(kernel, (cl_uint)number(words[2]),
		                                (char *)it->svm + number(words[4]));
	return clSetKernelArg(kernel, (cl_uint)number(words[2]), sizeof it->memory, &it->memory);
}

static cl_int call_launch(char **words)
{
	const size_t items = 16;

	return clEnqueueNDRangeKernel(queue(words[1]), thing(words[2])->kernel, 1, NULL, &items,
	                              NULL, 0, NULL, NULL);
}

static cl_int call_svm(char **words)
{
	struct thing *it = thing(words[1]);

	it->bytes = number(words[2]);
	it->svm = clSVMAlloc(context, CL_MEM_READ_WRITE, it->bytes, 0);
	return it->svm ? CL_SUCCESS : CL_OUT_OF_RESOURCES;
}

static cl_int call_svmfill(char **words)
{
	struct thing *it = thing(words[2]);

	return clEnqueueSVMMemFill(queue(words[1]), (char *)it->svm + 64, "", 1, 64, 0, NULL, NULL);
}

static cl_int call_svmfree(char **words)
{
	struct thing *it = thing(words[1]);

	clSVMFree(context, it->svm);
	*it = (struct thing){0};
	return CL_SUCCESS;
}

static void CL_CALLBACK own_free(cl_command_queue from, cl_uint count, void *pointers[], void *arg)
{
	(void)from;
	for (cl_uint i = 0; i < count; i++)
		clSVMFree(arg, pointers[i]);
}

/* After a user event, which `let` lets happen. */
static cl_event gate;

static cl_int call_later(char **words)
{
	struct thing *it = thing(words[2]);
	bool own = !strcmp(words[3], "own");
	void *pointers[] = {it->svm};
	cl_int error;

	gate = clCreateUserEvent(context, &error);
	if (error)
		return error;
	*it = (struct thing){0};
	error = clEnqueueSVMFree(queue(words[1]), 1, pointers, own ? own_free : NULL,
	                         own ? context : NULL, 1, &gate, NULL);
	clFlush(queue(words[1]));
	return error;
}

static cl_int call_let(char **words)
{
	(void)words;
	return clSetUserEventStatus(gate, CL_COMPLETE);
}

static cl_int call_record(char **words)
{
	cl_int error = CL_SUCCESS;
	cl_command_queue on = queue(words[1]);

	if (!extension("clCreateCommandBufferKHR"))
		return CL_INVALID_OPERATION;
	commands = CALL(clCreateCommandBufferKHR)(1, &on, NULL, &error);
	return error;
}

static cl_int call_recordfill(char **words)
{
	struct thing *it = thing(words[1]);

	return CALL(clCommandFillBufferKHR)(commands, NULL, it->memory, "", 1, 0, it->bytes, 0,
	                                    NULL, NULL, NULL);
}

static cl_int call_recordlaunch(char **words)
{
	const size_t items = 16;

	return CALL(clCommandNDRangeKernelKHR)(commands, NULL, NULL, thing(words[1])->kernel, 1,
	                                       NULL, &items, NULL, 0, NULL, NULL, NULL);
}

static cl_int call_finalize(char **words)
{
	(void)words;
	return CALL(clFinalizeCommandBufferKHR)(commands);
}

static cl_int call_enqueue(char **words)
{
	(void)words;
	return CALL(clEnqueueCommandBufferKHR)(0, NULL, commands, 0, NULL, NULL);
}

static cl_int call_drop(char **words)
{
	(void)words;
	return CALL(clReleaseCommandBufferKHR)(commands);
}

static cl_int call_finish(char **words)
{
	return clFinish(queue(words[1]));
}

static const struct call {
	const char *name;
	cl_int (*function)(char **words);
} calls[] = {
	{"buffer", call_buffer},
	{"sub", call_sub},
	{"release", call_release},
	{"write", call_write},
	{"read", call_read},
	{"wrong", call_wrong},
	{"copy", call_copy},
	{"fill", call_fill},
	{"map", call_map},
	{"migrate", call_migrate},
	{"kernel", call_kernel},
	{"clone", call_clone},
	{"arg", call_arg},
	{"launch", call_launch},
	{"svm", call_svm},
	{"svmfill", call_svmfill},
	{"svmfree", call_svmfree},
	{"later", call_later},
	{"let", call_let},
	{"record", call_record},
	{"recordfill", call_recordfill},
	{"recordlaunch", call_recordlaunch},
	{"finalize", call_finalize},
	{"enqueue", call_enqueue},
	{"drop", call_drop},
	{"finish", call_finish},
};

static cl_int do_line(char *line)
{
	char none[] = "", *words[WORDS + 1], *state;
	int count = 0;

	for (char *word = strtok_r(line, " \n", &state); word && count < WORDS;
	     word = strtok_r(NULL, " \n", &state))
		words[count++] = word;
	for (int i = count; i <= WORDS; i++)
		words[i] = none;
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
		if (strcmp(calls[i].name, words[0]) == 0)
			return calls[i].function(words);
	}
	fprintf(stderr, "opencl_steps: no call \"%s\"\n", words[0]);
	exit(2);
}

static void need(cl_int error, const char *what)
{
	if (!error)
		return;
	fprintf(stderr, "opencl_steps: %s: %d\n", what, error);
	exit(1);
}

static void open_all(void)
{
	const char *text = source;
	cl_int error;

	need(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
	need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICES, devices, &device_count),
	     "clGetDeviceIDs");
	context = clCreateContext(NULL, device_count, devices, NULL, NULL, &error);
	need(error, "clCreateContext");
	for (cl_uint i = 0; i < device_count; i++) {
		queues[i] = clCreateCommandQueueWithProperties(context, devices[i], NULL, &error);
		need(error, "clCreateCommandQueueWithProperties");
	}
	program = clCreateProgramWithSource(context, 1, &text, NULL, &error);
	need(error, "clCreateProgramWithSource");
	need(clBuildProgram(program, 0, NULL, "", NULL, NULL), "clBuildProgram");
}

int main(void)
{
	char line[256];

	open_all();
	printf("%u\n", device_count);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin)) {
		printf("%d\n", do_line(line));
		fflush(stdout);
	}
	return 0;
}
