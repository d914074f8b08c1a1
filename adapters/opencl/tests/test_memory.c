/* SPDX-License-Identifier: Apache-2.0 */
/* Buffers and images from their creation to their end, on one device. */
#include "fake_driver.h"

#include <string.h>

static cl_mem sub_buffer(cl_mem buffer, size_t bytes)
{
	const cl_buffer_region region = {0, bytes};
	cl_int error = -1;
	cl_mem memory =
		cl->clCreateSubBuffer(buffer, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);

	same(error, CL_SUCCESS);
	return memory;
}

static cl_mem image(cl_context context, size_t width, size_t height, cl_mem from)
{
	const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
	const cl_image_desc desc = {.image_type = from ? CL_MEM_OBJECT_IMAGE1D_BUFFER
	                                               : CL_MEM_OBJECT_IMAGE2D,
	                            .image_width = width,
	                            .image_height = height,
	                            .mem_object = from};

	return cl->clCreateImage(context, 0, &format, &desc, NULL, NULL);
}

TEST(a_buffer_is_on_its_device_from_creation_to_release)
{
	cl_context context;
	cl_mem memory;
	struct view_buffer seen;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 12345);
	same(seen_bytes(0), 12345);
	seen = seen_buffer("clCreateBuffer");
	same(seen.bytes, 12345);
	same(seen.address, SEGMENT_NO_ADDRESS);
	same(seen.flags & MT_NO_ADDRESS, MT_NO_ADDRESS);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	same(fake.devices[0].held, 0);
	expect_no_faults();
}

TEST(retained_it_stays)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 100);
	cl->clRetainMemObject(memory);
	cl->clRetainMemObject(memory);
	cl->clReleaseMemObject(memory);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 100);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

/* The program has released it, and a command still uses it: its memory is not back yet. */
TEST(a_queued_command_keeps_it)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 100);
	fake_hold(memory);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 100);
	fake_drop(memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

TEST(a_sub_buffer_is_a_view_that_keeps_its_buffer)
{
	cl_context context;
	cl_mem memory, sub;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 4096);
	sub = sub_buffer(memory, 512);
	same(seen_bytes(0), 4096);
	same(seen_of_class(0, CLASS_VIEW), 512);
	same(seen_buffer("clCreateSubBuffer").parent, seen_buffer("clCreateBuffer").id);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 4096);
	cl->clReleaseMemObject(sub);
	same(seen_bytes(0), 0);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(an_image_has_the_size_that_the_driver_says)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	memory = image(context, 100, 10, NULL);
	same(seen_bytes(0), 100 * 10 * 4 + 4096);
	same(seen_bytes(0), fake.devices[0].held);
	cl->clReleaseMemObject(memory);
	memory = cl->clCreateImage2D(context, 0, NULL, 10, 10, 0, NULL, NULL);
	same(seen_buffer("clCreateImage2D").bytes, 400);
	cl->clReleaseMemObject(memory);
	memory = cl->clCreateImage3D(context, 0, NULL, 10, 10, 2, 0, 0, NULL, NULL);
	same(seen_buffer("clCreateImage3D").bytes, 800);
	cl->clReleaseMemObject(memory);
	memory = cl->clCreatePipe(context, 0, 16, 10, NULL, NULL);
	same(seen_buffer("clCreatePipe").bytes, 224);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

/* Also of a view of a view: what both lie in is the buffer. */
TEST(an_image_of_a_buffer_is_a_view)
{
	cl_context context;
	cl_mem memory, sub, view;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 65536);
	sub = sub_buffer(memory, 32768);
	view = image(context, 64, 0, sub);
	same(seen_bytes(0), 65536);
	same(seen_buffer("clCreateImage").parent, seen_buffer("clCreateBuffer").id);
	cl->clReleaseMemObject(memory);
	cl->clReleaseMemObject(sub);
	same(seen_bytes(0), 65536);
	cl->clReleaseMemObject(view);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(the_programs_own_memory)
{
	static char host[1000];
	cl_context context;

	fake_load();
	context = fake_context(1);
	cl->clCreateBuffer(context, CL_MEM_USE_HOST_PTR, sizeof host, host, NULL);
	same(seen_bytes(0), 0);
	same(seen_of_class(0, CLASS_VIEW), sizeof host);
	/* With host memory that the driver allocates, a device that shares it has no other. */
	cl->clCreateBuffer(context, CL_MEM_ALLOC_HOST_PTR, 500, NULL, NULL);
	same(seen_bytes(0), 500);
	same(seen_host(0), 0);
}

