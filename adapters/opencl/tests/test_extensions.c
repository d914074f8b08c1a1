/* SPDX-License-Identifier: Apache-2.0 */
/* Functions that a program gets by name. */
#include "fake_commands.h"

#include <stdlib.h>
#include <string.h>

static cl_context context;
static cl_command_queue on[2];

/* --- two platforms, each with functions of its own ------------------------------------------ */

static unsigned allocated[2], freed[2];

#define OF_PLATFORM(n)                                                                             \
	static void *CL_API_CALL device_alloc_##n(cl_context of, cl_device_id device,              \
	                                          const cl_mem_properties_intel *properties,       \
	                                          size_t bytes, cl_uint align, cl_int *ret_error)  \
	{                                                                                          \
		(void)of, (void)device, (void)properties, (void)align;                             \
		if (fake_did.refuse) {                                                             \
			*ret_error = fake_did.refuse;                                              \
			return NULL;                                                               \
		}                                                                                  \
		*ret_error = CL_SUCCESS;                                                           \
		allocated[n]++;                                                                    \
		return malloc(bytes);                                                              \
	}                                                                                          \
	static cl_int CL_API_CALL mem_free_##n(cl_context of, void *pointer)                       \
	{                                                                                          \
		(void)of;                                                                          \
		freed[n]++;                                                                        \
		free(pointer);                                                                     \
		return CL_SUCCESS;                                                                 \
	}
OF_PLATFORM(0)
OF_PLATFORM(1)

static void *CL_API_CALL host_alloc(cl_context of, const cl_mem_properties_intel *properties,
                                    size_t bytes, cl_uint align, cl_int *ret_error)
{
	return device_alloc_0(of, NULL, properties, bytes, align, ret_error);
}

static cl_int CL_API_CALL memcpy_usm(cl_command_queue queue, cl_bool blocking, void *to,
                                     const void *from, size_t bytes, cl_uint waits,
                                     const cl_event *wait_list, cl_event *event)
{
	(void)queue, (void)blocking, (void)to, (void)from, (void)bytes, (void)waits;
	(void)wait_list, (void)event;
	return fake_did.refuse;
}

static cl_int CL_API_CALL set_pointer(cl_kernel kernel, cl_uint index, const void *value)
{
	(void)kernel, (void)index, (void)value;
	return fake_did.refuse;
}

static cl_mem CL_API_CALL buffer_of_intel(cl_context of, const cl_mem_properties_intel *properties,
                                          cl_mem_flags flags, size_t bytes, void *host,
                                          cl_int *ret_error)
{
	(void)properties;
	return fake_table()->clCreateBuffer(of, flags, bytes, host, ret_error);
}

static cl_mem CL_API_CALL import_of_arm(cl_context of, cl_mem_flags flags,
                                        const cl_import_properties_arm *properties, void *memory,
                                        size_t bytes, cl_int *ret_error)
{
	(void)properties, (void)memory;
	return fake_table()->clCreateBuffer(of, flags, bytes, NULL, ret_error);
}

static void *CL_API_CALL alloc_of_arm(cl_context of, cl_svm_mem_flags_arm flags, size_t bytes,
                                      cl_uint align)
{
	return fake_table()->clSVMAlloc(of, flags, bytes, align);
}

static void CL_API_CALL free_of_arm(cl_context of, void *pointer)
{
	freed[0]++;
	fake_table()->clSVMFree(of, pointer);
}

static cl_int CL_API_CALL free_later_of_arm(cl_command_queue queue, cl_uint count, void *pointers[],
                                            void(CL_CALLBACK *callback)(cl_command_queue, cl_uint,
                                                                        void *[], void *),
                                            void *arg, cl_uint waits, const cl_event *wait_list,
                                            cl_event *event)
{
	return fake_table()->clEnqueueSVMFree(queue, count, pointers, callback, arg, waits,
	                                      wait_list, event);
}

static cl_int CL_API_CALL migrate_ext(cl_command_queue queue, cl_uint count, const cl_mem *objects,
                                      cl_mem_migration_flags_ext flags, cl_uint waits,
                                      const cl_event *wait_list, cl_event *event)
{
	const uint64_t got[] = {NUMBERS(queue, count, objects, flags, waits, wait_list, event)};

	fake_did.function = "clEnqueueMigrateMemObjectEXT";
	fake_did.argument_count = sizeof got / sizeof *got;
	memcpy(fake_did.arguments, got, sizeof got);
	return fake_did.refuse;
}

