/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A second opinion for the tests with real programs: an OpenCL layer that shares no code and no
 * idea with ours and writes down what the driver is asked for. It belongs below ours, next to the
 * driver, so that it sees what ours may have added or swallowed.
 *
 * $OPENCL_WITNESS_OUT.<pid> gets a line of JSON per event, each by one write(2), so that nothing is
 * missing when a program ends by _exit, an abort or a signal, and nothing need be done at its end:
 *
 *   {"event":"start","pid":1,"program":"..."}
 *   {"event":"context","context":1,"devices":8}
 *   {"event":"alloc","object":7,"context":1,"what":"buffer","bytes":4096,"flags":1}
 *   {"event":"view","object":8,"what":"sub-buffer","bytes":64}    memory of another object
 *   {"event":"given back","object":7}    the program has no reference any more, the driver may
 *   {"event":"free","object":7}
 *   {"event":"failed","what":"buffer","bytes":4096,"error":-4}
 *   {"event":"extension","name":"..."}  asked for by name: calls of it are not seen here
 *
 * The end of an object is its destructor callback, called before its memory is given back. Sizes:
 * of buffers as asked for; of images and pipes what the driver says (CL_MEM_SIZE); of shared
 * virtual memory as asked for. Any thread; one lock orders the lines. A forked child has a file of
 * its own.
 */
#define CL_TARGET_OPENCL_VERSION 300
#define CL_USE_DEPRECATED_OPENCL_1_1_APIS
#define CL_USE_DEPRECATED_OPENCL_1_2_APIS
#include <CL/cl_layer.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct object {
	unsigned long number;
	const void *handle;       /* cl_mem, or the pointer to shared virtual memory */
	unsigned long references; /* of the program */
	struct object *next;
};

struct seen_context {
	cl_context handle;
	unsigned number;
	struct seen_context *next; /* made before it: a handle may be used again */
};

static cl_icd_dispatch below, own;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned long objects;
static unsigned contexts;
static struct seen_context *seen;
static struct object *live;
static int output = -1;
static pid_t output_of;

/* --- the file ---------------------------------------------------------------------------- */

static void put(const char *line, int length)
{
	if (output >= 0 && write(output, line, (size_t)length) != length)
		fprintf(stderr, "witness: a line is missing: %s\n", strerror(errno));
}

static void open_output(void)
{
	const char *name = getenv("OPENCL_WITNESS_OUT");
	char path[4096], line[512];

	output_of = getpid();
	if (name == NULL)
		return;
	snprintf(path, sizeof(path), "%s.%d", name, (int)output_of);
	output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (output < 0)
		fprintf(stderr, "witness: cannot write '%s': %s\n", path, strerror(errno));
	put(line,
	    snprintf(line, sizeof(line), "{\"event\":\"start\",\"pid\":%d,\"program\":\"%s\"}\n",
	             (int)output_of, program_invocation_short_name));
}

/* With the lock. A parent's file is left alone. */
static void say(const char *line, int length)
{
	if (output_of != getpid())
		open_output();
	put(line, length);
}

#define SAY(...)                                                                                   \
	do {                                                                                       \
		char line_[512];                                                                   \
		say(line_, snprintf(line_, sizeof(line_), __VA_ARGS__));                           \
	} while (0)

/* --- objects ----------------------------------------------------------------------------- */

static unsigned number_of(cl_context handle)
{
	for (struct seen_context *each = seen; each != NULL; each = each->next) {
		if (each->handle == handle)
			return each->number;
	}
	return 0;
}

/* With the lock: where the object of a handle hangs in the list; at its end if there is none. */
static struct object **place_of(const void *handle)
{
	struct object **place = &live;

	while (*place != NULL && (*place)->handle != handle)
		place = &(*place)->next;
	return place;
}

static void ended(const void *handle)
{
	struct object **place, *object;

	pthread_mutex_lock(&lock);
	place = place_of(handle);
	object = *place;
	if (object != NULL) {
		*place = object->next;
		SAY("{\"event\":\"free\",\"object\":%lu}\n", object->number);
	}
	pthread_mutex_unlock(&lock);
	free(object);
}