TEST(the_same_on_a_device_with_memory_of_its_own)
{
	static char host[1000];
	struct segment_view *view;
	cl_context context;

	fake.devices[0].type = CL_DEVICE_TYPE_GPU;
	fake.devices[0].unified = false;
	fake_load();
	context = fake_context(1);
	cl->clCreateBuffer(context, CL_MEM_USE_HOST_PTR, sizeof host, host, NULL);
	same(seen_bytes(0), sizeof host);
	cl->clCreateBuffer(context, CL_MEM_ALLOC_HOST_PTR, 500, NULL, NULL);
	same(seen_bytes(0), sizeof host);
	same(seen_host(0), 500);
	view = outside();
	same(strcmp(view->kind_names[view->devices[0].memories[0].kind], "VRAM"), 0);
	segment_view_destroy(view);
}

TEST(what_is_imported_is_not_counted)
{
	const cl_mem_properties dma_buf[] = {0x2067, 5, 0};
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	memory = cl->clCreateFromGLBuffer(context, 0, 700, NULL);
	same(seen_of_class(0, CLASS_IMPORT), 700);
	cl->clReleaseMemObject(memory);
	same(seen_of_class(0, CLASS_IMPORT), 0);
	cl->clCreateBufferWithProperties(context, dma_buf, 0, 800, NULL, NULL);
	same(seen_of_class(0, CLASS_IMPORT), 800);
	cl->clCreateBufferWithProperties(context, NULL, 0, 900, NULL, NULL);
	same(seen_bytes(0), 900);
	expect_no_faults();
}

TEST(the_tag_is_that_of_the_thread)
{
	struct segment_view *view;
	cl_context context;

	fake_load();
	context = fake_context(1);
	mt_tag_push("model");
	mt_tag_push("layer");
	fake_buffer(context, 100);
	mt_tag_pop();
	mt_tag_pop();
	view = outside();
	same(view->buffer_count, 1);
	same(strcmp(view->tags[view->buffers[0].tag].path, "model/layer"), 0);
	segment_view_destroy(view);
}

/* --- drivers that do not tell the end ------------------------------------------------------ */

static void ends_by_hand(void)
{
	cl_context context;
	cl_mem memory, sub;

	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 4096);
	cl->clRetainMemObject(memory);
	sub = sub_buffer(memory, 512);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 4096);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 4096); /* the sub-buffer keeps it */
	cl->clRetainMemObject(sub);
	cl->clReleaseMemObject(sub);
	same(seen_buffers(NULL), 2);
	cl->clReleaseMemObject(sub);
	same(seen_buffers(NULL), 0);
	same(fake.objects, 0);
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
	expect_no_faults();
}

TEST(without_callbacks_references_are_counted)
{
	fake.no_memory_callbacks = fake.no_context_callbacks = true;
	ends_by_hand();
}

TEST(so_it_is_with_opencl_1_0)
{
	strcpy(fake.version, "OpenCL 1.0 of long ago");
	/* Such a driver's table ends before: to call it is to crash. */
	fake_table()->clSetMemObjectDestructorCallback = (void *)1;
	fake_table()->clSetContextDestructorCallback = (void *)1;
	ends_by_hand();
}

/* PoCL 3.1 does so with images of buffers. */
TEST(a_view_that_ends_without_a_word)
{
	cl_context context;
	cl_mem memory, view;

	fake.silent_views = true;
	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 65536);
	view = image(context, 64, 0, memory);
	cl->clRetainMemObject(view);
	cl->clReleaseMemObject(view);
	same(seen_buffers(NULL), 2);
	cl->clReleaseMemObject(view);
	same(seen_buffers(NULL), 1);
	/* Where a command has it last, its buffer's end is its end. */
	view = image(context, 64, 0, memory);
	fake_hold(view);
	cl->clReleaseMemObject(view);
	same(seen_buffers(NULL), 2);
	fake_drop(view);
	cl->clReleaseMemObject(memory);
	same(fake.objects, 0);
	same(seen_buffers(NULL), 0);
	cl->clReleaseContext(context);
	same(seen_spaces(), 0);
	expect_no_faults();
}

TEST(a_handle_is_used_again_before_the_end_was_told)
{
	cl_context context;
	cl_mem memory;

	fake_table()->clSetMemObjectDestructorCallback = NULL;
	fake.reuses = true;
	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 100);
	fake_drop(memory); /* behind the layer's back: an extension that it does not know */
	holds(fake_buffer(context, 7) == memory);
	same(seen_bytes(0), 7);
	same(seen_buffers(NULL), 1);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

