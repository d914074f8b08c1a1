/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels: what they are given comes to the device that they run on, with their names as tags. */
#include "fake_commands.h"

#include <pthread.h>
#include <stdlib.h>

static cl_context context;
static cl_command_queue on[2];

static void begin(void)
{
	fake.device_count = 2;
	fake_load_commands();
	context = fake_context(2);
	on[0] = fake_queue(context, 0);
	on[1] = fake_queue(context, 1);
}

TEST(a_launch_brings_the_arguments_and_names_them)
{
	cl_mem memory, other, image;
	cl_kernel kernel;

	begin();
	memory = fake_buffer(context, 1000);
	image = cl->clCreateImage2D(context, 0, NULL, 10, 10, 0, NULL, NULL);
	other = fake_buffer(context, 10);
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, memory);
	fake_argument(kernel, 3, image);
	same(seen_bytes(UNPLACED), 1410);
	same(fake_launch(on[1], kernel), 0);
	same(seen_bytes(UNPLACED), 10);
	same(seen_bytes(1), 1400);
	holds(seen_tag("clCreateImage2D", "matmul"));
	cl->clReleaseMemObject(other);
	holds(seen_tag("clCreateBuffer", "matmul"));
	cl->clReleaseMemObject(memory);
	cl->clReleaseMemObject(image);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

/* The first kernel's name stays; the program's own tag is not touched. */
TEST(what_has_a_tag_keeps_it)
{
	cl_mem memory, tagged;
	cl_kernel first, second;

	begin();
	memory = fake_buffer(context, 1000);
	mt_tag_push("model");
	tagged = cl->clCreateBufferWithProperties(context, NULL, 0, 500, NULL, NULL);
	first = fake_kernel("first");
	fake_argument(first, 0, memory);
	fake_argument(first, 1, tagged);
	second = fake_kernel("second");
	fake_argument(second, 0, memory);
	fake_write(on[0], memory); /* a command without a name */
	mt_tag_pop();
	same(fake_launch(on[1], first), 0);
	same(fake_launch(on[0], second), 0);
	holds(seen_tag("clCreateBuffer", "first"));
	holds(seen_tag("clCreateBufferWithProperties", "model"));
	same(seen_bytes(0), 1000);
	same(seen_bytes(1), 500);
}

TEST(on_one_device_it_gets_a_tag_too)
{
	cl_context one;
	cl_kernel kernel;

	begin();
	one = fake_context(1);
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, fake_buffer(one, 1000));
	holds(seen_tag("clCreateBuffer", ""));
	same(fake_launch(fake_queue(one, 0), kernel), 0);
	holds(seen_tag("clCreateBuffer", "matmul"));
	same(seen_bytes(0), 1000);
	expect_no_faults();
}

TEST(the_tag_of_the_thread_is_left_alone)
{
	cl_kernel kernel;
	mt_tag tag;

	begin();
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	tag = mt_tag_push("model");
	same(fake_launch(on[0], kernel), 0);
	same(mt_tag_swap(0), tag);
	holds(seen_tag("clCreateBuffer", "matmul"));
}

/* A kernel is asked for its name once, and a launch with the same arguments asks nothing. */
TEST(launched_again_it_is_quick)
{
	cl_mem memory;
	cl_kernel kernel;
	uint64_t asked, queues;

	begin();
	memory = fake_buffer(context, 1000);
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, memory);
	asked = fake_did.asked_of_kernels;
	same(fake_launch(on[0], kernel), 0);
	queues = fake_did.asked_of_queues;
	for (int i = 0; i < 100; i++) {
		fake_argument(kernel, 0, memory);
		same(fake_launch(on[0], kernel), 0);
	}
	same(fake_did.asked_of_kernels, asked);
	same(fake_did.asked_of_queues, queues);
	same(seen_buffers(NULL), 1);
	/* Another argument, and another device, are seen nevertheless. */
	fake_argument(kernel, 0, fake_buffer(context, 300));
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(0), 1300);
	same(fake_launch(on[1], kernel), 0);
	same(seen_of_class(1, CLASS_VIEW), 300);
	expect_no_faults();
}