/* Before the call, for the driver may destroy the object in it. */
static void referenced(cl_mem memory, bool more)
{
	struct object *object;

	pthread_mutex_lock(&lock);
	object = *place_of(memory);
	if (object != NULL) {
		object->references += more ? 1ul : -1ul;
		if (object->references == 0)
			SAY("{\"event\":\"given back\",\"object\":%lu}\n", object->number);
	}
	pthread_mutex_unlock(&lock);
}

static void CL_CALLBACK destroyed(cl_mem memory, void *data)
{
	(void)data;
	ended(memory);
}

static void began(const void *handle, cl_context context, const char *what, size_t bytes,
                  cl_ulong flags, bool view)
{
	struct object *object = calloc(1, sizeof(*object));

	pthread_mutex_lock(&lock);
	*object = (struct object){
		.number = ++objects, .handle = handle, .references = 1, .next = live};
	live = object;
	SAY("{\"event\":\"%s\",\"object\":%lu,\"context\":%u,\"what\":\"%s\",\"bytes\":%zu,"
	    "\"flags\":%llu}\n",
	    view ? "view" : "alloc", object->number, number_of(context), what, bytes,
	    (unsigned long long)flags);
	pthread_mutex_unlock(&lock);
}

static void failed(const char *what, size_t bytes, cl_int error)
{
	pthread_mutex_lock(&lock);
	SAY("{\"event\":\"failed\",\"what\":\"%s\",\"bytes\":%zu,\"error\":%d}\n", what, bytes,
	    error);
	pthread_mutex_unlock(&lock);
}

/* What a call made, or did not. `size` 0: the driver says it. */
static cl_mem made(cl_mem memory, cl_context context, const char *what, size_t size, cl_ulong flags,
                   bool view, cl_int error, cl_int *ret_error)
{
	if (ret_error != NULL)
		*ret_error = error;
	if (memory == NULL) {
		failed(what, size, error);
		return NULL;
	}
	if (size == 0)
		below.clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof(size), &size, NULL);
	if (context == NULL)
		below.clGetMemObjectInfo(memory, CL_MEM_CONTEXT, sizeof(context), &context, NULL);
	began(memory, context, what, size, flags, view);
	below.clSetMemObjectDestructorCallback(memory, destroyed, NULL);
	return memory;
}

/* --- hooks ------------------------------------------------------------------------------- */

static cl_context context_made(cl_context context)
{
	struct seen_context *entry;
	cl_uint devices = 0;

	if (context == NULL)
		return NULL;
	below.clGetContextInfo(context, CL_CONTEXT_NUM_DEVICES, sizeof(devices), &devices, NULL);
	entry = calloc(1, sizeof(*entry));
	pthread_mutex_lock(&lock);
	*entry = (struct seen_context){.handle = context, .number = ++contexts, .next = seen};
	seen = entry;
	SAY("{\"event\":\"context\",\"context\":%u,\"devices\":%u}\n", entry->number, devices);
	pthread_mutex_unlock(&lock);
	return context;
}

static cl_context CL_API_CALL create_context(const cl_context_properties *properties, cl_uint count,
                                             const cl_device_id *devices,
                                             void(CL_CALLBACK *notify)(const char *, const void *,
                                                                       size_t, void *),
                                             void *data, cl_int *ret_error)
{
	return context_made(
		below.clCreateContext(properties, count, devices, notify, data, ret_error));
}

static cl_context CL_API_CALL
create_context_from_type(const cl_context_properties *properties, cl_device_type type,
                         void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *),
                         void *data, cl_int *ret_error)
{
	return context_made(
		below.clCreateContextFromType(properties, type, notify, data, ret_error));
}

static cl_mem CL_API_CALL create_buffer(cl_context context, cl_mem_flags flags, size_t size,
                                        void *host, cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory = below.clCreateBuffer(context, flags, size, host, &error);

	return made(memory, context, "buffer", size, flags, false, error, ret_error);
}

