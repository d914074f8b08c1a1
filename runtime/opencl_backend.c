/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One context, queue and buffer per device: devices as separate as the chips that they stand for.
 * The buffer is the chip's arena, the same size on all, and every range is a sub-buffer of it, so
 * that what lies at one address of a mesh lies at one offset of all devices. How much a device
 * gives is tried, not believed: a buffer is placed on its device before its bytes count as
 * capacity.
 */
#include "opencl_devices.h"
#include "opencl_kernels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB        ((uint64_t)1 << 20)
#define MAIN_LEAST (64 * MIB) /* main memory of a chip that is worth beginning with */

struct opencl_chip {
	cl_device_id device;
	cl_context context;
	cl_command_queue queue;
	cl_program program;
	cl_mem arena;
};

struct opencl_machine {
	uint32_t chip_count;
	char about[256];
	struct opencl_chip chips[];
};

struct opencl_range {
	cl_mem memory;
	const struct opencl_chip *chip;
};

static int error_of(cl_int status)
{
	switch (status) {
	case CL_SUCCESS:
		return 0;
	case CL_MEM_OBJECT_ALLOCATION_FAILURE:
	case CL_OUT_OF_RESOURCES:
	case CL_OUT_OF_HOST_MEMORY:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

/* --- the machine ------------------------------------------------------------------------- */

static int refused(struct backend_problem *problem, const char *what, uint32_t chip, cl_int status)
{
	snprintf(problem->text, sizeof problem->text,
	         "OpenCL device %u: %s failed with OpenCL's error %d; see whether clinfo shows the "
	         "device and other programs can use it",
	         (unsigned)chip, what, (int)status);
	return error_of(status);
}

static int build_failed(struct backend_problem *problem, uint32_t index,
                        const struct opencl_chip *chip)
{
	char log[8192] = "";

	(void)clGetProgramBuildInfo(chip->program, chip->device, CL_PROGRAM_BUILD_LOG, sizeof log,
	                            log, NULL);
	snprintf(problem->text, sizeof problem->text,
	         "OpenCL device %u: its compiler does not take the kernels. It says:\n%.400s",
	         (unsigned)index, log[0] ? log : "(nothing)");
	return -EIO;
}

static int chip_open(struct opencl_machine *machine, uint32_t index,
                     struct backend_problem *problem)
{
	struct opencl_chip *chip = &machine->chips[index];
	const char *source = opencl_kernels;
	cl_int status;

	chip->context = clCreateContext(NULL, 1, &chip->device, NULL, NULL, &status);
	if (!chip->context)
		return refused(problem, "a context", index, status);
	chip->queue = clCreateCommandQueue(chip->context, chip->device, 0, &status);
	if (!chip->queue)
		return refused(problem, "a command queue", index, status);
	chip->program = clCreateProgramWithSource(chip->context, 1, &source, NULL, &status);
	if (!chip->program)
		return refused(problem, "a program", index, status);
	status = clBuildProgram(chip->program, 1, &chip->device, "", NULL, NULL);
	if (status == CL_BUILD_PROGRAM_FAILURE)
		return build_failed(problem, index, chip);
	return status == CL_SUCCESS ? 0 : refused(problem, "building", index, status);
}

static void chip_close(struct opencl_chip *chip)
{
	if (chip->arena)
		clReleaseMemObject(chip->arena);
	if (chip->program)
		clReleaseProgram(chip->program);
	if (chip->queue)
		clReleaseCommandQueue(chip->queue);
	if (chip->context)
		clReleaseContext(chip->context);
}

static void opencl_close(void *state)
{
	struct opencl_machine *machine = state;

	if (!machine)
		return;
	for (uint32_t i = 0; i < machine->chip_count; i++)
		chip_close(&machine->chips[i]);
	free(machine);
}

/* --- arenas ------------------------------------------------------------------------------ */

/* The largest buffer that every device says to give, and the alignment that all ask of its parts.
 */
static int read_limits(const struct opencl_machine *machine, struct backend_problem *problem,
                       uint64_t *ret_most, uint64_t *ret_align)
{
	uint64_t most = UINT64_MAX, align = 1;

	for (uint32_t i = 0; i < machine->chip_count; i++) {
		cl_device_id device = machine->chips[i].device;
		cl_ulong one = 0, all = 0;
		cl_uint align_bits = 0;
		cl_int status;

		status = clGetDeviceInfo(device, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof one, &one,
		                         NULL);
		if (status == CL_SUCCESS)
			status = clGetDeviceInfo(device, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof all,
			                         &all, NULL);
		if (status == CL_SUCCESS)
			status = clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN,
			                         sizeof align_bits, &align_bits, NULL);
		if (status != CL_SUCCESS)
			return refused(problem, "asking for its memory", i, status);
		one = one < all ? one : all;
		most = one < most ? one : most;
		align = align_bits / 8 > align ? align_bits / 8 : align;
	}
	*ret_most = most;
	*ret_align = align;
	return 0;
}

static void release_arenas(struct opencl_machine *machine)
{
	for (uint32_t i = 0; i < machine->chip_count; i++) {
		if (machine->chips[i].arena)
			clReleaseMemObject(machine->chips[i].arena);
		machine->chips[i].arena = NULL;
	}
}

/* A buffer on every device, placed there: without a use a driver may give it no memory. */
static int claim_arenas(struct opencl_machine *machine, uint64_t bytes)
{
	for (uint32_t i = 0; i < machine->chip_count; i++) {
		struct opencl_chip *chip = &machine->chips[i];
		cl_int status;

		chip->arena =
			clCreateBuffer(chip->context, CL_MEM_READ_WRITE, bytes, NULL, &status);
		if (chip->arena) {
			status = clEnqueueMigrateMemObjects(chip->queue, 1, &chip->arena,
			                                    CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED,
			                                    0, NULL, NULL);
		}
		if (status == CL_SUCCESS)
			status = clFinish(chip->queue);
		if (status != CL_SUCCESS) {
			release_arenas(machine);
			return error_of(status);
		}
	}
	return 0;
}

static int too_small(struct backend_problem *problem, uint64_t most, uint64_t needed)
{
	snprintf(
		problem->text, sizeof problem->text,
		"the OpenCL devices give buffers of %llu MiB, and a chip of this board needs %llu "
	        "MiB; "
		"free memory there, raise the driver's limit (PoCL: POCL_MEMORY_LIMIT, in GiB), or "
		"take another board",
		(unsigned long long)(most / MIB), (unsigned long long)(needed / MIB + 1));
	return -ENOMEM;
}

/* As much main memory as all devices have, up to the board's. Whole MiB per bank. */
static int take_arenas(struct opencl_machine *machine, struct mt_memory memories[MEMORY_ROLES],
                       struct backend_problem *problem)
{
	struct mt_memory *main_memory = &memories[MEMORY_MAIN];
	uint64_t others = 0, bank = main_memory->bank_bytes, banks = main_memory->banks;
	uint64_t most, align;
	int error = read_limits(machine, problem, &most, &align);

	if (error)
		return error;
	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		if (memories[role].align < align)
			memories[role].align = align;
		if (role != MEMORY_MAIN)
			others += memories[role].banks * memories[role].bank_bytes;
	}
	if (most < others + MAIN_LEAST)
		return too_small(problem, most, others + MAIN_LEAST);
	if (bank > (most - others) / banks)
		bank = (most - others) / banks / MIB * MIB;
	while (bank * banks >= MAIN_LEAST) {
		error = claim_arenas(machine, others + bank * banks);
		if (!error)
			main_memory->bank_bytes = bank;
		if (error != -ENOMEM)
			return error;
		most = others + bank * banks - 1;
		bank = bank / 2 / MIB * MIB;
	}
	return too_small(problem, most, others + MAIN_LEAST);
}

