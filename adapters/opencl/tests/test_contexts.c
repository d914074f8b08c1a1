/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: of several devices, of parts of a device, many of them, and how they end. */
#include "fake_commands.h"

#include <stdlib.h>
#include <string.h>

/* One copy that all devices of the context may come to use is not one per device. */
TEST(with_several_devices_a_buffer_is_on_none_yet)
{
	cl_context context;
	cl_mem memory, sub;
	const cl_buffer_region region = {0, 100};

	fake.device_count = 8;
	fake_load();
	context = fake_context(8);
	memory = fake_buffer(context, 1000);
	sub = cl->clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL);
	same(seen_bytes(UNPLACED), 1000);
	same(seen_of_class(UNPLACED, CLASS_VIEW), 100);
	for (int i = 0; i < 8; i++)
		same(seen_bytes(i), 0);
	cl->clReleaseMemObject(sub);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(UNPLACED), 0);
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
	expect_no_faults();
}

TEST(with_one_of_several_devices_it_is_there)
{
	cl_device_id id;
	cl_context context;

	fake.device_count = 4;
	fake_load();
	id = fake_id(2);
	context = cl->clCreateContext(NULL, 1, &id, NULL, NULL, NULL);
	fake_buffer(context, 1000);
	same(seen_bytes(2), 1000);
}

/* The list of cl_khr_external_memory and of others names where it is to lie. */
TEST(a_device_that_the_program_names_is_the_place)
{
	cl_mem_properties one[] = {0x2051, 0, 0, 0}, two[] = {0x2051, 0, 0, 0, 0};
	cl_context context;

	fake.device_count = 3;
	fake_load();
	one[1] = (cl_mem_properties)(uintptr_t)fake_id(1);
	two[1] = (cl_mem_properties)(uintptr_t)fake_id(1);
	two[2] = (cl_mem_properties)(uintptr_t)fake_id(2);
	context = fake_context(3);
	cl->clCreateBufferWithProperties(context, one, 0, 1000, NULL, NULL);
	same(seen_bytes(1), 1000);
	cl->clCreateBufferWithProperties(context, two, 0, 500, NULL, NULL);
	same(seen_bytes(UNPLACED), 500);
	same(seen_bytes(1), 1000);
}

/* Sub-devices have the memory of their device: a context of two of one is of one. */
TEST(parts_of_a_device_are_that_device)
{
	cl_device_id parts[2];
	cl_context context;
	struct segment_view *view;

	fake.device_count = 4;
	fake.devices[2].parent = fake.devices[3].parent = &fake.devices[1];
	fake_load();
	parts[0] = fake_id(2);
	parts[1] = fake_id(3);
	context = cl->clCreateContext(NULL, 2, parts, NULL, NULL, NULL);
	fake_buffer(context, 1000);
	same(seen_bytes(1), 1000);
	view = outside();
	same(view->device_count, 1);
	segment_view_destroy(view);
}

/* A custom device is in no list of devices. */
TEST(a_device_that_is_not_listed)
{
	cl_device_id id;
	cl_context context;

	fake.device_count = 3;
	fake.devices[1].type = CL_DEVICE_TYPE_CUSTOM;
	fake_load();
	id = fake_id(1);
	context = cl->clCreateContext(NULL, 1, &id, NULL, NULL, NULL);
	fake_buffer(context, 1000);
	same(seen_bytes(2), 1000); /* after those that are */
	fake_buffer(fake_context(1), 10);
	same(seen_bytes(0), 10);
}

TEST(a_context_from_a_type)
{
	cl_context context;

	fake.device_count = 2;
	fake_load();
	context = cl->clCreateContextFromType(NULL, CL_DEVICE_TYPE_CPU, NULL, NULL, NULL);
	fake_buffer(context, 1000);
	same(seen_bytes(UNPLACED), 1000);
}

/* --- ends ---------------------------------------------------------------------------------- */

/* The program lets the context go first; its buffers keep it. */
TEST(buffers_outlive_the_programs_context)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 1000);
	cl->clReleaseContext(context);
	same(seen_bytes(0), 1000);
	same(seen_spaces(), 1);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	same(seen_spaces(), 0);
	same(fake.contexts, 0);
	expect_no_faults();
}