static cl_mem CL_API_CALL create_buffer_with_properties(cl_context context,
                                                        const cl_mem_properties *properties,
                                                        cl_mem_flags flags, size_t size, void *host,
                                                        cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory =
		below.clCreateBufferWithProperties(context, properties, flags, size, host, &error);

	return made(memory, context, "buffer", size, flags, false, error, ret_error);
}

static cl_mem CL_API_CALL create_sub_buffer(cl_mem buffer, cl_mem_flags flags,
                                            cl_buffer_create_type type, const void *info,
                                            cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory = below.clCreateSubBuffer(buffer, flags, type, info, &error);

	return made(memory, NULL, "sub-buffer", 0, flags, true, error, ret_error);
}

static cl_mem CL_API_CALL create_image(cl_context context, cl_mem_flags flags,
                                       const cl_image_format *format, const cl_image_desc *desc,
                                       void *host, cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory = below.clCreateImage(context, flags, format, desc, host, &error);

	return made(memory, context, "image", 0, flags, desc != NULL && desc->mem_object != NULL,
	            error, ret_error);
}

static cl_mem CL_API_CALL create_image_with_properties(
	cl_context context, const cl_mem_properties *properties, cl_mem_flags flags,
	const cl_image_format *format, const cl_image_desc *desc, void *host, cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory = below.clCreateImageWithProperties(context, properties, flags, format, desc,
	                                                  host, &error);

	return made(memory, context, "image", 0, flags, desc != NULL && desc->mem_object != NULL,
	            error, ret_error);
}

static cl_mem CL_API_CALL create_image_2d(cl_context context, cl_mem_flags flags,
                                          const cl_image_format *format, size_t width,
                                          size_t height, size_t pitch, void *host,
                                          cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory =
		below.clCreateImage2D(context, flags, format, width, height, pitch, host, &error);

	return made(memory, context, "image", 0, flags, false, error, ret_error);
}

static cl_mem CL_API_CALL create_image_3d(cl_context context, cl_mem_flags flags,
                                          const cl_image_format *format, size_t width,
                                          size_t height, size_t depth, size_t row, size_t slice,
                                          void *host, cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory = below.clCreateImage3D(context, flags, format, width, height, depth, row,
	                                      slice, host, &error);

	return made(memory, context, "image", 0, flags, false, error, ret_error);
}

static cl_mem CL_API_CALL create_pipe(cl_context context, cl_mem_flags flags, cl_uint packet_bytes,
                                      cl_uint packets, const cl_pipe_properties *properties,
                                      cl_int *ret_error)
{
	cl_int error = CL_SUCCESS;
	cl_mem memory =
		below.clCreatePipe(context, flags, packet_bytes, packets, properties, &error);

	return made(memory, context, "pipe", 0, flags, false, error, ret_error);
}

/* --- shared virtual memory --------------------------------------------------------------- */

static void *CL_API_CALL svm_alloc(cl_context context, cl_svm_mem_flags flags, size_t size,
                                   cl_uint alignment)
{
	void *pointer = below.clSVMAlloc(context, flags, size, alignment);

	if (pointer == NULL)
		failed("svm", size, CL_MEM_OBJECT_ALLOCATION_FAILURE);
	else
		began(pointer, context, "svm", size, flags, false);
	return pointer;
}

static void CL_API_CALL svm_free(cl_context context, void *pointer)
{
	ended(pointer);
	below.clSVMFree(context, pointer);
}

static void CL_CALLBACK svm_free_each(cl_command_queue queue, cl_uint count, void *pointers[],
                                      void *data)
{
	(void)queue;
	for (cl_uint i = 0; i < count; i++)
		svm_free(data, pointers[i]);
}

