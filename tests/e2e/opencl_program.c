/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenCL program that does what it is told, a word per line on standard input, and answers each
 * with a line "WORD RESULT": `devices` (how many the first platform has, at the first call of
 * OpenCL), `alloc BYTES` (a buffer on the first device, written to), `free` (the last one), `fork`
 * (exec itself anew as a child, which answers from then on). It ends with its input.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_BUFFERS = 64, MAX_DEVICES = 16 };

static cl_context context;
static cl_command_queue queue;
static cl_mem buffers[MAX_BUFFERS];
static size_t buffer_count;
static cl_device_id devices[MAX_DEVICES];
static cl_uint device_count;

static cl_int find_devices(void)
{
	cl_platform_id platform;
	cl_int error = clGetPlatformIDs(1, &platform, NULL);

	if (error == CL_SUCCESS)
		error = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, MAX_DEVICES, devices,
		                       &device_count);
	return error;
}

static cl_int begin(void)
{
	cl_int error = device_count == 0 ? find_devices() : CL_SUCCESS;

	if (error != CL_SUCCESS || context != NULL)
		return error;
	context = clCreateContext(NULL, 1, devices, NULL, NULL, &error);
	if (error == CL_SUCCESS)
		queue = clCreateCommandQueue(context, devices[0], 0, &error);
	return error;
}

/* What the driver answered where it failed: at once, or at the first use. */
static cl_int allocate(size_t bytes)
{
	cl_int error = begin();
	const char byte = 1;
	cl_mem buffer;

	if (error != CL_SUCCESS)
		return error;
	buffer = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &error);
	if (error != CL_SUCCESS)
		return error;
	error = clEnqueueWriteBuffer(queue, buffer, CL_TRUE, bytes - 1, 1, &byte, 0, NULL, NULL);
	if (error == CL_SUCCESS && buffer_count < MAX_BUFFERS)
		buffers[buffer_count++] = buffer;
	else
		clReleaseMemObject(buffer);
	return error;
}

static int child(char *program)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static long long obey(const char *word)
{
	if (strcmp(word, "devices") == 0)
		return find_devices() == CL_SUCCESS ? (long long)device_count : -1;
	if (strncmp(word, "alloc ", 6) == 0)
		return allocate((size_t)strtoull(word + 6, NULL, 10));
	if (strcmp(word, "free") == 0 && buffer_count > 0)
		return clReleaseMemObject(buffers[--buffer_count]);
	return -99;
}

static void finish(void)
{
	while (buffer_count > 0)
		clReleaseMemObject(buffers[--buffer_count]);
	if (queue != NULL)
		clReleaseCommandQueue(queue);
	if (context != NULL)
		clReleaseContext(context);
}

int main(int argc, char **argv)
{
	char line[128];

	(void)argc;
	setvbuf(stdin, NULL, _IONBF, 0); /* what is left of the input is a child's */
	printf("ready %ld\n", (long)getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strcmp(line, "fork") == 0)
			return child(argv[0]);
		printf("%s %lld\n", line, obey(line));
		fflush(stdout);
	}
	finish();
	return 0;
}