/* The callback of one that is gone must not end the next one of this handle. */
TEST(a_handle_is_used_again_while_its_end_is_told)
{
	cl_context context;
	cl_mem memory;

	fake.reuses = fake.forgets_callbacks = true;
	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 100);
	cl->clReleaseMemObject(memory); /* its callback comes later */
	holds(fake_buffer(context, 7) == memory);
	fake_tell_late();
	same(seen_bytes(0), 7);
	expect_no_faults();
}

/* --- failures ------------------------------------------------------------------------------ */

static void check_failure(cl_int error, uint64_t bytes, const char *name)
{
	struct segment_view *view;
	cl_context context = fake_context(1);
	cl_int told_error = 0;

	fake_buffer(context, 1000);
	fake.refuse = error;
	holds(!cl->clCreateBuffer(context, 0, bytes, NULL, &told_error));
	same(told_error, error);
	fake.refuse = 0;
	view = outside();
	same(view->failure_count, name ? 1 : 0);
	if (name) {
		same(view->failures[0].bytes, bytes);
		same(view->failures[0].free_span, FAKE_CAPACITY - 1000);
		same(view->failures[0].largest_span, UINT64_MAX); /* no driver tells */
		holds(strstr(view->failures[0].reason, name));
		holds(strstr(view->failures[0].reason, "clCreateBuffer"));
		same(strstr(view->failures[0].reason, "at most") != NULL,
		     bytes > FAKE_CAPACITY / 4);
	}
	segment_view_destroy(view);
	same(seen_bytes(0), 1000);
}

TEST(full_memory_is_reported)
{
	fake_load();
	check_failure(CL_MEM_OBJECT_ALLOCATION_FAILURE, 1 << 20,
	              "CL_MEM_OBJECT_ALLOCATION_FAILURE");
}

TEST(a_size_that_no_device_takes_is_reported)
{
	fake_load();
	check_failure(CL_INVALID_BUFFER_SIZE, FAKE_CAPACITY / 4 + 1, "CL_INVALID_BUFFER_SIZE");
}

TEST(a_wrong_call_is_not_a_failure)
{
	fake_load();
	check_failure(CL_INVALID_CONTEXT, 1 << 20, NULL);
	holds(!cl->clCreateBuffer(fake_context(1), 0, 0, NULL, NULL));
}

TEST(an_image_that_does_not_fit_is_reported_with_its_elements)
{
	struct segment_view *view;
	cl_context context;

	fake_load();
	context = fake_context(1);
	fake.refuse = CL_INVALID_IMAGE_SIZE;
	holds(!image(context, 1000, 1000, NULL));
	view = outside();
	same(view->failure_count, 1);
	same(view->failures[0].bytes, 4000000);
	segment_view_destroy(view);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_buffer_is_on_its_device_from_creation_to_release),
		cmocka_unit_test(retained_it_stays),
		cmocka_unit_test(a_queued_command_keeps_it),
		cmocka_unit_test(a_sub_buffer_is_a_view_that_keeps_its_buffer),
		cmocka_unit_test(an_image_has_the_size_that_the_driver_says),
		cmocka_unit_test(an_image_of_a_buffer_is_a_view),
		cmocka_unit_test(the_programs_own_memory),
		cmocka_unit_test(the_same_on_a_device_with_memory_of_its_own),
		cmocka_unit_test(what_is_imported_is_not_counted),
		cmocka_unit_test(the_tag_is_that_of_the_thread),
		cmocka_unit_test(without_callbacks_references_are_counted),
		cmocka_unit_test(so_it_is_with_opencl_1_0),
		cmocka_unit_test(a_view_that_ends_without_a_word),
		cmocka_unit_test(a_handle_is_used_again_before_the_end_was_told),
		cmocka_unit_test(a_handle_is_used_again_while_its_end_is_told),
		cmocka_unit_test(full_memory_is_reported),
		cmocka_unit_test(a_size_that_no_device_takes_is_reported),
		cmocka_unit_test(a_wrong_call_is_not_a_failure),
		cmocka_unit_test(an_image_that_does_not_fit_is_reported_with_its_elements),
	};

	(void)argc;
	return fixture_main("opencl-memory", tests, sizeof tests / sizeof *tests, argv);
}
