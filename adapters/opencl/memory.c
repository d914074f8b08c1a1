/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

/* Of cl_khr_external_memory, all kinds of handles; headers of some years lack them. */
enum { DEVICE_HANDLE_LIST = 0x2051, EXTERNAL_HANDLE_FIRST = 0x2060, EXTERNAL_HANDLE_LAST = 0x2070 };

/* --- what a call says --------------------------------------------------------------------- */

uint64_t memory_size(cl_mem memory, uint64_t least)
{
	size_t size = 0;

	if (target.clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof size, &size, NULL) != CL_SUCCESS)
		size = 0;
	return size > 0 ? size : least;
}

cl_context memory_context(cl_mem memory)
{
	cl_context context = NULL;

	if (target.clGetMemObjectInfo(memory, CL_MEM_CONTEXT, sizeof context, &context, NULL) !=
	    CL_SUCCESS)
		return NULL;
	return context;
}

void memory_properties(const cl_mem_properties *properties, struct allocation *allocation)
{
	const cl_mem_properties *at = properties;

	while (at && *at) {
		if (*at >= EXTERNAL_HANDLE_FIRST && *at <= EXTERNAL_HANDLE_LAST)
			allocation->flags |= MT_IMPORT;
		if (*at != DEVICE_HANDLE_LIST) {
			at += 2;
			continue;
		}
		/* Devices until 0. Where it is one, that is where it lies. */
		if (at[1] && !at[2])
			allocation->device = (cl_device_id)(uintptr_t)at[1];
		for (at++; *at;)
			at++;
		at++;
	}
}

struct allocation memory_asked(cl_context context, uint64_t bytes, cl_mem_flags flags,
                               const char *site)
{
	return (struct allocation){
		.context = context,
		.bytes = bytes,
		.flags = MT_NO_ADDRESS,
		.host = flags & CL_MEM_ALLOC_HOST_PTR,
		.program = flags & CL_MEM_USE_HOST_PTR,
		.site = site,
	};
}

/* --- hooks -------------------------------------------------------------------------------- */

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateBuffer(cl_context context, cl_mem_flags flags,
                                                           size_t size, void *host_ptr,
                                                           cl_int *errcode_ret)
{
	struct allocation asked = memory_asked(context, size, flags, "clCreateBuffer");
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateBuffer(context, flags, size, host_ptr, errcode_ret);
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateBuffer(context, flags, size, host_ptr, &error);
	return memory_created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateBufferWithProperties(
	cl_context context, const cl_mem_properties *properties, cl_mem_flags flags, size_t size,
	void *host_ptr, cl_int *errcode_ret)
{
	struct allocation asked =
		memory_asked(context, size, flags, "clCreateBufferWithProperties");
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreateBufferWithProperties(context, properties, flags, size,
		                                           host_ptr, errcode_ret);
	memory_properties(properties, &asked);
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = target.clCreateBufferWithProperties(context, properties, flags, size,
		                                             host_ptr, &error);
	return memory_created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags,
                                                              cl_buffer_create_type type,
                                                              const void *info, cl_int *errcode_ret)
{
	struct allocation asked = memory_asked(NULL, 0, 0, "clCreateSubBuffer");
	cl_mem memory;
	cl_int error = CL_SUCCESS;

	if (!layer_call_enter())
		return target.clCreateSubBuffer(buffer, flags, type, info, errcode_ret);
	memory = target.clCreateSubBuffer(buffer, flags, type, info, &error);
	if (memory) {
		asked.context = memory_context(memory);
		asked.owner = buffer;
		asked.flags |= MT_VIEW;
		asked.bytes = type == CL_BUFFER_CREATE_TYPE_REGION
		                      ? ((const cl_buffer_region *)info)->size
		                      : memory_size(memory, 0);
	}
	return memory_created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_mem CL_API_CALL hook_clCreatePipe(cl_context context, cl_mem_flags flags,
                                                         cl_uint packet_size, cl_uint max_packets,
                                                         const cl_pipe_properties *properties,
                                                         cl_int *errcode_ret)
{
	uint64_t least = (uint64_t)packet_size * max_packets;
	struct allocation asked = memory_asked(context, least, 0, "clCreatePipe");
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return target.clCreatePipe(context, flags, packet_size, max_packets, properties,
		                           errcode_ret);
	error = record_admit(&asked);
	if (error == CL_SUCCESS) {
		memory = target.clCreatePipe(context, flags, packet_size, max_packets, properties,
		                             &error);
		if (memory)
			asked.bytes = memory_size(memory, least);
	}
	return memory_created(&asked, memory, error, errcode_ret);
}

static CL_API_ENTRY cl_int CL_API_CALL hook_clRetainMemObject(cl_mem memory)
{
	record_retained(memory);
	return target.clRetainMemObject(memory);
}

static CL_API_ENTRY cl_int CL_API_CALL hook_clReleaseMemObject(cl_mem memory)
{
	record_released(memory);
	return target.clReleaseMemObject(memory);
}

void memory_hook(cl_icd_dispatch *table)
{
	LAYER_HOOK(table, clCreateBuffer);
	LAYER_HOOK(table, clCreateBufferWithProperties);
	LAYER_HOOK(table, clCreateSubBuffer);
	LAYER_HOOK(table, clCreatePipe);
	LAYER_HOOK(table, clRetainMemObject);
	LAYER_HOOK(table, clReleaseMemObject);
}