/* --- command buffers ------------------------------------------------------------------------ */

/* Of both forms: what matters is where the objects are among the arguments. */
static cl_int CL_API_CALL old_fill(cl_command_buffer_khr buffer, cl_command_queue queue, cl_mem to,
                                   const void *pattern, size_t pattern_bytes, size_t offset,
                                   size_t bytes, cl_uint waits, const cl_sync_point_khr *wait_list,
                                   cl_sync_point_khr *point, cl_mutable_command_khr *command)
{
	(void)buffer, (void)queue, (void)pattern, (void)waits, (void)wait_list, (void)point;
	(void)command;
	holds(to && pattern_bytes == 1 && offset == 2 && bytes == 3);
	return fake_did.refuse;
}

static cl_int CL_API_CALL new_fill(cl_command_buffer_khr buffer, cl_command_queue queue,
                                   const cl_properties *properties, cl_mem to, const void *pattern,
                                   size_t pattern_bytes, size_t offset, size_t bytes, cl_uint waits,
                                   const cl_sync_point_khr *wait_list, cl_sync_point_khr *point,
                                   cl_mutable_command_khr *command)
{
	holds(!properties);
	return old_fill(buffer, queue, to, pattern, pattern_bytes, offset, bytes, waits, wait_list,
	                point, command);
}
typedef __typeof__(&new_fill) new_fill_fn;
typedef __typeof__(&clCreateFromGLBuffer) clCreateFromGLBuffer_fn;

static cl_int CL_API_CALL
launch_recorded(cl_command_buffer_khr buffer, cl_command_queue queue,
                const cl_ndrange_kernel_command_properties_khr *properties, cl_kernel kernel,
                cl_uint dimensions, const size_t *offset, const size_t *global, const size_t *local,
                cl_uint waits, const cl_sync_point_khr *wait_list, cl_sync_point_khr *point,
                cl_mutable_command_khr *command)
{
	(void)buffer, (void)queue, (void)properties, (void)kernel, (void)dimensions, (void)offset;
	(void)global, (void)local, (void)waits, (void)wait_list, (void)point, (void)command;
	return fake_did.refuse;
}

static uint64_t command_buffer_object;

static cl_command_buffer_khr CL_API_CALL
create_commands(cl_uint count, const cl_command_queue *queues,
                const cl_command_buffer_properties_khr *properties, cl_int *ret_error)
{
	(void)count, (void)queues, (void)properties;
	*ret_error = CL_SUCCESS;
	return (cl_command_buffer_khr)&command_buffer_object;
}

static cl_int CL_API_CALL count_commands(cl_command_buffer_khr buffer)
{
	(void)buffer;
	return CL_SUCCESS;
}

static cl_int CL_API_CALL enqueue_commands(cl_uint count, cl_command_queue *queues,
                                           cl_command_buffer_khr buffer, cl_uint waits,
                                           const cl_event *wait_list, cl_event *event)
{
	(void)count, (void)queues, (void)buffer, (void)waits, (void)wait_list, (void)event;
	fake_did.calls++;
	return fake_did.refuse;
}

/* --- by name -------------------------------------------------------------------------------- */

static cl_platform_id platforms[2];

static const struct {
	const char *name;
	void *functions[2]; /* by platform */
} names[] = {
	{"clDeviceMemAllocINTEL", {device_alloc_0, device_alloc_1}},
	{"clSharedMemAllocINTEL", {device_alloc_0, NULL}},
	{"clHostMemAllocINTEL", {host_alloc, NULL}},
	{"clMemFreeINTEL", {mem_free_0, mem_free_1}},
	{"clMemBlockingFreeINTEL", {mem_free_0, mem_free_1}},
	{"clEnqueueMemcpyINTEL", {memcpy_usm, NULL}},
	{"clSetKernelArgMemPointerINTEL", {set_pointer, NULL}},
	{"clCreateBufferWithPropertiesINTEL", {buffer_of_intel, NULL}},
	{"clImportMemoryARM", {import_of_arm, NULL}},
	{"clSVMAllocARM", {alloc_of_arm, NULL}},
	{"clSVMFreeARM", {free_of_arm, NULL}},
	{"clEnqueueSVMFreeARM", {free_later_of_arm, NULL}},
	{"clEnqueueMigrateMemObjectEXT", {migrate_ext, NULL}},
	{"clCommandFillBufferKHR", {old_fill, NULL}},
	{"clCommandNDRangeKernelKHR", {launch_recorded, NULL}},
	{"clCreateCommandBufferKHR", {create_commands, NULL}},
	{"clRetainCommandBufferKHR", {count_commands, NULL}},
	{"clReleaseCommandBufferKHR", {count_commands, NULL}},
	{"clEnqueueCommandBufferKHR", {enqueue_commands, NULL}},
	{"clCreateFromGLBuffer", {import_of_arm, NULL}}, /* not to be called */
	{"clOfNobody", {count_commands, NULL}},
};
static char addresses[20], *next_address;
static bool with_properties;