TEST(an_argument_taken_away_is_not_used)
{
	const cl_mem none = NULL;
	const cl_ulong eight_bytes = 5;
	cl_kernel kernel;

	begin();
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	fake_argument(kernel, 1, fake_buffer(context, 100));
	fake_argument(kernel, 2, fake_buffer(context, 10));
	same(cl->clSetKernelArg(kernel, 0, sizeof none, &none), 0);
	same(cl->clSetKernelArg(kernel, 1, sizeof eight_bytes, &eight_bytes), 0);
	same(cl->clSetKernelArg(kernel, 2, sizeof(cl_mem), NULL), 0);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(UNPLACED), 1110);
	/* What the driver did not take is not the kernel's. */
	fake_argument(kernel, 0, fake_buffer(context, 1));
	fake_did.refuse = CL_INVALID_ARG_VALUE;
	same(cl->clSetKernelArg(kernel, 0, sizeof none, &none), CL_INVALID_ARG_VALUE);
	same(cl->clSetKernelArg(kernel, 7, sizeof none, &none), CL_INVALID_ARG_INDEX);
	fake_did.refuse = 0;
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(0), 1);
}

/* The object is gone, and its handle is another's that the kernel was never given. */
TEST(an_argument_is_that_object_and_no_other)
{
	cl_mem memory;
	cl_kernel kernel;

	fake.reuses = true;
	begin();
	memory = fake_buffer(context, 1000);
	kernel = fake_kernel("matmul");
	fake_argument(kernel, 0, memory);
	cl->clReleaseMemObject(memory);
	same(fake_buffer(context, 500), memory);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(UNPLACED), 500);
	holds(seen_tag("clCreateBuffer", ""));
	fake_argument(kernel, 0, memory);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(0), 500);
	expect_no_faults();
}

TEST(a_kernel_is_that_kernel_and_no_other)
{
	cl_mem memory;
	cl_kernel kernel, other, in_program;

	begin();
	memory = fake_buffer(context, 1000);
	kernel = fake_kernel("first");
	fake_argument(kernel, 0, memory);
	cl->clRetainKernel(kernel);
	cl->clReleaseKernel(kernel);
	cl->clReleaseKernel(kernel);
	other = fake_kernel("second");
	same(other, kernel);
	same(fake_launch(on[0], other), 0);
	same(seen_bytes(UNPLACED), 1000);
	fake_argument(other, 0, memory);
	cl->clReleaseKernel(other);
	same(cl->clCreateKernelsInProgram(NULL, 1, &in_program, NULL), 0);
	same(in_program, kernel);
	same(fake_launch(on[0], in_program), 0);
	same(seen_bytes(UNPLACED), 1000);
	fake_argument(in_program, 0, memory);
	same(fake_launch(on[0], in_program), 0);
	holds(seen_tag("clCreateBuffer", "only"));
}

/* A command that still runs has references too, which end unseen. */
TEST(a_new_kernel_has_no_arguments_of_an_old_one)
{
	cl_kernel kernel;

	begin();
	kernel = fake_kernel("first");
	fake_table()->clRetainKernel(kernel);
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	fake_table()->clReleaseKernel(kernel);
	cl->clReleaseKernel(kernel);
	same(fake_kernel("second"), kernel);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(UNPLACED), 1000);
}

TEST(a_retained_kernel_keeps_its_arguments)
{
	cl_kernel kernel;

	begin();
	kernel = fake_kernel("first");
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	cl->clRetainKernel(kernel);
	cl->clReleaseKernel(kernel);
	same(cl->clEnqueueTask(on[1], kernel, 0, NULL, NULL), 0);
	same(seen_bytes(1), 1000);
}

TEST(a_clone_has_the_arguments_and_then_its_own)
{
	cl_kernel kernel, clone;

	begin();
	kernel = fake_kernel("first");
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	clone = cl->clCloneKernel(kernel, NULL);
	fake_argument(kernel, 0, fake_buffer(context, 1));
	same(fake_launch(on[1], clone), 0);
	same(seen_bytes(1), 1000);
	same(seen_bytes(UNPLACED), 1);
}

