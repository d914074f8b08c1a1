/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of extensions, which programs get by name. */
#include "wrap.h"

#include <stddef.h>
#include <string.h>

enum { PLATFORMS_MAX = 64, DEVICES_MAX = 64, EXTENSIONS_MAX = 512 };

/* --- unified shared memory of Intel --------------------------------------------------------- */

/* The rest of a wrapper, as svm_created(). */
static void *usm_created(struct allocation *asked, void *pointer, cl_int error, cl_int *errcode_ret)
{
	if (errcode_ret)
		*errcode_ret = error;
	return svm_created(asked, pointer, error);
}

WRAP(void *, clHostMemAllocINTEL,
     (cl_context context, const cl_mem_properties_intel *properties, size_t size, cl_uint alignment,
      cl_int *errcode_ret),
     (context, properties, size, alignment, errcode_ret))
{
	struct allocation asked = svm_asked(context, size, "clHostMemAllocINTEL");
	void *pointer = NULL;
	cl_int error;

	asked.host = true;
	if (!layer_call_enter())
		return driver(context, properties, size, alignment, errcode_ret);
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		pointer = driver(context, properties, size, alignment, &error);
	return usm_created(&asked, pointer, error, errcode_ret);
}

/* The two have one signature. Memory named after a device lies there at first; without one it is
 * placed like a buffer. */
static void *usm_of_device(clDeviceMemAllocINTEL_fn driver, cl_context context, cl_device_id device,
                           const cl_mem_properties_intel *properties, size_t size,
                           cl_uint alignment, cl_int *errcode_ret, const char *site)
{
	struct allocation asked = svm_asked(context, size, site);
	void *pointer = NULL;
	cl_int error;

	asked.device = device;
	if (!layer_call_enter())
		return driver(context, device, properties, size, alignment, errcode_ret);
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		pointer = driver(context, device, properties, size, alignment, &error);
	return usm_created(&asked, pointer, error, errcode_ret);
}

WRAP(void *, clDeviceMemAllocINTEL,
     (cl_context context, cl_device_id device, const cl_mem_properties_intel *properties,
      size_t size, cl_uint alignment, cl_int *errcode_ret),
     (context, device, properties, size, alignment, errcode_ret))
{
	return usm_of_device(driver, context, device, properties, size, alignment, errcode_ret,
	                     "clDeviceMemAllocINTEL");
}

WRAP(void *, clSharedMemAllocINTEL,
     (cl_context context, cl_device_id device, const cl_mem_properties_intel *properties,
      size_t size, cl_uint alignment, cl_int *errcode_ret),
     (context, device, properties, size, alignment, errcode_ret))
{
	return usm_of_device(driver, context, device, properties, size, alignment, errcode_ret,
	                     "clSharedMemAllocINTEL");
}

WRAP(cl_int, clMemFreeINTEL, (cl_context context, void *pointer), (context, pointer))
{
	svm_end(pointer);
	return driver(context, pointer);
}

WRAP(cl_int, clMemBlockingFreeINTEL, (cl_context context, void *pointer), (context, pointer))
{
	svm_end(pointer);
	return driver(context, pointer);
}

WRAP(cl_int, clSetKernelArgMemPointerINTEL, (cl_kernel kernel, cl_uint index, const void *pointer),
     (kernel, index, pointer))
{
	cl_int error = driver(kernel, index, pointer);

	if (!error)
		kernel_argument(kernel, index, pointer, true);
	return error;
}

WRAP(cl_int, clEnqueueMemFillINTEL,
     (cl_command_queue queue, void *to, const void *pattern, size_t pattern_size, size_t size,
      WAIT),
     (queue, to, pattern, pattern_size, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueMemFillINTEL",
	            driver(queue, to, pattern, pattern_size, size, WAITS), to);
}