static void *CL_API_CALL of_platform(cl_platform_id platform, const char *name)
{
	if (next_address && !strcmp(name, "clMemFreeINTEL"))
		return next_address++;
	if (with_properties && !strcmp(name, "clCommandFillBufferKHR"))
		return new_fill;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (!strcmp(names[i].name, name))
			return names[i].functions[platform == platforms[1]];
	}
	return NULL;
}

static void *CL_API_CALL of_any(const char *name)
{
	return of_platform(platforms[0], name);
}

/* What a program gets. */
static void *get(unsigned platform, const char *name)
{
	return cl->clGetExtensionFunctionAddressForPlatform(platforms[platform], name);
}
#define GET(platform, name) ((name##_fn)get(platform, #name))

static void begin(void)
{
	fake.device_count = 2;
	fake.platform_count = 2;
	fake_table()->clGetExtensionFunctionAddressForPlatform = of_platform;
	fake_table()->clGetExtensionFunctionAddress = of_any;
	fake_load_commands();
	cl->clGetPlatformIDs(2, platforms, NULL);
	context = fake_context(2);
	on[0] = fake_queue(context, 0);
	on[1] = fake_queue(context, 1);
}

/* --- tests ---------------------------------------------------------------------------------- */

TEST(what_is_not_ours_is_passed_through)
{
	begin();
	same(get(0, "clOfNobody"), count_commands);
	same(get(0, "clOfNobodyElse"), NULL);
	same(get(1, "clHostMemAllocINTEL"), NULL);
	holds(get(0, "clHostMemAllocINTEL") != (void *)host_alloc);
	same(get(0, "clHostMemAllocINTEL"), get(0, "clHostMemAllocINTEL"));
	same(cl->clGetExtensionFunctionAddress("clOfNobody"), count_commands);
	same(cl->clGetExtensionFunctionAddress("clHostMemAllocINTEL"),
	     get(0, "clHostMemAllocINTEL"));
}

