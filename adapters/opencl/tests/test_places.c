/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts of several devices: where objects are, by the commands that use them. */
#include "fake_commands.h"

#include <stdlib.h>
#include <string.h>

static cl_context context;
static cl_command_queue on[3];

/* A context of three devices; the last `own` of them have memory of their own. */
static void begin_with(uint32_t own)
{
	fake.device_count = 3;
	for (uint32_t i = 3 - own; i < 3; i++)
		fake.devices[i].unified = false;
	fake_load_commands();
	context = fake_context(3);
	for (uint32_t i = 0; i < 3; i++)
		on[i] = fake_queue(context, i);
}

/* Bytes that count, in each place. */
static void lie(uint64_t unplaced, uint64_t first, uint64_t second, uint64_t third)
{
	same(seen_bytes(UNPLACED), unplaced);
	same(seen_bytes(0), first);
	same(seen_bytes(1), second);
	same(seen_bytes(2), third);
}

TEST(a_buffer_comes_to_the_device_that_uses_it_first)
{
	cl_mem memory, other;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	other = fake_buffer(context, 10);
	lie(1010, 0, 0, 0);
	fake_write(on[1], memory);
	lie(10, 0, 1000, 0);
	same(seen_on(1, "clCreateBuffer"), 1);
	fake_write(on[1], memory);
	lie(10, 0, 1000, 0);
	cl->clReleaseMemObject(memory);
	lie(10, 0, 0, 0);
	cl->clReleaseMemObject(other);
	lie(0, 0, 0, 0);
	expect_no_faults();
}