static void many_contexts(void)
{
	fake.device_count = 4;
	fake_load();
	for (unsigned i = 0; i < 3000; i++) {
		cl_context context = fake_context(1 + i % 4);
		cl_mem memory = fake_buffer(context, 100);

		cl->clRetainContext(context);
		if (i % 3)
			cl->clReleaseMemObject(memory);
		cl->clReleaseContext(context);
		cl->clReleaseContext(context);
		if (i % 3 == 0)
			cl->clReleaseMemObject(memory);
	}
	same(seen_spaces(), 0);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(many_contexts_need_no_more_spaces_than_one)
{
	many_contexts();
	same(fake.contexts, 0);
}

TEST(also_without_callbacks)
{
	strcpy(fake.version, "OpenCL 2.0 of our own");
	fake_table()->clSetContextDestructorCallback = (void *)1; /* beyond the driver's table */
	many_contexts();
}

TEST(also_of_a_driver_that_keeps_contexts)
{
	fake.keeps_contexts = true;
	many_contexts();
}

/* Created before tracking began: only the driver knows who holds it. */
static void end_of_an_unknown_context(void)
{
	cl_context context;
	cl_mem memory;

	mt_enable(0, NULL, NULL);
	fake_load();
	context = fake_context(1);
	cl->clRetainContext(context);
	ok(mt_enable(1, NULL, NULL));
	memory = fake_buffer(context, 1000);
	cl->clReleaseContext(context);
	cl->clReleaseMemObject(memory);
	same(seen_spaces(), 1);
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
	same(fake.contexts, 0);
}

TEST(a_context_of_before_ends)
{
	end_of_an_unknown_context();
}

TEST(a_context_of_before_ends_without_callbacks)
{
	fake.no_context_callbacks = true;
	end_of_an_unknown_context();
}

TEST(many_that_were_leaked_end_with_their_context)
{
	cl_context context;

	fake_load_commands();
	context = fake_context(1);
	for (unsigned i = 0; i < 5000; i++)
		holds(cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 8, 0));
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
}

/* The last reference of the program is gone, and it has the context from a queue or a buffer. */
TEST(a_context_comes_back)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	cl->clReleaseMemObject(fake_buffer(context, 1000));
	fake_table()->clRetainContext(context); /* the driver's own: a queue's */
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
	memory = fake_buffer(context, 500);
	same(seen_bytes(0), 500);
	cl->clReleaseMemObject(memory);
	fake_table()->clReleaseContext(context);
	same(fake.contexts, 0);
	same(seen_spaces(), 0);
	expect_no_faults();
}

/* Shared virtual memory does not keep its context. What is left of it was leaked, takes nothing of
 * a budget any more, and its address may come back. */
TEST(what_does_not_keep_its_context_ends_with_it)
{
	struct segment_view *view;
	uint64_t leaked = 0;
	cl_context context;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	fake_did.has_svm = true;
	fake_load_commands();
	for (unsigned i = 0; i < 3; i++) {
		context = fake_context(1);
		holds(cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 900, 0));
		holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 900, 0));
		same(seen_bytes(0), 900);
		cl->clReleaseContext(context);
		same(fake.contexts, 0);
		same(seen_bytes(0), 0);
		same(seen_spaces(), 0);
	}
	view = outside();
	for (uint32_t i = 0; i < view->buffer_count; i++)
		leaked += view->buffers[i].closed ? view->buffers[i].bytes : 0;
	same(leaked, 2700);
	segment_view_destroy(view);
	expect_faults(3); /* the failed allocations */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_several_devices_a_buffer_is_on_none_yet),
		cmocka_unit_test(with_one_of_several_devices_it_is_there),
		cmocka_unit_test(a_device_that_the_program_names_is_the_place),
		cmocka_unit_test(parts_of_a_device_are_that_device),
		cmocka_unit_test(a_device_that_is_not_listed),
		cmocka_unit_test(a_context_from_a_type),
		cmocka_unit_test(buffers_outlive_the_programs_context),
		cmocka_unit_test(many_contexts_need_no_more_spaces_than_one),
		cmocka_unit_test(also_without_callbacks),
		cmocka_unit_test(also_of_a_driver_that_keeps_contexts),
		cmocka_unit_test(a_context_of_before_ends),
		cmocka_unit_test(a_context_of_before_ends_without_callbacks),
		cmocka_unit_test(many_that_were_leaked_end_with_their_context),
		cmocka_unit_test(a_context_comes_back),
		cmocka_unit_test(what_does_not_keep_its_context_ends_with_it),
	};

	(void)argc;
	return fixture_main("opencl-contexts", tests, sizeof tests / sizeof *tests, argv);
}
