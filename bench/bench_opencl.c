/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the OpenCL layer costs: the same calls of one program with the layer and tracking on, with
 * the layer and tracking off, and without the layer, in processes of their own, in turns.
 *
 *   bench_opencl LAYER                the benchmark: runs itself again, with and without LAYER
 *   bench_opencl --measure DEVICES    what it runs: prints nanoseconds, one line per call
 *
 * The devices are PoCL's, on the processor, of which there may be as many as wanted; all are in one
 * context. The driver's own time is what the layer's is compared with, and PoCL's is short: it
 * does no more for a buffer than to allocate it.
 */
#define CL_TARGET_OPENCL_VERSION 300
#include "bench.h"

#include <CL/cl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROUNDS = 15, PIECES = 11, PAIRS = 10000, LAUNCHES = 200, BYTES = 4096, MAX_DEVICES = 16 };

/* --- measuring, in a process of its own -------------------------------------------------- */

struct program {
	cl_context context;
	cl_command_queue queue;
	cl_kernel kernel;
	cl_mem buffer;
};

static void check(cl_int error, const char *what)
{
	if (error == CL_SUCCESS)
		return;
	fprintf(stderr, "bench_opencl: %s failed: %d\n", what, error);
	exit(1);
}

static struct program set_up(cl_uint count)
{
	static const char *source = "kernel void nothing(global int *a, int b) { }";
	cl_platform_id platform;
	cl_device_id devices[MAX_DEVICES];
	cl_uint found = 0;
	cl_int error;
	cl_program built;
	struct program program;

	check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
	check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices, &found),
	      "clGetDeviceIDs");
	if (found != count) {
		fprintf(stderr, "bench_opencl: %u devices, not %u: is PoCL installed?\n", found,
		        count);
		exit(1);
	}
	program.context = clCreateContext(NULL, count, devices, NULL, NULL, &error);
	check(error, "clCreateContext");
	program.queue =
		clCreateCommandQueueWithProperties(program.context, devices[0], NULL, &error);
	check(error, "clCreateCommandQueueWithProperties");
	built = clCreateProgramWithSource(program.context, 1, &source, NULL, &error);
	check(error, "clCreateProgramWithSource");
	check(clBuildProgram(built, 1, devices, "", NULL, NULL), "clBuildProgram");
	program.kernel = clCreateKernel(built, "nothing", &error);
	check(error, "clCreateKernel");
	program.buffer = clCreateBuffer(program.context, CL_MEM_READ_WRITE, BYTES, NULL, &error);
	check(error, "clCreateBuffer");
	return program;
}

static void pair(const struct program *program)
{
	clReleaseMemObject(clCreateBuffer(program->context, CL_MEM_READ_WRITE, BYTES, NULL, NULL));
}

/* With its first use in between, which on several devices says where the buffer is. */
static void pair_used(const struct program *program)
{
	cl_int value = 1;
	cl_mem buffer = clCreateBuffer(program->context, CL_MEM_READ_WRITE, BYTES, NULL, NULL);

	clEnqueueWriteBuffer(program->queue, buffer, CL_TRUE, 0, sizeof(value), &value, 0, NULL,
	                     NULL);
	clReleaseMemObject(buffer);
}

static void argument(const struct program *program)
{
	clSetKernelArg(program->kernel, 0, sizeof(program->buffer), &program->buffer);
}

static void launch(const struct program *program)
{
	size_t size = 1;

	clEnqueueNDRangeKernel(program->queue, program->kernel, 1, NULL, &size, NULL, 0, NULL,
	                       NULL);
}

static const struct call {
	const char *name;
	void (*run)(const struct program *program);
	int times; /* in a piece */
} calls[] = {
	{"create and release", pair, PAIRS},
	{"create, write 4 bytes, release", pair_used, LAUNCHES},
	{"clSetKernelArg of a buffer", argument, PAIRS},
	{"clEnqueueNDRangeKernel, one buffer", launch, LAUNCHES},
};

enum { CALLS = sizeof(calls) / sizeof(*calls) };

/* The time of a call: the median of some pieces, for a processor that is taken away for a moment
 * would be most of a mean. The first piece is not counted. */
static double time_of(const struct program *program, const struct call *call)
{
	double pieces[PIECES];

	for (int piece = -1; piece < PIECES; piece++) {
		double start = bench_now_ns();

		for (int n = 0; n < call->times; n++)
			call->run(program);
		clFinish(program->queue);
		if (piece >= 0)
			pieces[piece] = (bench_now_ns() - start) / call->times;
	}
	return bench_median(pieces, PIECES);
}

