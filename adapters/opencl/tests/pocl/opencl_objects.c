/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that makes and releases OpenCL objects, for tests that look at it from outside:
 * `opencl_objects SCENARIO`. At each step it writes a line, the step's name and numbers that the
 * test needs, and waits for a line on standard input.
 */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEVICES = 16, THREADS = 8, KEPT = 4 };

static cl_device_id devices[DEVICES];
static cl_uint device_count;

static void need(cl_int error, const char *what)
{
	if (error == CL_SUCCESS)
		return;
	fprintf(stderr, "opencl_objects: %s: error %d\n", what, error);
	_exit(1);
}

static __attribute__((format(printf, 1, 2))) void step(const char *format, ...)
{
	char line[16];
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		_exit(1);
}

static void find_devices(void)
{
	cl_platform_id platform;

	need(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
	need(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICES, devices, &device_count),
	     "clGetDeviceIDs");
}

static cl_context context_of(cl_uint first, cl_uint count)
{
	cl_int error;
	cl_context context = clCreateContext(NULL, count, devices + first, NULL, NULL, &error);

	need(error, "clCreateContext");
	return context;
}

static cl_mem buffer(cl_context context, cl_mem_flags flags, size_t bytes, void *host)
{
	cl_int error;
	cl_mem memory = clCreateBuffer(context, flags, bytes, host, &error);

	need(error, "clCreateBuffer");
	return memory;
}

static cl_mem sub_buffer(cl_mem of, size_t bytes)
{
	const cl_buffer_region region = {0, bytes};
	cl_int error;
	cl_mem memory = clCreateSubBuffer(of, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);

	need(error, "clCreateSubBuffer");
	return memory;
}

/* --- scenarios ------------------------------------------------------------------------------ */

/* One of each, released in another order than made; the context first. */
static void orders(void)
{
	cl_context context = context_of(0, 1);
	cl_mem large, small, sub;

	step("begun");
	large = buffer(context, CL_MEM_READ_WRITE, 1 << 20, NULL);
	small = buffer(context, CL_MEM_READ_ONLY, 1000, NULL);
	sub = sub_buffer(large, 4096);
	step("made");
	clRetainMemObject(small);
	clReleaseMemObject(small);
	clReleaseContext(context);
	step("retained");
	clReleaseMemObject(large);
	step("sub-buffer");
	clReleaseMemObject(sub);
	step("one");
	clReleaseMemObject(small);
	step("none");
}

static void images(void)
{
	const cl_image_format format = {CL_RGBA, CL_FLOAT};
	cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 640, .image_height = 480};
	cl_context context = context_of(0, 1);
	cl_mem image, lines, view;
	size_t bytes = 0;
	cl_int error;

	image = clCreateImage(context, CL_MEM_READ_WRITE, &format, &desc, NULL, &error);
	need(error, "clCreateImage");
	need(clGetMemObjectInfo(image, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), "CL_MEM_SIZE");
	lines = buffer(context, CL_MEM_READ_WRITE, 1600, NULL);
	desc = (cl_image_desc){
		.image_type = CL_MEM_OBJECT_IMAGE1D_BUFFER, .image_width = 100, .buffer = lines};
	view = clCreateImage(context, CL_MEM_READ_WRITE, &format, &desc, NULL, &error);
	need(error, "clCreateImage of a buffer");
	step("made %zu", bytes);
	clReleaseMemObject(lines);
	clReleaseMemObject(image);
	step("view");
	clReleaseMemObject(view);
	step("none");
}

