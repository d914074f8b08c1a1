/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer that passes every call on, as a profiler's would that somebody has in OPENCL_LAYERS. It
 * says on standard error when it is initialised, and the name it was built with when a program asks
 * for platforms: the order of two such lines is the order of the layers.
 */
#include <CL/cl_layer.h>

#include <stdio.h>
#include <string.h>

#ifndef LAYER_NAME
#define LAYER_NAME "other layer"
#endif

static const cl_icd_dispatch *below;
static cl_icd_dispatch own;

static cl_int CL_API_CALL get_platforms(cl_uint room, cl_platform_id *platforms, cl_uint *ret_count)
{
	fprintf(stderr, "%s: clGetPlatformIDs\n", LAYER_NAME);
	return below->clGetPlatformIDs(room, platforms, ret_count);
}

__attribute__((visibility("default"))) cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name,
                                                                         size_t size, void *value,
                                                                         size_t *ret_size)
{
	cl_layer_api_version version = CL_LAYER_API_VERSION_100;

	if (name != CL_LAYER_API_VERSION || (value != NULL && size < sizeof(version)))
		return CL_INVALID_VALUE;
	if (value != NULL)
		memcpy(value, &version, sizeof(version));
	if (ret_size != NULL)
		*ret_size = sizeof(version);
	return CL_SUCCESS;
}

__attribute__((visibility("default"))) cl_int CL_API_CALL
clInitLayer(cl_uint count, const cl_icd_dispatch *target, cl_uint *ret_count,
            const cl_icd_dispatch **ret_dispatch)
{
	if (target == NULL || ret_count == NULL || ret_dispatch == NULL ||
	    count < sizeof(own) / sizeof(own.clGetPlatformIDs))
		return CL_INVALID_VALUE;
	below = target;
	own = *target;
	own.clGetPlatformIDs = get_platforms;
	*ret_dispatch = &own;
	*ret_count = sizeof(own) / sizeof(own.clGetPlatformIDs);
	return CL_SUCCESS;
}