/* Where the driver would free them itself, it is made to call us, when the command is done. */
static cl_int CL_API_CALL enqueue_svm_free(cl_command_queue queue, cl_uint count, void *pointers[],
                                           void(CL_CALLBACK *release)(cl_command_queue, cl_uint,
                                                                      void *[], void *),
                                           void *data, cl_uint waits, const cl_event *wait_for,
                                           cl_event *ret_event)
{
	cl_context context = NULL;

	if (release == NULL) {
		below.clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context,
		                            NULL);
		release = svm_free_each;
		data = context;
	}
	return below.clEnqueueSVMFree(queue, count, pointers, release, data, waits, wait_for,
	                              ret_event);
}

/* --- references -------------------------------------------------------------------------- */

static cl_int CL_API_CALL retain(cl_mem memory)
{
	referenced(memory, true);
	return below.clRetainMemObject(memory);
}

static cl_int CL_API_CALL release(cl_mem memory)
{
	referenced(memory, false);
	return below.clReleaseMemObject(memory);
}

/* --- functions by name ------------------------------------------------------------------- */

static void asked(const char *name)
{
	pthread_mutex_lock(&lock);
	SAY("{\"event\":\"extension\",\"name\":\"%.200s\"}\n", name);
	pthread_mutex_unlock(&lock);
}

static void *CL_API_CALL extension(const char *name)
{
	asked(name);
	return below.clGetExtensionFunctionAddress(name);
}

static void *CL_API_CALL extension_of(cl_platform_id platform, const char *name)
{
	asked(name);
	return below.clGetExtensionFunctionAddressForPlatform(platform, name);
}

/* --- the layer --------------------------------------------------------------------------- */

CL_API_ENTRY cl_int CL_API_CALL clGetLayerInfo(cl_layer_info name, size_t size, void *value,
                                               size_t *ret_size)
{
	static const char text[] = "witness of the tests";
	const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
	const void *answer = name == CL_LAYER_NAME ? (const void *)text : &version;
	size_t bytes = name == CL_LAYER_NAME ? sizeof(text) : sizeof(version);

	if (name != CL_LAYER_NAME && name != CL_LAYER_API_VERSION)
		return CL_INVALID_VALUE;
	if (value != NULL && size < bytes)
		return CL_INVALID_VALUE;
	if (value != NULL)
		memcpy(value, answer, bytes);
	if (ret_size != NULL)
		*ret_size = bytes;
	return CL_SUCCESS;
}

static void install(void)
{
	own.clCreateContext = create_context;
	own.clCreateContextFromType = create_context_from_type;
	own.clCreateBuffer = create_buffer;
	own.clCreateBufferWithProperties = create_buffer_with_properties;
	own.clCreateSubBuffer = create_sub_buffer;
	own.clCreateImage = create_image;
	own.clCreateImageWithProperties = create_image_with_properties;
	own.clCreateImage2D = create_image_2d;
	own.clCreateImage3D = create_image_3d;
	own.clCreatePipe = create_pipe;
	own.clRetainMemObject = retain;
	own.clReleaseMemObject = release;
	own.clSVMAlloc = svm_alloc;
	own.clSVMFree = svm_free;
	own.clEnqueueSVMFree = enqueue_svm_free;
	own.clGetExtensionFunctionAddress = extension;
	own.clGetExtensionFunctionAddressForPlatform = extension_of;
}

CL_API_ENTRY cl_int CL_API_CALL clInitLayer(cl_uint count, const cl_icd_dispatch *target,
                                            cl_uint *ret_count, const cl_icd_dispatch **ret_own)
{
	if (target == NULL || ret_count == NULL || ret_own == NULL)
		return CL_INVALID_VALUE;
	if (count < sizeof(below) / sizeof(void *))
		return CL_INVALID_VALUE; /* a loader older than OpenCL 3.0: no use as a witness */
	memcpy(&below, target, sizeof(below));
	memcpy(&own, target, sizeof(own));
	install();
	*ret_count = sizeof(own) / sizeof(void *);
	*ret_own = &own;
	pthread_mutex_lock(&lock);
	open_output();
	pthread_mutex_unlock(&lock);
	return CL_SUCCESS;
}