WRAP(cl_int, clEnqueueMemsetINTEL,
     (cl_command_queue queue, void *to, cl_int value, size_t size, WAIT),
     (queue, to, value, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueMemsetINTEL", driver(queue, to, value, size, WAITS), to);
}

WRAP(cl_int, clEnqueueMemcpyINTEL,
     (cl_command_queue queue, cl_bool blocking, void *to, const void *from, size_t size, WAIT),
     (queue, blocking, to, from, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueMemcpyINTEL", driver(queue, blocking, to, from, size, WAITS),
	            to, from);
}

WRAP(cl_int, clEnqueueMigrateMemINTEL,
     (cl_command_queue queue, const void *pointer, size_t size, cl_mem_migration_flags flags, WAIT),
     (queue, pointer, size, flags, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueMigrateMemINTEL", driver(queue, pointer, size, flags, WAITS),
	            flags & CL_MIGRATE_MEM_OBJECT_HOST ? NULL : pointer);
}

/* --- shared virtual memory of ARM, and of what has OpenCL 1.2 -------------------------------- */

WRAP(void *, clSVMAllocARM,
     (cl_context context, cl_svm_mem_flags_arm flags, size_t size, cl_uint alignment),
     (context, flags, size, alignment))
{
	struct allocation asked = svm_asked(context, size, "clSVMAllocARM");
	void *pointer = NULL;

	if (!layer_call_enter())
		return driver(context, flags, size, alignment);
	if (record_admit(&asked) == CL_SUCCESS)
		pointer = driver(context, flags, size, alignment);
	return svm_created(&asked, pointer, size ? CL_MEM_OBJECT_ALLOCATION_FAILURE : CL_SUCCESS);
}

WRAP(void, clSVMFreeARM, (cl_context context, void *pointer), (context, pointer))
{
	svm_end(pointer);
	driver(context, pointer);
}

/* The driver's clSVMFreeARM for a queue; NULL: it has none. */
static void *arm_free_of(cl_command_queue queue)
{
	cl_platform_id platform;
	cl_device_id device;

	if (!target.clGetExtensionFunctionAddressForPlatform ||
	    target.clGetCommandQueueInfo(queue, CL_QUEUE_DEVICE, sizeof device, &device, NULL) ||
	    target.clGetDeviceInfo(device, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL))
		return NULL;
	return target.clGetExtensionFunctionAddressForPlatform(platform, "clSVMFreeARM");
}

/* Where the wrapper of clSVMFreeARM that stands for this driver's keeps it. */
static void **arm_free_slot(void *driver);

WRAP(cl_int, clEnqueueSVMFreeARM,
     (cl_command_queue queue, cl_uint count, void *pointers[],
      void(CL_CALLBACK *callback)(cl_command_queue, cl_uint, void *[], void *), void *arg, WAIT),
     (queue, count, pointers, callback, arg, WAITS))
{
	void **slot = NULL;

	if (!callback && svm_is_watched(pointers, count))
		slot = arm_free_slot(arm_free_of(queue));
	if (slot)
		return driver(queue, count, pointers, svm_free_later, slot, WAITS);
	return driver(queue, count, pointers, callback, arg, WAITS);
}

WRAP(cl_int, clEnqueueSVMMemcpyARM,
     (cl_command_queue queue, cl_bool blocking, void *to, const void *from, size_t size, WAIT),
     (queue, blocking, to, from, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueSVMMemcpyARM", driver(queue, blocking, to, from, size, WAITS),
	            to, from);
}

WRAP(cl_int, clEnqueueSVMMemFillARM,
     (cl_command_queue queue, void *to, const void *pattern, size_t pattern_size, size_t size,
      WAIT),
     (queue, to, pattern, pattern_size, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueSVMMemFillARM",
	            driver(queue, to, pattern, pattern_size, size, WAITS), to);
}

WRAP(cl_int, clEnqueueSVMMapARM,
     (cl_command_queue queue, cl_bool blocking, cl_map_flags flags, void *pointer, size_t size,
      WAIT),
     (queue, blocking, flags, pointer, size, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueSVMMapARM",
	            driver(queue, blocking, flags, pointer, size, WAITS), pointer);
}

WRAP(cl_int, clEnqueueSVMUnmapARM, (cl_command_queue queue, void *pointer, WAIT),
     (queue, pointer, WAITS))
{
	COMMAND_SVM(queue, "clEnqueueSVMUnmapARM", driver(queue, pointer, WAITS), pointer);
}

WRAP(cl_int, clSetKernelArgSVMPointerARM, (cl_kernel kernel, cl_uint index, const void *pointer),
     (kernel, index, pointer))
{
	cl_int error = driver(kernel, index, pointer);

	if (!error)
		kernel_argument(kernel, index, pointer, true);
	return error;
}

WRAP(cl_int, clSetKernelExecInfoARM,
     (cl_kernel kernel, cl_kernel_exec_info_arm name, size_t size, const void *value),
     (kernel, name, size, value))
{
	cl_int error = driver(kernel, name, size, value);

	if (!error && value && name == CL_KERNEL_EXEC_INFO_SVM_PTRS_ARM)
		kernel_pointers(kernel, value, size / sizeof(void *));
	return error;
}

/* --- memory objects ------------------------------------------------------------------------- */

WRAP(cl_mem, clCreateBufferWithPropertiesINTEL,
     (cl_context context, const cl_mem_properties_intel *properties, cl_mem_flags flags,
      size_t size, void *host_ptr, cl_int *errcode_ret),
     (context, properties, flags, size, host_ptr, errcode_ret))
{
	struct allocation asked =
		memory_asked(context, size, flags, "clCreateBufferWithPropertiesINTEL");
	cl_mem memory = NULL;
	cl_int error;

	if (!layer_call_enter())
		return driver(context, properties, flags, size, host_ptr, errcode_ret);
	if (flags & CL_MEM_FORCE_HOST_MEMORY_INTEL)
		asked.host = true;
	error = record_admit(&asked);
	if (error == CL_SUCCESS)
		memory = driver(context, properties, flags, size, host_ptr, &error);
	return memory_created(&asked, memory, error, errcode_ret);
}

WRAP(cl_mem, clImportMemoryARM,
     (cl_context context, cl_mem_flags flags, const cl_import_properties_arm *properties,
      void *memory, size_t size, cl_int *errcode_ret),
     (context, flags, properties, memory, size, errcode_ret))
{
	struct allocation asked = memory_asked(context, size, 0, "clImportMemoryARM");
	cl_mem imported;
	cl_int error = CL_SUCCESS;

	if (!layer_call_enter())
		return driver(context, flags, properties, memory, size, errcode_ret);
	imported = driver(context, flags, properties, memory, size, &error);
	asked.flags |= MT_IMPORT;
	/* SIZE_MAX: as large as what is imported. */
	if (imported)
		asked.bytes = memory_size(imported, size == SIZE_MAX ? 0 : size);
	return memory_created(&asked, imported, error, errcode_ret);
}

WRAP(cl_int, clEnqueueMigrateMemObjectEXT,
     (cl_command_queue queue, cl_uint count, const cl_mem *objects,
      cl_mem_migration_flags_ext flags, WAIT),
     (queue, count, objects, flags, WAITS))
{
	COMMAND_ON(false, queue, "clEnqueueMigrateMemObjectEXT",
	           driver(queue, count, objects, flags, WAITS), objects,
	           objects && !(flags & CL_MIGRATE_MEM_OBJECT_HOST_EXT) ? count : 0);
}

/* --- what is there -------------------------------------------------------------------------- */

static const struct extension extensions[] = {
	WRAPPED(clHostMemAllocINTEL),
	WRAPPED(clDeviceMemAllocINTEL),
	WRAPPED(clSharedMemAllocINTEL),
	WRAPPED(clMemFreeINTEL),
	WRAPPED(clMemBlockingFreeINTEL),
	WRAPPED(clSetKernelArgMemPointerINTEL),
	WRAPPED(clEnqueueMemFillINTEL),
	WRAPPED(clEnqueueMemsetINTEL),
	WRAPPED(clEnqueueMemcpyINTEL),
	WRAPPED(clEnqueueMigrateMemINTEL),
	WRAPPED(clSVMAllocARM),
	WRAPPED(clSVMFreeARM),
	WRAPPED(clEnqueueSVMFreeARM),
	WRAPPED(clEnqueueSVMMemcpyARM),
	WRAPPED(clEnqueueSVMMemFillARM),
	WRAPPED(clEnqueueSVMMapARM),
	WRAPPED(clEnqueueSVMUnmapARM),
	WRAPPED(clSetKernelArgSVMPointerARM),
	WRAPPED(clSetKernelExecInfoARM),
	WRAPPED(clCreateBufferWithPropertiesINTEL),
	WRAPPED(clImportMemoryARM),
	WRAPPED(clEnqueueMigrateMemObjectEXT),
	{0},
};

/* Functions of the table that programs get by name too: our hooks, whichever platform's it is. */
#define OF_TABLE(function)                                                                         \
	{                                                                                          \
#function, offsetof(cl_icd_dispatch, function)                                     \
	}
static const struct {
	const char *name;
	size_t offset;
} of_table[] = {
	OF_TABLE(clCreateFromGLBuffer),       OF_TABLE(clCreateFromGLTexture),
	OF_TABLE(clCreateFromGLTexture2D),    OF_TABLE(clCreateFromGLTexture3D),
	OF_TABLE(clCreateFromGLRenderbuffer), OF_TABLE(clCreateFromEGLImageKHR),
};
static const cl_icd_dispatch *hooks;

/* --- by name -------------------------------------------------------------------------------- */

/* The index of the wrapper for a driver's function; < 0: all are taken. */
static int slot_of(const struct extension *extension, void *function)
{
	for (int i = 0; i < WRAP_SLOTS; i++) {
		void *known = NULL;

		if (__atomic_compare_exchange_n(&extension->drivers[i], &known, function, false,
		                                __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
		    known == function)
			return i;
	}
	return -1;
}

static void **arm_free_slot(void *driver)
{
	static const struct extension arm_free = WRAPPED(clSVMFreeARM);
	int slot = driver ? slot_of(&arm_free, driver) : -1;

	return slot < 0 ? NULL : &clSVMFreeARM_drivers[slot];
}

/* Of cl_khr_command_buffer on a device; 0: it does not have it, or does not say. */
static cl_uint command_buffer_version(cl_device_id device)
{
	cl_name_version known[EXTENSIONS_MAX];
	size_t size = 0;

	if (target.clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS_WITH_VERSION, sizeof known, known,
	                           &size))
		return 0;
	for (size_t i = 0; i < size / sizeof *known; i++) {
		if (!strncmp(known[i].name, CL_KHR_COMMAND_BUFFER_EXTENSION_NAME,
		             sizeof known[i].name))
			return known[i].version;
	}
	return 0;
}

/* The same of a platform: that of its devices, if all that have it agree. */
static cl_uint platform_version(cl_platform_id platform)
{
	cl_device_id devices[DEVICES_MAX];
	cl_uint count = 0, version = 0;

	if (target.clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, DEVICES_MAX, devices, &count))
		return 0;
	for (cl_uint i = 0; i < count && i < DEVICES_MAX; i++) {
		cl_uint of_device = command_buffer_version(devices[i]);

		if (version && of_device && of_device != version)
			return 0;
		version = of_device ? of_device : version;
	}
	return version;
}

