/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of OpenCL devices for the chips of a machine: the first platform, in the loader's
 * order, that has enough which can be used. Only the OpenCL back end calls this.
 */
#ifndef RUNTIME_OPENCL_DEVICES_H
#define RUNTIME_OPENCL_DEVICES_H

#include "backend.h"

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

struct opencl_platform {
	char name[80];
	cl_device_id *devices; /* as many as were asked for; the caller frees */
};

/* -ENODEV: nothing has enough; the problem says what there is and what to do. */
int opencl_devices_find(uint32_t count, struct backend_problem *ret_problem,
                        struct opencl_platform *ret_platform);

#endif
