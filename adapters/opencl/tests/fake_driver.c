/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_driver.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLBACKS = 4 };

struct _cl_platform_id {
	uint32_t number;
};

struct _cl_context {
	uint32_t references;
	uint32_t device_count;
	cl_device_id devices[FAKE_DEVICES];
	void(CL_CALLBACK *callback)(cl_context, void *);
	void *callback_data;
};

struct _cl_mem {
	uint32_t references;
	cl_context context;
	cl_mem parent;
	size_t bytes;
	bool owns; /* memory of its own */
	uint32_t callback_count;
	void(CL_CALLBACK *callbacks[CALLBACKS])(cl_mem, void *);
	void *callback_data[CALLBACKS];
};

struct fake_driver fake = {
	.platform_count = 1,
	.platform_names = {"Fake", "Other"},
	.version = "OpenCL 3.0 of our own",
	.device_count = 1,
};
const cl_icd_dispatch *cl;

static cl_mem spare, late_handle;
static struct _cl_mem late;
static struct _cl_platform_id platforms[FAKE_PLATFORMS] = {{0}, {1}};

/* Threads of a test use the driver at the same time. */
#define count_up(x)   __atomic_add_fetch(&(x), 1, __ATOMIC_RELAXED)
#define count_down(x) __atomic_sub_fetch(&(x), 1, __ATOMIC_ACQ_REL)

static __attribute__((constructor)) void begin(void)
{
	for (uint32_t i = 0; i < FAKE_DEVICES; i++) {
		struct fake_device *device = &fake.devices[i];

		snprintf(device->name, sizeof device->name, "fake processor");
		device->type = CL_DEVICE_TYPE_CPU;
		device->unified = true;
		device->capacity = FAKE_CAPACITY;
	}
}

static cl_int answer(const void *value, size_t size, size_t room, void *ret, size_t *ret_size)
{
	if (ret && room < size)
		return CL_INVALID_VALUE;
	if (ret)
		memcpy(ret, value, size);
	if (ret_size)
		*ret_size = size;
	return CL_SUCCESS;
}

static cl_int answer_text(const char *text, size_t room, void *ret, size_t *ret_size)
{
	return answer(text, strlen(text) + 1, room, ret, ret_size);
}

/* --- platforms and devices ----------------------------------------------------------------- */