static int measure(cl_uint devices)
{
	struct program program = set_up(devices);
	cl_int value = 0;

	check(clSetKernelArg(program.kernel, 1, sizeof(value), &value), "clSetKernelArg");
	argument(&program);
	for (int i = 0; i < CALLS; i++)
		printf("%.1f\n", time_of(&program, &calls[i]));
	clReleaseKernel(program.kernel);
	clReleaseMemObject(program.buffer);
	clReleaseCommandQueue(program.queue);
	clReleaseContext(program.context);
	return 0;
}

/* --- comparing --------------------------------------------------------------------------- */

static const struct way {
	const char *name, *tracking;
	int layer;
} ways[] = {{"without the layer", "1", 0}, {"tracking off", "0", 1}, {"tracking on", "1", 1}};

enum { WAYS = sizeof(ways) / sizeof(*ways) };

static char own_path[4096];

static void become(const struct way *way, const char *layer, const char *devices)
{
	char list[MAX_DEVICES * 8] = "";

	for (int i = 0; i < atoi(devices); i++)
		strcat(list, "pthread ");
	setenv("POCL_DEVICES", list, 1);
	setenv("OCL_ICD_VENDORS", "pocl.icd", 1);
	setenv("MESHTALLY", way->tracking, 1);
	if (way->layer)
		setenv("OPENCL_LAYERS", layer, 1);
	else
		unsetenv("OPENCL_LAYERS");
	execl(own_path, own_path, "--measure", devices, (char *)NULL);
	_exit(127);
}

/* Runs this program in one of the ways; times of all calls. */
static int ask(const struct way *way, const char *layer, const char *devices, double *ret_times)
{
	int ends[2], status, error = 0;
	FILE *output;
	pid_t child;

	if (pipe(ends) != 0)
		return -1;
	child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		become(way, layer, devices);
	}
	close(ends[1]);
	output = fdopen(ends[0], "r");
	for (int i = 0; i < CALLS; i++)
		error |= fscanf(output, "%lf", &ret_times[i]) != 1;
	fclose(output);
	if (waitpid(child, &status, 0) != child || status != 0)
		return -1;
	return error ? -1 : 0;
}

static double times[WAYS][CALLS][ROUNDS];

/* One call: without the layer, and what each way with it adds in the same round. */
static void tell(const char *devices, int call)
{
	printf("%s device%s: %s: %s %.0f ns", devices, *devices == '1' ? "" : "s", calls[call].name,
	       ways[0].name, bench_median(times[0][call], ROUNDS));
	for (int way = 1; way < WAYS; way++) {
		double ratio[ROUNDS], more[ROUNDS];

		for (int round = 0; round < ROUNDS; round++) {
			ratio[round] = times[way][call][round] / times[0][call][round];
			more[round] = times[way][call][round] - times[0][call][round];
		}
		printf("; %s %.0f ns: %.2f times, %+.0f ns", ways[way].name,
		       bench_median(times[way][call], ROUNDS), bench_median(ratio, ROUNDS),
		       bench_median(more, ROUNDS));
	}
	printf("\n");
}

static int compare(const char *layer, const char *devices)
{
	for (int round = -1; round < ROUNDS; round++) { /* the first one compiles the kernel */
		for (int turn = 0; turn < WAYS; turn++) {
			int way = (turn + round + 1) % WAYS;
			double got[CALLS];

			if (ask(&ways[way], layer, devices, got) != 0) {
				fprintf(stderr, "bench_opencl: no times %s\n", ways[way].name);
				return -1;
			}
			for (int i = 0; i < CALLS && round >= 0; i++)
				times[way][i][round] = got[i];
		}
	}
	for (int i = 0; i < CALLS; i++)
		tell(devices, i);
	return 0;
}

int main(int argc, char **argv)
{
	ssize_t length = readlink("/proc/self/exe", own_path, sizeof(own_path) - 1);

	if (argc == 3 && strcmp(argv[1], "--measure") == 0)
		return measure((cl_uint)atoi(argv[2]));
	if (argc != 2 || length < 0 || access(argv[1], R_OK) != 0) {
		fprintf(stderr, "usage: bench_opencl LAYER (libmeshtally_opencl_layer.so)\n");
		return 2;
	}
	return compare(argv[1], "1") != 0 || compare(argv[1], "8") != 0;
}