/* The platform that has this function under this name; NULL: none. */
static cl_platform_id platform_of(const char *name, const void *function)
{
	cl_platform_id platforms[PLATFORMS_MAX];
	cl_uint count = 0;

	if (!target.clGetExtensionFunctionAddressForPlatform ||
	    target.clGetPlatformIDs(PLATFORMS_MAX, platforms, &count))
		return NULL;
	for (cl_uint i = 0; i < count && i < PLATFORMS_MAX; i++) {
		if (target.clGetExtensionFunctionAddressForPlatform(platforms[i], name) == function)
			return platforms[i];
	}
	return NULL;
}

static const struct extension *find(const struct extension *list, cl_platform_id platform,
                                    const char *name, const void *function)
{
	cl_uint version = 0;

	for (const struct extension *at = list; at->name; at++) {
		if (strcmp(at->name, name) != 0)
			continue;
		if (!at->until)
			return at;
		if (!platform)
			platform = platform_of(name, function);
		if (!version && platform)
			version = platform_version(platform);
		if (version >= at->since && version < at->until)
			return at;
	}
	return NULL;
}

/* What a program gets instead of a driver's function. `platform` may be NULL. */
static void *wrapped(cl_platform_id platform, const char *name, void *function)
{
	const struct extension *found;
	int slot;

	if (!name || !function)
		return function;
	for (size_t i = 0; i < sizeof of_table / sizeof *of_table; i++) {
		void *hook;

		memcpy(&hook, (const char *)hooks + of_table[i].offset, sizeof hook);
		if (strcmp(of_table[i].name, name) == 0)
			return hook ? hook : function;
	}
	found = find(extensions, platform, name, function);
	if (!found)
		found = find(command_buffer_extensions, platform, name, function);
	if (!found)
		return function;
	slot = slot_of(found, function);
	return slot < 0 ? function : found->wrappers[slot];
}

static void *CL_API_CALL hook_clGetExtensionFunctionAddress(const char *name)
{
	return wrapped(NULL, name, target.clGetExtensionFunctionAddress(name));
}

static void *CL_API_CALL hook_clGetExtensionFunctionAddressForPlatform(cl_platform_id platform,
                                                                       const char *name)
{
	return wrapped(platform, name,
	               target.clGetExtensionFunctionAddressForPlatform(platform, name));
}

void extensions_hook(cl_icd_dispatch *table)
{
	hooks = table;
	LAYER_HOOK(table, clGetExtensionFunctionAddress);
	LAYER_HOOK(table, clGetExtensionFunctionAddressForPlatform);
}
