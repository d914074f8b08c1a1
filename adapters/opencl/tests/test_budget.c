/* SPDX-License-Identifier: Apache-2.0 */
/* MESHTALLY_OPENCL_DEVICE_MEMORY: devices that are smaller than they are. */
#include "fake_driver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void load_with(const char *budget)
{
	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", budget, 1);
	fake_load();
}

static cl_mem refused(cl_context context, size_t bytes)
{
	uint64_t calls = fake.calls;
	cl_int error = 0;

	holds(!cl->clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &error));
	same(error, CL_MEM_OBJECT_ALLOCATION_FAILURE);
	same(fake.calls, calls); /* the driver was not asked */
	return NULL;
}

/* Says that it failed, with this much asked for and this much free. */
static void failure(uint32_t number, uint64_t bytes, uint64_t left, const char *reason)
{
	struct segment_view *view = outside();

	same(view->failure_count, number);
	same(view->failures[number - 1].bytes, bytes);
	same(view->failures[number - 1].free_span, left);
	holds(strstr(view->failures[number - 1].reason, reason));
	segment_view_destroy(view);
}

TEST(more_than_the_budget_fails_as_on_a_full_device)
{
	cl_context context;
	cl_mem memory;

	load_with("1000");
	context = fake_context(1);
	memory = fake_buffer(context, 600);
	fake_buffer(context, 400);
	refused(context, 1);
	failure(1, 1, 0, "MESHTALLY_OPENCL_DEVICE_MEMORY=1000");
	cl->clReleaseMemObject(memory);
	refused(context, 601);
	failure(2, 601, 600, "clCreateBuffer");
	fake_buffer(context, 600);
	same(seen_bytes(0), 1000);
	same(fake.devices[0].held, 1000);
}

/* Each device has its own, in all contexts together. */
TEST(the_budget_is_of_a_device)
{
	cl_context first, second, both;
	cl_device_id other;

	fake.device_count = 2;
	load_with("1000");
	first = fake_context(1);
	other = fake_id(1);
	second = cl->clCreateContext(NULL, 1, &other, NULL, NULL, NULL);
	fake_buffer(first, 1000);
	fake_buffer(second, 400);
	refused(fake_context(1), 1);
	/* With several devices it fails where it fits on none. */
	both = fake_context(2);
	fake_buffer(both, 600);
	refused(both, 601);
	failure(2, 601, 600, "clCreateBuffer");
	same(seen_bytes(UNPLACED), 600);
}

TEST(views_and_imports_take_nothing_of_it)
{
	const cl_buffer_region region = {0, 1000};
	static char host[5000];
	cl_context context;
	cl_mem memory;

	load_with("1000");
	context = fake_context(1);
	memory = fake_buffer(context, 1000);
	holds(cl->clCreateSubBuffer(memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, NULL));
	holds(cl->clCreateBuffer(context, CL_MEM_USE_HOST_PTR, sizeof host, host, NULL));
	holds(cl->clCreateFromGLBuffer(context, 0, 5000, NULL));
	refused(context, 1);
}

/* The elements have room, and so it is made; that the driver took more is known only then. */
TEST(an_image_takes_what_the_driver_made_of_it)
{
	const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
	const cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 100, .image_height = 10};
	cl_context context;
	cl_mem image;

	load_with("9000");
	context = fake_context(1);
	image = cl->clCreateImage(context, 0, &format, &desc, NULL, NULL);
	holds(image);
	refused(context, 9000 - 4000 - 4096 + 1);
	cl->clReleaseMemObject(fake_buffer(context, 9000 - 4000 - 4096));
	cl->clReleaseMemObject(image);
	fake_buffer(context, 9000);
}

TEST(what_the_driver_refuses_is_given_back)
{
	cl_context context;

	load_with("1000");
	context = fake_context(1);
	fake.refuse = CL_OUT_OF_RESOURCES;
	holds(!cl->clCreateBuffer(context, 0, 700, NULL, NULL));
	failure(1, 700, 1000, "CL_OUT_OF_RESOURCES");
	fake.refuse = 0;
	fake_buffer(context, 1000);
}

static void bad_value(const char *text)
{
	cl_context context;

	load_with(text);
	context = fake_context(1);
	refused(context, 1);
	failure(1, 1, 0, "MESHTALLY_OPENCL_DEVICE_MEMORY is not a number of bytes");
}

/* Whoever asks for a limit gets one, or hears of it: by a failure that says why. */
TEST(a_bad_value)
{
	bad_value("1G");
}

TEST(a_negative_value)
{
	bad_value("-1");
}

TEST(a_value_too_large)
{
	bad_value("99999999999999999999");
}

TEST(no_value_is_no_budget)
{
	load_with("");
	fake_buffer(fake_context(1), 1 << 28);
}

TEST(nor_is_zero)
{
	load_with("0");
	fake_buffer(fake_context(1), 1 << 28);
}

/* --- threads ------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 2000 };

static void *allocate_and_free(void *arg)
{
	cl_context context = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		cl_mem memory = cl->clCreateBuffer(context, 0, 300, NULL, NULL);

		if (memory)
			cl->clReleaseMemObject(memory);
	}
	return NULL;
}

TEST(threads_together_stay_within_it)
{
	struct segment_view *view;
	cl_context context;
	pthread_t threads[THREADS];

	load_with("600");
	context = fake_context(1);
	for (unsigned i = 0; i < THREADS; i++)
		same(pthread_create(&threads[i], NULL, allocate_and_free, context), 0);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	same(seen_bytes(0), 0);
	view = outside();
	for (uint32_t i = 0; i < view->kind_count * view->device_count; i++)
		holds(view->figures[i].peak <= 600);
	segment_view_destroy(view);
	fake_buffer(context, 600);
	refused(context, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_the_budget_fails_as_on_a_full_device),
		cmocka_unit_test(the_budget_is_of_a_device),
		cmocka_unit_test(views_and_imports_take_nothing_of_it),
		cmocka_unit_test(an_image_takes_what_the_driver_made_of_it),
		cmocka_unit_test(what_the_driver_refuses_is_given_back),
		cmocka_unit_test(a_bad_value),
		cmocka_unit_test(a_negative_value),
		cmocka_unit_test(a_value_too_large),
		cmocka_unit_test(no_value_is_no_budget),
		cmocka_unit_test(nor_is_zero),
		cmocka_unit_test(threads_together_stay_within_it),
	};

	(void)argc;
	return fixture_main("opencl-budget", tests, sizeof tests / sizeof *tests, argv);
}