static int opencl_open(uint32_t chips, struct mt_memory memories[MEMORY_ROLES],
                       struct backend_problem *ret_problem, void **ret_state)
{
	struct opencl_machine *machine;
	struct opencl_platform platform;
	char device[160] = "";
	int error = opencl_devices_find(chips, ret_problem, &platform);

	if (error)
		return error;
	machine = calloc(1, sizeof *machine + chips * sizeof machine->chips[0]);
	if (!machine) {
		free(platform.devices);
		return -ENOMEM;
	}
	machine->chip_count = chips;
	for (uint32_t i = 0; i < chips; i++)
		machine->chips[i].device = platform.devices[i];
	(void)clGetDeviceInfo(platform.devices[0], CL_DEVICE_NAME, sizeof device, device, NULL);
	snprintf(machine->about, sizeof machine->about, "%u OpenCL devices of %s (%s)",
	         (unsigned)chips, platform.name, device);
	free(platform.devices);
	for (uint32_t i = 0; !error && i < chips; i++)
		error = chip_open(machine, i, ret_problem);
	if (!error)
		error = take_arenas(machine, memories, ret_problem);
	if (error)
		opencl_close(machine);
	else
		*ret_state = machine;
	return error;
}

static const char *opencl_describe(const void *state)
{
	return ((const struct opencl_machine *)state)->about;
}