/* Among devices whose memory is the host's it is there once, and seen where else it is used. */
TEST(devices_of_one_memory_share_it)
{
	cl_mem memory;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	fake_write(on[1], memory);
	fake_write(on[0], memory);
	fake_write(on[2], memory);
	fake_write(on[2], memory);
	lie(0, 0, 1000, 0);
	same(seen_of_class(0, CLASS_VIEW), 1000);
	same(seen_of_class(1, CLASS_VIEW), 0);
	same(seen_of_class(2, CLASS_VIEW), 1000);
	same(seen_on(0, "shared") + seen_on(2, "shared"), 2);
	cl->clReleaseMemObject(memory);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(devices_with_memory_of_their_own_have_copies)
{
	cl_mem memory;

	begin_with(2);
	memory = fake_buffer(context, 1000);
	fake_write(on[2], memory);
	lie(0, 0, 0, 1000);
	fake_write(on[1], memory);
	fake_write(on[1], memory);
	lie(0, 0, 1000, 1000);
	same(seen_on(1, "copied"), 1);
	fake_write(on[0], memory);
	lie(0, 1000, 1000, 1000);
	cl->clReleaseMemObject(memory);
	same(seen_buffers(NULL), 0);
	lie(0, 0, 0, 0);
	expect_no_faults();
}

/* Two of one memory, one with its own: one copy for the two. */
TEST(a_copy_is_shared_too)
{
	cl_mem memory;

	begin_with(1);
	memory = fake_buffer(context, 1000);
	fake_write(on[2], memory);
	fake_write(on[0], memory);
	fake_write(on[1], memory);
	lie(0, 1000, 0, 1000);
	same(seen_of_class(1, CLASS_VIEW), 1000);
	cl->clReleaseMemObject(memory);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* The same from the other end. */
TEST(what_is_shared_is_copied_too)
{
	cl_mem memory;

	begin_with(1);
	memory = fake_buffer(context, 1000);
	fake_write(on[0], memory);
	fake_write(on[2], memory);
	fake_write(on[1], memory);
	lie(0, 1000, 0, 1000);
	same(seen_of_class(1, CLASS_VIEW), 1000);
	same(seen_on(2, "copied"), 1);
	cl->clReleaseMemObject(memory);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(a_sub_buffer_brings_its_buffer)
{
	const cl_buffer_region region = {0, 100};
	cl_mem memory, part, late;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	part = cl->clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL);
	fake_write(on[1], part);
	lie(0, 0, 1000, 0);
	same(seen_on(1, "clCreateSubBuffer"), 1);
	fake_write(on[2], part);
	same(seen_of_class(2, CLASS_VIEW), 1100);
	/* One that is made when its buffer is here and there. */
	late = cl->clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL);
	fake_write(on[2], late);
	same(seen_of_class(2, CLASS_VIEW), 1200);
	fake_write(on[0], late);
	fake_write(on[1], late);
	same(seen_of_class(0, CLASS_VIEW), 1100);
	lie(0, 0, 1000, 0);
	cl->clReleaseMemObject(late);
	same(seen_of_class(2, CLASS_VIEW), 1100);
	cl->clReleaseMemObject(part);
	same(seen_of_class(1, CLASS_VIEW), 0);
	cl->clReleaseMemObject(memory);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* One copy for each, whichever part of it is used. */
TEST(a_sub_buffer_brings_a_copy_of_its_buffer)
{
	const cl_buffer_region region = {0, 100};
	cl_mem memory, part;

	begin_with(3);
	memory = fake_buffer(context, 1000);
	part = cl->clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL);
	fake_write(on[0], memory);
	fake_write(on[1], part);
	fake_write(on[1], memory);
	lie(0, 1000, 1000, 0);
	cl->clReleaseMemObject(memory);
	cl->clReleaseMemObject(part);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(host_memory_and_imports_stay)
{
	cl_mem host, import;

	begin_with(3);
	host = cl->clCreateBuffer(context, CL_MEM_ALLOC_HOST_PTR, 1000, NULL, NULL);
	import = cl->clCreateFromGLBuffer(context, 0, 500, NULL);
	fake_write(on[0], host);
	fake_write(on[1], host);
	same(cl->clEnqueueAcquireGLObjects(on[1], 1, &import, 0, NULL, NULL), 0);
	lie(0, 0, 0, 0);
	same(seen_host(UNPLACED), 1000);
	same(seen_of_class(UNPLACED, CLASS_IMPORT), 500);
	same(seen_buffers(NULL), 2);
	cl->clReleaseMemObject(host);
	cl->clReleaseMemObject(import);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* --- commands ------------------------------------------------------------------------------ */

#define NUMBER(n) ((void *)(uintptr_t)(n))
#define P(n)      ((const size_t *)(uintptr_t)(n))

/* The object has come to the second device by one command, and its end is seen. */
static void came(cl_mem memory)
{
	same(seen_bytes(1), 64);
	same(seen_bytes(UNPLACED), 0);
	cl->clReleaseMemObject(memory);
}

/* Each with one object, which it brings to the device; and with all that it was given. */
#define USES(name, ...)                                                                            \
	do {                                                                                       \
		cl_mem m = fake_buffer(context, 64);                                               \
		PASSES_ON(#name, cl->name, on[1], __VA_ARGS__);                                    \
		came(m);                                                                           \
	} while (0)

TEST(every_command_passes_its_arguments_on_and_brings_its_object)
{
	begin_with(0);
	USES(clEnqueueReadBuffer, m, 1, 2, 3, NUMBER(4), 5, NUMBER(6), NUMBER(7));
	USES(clEnqueueWriteBuffer, m, 1, 2, 3, NUMBER(4), 5, NUMBER(6), NUMBER(7));
	USES(clEnqueueFillBuffer, m, NUMBER(1), 2, 3, 4, 5, NUMBER(6), NUMBER(7));
	USES(clEnqueueReadImage, m, 1, P(2), P(3), 4, 5, NUMBER(6), 7, NUMBER(8), NUMBER(9));
	USES(clEnqueueWriteImage, m, 1, P(2), P(3), 4, 5, NUMBER(6), 7, NUMBER(8), NUMBER(9));
	USES(clEnqueueFillImage, m, NUMBER(1), P(2), P(3), 4, NUMBER(5), NUMBER(6));
	USES(clEnqueueUnmapMemObject, m, NUMBER(1), 2, NUMBER(3), NUMBER(4));
	USES(clEnqueueMigrateMemObjects, 1, &m, CL_MIGRATE_MEM_OBJECT_CONTENT_UNDEFINED, 2,
	     NUMBER(3), NUMBER(4));
	USES(clEnqueueNativeKernel, NUMBER(1), NUMBER(2), 3, 1, &m, NUMBER(4), 5, NUMBER(6),
	     NUMBER(7));
	USES(clEnqueueAcquireGLObjects, 1, &m, 2, NUMBER(3), NUMBER(4));
	USES(clEnqueueReleaseGLObjects, 1, &m, 2, NUMBER(3), NUMBER(4));
	USES(clEnqueueAcquireEGLObjectsKHR, 1, &m, 2, NUMBER(3), NUMBER(4));
	USES(clEnqueueReleaseEGLObjectsKHR, 1, &m, 2, NUMBER(3), NUMBER(4));
	expect_no_faults();
}

/* Each with two objects. */
#define USES_TWO(name, ...)                                                                        \
	do {                                                                                       \
		cl_mem m = fake_buffer(context, 32), n = fake_buffer(context, 32);                 \
		PASSES_ON(#name, cl->name, on[1], m, n, __VA_ARGS__);                              \
		cl->clRetainMemObject(m);                                                          \
		came(m);                                                                           \
		cl->clReleaseMemObject(m);                                                         \
		cl->clReleaseMemObject(n);                                                         \
	} while (0)

TEST(every_copy_brings_both)
{
	begin_with(0);
	USES_TWO(clEnqueueCopyBuffer, 1, 2, 3, 4, NUMBER(5), NUMBER(6));
	USES_TWO(clEnqueueCopyBufferRect, P(1), P(2), P(3), 4, 5, 6, 7, 8, NUMBER(9), NUMBER(10));
	USES_TWO(clEnqueueCopyImage, P(1), P(2), P(3), 4, NUMBER(5), NUMBER(6));
	USES_TWO(clEnqueueCopyImageToBuffer, P(1), P(2), 3, 4, NUMBER(5), NUMBER(6));
	USES_TWO(clEnqueueCopyBufferToImage, 1, P(2), P(3), 4, NUMBER(5), NUMBER(6));
	expect_no_faults();
}

#define RECT(name)                                                                                 \
	do {                                                                                       \
		cl_mem m = fake_buffer(context, 64);                                               \
		const uint64_t gave[] = {                                                          \
			NUMBERS(on[1], m, 1, P(2), P(3), P(4), 5, 6, 7, 8, NUMBER(9), 10)};        \
		cl->name(on[1], m, 1, P(2), P(3), P(4), 5, 6, 7, 8, NUMBER(9), 10, NULL, NULL);    \
		fake_check(#name, gave, 12, __LINE__);                                             \
		came(m);                                                                           \
	} while (0)

TEST(rectangles_bring_theirs)
{
	begin_with(0);
	RECT(clEnqueueReadBufferRect);
	RECT(clEnqueueWriteBufferRect);
	expect_no_faults();
}

TEST(mapping_brings_it_too)
{
	cl_int error = -1;
	cl_mem m;

	begin_with(0);
	m = fake_buffer(context, 64);
	same(cl->clEnqueueMapBuffer(on[1], m, 1, 2, 3, 4, 5, NUMBER(6), NUMBER(7), &error), m);
	const uint64_t gave[] = {NUMBERS(on[1], m, 1, 2, 3, 4, 5, 6, 7)};
	fake_check("clEnqueueMapBuffer", gave, 9, __LINE__);
	same(error, CL_SUCCESS);
	came(m);
	m = fake_buffer(context, 64);
	same(cl->clEnqueueMapImage(on[1], m, 1, 2, P(3), P(4), NUMBER(5), NUMBER(6), 7, NUMBER(8),
	                           NUMBER(9), NULL),
	     m);
	const uint64_t gave_image[] = {NUMBERS(on[1], m, 1, 2, 3, 4, 5, 6, 7, 8, 9)};
	fake_check("clEnqueueMapImage", gave_image, 11, __LINE__);
	came(m);
	fake_did.refuse = CL_INVALID_VALUE;
	holds(!cl->clEnqueueMapBuffer(on[1], fake_buffer(context, 1), 1, 2, 3, 4, 0, NULL, NULL,
	                              &error));
	same(error, CL_INVALID_VALUE);
	lie(1, 0, 0, 0);
}

TEST(to_the_host_is_to_no_device)
{
	cl_mem memory;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	same(cl->clEnqueueMigrateMemObjects(on[1], 1, &memory, CL_MIGRATE_MEM_OBJECT_HOST, 0, NULL,
	                                    NULL),
	     0);
	lie(1000, 0, 0, 0);
}

/* What the driver did not take has brought nothing; where memory was short, that is a failure. */
TEST(a_refused_command_brings_nothing)
{
	struct segment_view *view;
	cl_mem memory, other;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	other = fake_buffer(context, 10);
	fake_write(on[1], other);
	fake_did.refuse = CL_INVALID_VALUE;
	same(cl->clEnqueueCopyBuffer(on[1], memory, other, 0, 0, 1, 0, NULL, NULL),
	     CL_INVALID_VALUE);
	lie(1000, 0, 10, 0);
	fake_did.refuse = CL_MEM_OBJECT_ALLOCATION_FAILURE;
	same(cl->clEnqueueCopyBuffer(on[1], memory, other, 0, 0, 1, 0, NULL, NULL),
	     CL_MEM_OBJECT_ALLOCATION_FAILURE);
	lie(1000, 0, 10, 0);
	view = outside();
	same(view->failure_count, 1);
	same(view->failures[0].bytes, 1000);
	holds(strstr(view->failures[0].reason, "clEnqueueCopyBuffer"));
	segment_view_destroy(view);
}

/* --- the same handles for other things ------------------------------------------------------ */

TEST(a_queue_is_asked_once_and_again_when_it_may_be_another)
{
	cl_mem memory;
	uint64_t asked;

	begin_with(0);
	memory = fake_buffer(context, 1000);
	fake_write(on[1], memory);
	asked = fake_did.asked_of_queues;
	fake_write(on[1], memory);
	same(fake_did.asked_of_queues, asked);
	cl->clReleaseCommandQueue(on[1]);
	same(fake_queue(context, 2), on[1]);
	fake_write(on[1], memory);
	same(seen_of_class(2, CLASS_VIEW), 1000);
}

TEST(devices_of_other_contexts_do_not_mix)
{
	cl_context second;
	cl_command_queue queue;
	cl_mem memory;

	begin_with(0);
	second = fake_context(2);
	queue = fake_queue(second, 1);
	memory = fake_buffer(second, 1000);
	fake_write(on[0], memory); /* no driver takes that */
	same(seen_bytes(UNPLACED), 1000);
	fake_write(queue, memory);
	lie(0, 0, 1000, 0);
	cl->clReleaseMemObject(memory);
	expect_no_faults();
}

TEST(one_device_needs_no_command)
{
	cl_mem memory;
	cl_context one;

	begin_with(0);
	one = fake_context(1);
	memory = fake_buffer(one, 1000);
	lie(0, 1000, 0, 0);
	fake_write(fake_queue(one, 0), memory);
	lie(0, 1000, 0, 0);
	same(seen_buffers(NULL), 1);
	expect_no_faults();
}

/* --- the budget ---------------------------------------------------------------------------- */

TEST(a_command_that_would_go_over_the_budget_fails)
{
	struct segment_view *view;
	cl_mem first, second;
	uint64_t calls;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin_with(3);
	first = fake_buffer(context, 700);
	second = fake_buffer(context, 400);
	fake_write(on[0], first);
	calls = fake_did.calls;
	same(cl->clEnqueueCopyBuffer(on[0], first, second, 0, 0, 1, 0, NULL, NULL),
	     CL_MEM_OBJECT_ALLOCATION_FAILURE);
	same(fake_did.calls, calls); /* the driver was not asked */
	lie(400, 700, 0, 0);
	view = outside();
	same(view->failure_count, 1);
	same(view->failures[0].bytes, 400);
	same(view->failures[0].free_span, 300);
	segment_view_destroy(view);
	/* Both at once are too much for an empty one, each by itself is not. */
	same(cl->clEnqueueCopyBuffer(on[1], second, first, 0, 0, 1, 0, NULL, NULL),
	     CL_MEM_OBJECT_ALLOCATION_FAILURE);
	fake_write(on[1], second);
	lie(0, 700, 400, 0);
	cl->clReleaseMemObject(first);
	same(cl->clEnqueueCopyBuffer(on[0], second, second, 0, 0, 1, 0, NULL, NULL), 0);
	lie(0, 400, 400, 0);
	cl->clReleaseMemObject(second);
	fake_write(on[0], fake_buffer(context, 1000));
	fake_write(on[1], fake_buffer(context, 1000));
	expect_faults(2); /* the two failures */
}

/* Shared bytes are there once, and a sub-buffer has none of its own. */
TEST(what_is_shared_takes_nothing_of_the_budget)
{
	const cl_buffer_region region = {0, 100};
	cl_mem first, part;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin_with(0);
	first = fake_buffer(context, 1000);
	part = cl->clCreateSubBuffer(first, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL);
	same(cl->clEnqueueCopyBuffer(on[0], first, part, 0, 0, 1, 0, NULL, NULL), 0);
	same(cl->clEnqueueCopyBuffer(on[1], first, part, 0, 0, 1, 0, NULL, NULL), 0);
	fake_write(on[1], fake_buffer(context, 1000));
	lie(0, 1000, 1000, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_comes_to_the_device_that_uses_it_first),
		cmocka_unit_test(devices_of_one_memory_share_it),
		cmocka_unit_test(devices_with_memory_of_their_own_have_copies),
		cmocka_unit_test(a_copy_is_shared_too),
		cmocka_unit_test(what_is_shared_is_copied_too),
		cmocka_unit_test(a_sub_buffer_brings_its_buffer),
		cmocka_unit_test(a_sub_buffer_brings_a_copy_of_its_buffer),
		cmocka_unit_test(host_memory_and_imports_stay),
		cmocka_unit_test(every_command_passes_its_arguments_on_and_brings_its_object),
		cmocka_unit_test(every_copy_brings_both),
		cmocka_unit_test(rectangles_bring_theirs),
		cmocka_unit_test(mapping_brings_it_too),
		cmocka_unit_test(to_the_host_is_to_no_device),
		cmocka_unit_test(a_refused_command_brings_nothing),
		cmocka_unit_test(a_queue_is_asked_once_and_again_when_it_may_be_another),
		cmocka_unit_test(devices_of_other_contexts_do_not_mix),
		cmocka_unit_test(one_device_needs_no_command),
		cmocka_unit_test(a_command_that_would_go_over_the_budget_fails),
		cmocka_unit_test(what_is_shared_takes_nothing_of_the_budget),
	};

	(void)argc;
	return fixture_main("opencl-places", tests, sizeof tests / sizeof *tests, argv);
}
