/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usable: there, of OpenCL 1.2 or later, with a compiler, and little-endian, for bytes are moved as
 * they are.
 */
#include "opencl_devices.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool device_is(cl_device_id device, cl_device_info what)
{
	cl_bool value = CL_FALSE;

	return clGetDeviceInfo(device, what, sizeof value, &value, NULL) == CL_SUCCESS && value;
}

static bool is_usable(cl_device_id device)
{
	char version[256] = "";
	unsigned major = 0, minor = 0;

	if (clGetDeviceInfo(device, CL_DEVICE_VERSION, sizeof version, version, NULL) !=
	            CL_SUCCESS ||
	    sscanf(version, "OpenCL %u.%u", &major, &minor) != 2 || major * 10 + minor < 12)
		return false;
	return device_is(device, CL_DEVICE_AVAILABLE) &&
	       device_is(device, CL_DEVICE_COMPILER_AVAILABLE) &&
	       device_is(device, CL_DEVICE_ENDIAN_LITTLE);
}

/* The usable devices of a platform, in its order. On an error there are none. */
static uint32_t list_usable(cl_platform_id platform, cl_device_id **ret_devices)
{
	cl_device_id *devices;
	cl_uint count = 0;
	uint32_t usable = 0;

	if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, NULL, &count) != CL_SUCCESS)
		return 0;
	devices = calloc(count, sizeof *devices);
	if (!devices ||
	    clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, devices, NULL) != CL_SUCCESS) {
		free(devices);
		return 0;
	}
	for (cl_uint i = 0; i < count; i++) {
		if (is_usable(devices[i]))
			devices[usable++] = devices[i];
	}
	*ret_devices = devices;
	return usable;
}

static int no_platform(struct backend_problem *problem)
{
	snprintf(problem->text, sizeof problem->text,
	         "no OpenCL platform: install a driver, such as PoCL (Debian: pocl-opencl-icd), "
	         "and see that clinfo lists it (OCL_ICD_VENDORS may hide it)");
	return -ENODEV;
}

static int too_few(uint32_t wanted, uint32_t most, const char *name,
                   struct backend_problem *problem)
{
	int at = snprintf(problem->text, sizeof problem->text,
	                  "%u OpenCL devices of one platform are needed; found: %u%s%s. PoCL has "
	                  "as many as it is told to by the environment:\n"
	                  "    POCL_DEVICES=\"pthread",
	                  (unsigned)wanted, (unsigned)most, most ? ", of " : "", name);

	for (uint32_t i = 1; i < wanted && i < 32; i++)
		at += snprintf(problem->text + at, sizeof problem->text - (size_t)at, " pthread");
	snprintf(problem->text + at, sizeof problem->text - (size_t)at, "%s\"",
	         wanted > 32 ? " ..." : "");
	return -ENODEV;
}

static int choose(const cl_platform_id *platforms, cl_uint count, uint32_t wanted,
                  struct backend_problem *problem, struct opencl_platform *ret_platform)
{
	struct opencl_platform best = {.name = ""};
	uint32_t most = 0;

	for (cl_uint i = 0; i < count && most < wanted; i++) {
		cl_device_id *devices = NULL;
		uint32_t usable = list_usable(platforms[i], &devices);

		if (usable <= most) {
			free(devices);
			continue;
		}
		free(best.devices);
		best.devices = devices;
		most = usable;
		if (clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof best.name, best.name,
		                      NULL) != CL_SUCCESS)
			strcpy(best.name, "a platform without a name");
	}
	if (most < wanted) {
		free(best.devices);
		return too_few(wanted, most, best.name, problem);
	}
	*ret_platform = best;
	return 0;
}

int opencl_devices_find(uint32_t count, struct backend_problem *ret_problem,
                        struct opencl_platform *ret_platform)
{
	cl_platform_id *platforms;
	cl_uint platform_count = 0;
	int error;

	if (clGetPlatformIDs(0, NULL, &platform_count) != CL_SUCCESS || platform_count == 0)
		return no_platform(ret_problem);
	platforms = calloc(platform_count, sizeof *platforms);
	if (!platforms)
		return -ENOMEM;
	if (clGetPlatformIDs(platform_count, platforms, NULL) == CL_SUCCESS)
		error = choose(platforms, platform_count, count, ret_problem, ret_platform);
	else
		error = no_platform(ret_problem);
	free(platforms);
	return error;
}