/* --- ranges ------------------------------------------------------------------------------ */

static int opencl_range_open(void *state, uint32_t index, uint64_t position, uint64_t bytes,
                             void **ret_range)
{
	const struct opencl_machine *machine = state;
	const struct opencl_chip *chip = &machine->chips[index];
	const cl_buffer_region region = {position, bytes};
	struct opencl_range *range = malloc(sizeof *range);
	cl_int status;

	if (!range)
		return -ENOMEM;
	range->chip = chip;
	range->memory = clCreateSubBuffer(chip->arena, CL_MEM_READ_WRITE,
	                                  CL_BUFFER_CREATE_TYPE_REGION, &region, &status);
	if (!range->memory) {
		free(range);
		return status == CL_INVALID_VALUE ? -ERANGE : error_of(status);
	}
	*ret_range = range;
	return 0;
}

static void opencl_range_close(void *range)
{
	struct opencl_range *opened = range;

	if (!opened)
		return;
	clReleaseMemObject(opened->memory);
	free(opened);
}

static int opencl_write(void *range, uint64_t offset, const void *data, size_t bytes)
{
	const struct opencl_range *to = range;

	if (bytes == 0)
		return 0;
	return error_of(clEnqueueWriteBuffer(to->chip->queue, to->memory, CL_TRUE, offset, bytes,
	                                     data, 0, NULL, NULL));
}

static int opencl_read(void *range, uint64_t offset, void *data, size_t bytes)
{
	const struct opencl_range *from = range;

	if (bytes == 0)
		return 0;
	return error_of(clEnqueueReadBuffer(from->chip->queue, from->memory, CL_TRUE, offset, bytes,
	                                    data, 0, NULL, NULL));
}

/* --- operations -------------------------------------------------------------------------- */

struct operands {
	const struct opencl_range *a, *b, *result;
};

/* A kernel object of its own for each launch: its arguments are then no other thread's. */
static int launch(const char *name, const struct operands *on, const cl_uint *inner,
                  cl_uint dimensions, const size_t sizes[])
{
	const struct opencl_chip *chip = on->result->chip;
	cl_int status;
	cl_kernel kernel = clCreateKernel(chip->program, name, &status);

	if (!kernel)
		return error_of(status);
	status = clSetKernelArg(kernel, 0, sizeof(cl_mem), &on->a->memory);
	if (status == CL_SUCCESS)
		status = clSetKernelArg(kernel, 1, sizeof(cl_mem), &on->b->memory);
	if (status == CL_SUCCESS)
		status = clSetKernelArg(kernel, 2, sizeof(cl_mem), &on->result->memory);
	if (status == CL_SUCCESS && inner)
		status = clSetKernelArg(kernel, 3, sizeof *inner, inner);
	if (status == CL_SUCCESS)
		status = clEnqueueNDRangeKernel(chip->queue, kernel, dimensions, NULL, sizes, NULL,
		                                0, NULL, NULL);
	if (status == CL_SUCCESS)
		status = clFlush(chip->queue);
	clReleaseKernel(kernel);
	return error_of(status);
}

static int opencl_add(void *a, void *b, void *sum, uint64_t count)
{
	const struct operands on = {a, b, sum};

	return launch("mesh_add", &on, NULL, 1, (const size_t[]){count});
}

static int opencl_matmul(void *a, void *b, void *product, const struct matmul_shape *shape)
{
	const struct operands on = {a, b, product};

	return launch("mesh_matmul", &on, &shape->inner, 3,
	              (const size_t[]){shape->columns, shape->rows, shape->matrices});
}

static int opencl_finish(void *state)
{
	struct opencl_machine *machine = state;
	int error = 0;

	for (uint32_t i = 0; i < machine->chip_count; i++) {
		cl_int status = clFinish(machine->chips[i].queue);

		if (!error)
			error = error_of(status);
	}
	return error;
}

const struct backend opencl_backend = {
	.name = "opencl",
	.about = "one OpenCL device per chip, kernels for the operations",
	.open = opencl_open,
	.close = opencl_close,
	.describe = opencl_describe,
	.range_open = opencl_range_open,
	.range_close = opencl_range_close,
	.write = opencl_write,
	.read = opencl_read,
	.add = opencl_add,
	.matmul = opencl_matmul,
	.finish = opencl_finish,
};