TEST(a_refused_launch_brings_nothing)
{
	struct segment_view *view;
	cl_kernel kernel;

	begin();
	kernel = fake_kernel("first");
	fake_argument(kernel, 0, fake_buffer(context, 1000));
	fake_did.refuse = CL_INVALID_WORK_GROUP_SIZE;
	same(fake_launch(on[1], kernel), CL_INVALID_WORK_GROUP_SIZE);
	fake_did.refuse = CL_OUT_OF_RESOURCES;
	same(fake_launch(on[1], kernel), CL_OUT_OF_RESOURCES);
	same(seen_bytes(UNPLACED), 1000);
	view = outside();
	same(view->failure_count, 1);
	same(view->failures[0].bytes, 1000);
	segment_view_destroy(view);
	fake_did.refuse = 0;
	same(fake_launch(on[1], kernel), 0);
	same(seen_bytes(1), 1000);
}

TEST(a_launch_over_the_budget_fails)
{
	cl_kernel kernel;
	cl_mem memory;
	uint64_t calls;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin();
	memory = fake_buffer(context, 700);
	kernel = fake_kernel("first");
	fake_argument(kernel, 0, memory);
	fake_argument(kernel, 1, fake_buffer(context, 301));
	calls = fake_did.calls;
	same(fake_launch(on[1], kernel), CL_MEM_OBJECT_ALLOCATION_FAILURE);
	same(fake_did.calls, calls);
	same(seen_bytes(UNPLACED), 1001);
	fake_argument(kernel, 1, memory);
	same(fake_launch(on[1], kernel), 0);
	same(seen_bytes(1), 700);
}

/* --- threads ------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 300 };

static void *work(void *arg)
{
	cl_kernel kernel = arg;
	cl_command_queue queues[] = {fake_queue(context, 0), fake_queue(context, 1)};

	for (unsigned i = 0; i < ROUNDS; i++) {
		cl_mem memory = fake_buffer(context, 100);

		fake_argument(kernel, 0, memory);
		same(fake_launch(queues[i & 1], kernel), 0);
		same(fake_launch(queues[~i & 1], kernel), 0);
		cl->clReleaseMemObject(memory);
	}
	return NULL;
}

TEST(threads_with_kernels_of_their_own)
{
	pthread_t threads[THREADS];
	cl_kernel kernels[THREADS];

	begin();
	for (unsigned i = 0; i < THREADS; i++) {
		kernels[i] = fake_kernel("work");
		same(pthread_create(&threads[i], NULL, work, kernels[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	same(seen_buffers(NULL), 0);
	for (int i = UNPLACED; i < 2; i++)
		same(seen_bytes(i), 0);
	expect_no_faults();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_launch_brings_the_arguments_and_names_them),
		cmocka_unit_test(what_has_a_tag_keeps_it),
		cmocka_unit_test(on_one_device_it_gets_a_tag_too),
		cmocka_unit_test(the_tag_of_the_thread_is_left_alone),
		cmocka_unit_test(launched_again_it_is_quick),
		cmocka_unit_test(an_argument_taken_away_is_not_used),
		cmocka_unit_test(an_argument_is_that_object_and_no_other),
		cmocka_unit_test(a_kernel_is_that_kernel_and_no_other),
		cmocka_unit_test(a_new_kernel_has_no_arguments_of_an_old_one),
		cmocka_unit_test(a_retained_kernel_keeps_its_arguments),
		cmocka_unit_test(a_clone_has_the_arguments_and_then_its_own),
		cmocka_unit_test(a_refused_launch_brings_nothing),
		cmocka_unit_test(a_launch_over_the_budget_fails),
		cmocka_unit_test(threads_with_kernels_of_their_own),
	};

	(void)argc;
	return fixture_main("opencl-kernels", tests, sizeof tests / sizeof *tests, argv);
}