static cl_int CL_API_CALL fake_clGetPlatformIDs(cl_uint room, cl_platform_id *ret,
                                                cl_uint *ret_count)
{
	for (cl_uint i = 0; ret && i < room && i < fake.platform_count; i++)
		ret[i] = &platforms[i];
	if (ret_count)
		*ret_count = fake.platform_count;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL fake_clGetPlatformInfo(cl_platform_id platform, cl_platform_info what,
                                                 size_t room, void *ret, size_t *ret_size)
{
	if (what == CL_PLATFORM_NAME)
		return answer_text(fake.platform_names[platform->number], room, ret, ret_size);
	if (what == CL_PLATFORM_VERSION)
		return answer_text(fake.version, room, ret, ret_size);
	return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL fake_clGetDeviceIDs(cl_platform_id platform, cl_device_type type,
                                              cl_uint room, cl_device_id *ret, cl_uint *ret_count)
{
	cl_uint count = 0;

	count_up(fake.asked_of[platform->number]);
	for (uint32_t i = 0; i < fake.device_count; i++) {
		struct fake_device *device = &fake.devices[i];

		if (device->platform != platform->number || device->parent ||
		    device->type == CL_DEVICE_TYPE_CUSTOM ||
		    (type != CL_DEVICE_TYPE_ALL && !(device->type & type)))
			continue;
		if (ret && count < room)
			ret[count] = (cl_device_id)device;
		count++;
	}
	if (ret_count)
		*ret_count = count;
	return count ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

static cl_int pci_info(const struct fake_device *device, cl_device_info what, size_t room,
                       void *ret, size_t *ret_size)
{
	cl_uint slot = device->slot << 3 | device->function;
	cl_uint khr[4] = {device->domain, device->bus, device->slot, device->function};
	struct {
		cl_uint type;
		uint8_t unused[17], bus, device, function;
	} amd = {1, {0}, (uint8_t)device->bus, (uint8_t)device->slot, (uint8_t)device->function};

	if (what == 0x410F && device->has_pci_khr)
		return answer(khr, sizeof khr, room, ret, ret_size);
	if (what == 0x4008 && device->has_pci_nv)
		return answer(&device->bus, sizeof device->bus, room, ret, ret_size);
	if (what == 0x4009 && device->has_pci_nv)
		return answer(&slot, sizeof slot, room, ret, ret_size);
	if (what == 0x400A && device->has_pci_nv)
		return answer(&device->domain, sizeof device->domain, room, ret, ret_size);
	if (what == 0x4037 && device->has_topology_amd)
		return answer(&amd, sizeof amd, room, ret, ret_size);
	return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL fake_clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t room,
                                               void *ret, size_t *ret_size)
{
	const struct fake_device *device = (const struct fake_device *)id;
	cl_platform_id platform = &platforms[device->platform];
	cl_bool unified = device->unified;
	cl_ulong bytes = device->capacity;
	cl_uint vendor = 0x1234;

	count_up(fake.asked);
	count_up(fake.asked_of[device->platform]);
	switch (what) {
	case CL_DEVICE_TYPE:
		return answer(&device->type, sizeof device->type, room, ret, ret_size);
	case CL_DEVICE_NAME:
		return answer_text(device->name, room, ret, ret_size);
	case CL_DEVICE_VENDOR_ID:
		return answer(&vendor, sizeof vendor, room, ret, ret_size);
	case CL_DEVICE_PLATFORM:
		return answer(&platform, sizeof platform, room, ret, ret_size);
	case CL_DEVICE_PARENT_DEVICE:
		return answer(&device->parent, sizeof device->parent, room, ret, ret_size);
	case CL_DEVICE_HOST_UNIFIED_MEMORY:
		return answer(&unified, sizeof unified, room, ret, ret_size);
	case CL_DEVICE_GLOBAL_MEM_SIZE:
		return answer(&bytes, sizeof bytes, room, ret, ret_size);
	case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
		bytes /= 4;
		return answer(&bytes, sizeof bytes, room, ret, ret_size);
	case 0x106A:
		if (!device->has_uuid)
			return CL_INVALID_VALUE;
		return answer(device->uuid, sizeof device->uuid, room, ret, ret_size);
	default:
		return pci_info(device, what, room, ret, ret_size);
	}
}

/* --- contexts ------------------------------------------------------------------------------ */

static cl_context CL_API_CALL fake_clCreateContext(
	const cl_context_properties *properties, cl_uint count, const cl_device_id *devices,
	void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
	cl_int *ret_error)
{
	cl_context context = calloc(1, sizeof *context);

	(void)properties, (void)notify, (void)data;
	context->references = 1;
	context->device_count = count;
	memcpy(context->devices, devices, count * sizeof *devices);
	count_up(fake.contexts);
	if (ret_error)
		*ret_error = CL_SUCCESS;
	return context;
}

static cl_context CL_API_CALL
fake_clCreateContextFromType(const cl_context_properties *properties, cl_device_type type,
                             void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                             void *data, cl_int *ret_error)
{
	cl_device_id devices[FAKE_DEVICES];
	cl_uint count = 0;

	fake_clGetDeviceIDs(&platforms[0], type, FAKE_DEVICES, devices, &count);
	return fake_clCreateContext(properties, count, devices, notify, data, ret_error);
}

static cl_int CL_API_CALL fake_clRetainContext(cl_context context)
{
	count_up(context->references);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL fake_clReleaseContext(cl_context context)
{
	if (count_down(context->references) > 0 || fake.keeps_contexts)
		return CL_SUCCESS;
	if (context->callback)
		context->callback(context, context->callback_data);
	count_down(fake.contexts);
	free(context);
	return CL_SUCCESS;
}

static cl_int CL_API_CALL fake_clGetContextInfo(cl_context context, cl_context_info what,
                                                size_t room, void *ret, size_t *ret_size)
{
	if (what == CL_CONTEXT_DEVICES)
		return answer(context->devices, context->device_count * sizeof *context->devices,
		              room, ret, ret_size);
	if (what == CL_CONTEXT_REFERENCE_COUNT)
		return answer(&context->references, sizeof context->references, room, ret,
		              ret_size);
	return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL fake_clSetContextDestructorCallback(
	cl_context context, void(CL_CALLBACK *callback)(cl_context, void *), void *data)
{
	if (fake.no_context_callbacks)
		return CL_INVALID_OPERATION;
	context->callback = callback;
	context->callback_data = data;
	return CL_SUCCESS;
}

/* --- memory -------------------------------------------------------------------------------- */

static void hold_bytes(cl_mem memory, bool more)
{
	struct fake_device *device = (struct fake_device *)memory->context->devices[0];

	if (!memory->owns || memory->context->device_count != 1)
		return;
	__atomic_add_fetch(&device->held, more ? memory->bytes : -memory->bytes, __ATOMIC_RELAXED);
}

/* An object, or NULL with the error that the test wants. */
static cl_mem create(cl_context context, cl_mem parent, size_t bytes, bool owns, cl_int *ret_error)
{
	cl_int error = fake.refuse ? fake.refuse : bytes ? CL_SUCCESS : CL_INVALID_BUFFER_SIZE;
	cl_mem memory = NULL;

	count_up(fake.calls);
	if (!error) {
		memory = fake.reuses ? spare : NULL;
		if (memory)
			spare = NULL;
		else
			memory = calloc(1, sizeof *memory);
		*memory = (struct _cl_mem){1, context, parent, bytes, owns, 0, {0}, {0}};
		count_up(context->references);
		if (parent)
			count_up(parent->references);
		hold_bytes(memory, true);
		count_up(fake.objects);
	}
	if (ret_error)
		*ret_error = error;
	return memory;
}

static cl_mem CL_API_CALL fake_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t bytes,
                                              void *host, cl_int *ret_error)
{
	(void)host;
	return create(context, NULL, bytes, !(flags & CL_MEM_USE_HOST_PTR), ret_error);
}

static cl_mem CL_API_CALL fake_clCreateBufferWithProperties(cl_context context,
                                                            const cl_mem_properties *properties,
                                                            cl_mem_flags flags, size_t bytes,
                                                            void *host, cl_int *ret_error)
{
	(void)properties;
	return fake_clCreateBuffer(context, flags, bytes, host, ret_error);
}

static cl_mem CL_API_CALL fake_clCreateSubBuffer(cl_mem parent, cl_mem_flags flags,
                                                 cl_buffer_create_type type, const void *info,
                                                 cl_int *ret_error)
{
	(void)flags, (void)type;
	return create(parent->context, parent, ((const cl_buffer_region *)info)->size, false,
	              ret_error);
}

/* 4,096 bytes more than its elements, as drivers align. */
static cl_mem CL_API_CALL fake_clCreateImage(cl_context context, cl_mem_flags flags,
                                             const cl_image_format *format,
                                             const cl_image_desc *desc, void *host,
                                             cl_int *ret_error)
{
	size_t bytes = desc->image_width * (desc->image_height ? desc->image_height : 1) * 4 + 4096;

	(void)flags, (void)format, (void)host;
	if (fake.nested) {
		cl_mem inner = cl->clCreateBuffer(context, 0, bytes, NULL, NULL);
		cl_mem memory = create(context, inner, bytes, false, ret_error);

		cl->clReleaseMemObject(inner);
		return memory;
	}
	return create(context, desc->mem_object, bytes, !desc->mem_object, ret_error);
}

static cl_mem CL_API_CALL fake_clCreateImageWithProperties(
	cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
	const cl_image_format *format, const cl_image_desc *desc, void *host, cl_int *ret_error)
{
	(void)properties;
	return fake_clCreateImage(context, flags, format, desc, host, ret_error);
}

static cl_mem CL_API_CALL fake_clCreateImage2D(cl_context context, cl_mem_flags flags,
                                               const cl_image_format *format, size_t width,
                                               size_t height, size_t pitch, void *host,
                                               cl_int *ret_error)
{
	(void)flags, (void)format, (void)pitch, (void)host;
	return create(context, NULL, width * height * 4, true, ret_error);
}

static cl_mem CL_API_CALL fake_clCreateImage3D(cl_context context, cl_mem_flags flags,
                                               const cl_image_format *format, size_t width,
                                               size_t height, size_t depth, size_t row_pitch,
                                               size_t slice_pitch, void *host, cl_int *ret_error)
{
	(void)flags, (void)format, (void)row_pitch, (void)slice_pitch, (void)host;
	return create(context, NULL, width * height * depth * 4, true, ret_error);
}

/* A header of 64 bytes. */
static cl_mem CL_API_CALL fake_clCreatePipe(cl_context context, cl_mem_flags flags, cl_uint packet,
                                            cl_uint packets, const cl_pipe_properties *properties,
                                            cl_int *ret_error)
{
	(void)flags, (void)properties;
	return create(context, NULL, (size_t)packet * packets + 64, true, ret_error);
}

static cl_mem CL_API_CALL fake_clCreateFromGLBuffer(cl_context context, cl_mem_flags flags,
                                                    cl_GLuint object, cl_int *ret_error)
{
	(void)flags;
	return create(context, NULL, object, false, ret_error);
}

static cl_int CL_API_CALL fake_clRetainMemObject(cl_mem memory)
{
	count_up(memory->references);
	return CL_SUCCESS;
}

static void call_back(const struct _cl_mem *memory, cl_mem handle)
{
	for (uint32_t i = memory->callback_count; i > 0; i--)
		memory->callbacks[i - 1](handle, memory->callback_data[i - 1]);
}

void fake_tell_late(void)
{
	call_back(&late, late_handle);
}

static cl_int CL_API_CALL fake_clReleaseMemObject(cl_mem memory)
{
	cl_context context = memory->context;
	cl_mem parent = memory->parent;

	if (count_down(memory->references) > 0)
		return CL_SUCCESS;
	if (fake.forgets_callbacks)
		late = *memory, late_handle = memory;
	else if (!fake.silent_views || !parent)
		call_back(memory, memory);
	hold_bytes(memory, false);
	if (fake.reuses)
		spare = memory;
	else
		free(memory);
	count_down(fake.objects);
	if (parent)
		fake_clReleaseMemObject(parent);
	return fake_clReleaseContext(context);
}

static cl_int CL_API_CALL fake_clGetMemObjectInfo(cl_mem memory, cl_mem_info what, size_t room,
                                                  void *ret, size_t *ret_size)
{
	if (what == CL_MEM_SIZE)
		return answer(&memory->bytes, sizeof memory->bytes, room, ret, ret_size);
	if (what == CL_MEM_CONTEXT)
		return answer(&memory->context, sizeof memory->context, room, ret, ret_size);
	if (what == CL_MEM_REFERENCE_COUNT)
		return answer(&memory->references, sizeof memory->references, room, ret, ret_size);
	return CL_INVALID_VALUE;
}

static cl_int CL_API_CALL fake_clSetMemObjectDestructorCallback(
	cl_mem memory, void(CL_CALLBACK *callback)(cl_mem, void *), void *data)
{
	if (fake.no_memory_callbacks || memory->callback_count == CALLBACKS)
		return CL_INVALID_OPERATION;
	memory->callbacks[memory->callback_count] = callback;
	memory->callback_data[memory->callback_count++] = data;
	return CL_SUCCESS;
}

void fake_hold(cl_mem memory)
{
	fake_clRetainMemObject(memory);
}

void fake_drop(cl_mem memory)
{
	fake_clReleaseMemObject(memory);
}

/* --- loading ------------------------------------------------------------------------------- */

static cl_icd_dispatch table = {
	.clGetPlatformIDs = fake_clGetPlatformIDs,
	.clGetPlatformInfo = fake_clGetPlatformInfo,
	.clGetDeviceIDs = fake_clGetDeviceIDs,
	.clGetDeviceInfo = fake_clGetDeviceInfo,
	.clCreateContext = fake_clCreateContext,
	.clCreateContextFromType = fake_clCreateContextFromType,
	.clRetainContext = fake_clRetainContext,
	.clReleaseContext = fake_clReleaseContext,
	.clGetContextInfo = fake_clGetContextInfo,
	.clSetContextDestructorCallback = fake_clSetContextDestructorCallback,
	.clCreateBuffer = fake_clCreateBuffer,
	.clCreateBufferWithProperties = fake_clCreateBufferWithProperties,
	.clCreateSubBuffer = fake_clCreateSubBuffer,
	.clCreateImage = fake_clCreateImage,
	.clCreateImageWithProperties = fake_clCreateImageWithProperties,
	.clCreateImage2D = fake_clCreateImage2D,
	.clCreateImage3D = fake_clCreateImage3D,
	.clCreatePipe = fake_clCreatePipe,
	.clCreateFromGLBuffer = fake_clCreateFromGLBuffer,
	.clRetainMemObject = fake_clRetainMemObject,
	.clReleaseMemObject = fake_clReleaseMemObject,
	.clGetMemObjectInfo = fake_clGetMemObjectInfo,
	.clSetMemObjectDestructorCallback = fake_clSetMemObjectDestructorCallback,
};

cl_icd_dispatch *fake_table(void)
{
	return &table;
}

static void *layer_symbol(const char *name)
{
	void *layer = dlopen(OPENCL_LAYER, RTLD_NOW | RTLD_LOCAL);
	void *symbol = layer ? dlsym(layer, name) : NULL;

	if (!symbol)
		check_failed(__FILE__, __LINE__, "%s: %s", name, dlerror());
	return symbol;
}

cl_uint fake_load_entries(cl_uint entries, const void *from)
{
	pfn_clInitLayer init = (pfn_clInitLayer)layer_symbol("clInitLayer");
	cl_uint count = 0;

	same(init(entries, from, &count, &cl), CL_SUCCESS);
	return count;
}

void fake_load(void)
{
	fake_load_entries(sizeof table / sizeof(void *), &table);
}

pfn_clGetLayerInfo fake_layer_info(void)
{
	return (pfn_clGetLayerInfo)layer_symbol("clGetLayerInfo");
}

cl_device_id fake_id(uint32_t number)
{
	return (cl_device_id)&fake.devices[number];
}

cl_context fake_context(uint32_t count)
{
	cl_device_id devices[FAKE_DEVICES];
	cl_int error = -1;
	cl_context context;

	for (uint32_t i = 0; i < count; i++)
		devices[i] = fake_id(i);
	context = cl->clCreateContext(NULL, count, devices, NULL, NULL, &error);
	same(error, CL_SUCCESS);
	return context;
}

cl_mem fake_buffer(cl_context context, size_t bytes)
{
	cl_int error = -1;
	cl_mem memory = cl->clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &error);

	same(error, CL_SUCCESS);
	holds(memory);
	return memory;
}