TEST(each_platform_has_its_own_function_called)
{
	cl_int error = -1;
	void *first, *second;

	begin();
	holds(get(0, "clMemFreeINTEL") != get(1, "clMemFreeINTEL"));
	first = GET(0, clDeviceMemAllocINTEL)(context, fake_id(0), NULL, 1000, 0, &error);
	same(error, CL_SUCCESS);
	same(allocated[0], 1);
	same(allocated[1], 0);
	second = GET(1, clDeviceMemAllocINTEL)(context, fake_id(1), NULL, 500, 0, NULL);
	same(allocated[1], 1);
	same(seen_bytes(0), 1000);
	same(seen_bytes(1), 500);
	same(GET(1, clMemFreeINTEL)(context, second), 0);
	same(freed[1], 1);
	same(seen_bytes(1), 0);
	same(GET(0, clMemBlockingFreeINTEL)(context, first), 0);
	same(freed[0], 1);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* A driver that gives another address each time: wrappers come to an end, functions do not. */
TEST(what_comes_too_late_is_passed_through)
{
	void *seen[sizeof addresses];
	unsigned wrapped = 0;

	begin();
	next_address = addresses;
	for (size_t i = 0; i < sizeof addresses; i++) {
		seen[i] = get(0, "clMemFreeINTEL");
		for (size_t j = 0; j < i; j++)
			holds(seen[i] != seen[j]);
		wrapped += seen[i] != &addresses[i];
	}
	same(wrapped, 8);
	for (size_t i = 8; i < sizeof addresses; i++)
		same(seen[i], &addresses[i]);
}

TEST(shared_and_host_memory_of_intel)
{
	void *placed, *floating, *host;

	fake.devices[0].unified = fake.devices[1].unified = false;
	begin();
	placed = GET(0, clSharedMemAllocINTEL)(context, fake_id(1), NULL, 1000, 0, NULL);
	floating = GET(0, clSharedMemAllocINTEL)(context, NULL, NULL, 100, 0, NULL);
	host = GET(0, clHostMemAllocINTEL)(context, NULL, 10, 0, NULL);
	same(seen_bytes(1), 1000);
	same(seen_bytes(UNPLACED), 100);
	same(seen_host(UNPLACED), 10);
	same(GET(0, clEnqueueMemcpyINTEL)(on[0], CL_TRUE, (char *)floating + 50, host, 1, 0, NULL,
	                                  NULL),
	     0);
	same(seen_bytes(0), 100);
	cl_kernel kernel = fake_kernel("matmul");
	same(GET(0, clSetKernelArgMemPointerINTEL)(kernel, 0, (char *)placed + 1), 0);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(0), 1100);
	GET(0, clMemFreeINTEL)(context, placed);
	GET(0, clMemFreeINTEL)(context, floating);
	GET(0, clMemFreeINTEL)(context, host);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(a_refused_allocation_is_a_failure)
{
	struct segment_view *view;
	cl_int error = 0;

	begin();
	fake_did.refuse = CL_OUT_OF_RESOURCES;
	holds(!GET(0, clDeviceMemAllocINTEL)(context, fake_id(0), NULL, 1000, 0, &error));
	same(error, CL_OUT_OF_RESOURCES);
	fake_did.refuse = CL_INVALID_DEVICE;
	holds(!GET(0, clDeviceMemAllocINTEL)(context, fake_id(0), NULL, 1000, 0, &error));
	same(error, CL_INVALID_DEVICE);
	view = outside();
	same(view->failure_count, 1);
	same(view->failures[0].bytes, 1000);
	segment_view_destroy(view);
}

TEST(the_budget_is_asked)
{
	cl_int error = 0;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin();
	holds(!GET(0, clDeviceMemAllocINTEL)(context, fake_id(0), NULL, 1001, 0, &error));
	same(error, CL_MEM_OBJECT_ALLOCATION_FAILURE);
	same(allocated[0], 0);
	holds(GET(0, clDeviceMemAllocINTEL)(context, fake_id(0), NULL, 1000, 0, &error));
	holds(!GET(0, clCreateBufferWithPropertiesINTEL)(context, NULL, 0, 1001, NULL, &error));
	same(error, CL_MEM_OBJECT_ALLOCATION_FAILURE);
}

TEST(memory_objects_by_other_names)
{
	cl_mem memory, import;

	begin();
	memory = GET(0, clCreateBufferWithPropertiesINTEL)(context, NULL, 0, 1000, NULL, NULL);
	import = ((__typeof__(&import_of_arm))get(0, "clImportMemoryARM"))(context, 0, NULL, NULL,
	                                                                   500, NULL);
	same(seen_bytes(UNPLACED), 1000);
	same(seen_of_class(UNPLACED, CLASS_IMPORT), 500);
	PASSES_ON("clEnqueueMigrateMemObjectEXT", GET(0, clEnqueueMigrateMemObjectEXT), on[1], 1,
	          &memory, 0, 0, NULL, NULL);
	same(seen_bytes(1), 1000);
	cl->clReleaseMemObject(memory);
	cl->clReleaseMemObject(import);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(shared_virtual_memory_of_arm)
{
	__typeof__(&alloc_of_arm) alloc;
	__typeof__(&free_of_arm) svm_free;
	__typeof__(&free_later_of_arm) free_later;
	void *now, *later;

	begin();
	alloc = (__typeof__(alloc))get(0, "clSVMAllocARM");
	svm_free = (__typeof__(svm_free))get(0, "clSVMFreeARM");
	free_later = (__typeof__(free_later))get(0, "clEnqueueSVMFreeARM");
	now = alloc(context, 0, 1000, 0);
	later = alloc(context, 0, 100, 0);
	same(seen_bytes(UNPLACED), 1100);
	svm_free(context, now);
	same(seen_bytes(UNPLACED), 100);
	same(free_later(on[0], 1, &later, NULL, NULL, 0, NULL, NULL), 0);
	same(seen_bytes(UNPLACED), 100);
	fake_svm_free_now();
	same(freed[0], 2);
	same(fake_did.svm, 0);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* Some are in the table as well: whichever way the program found them, they are seen. */
TEST(functions_of_the_table_are_the_hooks)
{
	begin();
	same(get(0, "clCreateFromGLBuffer"), cl->clCreateFromGLBuffer);
	same(get(1, "clCreateFromGLBuffer"), NULL);
	holds(((clCreateFromGLBuffer_fn)get(0, "clCreateFromGLBuffer"))(context, 0, 500, NULL));
	same(seen_of_class(UNPLACED, CLASS_IMPORT), 500);
}

/* --- tests of command buffers --------------------------------------------------------------- */

static cl_command_buffer_khr commands_on(unsigned device)
{
	cl_int error = -1;
	cl_command_buffer_khr commands =
		GET(0, clCreateCommandBufferKHR)(1, &on[device], NULL, &error);

	same(error, CL_SUCCESS);
	return commands;
}

static cl_int enqueue(cl_command_buffer_khr commands)
{
	return GET(0, clEnqueueCommandBufferKHR)(0, NULL, commands, 0, NULL, NULL);
}

static void fill(cl_command_buffer_khr commands, cl_mem memory)
{
	same(GET(0, clCommandFillBufferKHR)(commands, NULL, memory, "", 1, 2, 3, 0, NULL, NULL,
	                                    NULL),
	     0);
}

static void record(cl_command_buffer_khr commands, cl_kernel kernel)
{
	const size_t items = 1;

	same(GET(0, clCommandNDRangeKernelKHR)(commands, NULL, NULL, kernel, 1, NULL, &items, NULL,
	                                       0, NULL, NULL, NULL),
	     0);
}

static void begin_commands(cl_uint version)
{
	fake_did.command_buffers = version;
	begin();
}

TEST(recorded_commands_bring_their_objects_when_they_are_enqueued)
{
	cl_command_buffer_khr commands;
	cl_kernel kernel;

	begin_commands(CL_MAKE_VERSION(0, 9, 0));
	commands = commands_on(1);
	fill(commands, fake_buffer(context, 1000));
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, cl->clCreateImage2D(context, 0, NULL, 10, 10, 0, NULL, NULL));
	record(commands, kernel);
	/* Arguments are those of the recording. */
	fake_argument(kernel, 0, fake_buffer(context, 1));
	same(seen_bytes(UNPLACED), 1401);
	fake_did.refuse = CL_INVALID_OPERATION;
	same(enqueue(commands), CL_INVALID_OPERATION);
	same(seen_bytes(UNPLACED), 1401);
	fake_did.refuse = 0;
	same(enqueue(commands), 0);
	same(enqueue(commands), 0);
	same(seen_bytes(1), 1400);
	same(seen_bytes(UNPLACED), 1);
	holds(seen_tag("clCreateImage2D", "matmul"));
	expect_no_faults();
}

TEST(another_queue_is_another_device)
{
	cl_command_buffer_khr commands;

	begin_commands(CL_MAKE_VERSION(0, 9, 0));
	commands = commands_on(1);
	fill(commands, fake_buffer(context, 1000));
	same(enqueue(commands), 0);
	same(GET(0, clEnqueueCommandBufferKHR)(1, &on[0], commands, 0, NULL, NULL), 0);
	same(seen_bytes(1), 1000);
	same(seen_of_class(0, CLASS_VIEW), 1000);
}

TEST(a_command_buffer_is_that_one_and_no_other)
{
	cl_command_buffer_khr commands;
	cl_mem memory;

	fake.reuses = true;
	begin_commands(CL_MAKE_VERSION(0, 9, 0));
	commands = commands_on(1);
	memory = fake_buffer(context, 1000);
	fill(commands, memory);
	GET(0, clRetainCommandBufferKHR)(commands);
	GET(0, clReleaseCommandBufferKHR)(commands);
	GET(0, clReleaseCommandBufferKHR)(commands);
	commands = commands_on(0);
	same(enqueue(commands), 0);
	same(seen_bytes(UNPLACED), 1000);
	fill(commands, memory);
	cl->clReleaseMemObject(memory);
	same(fake_buffer(context, 500), memory);
	same(enqueue(commands), 0);
	same(seen_bytes(UNPLACED), 500);
	/* The end of one is not seen: a command that runs has references too. */
	fill(commands, memory);
	commands = commands_on(1);
	same(enqueue(commands), 0);
	same(seen_bytes(UNPLACED), 500);
	expect_no_faults();
}

/* Since 0.9.5 of the extension there are properties before the objects. */
TEST(the_form_is_that_of_the_version)
{
	void *before, *after;

	begin_commands(CL_MAKE_VERSION(0, 9, 4));
	before = get(0, "clCommandFillBufferKHR");
	holds(before != (void *)old_fill);
	same(cl->clGetExtensionFunctionAddress("clCommandFillBufferKHR"), before);
	fake_did.command_buffers = CL_MAKE_VERSION(0, 9, 5);
	after = get(0, "clCommandFillBufferKHR");
	holds(after != before && after != (void *)old_fill);
	/* Nobody knows yet what it will be, and of some drivers not what it is. */
	fake_did.command_buffers = CL_MAKE_VERSION(2, 0, 0);
	same(get(0, "clCommandFillBufferKHR"), old_fill);
	same(get(0, "clEnqueueCommandBufferKHR"), enqueue_commands);
	fake_did.command_buffers = 0;
	same(get(0, "clCommandFillBufferKHR"), old_fill);
}

TEST(the_newer_form_finds_the_objects)
{
	cl_command_buffer_khr commands;

	with_properties = true;
	begin_commands(CL_MAKE_VERSION(0, 9, 5));
	commands = commands_on(1);
	same(((new_fill_fn)get(0, "clCommandFillBufferKHR"))(commands, NULL, NULL,
	                                                     fake_buffer(context, 1000), "", 1, 2,
	                                                     3, 0, NULL, NULL, NULL),
	     0);
	same(enqueue(commands), 0);
	same(seen_bytes(1), 1000);
}

/* What was leaked in a context that is gone is the driver's again, and it puts objects there. */
TEST(an_object_where_leaked_memory_was_is_recorded)
{
	enum { BUFFERS = 64, BYTES = 65536 };
	cl_context gone;
	cl_mem memory[BUFFERS];
	uintptr_t leaked;
	unsigned inside = 0;

	begin_commands(CL_MAKE_VERSION(0, 9, 0));
	gone = fake_context(1);
	leaked = (uintptr_t)cl->clSVMAlloc(gone, CL_MEM_READ_WRITE, BYTES, 0);
	holds(leaked);
	cl->clReleaseContext(gone);
	free((void *)leaked);
	for (unsigned i = 0; i < BUFFERS; i++) {
		cl_command_buffer_khr commands = commands_on(1);

		memory[i] = fake_buffer(context, 10);
		inside += (uintptr_t)memory[i] - leaked < BYTES;
		fill(commands, memory[i]);
		same(enqueue(commands), 0);
		same(seen_bytes(UNPLACED), 0);
	}
	if (!inside)
		skip_test("the C library puts nothing there");
}

TEST(a_command_buffer_over_the_budget_is_not_enqueued)
{
	cl_command_buffer_khr commands;
	uint64_t calls;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin_commands(CL_MAKE_VERSION(0, 9, 0));
	fake_write(on[1], fake_buffer(context, 700));
	commands = commands_on(1);
	fill(commands, fake_buffer(context, 301));
	calls = fake_did.calls;
	same(enqueue(commands), CL_MEM_OBJECT_ALLOCATION_FAILURE);
	same(fake_did.calls, calls);
	same(seen_bytes(UNPLACED), 301);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_ours_is_passed_through),
		cmocka_unit_test(each_platform_has_its_own_function_called),
		cmocka_unit_test(what_comes_too_late_is_passed_through),
		cmocka_unit_test(shared_and_host_memory_of_intel),
		cmocka_unit_test(a_refused_allocation_is_a_failure),
		cmocka_unit_test(the_budget_is_asked),
		cmocka_unit_test(memory_objects_by_other_names),
		cmocka_unit_test(shared_virtual_memory_of_arm),
		cmocka_unit_test(functions_of_the_table_are_the_hooks),
		cmocka_unit_test(recorded_commands_bring_their_objects_when_they_are_enqueued),
		cmocka_unit_test(another_queue_is_another_device),
		cmocka_unit_test(a_command_buffer_is_that_one_and_no_other),
		cmocka_unit_test(the_form_is_that_of_the_version),
		cmocka_unit_test(the_newer_form_finds_the_objects),
		cmocka_unit_test(an_object_where_leaked_memory_was_is_recorded),
		cmocka_unit_test(a_command_buffer_over_the_budget_is_not_enqueued),
	};

	(void)argc;
	return fixture_main("opencl-extensions", tests, sizeof tests / sizeof *tests, argv);
}