/* PoCL 3.1 makes no pipes; what others make of one is its size, or why not. */
static void pipes(void)
{
	cl_context context = context_of(0, 1);
	size_t bytes = 0;
	cl_int error;
	cl_mem pipe = clCreatePipe(context, 0, 64, 100, NULL, &error);

	if (pipe)
		clGetMemObjectInfo(pipe, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
	step("made %zu", bytes);
	if (pipe)
		clReleaseMemObject(pipe);
	step("none");
}

static void host(void)
{
	static char memory[65536];
	cl_context context = context_of(0, 1);

	buffer(context, CL_MEM_USE_HOST_PTR, sizeof memory, memory);
	buffer(context, CL_MEM_ALLOC_HOST_PTR, 3000, NULL);
	buffer(context, CL_MEM_COPY_HOST_PTR, 500, memory);
	step("made");
}

static void failures(void)
{
	cl_context context = context_of(0, 1);
	cl_int error;

	buffer(context, 0, 1 << 20, NULL);
	clCreateBuffer(context, 0, (size_t)1 << 40, NULL, &error);
	step("refused %d", error);
	clCreateBuffer(context, 0, 0, NULL, &error);
	step("wrong %d", error);
	for (cl_uint i = 0; i < 8; i++) {
		clCreateBuffer(context, 0, 10 << 20, NULL, &error);
		if (error)
			break;
	}
	step("filled %d", error);
}

/* A command that waits keeps what it uses. */
static void queued(void)
{
	static char bytes[4096];
	cl_context context = context_of(0, 1);
	cl_mem memory = buffer(context, 0, sizeof bytes, NULL);
	cl_int error;
	cl_command_queue queue = clCreateCommandQueue(context, devices[0], 0, &error);
	cl_event gate = clCreateUserEvent(context, &error);

	need(error, "clCreateUserEvent");
	need(clEnqueueWriteBuffer(queue, memory, CL_FALSE, 0, sizeof bytes, bytes, 1, &gate, NULL),
	     "clEnqueueWriteBuffer");
	clReleaseMemObject(memory);
	step("released");
	clSetUserEventStatus(gate, CL_COMPLETE);
	clFinish(queue);
	clReleaseEvent(gate);
	clReleaseCommandQueue(queue);
	clReleaseContext(context);
	step("done");
}

/* All devices in one context, then each in its own. */
static void shared(void)
{
	cl_context context = context_of(0, device_count);
	cl_mem memory = buffer(context, 0, 1 << 20, NULL), sub = sub_buffer(memory, 8192);

	step("together %u", device_count);
	clReleaseMemObject(sub);
	clReleaseMemObject(memory);
	clReleaseContext(context);
	for (cl_uint i = 0; i < device_count; i++)
		buffer(context_of(i, 1), 0, 1000 * (i + 1), NULL);
	step("each");
}

static void contexts(void)
{
	for (cl_uint i = 0; i < 600; i++) {
		cl_context context = context_of(0, 1 + i % device_count);
		cl_mem memory = buffer(context, 0, 100, NULL);

		if (i % 2)
			clReleaseContext(context);
		clReleaseMemObject(memory);
		if (i % 2 == 0)
			clReleaseContext(context);
	}
	step("done");
}

static void *thread_body(void *arg)
{
	cl_context context = arg;
	cl_mem kept[KEPT] = {0};

	for (unsigned i = 0; i < 400; i++) {
		cl_mem *at = &kept[i * 7 % KEPT], sub;

		if (*at)
			clReleaseMemObject(*at);
		*at = buffer(context, 0, 1024 + i, NULL);
		sub = sub_buffer(*at, 512);
		clRetainMemObject(*at);
		clReleaseMemObject(sub);
		clReleaseMemObject(*at);
	}
	for (unsigned i = 1; i < KEPT; i++)
		clReleaseMemObject(kept[i]);
	return kept[0];
}

static void threads(void)
{
	cl_context context = context_of(0, 1);
	pthread_t all[THREADS];
	unsigned long bytes = 0;

	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&all[i], NULL, thread_body, context);
	for (unsigned i = 0; i < THREADS; i++) {
		size_t size = 0;
		void *memory;

		pthread_join(all[i], &memory);
		clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof size, &size, NULL);
		bytes += size;
	}
	step("kept %lu", bytes);
}

static void leaks(void)
{
	cl_context context = context_of(0, 1);

	buffer(context, 0, 12345, NULL);
	clReleaseMemObject(buffer(context, 0, 100, NULL));
	step("made");
}

/* Before OpenCL was touched: parent and child are two programs that see the same devices. After it
 * a child may do nothing with OpenCL; that it ends is not the parent's end. */
static void forks(void)
{
	pid_t child = fork();
	int status = 0;

	find_devices();
	if (child == 0) {
		cl_mem memory = buffer(context_of(0, 1), 0, 30, NULL);
		int gate = atoi(getenv("OBJECTS_GATE"));
		char byte;

		if (read(gate, &byte, 1) == 1) /* the parent's word */
			clReleaseMemObject(memory);
		_exit(0);
	}
	buffer(context_of(0, 1), 0, 1000, NULL);
	step("both %d", (int)child);
	if (write(atoi(getenv("OBJECTS_GATE_END")), ".", 1) != 1)
		_exit(1);
	waitpid(child, &status, 0);
	child = fork();
	if (child == 0)
		_exit(0);
	waitpid(child, &status, 0);
	step("parent %d", status);
}

static const struct {
	const char *name;
	void (*body)(void);
} scenarios[] = {
	{"orders", orders},     {"images", images}, {"pipes", pipes},   {"host", host},
	{"failures", failures}, {"queued", queued}, {"shared", shared}, {"contexts", contexts},
	{"threads", threads},   {"leaks", leaks},   {"forks", forks},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof scenarios / sizeof *scenarios; i++) {
		if (strcmp(scenarios[i].name, argv[1]) != 0)
			continue;
		if (scenarios[i].body != forks) /* which has to be first */
			find_devices();
		scenarios[i].body();
		return 0;
	}
	fprintf(stderr, "opencl_objects: no such scenario\n");
	return 2;
}
