/* SPDX-License-Identifier: Apache-2.0 */
/* Shared virtual memory. */
#include "fake_commands.h"

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

static char *svm(size_t bytes)
{
	char *pointer = cl->clSVMAlloc(context, CL_MEM_READ_WRITE, bytes, 0);

	holds(pointer);
	return pointer;
}

#define NUMBER(n) ((void *)(uintptr_t)(n))

TEST(it_is_placed_by_its_first_use_and_gone_with_its_free)
{
	char *pointer;

	begin();
	pointer = svm(1000);
	same(seen_bytes(UNPLACED), 1000);
	same(cl->clEnqueueSVMMap(on[1], CL_TRUE, CL_MAP_WRITE, pointer, 1000, 0, NULL, NULL), 0);
	same(seen_bytes(1), 1000);
	same(seen_on(1, "clSVMAlloc"), 1);
	cl->clSVMFree(context, pointer);
	cl->clSVMFree(context, NULL);
	same(seen_buffers(NULL), 0);
	same(fake_did.svm, 0);
	expect_no_faults();
}

/* Each with an address within an allocation. */
#define USES(name, ...)                                                                            \
	do {                                                                                       \
		char *p = svm(64);                                                                 \
		PASSES_ON(#name, cl->name, on[1], __VA_ARGS__);                                    \
		same(seen_bytes(1), 64);                                                           \
		cl->clSVMFree(context, p);                                                         \
	} while (0)

TEST(every_command_passes_its_arguments_on_and_brings_what_it_uses)
{
	begin();
	USES(clEnqueueSVMMemcpy, 1, p + 3, NUMBER(2), 3, 4, NUMBER(5), NUMBER(6));
	USES(clEnqueueSVMMemcpy, 1, NUMBER(2), p + 63, 3, 4, NUMBER(5), NUMBER(6));
	USES(clEnqueueSVMMemFill, p, NUMBER(1), 2, 3, 4, NUMBER(5), NUMBER(6));
	USES(clEnqueueSVMMap, 1, 2, p + 1, 3, 4, NUMBER(5), NUMBER(6));
	USES(clEnqueueSVMUnmap, p + 1, 2, NUMBER(3), NUMBER(4));
	const void *list[1];
	USES(clEnqueueSVMMigrateMem, 1, (list[0] = p + 1, list), NULL, 0, 4, NUMBER(5), NUMBER(6));
	expect_no_faults();
}

TEST(an_address_behind_an_allocation_is_not_of_it)
{
	char *pointer;

	begin();
	pointer = svm(64);
	cl->clEnqueueSVMUnmap(on[1], pointer + 64, 0, NULL, NULL);
	cl->clEnqueueSVMUnmap(on[1], pointer - 1, 0, NULL, NULL);
	same(seen_bytes(UNPLACED), 64);
	cl->clEnqueueSVMUnmap(on[1], pointer + 63, 0, NULL, NULL);
	same(seen_bytes(1), 64);
}

TEST(kernels_use_it_by_arguments_and_by_pointers)
{
	cl_kernel kernel;
	char *argument, *reached;
	const void *list[1];

	begin();
	argument = svm(1000);
	reached = svm(100);
	kernel = fake_kernel("matmul");
	same(cl->clSetKernelArgSVMPointer(kernel, 1, argument + 8), 0);
	list[0] = reached + 8;
	same(cl->clSetKernelExecInfo(kernel, CL_KERNEL_EXEC_INFO_SVM_PTRS, sizeof list, list), 0);
	same(fake_launch(on[1], kernel), 0);
	same(seen_bytes(1), 1100);
	/* The list is replaced, not added to; the arguments stay. */
	cl->clSVMFree(context, reached);
	list[0] = reached = svm(50);
	same(cl->clSetKernelExecInfo(kernel, CL_KERNEL_EXEC_INFO_SVM_PTRS, 0, list), 0);
	same(fake_launch(on[0], kernel), 0);
	same(seen_bytes(UNPLACED), 50);
	same(seen_of_class(0, CLASS_VIEW), 1000);
	cl->clSVMFree(context, reached);
	holds(seen_tag("clSVMAlloc", "matmul"));
	cl->clSVMFree(context, argument);
	same(seen_buffers(NULL), 0);
	expect_no_faults();
}

TEST(a_command_that_frees_it_does_so_when_it_runs)
{
	void *pointers[2];

	begin();
	pointers[0] = svm(1000);
	pointers[1] = svm(100);
	same(cl->clEnqueueSVMFree(on[0], 2, pointers, NULL, NULL, 0, NULL, NULL), 0);
	same(seen_bytes(UNPLACED), 1100);
	fake_svm_free_now();
	same(seen_buffers(NULL), 0);
	same(fake_did.svm, 0);
	expect_no_faults();
}

static void CL_CALLBACK frees_the_first(cl_command_queue queue, cl_uint count, void *pointers[],
                                        void *arg)
{
	same(count, 2);
	same(queue, on[0]);
	cl->clSVMFree(arg, pointers[0]);
}

/* The program's callback frees, or keeps. */
TEST(a_callback_of_the_program_frees_what_it_frees)
{
	void *pointers[2];

	begin();
	pointers[0] = svm(1000);
	pointers[1] = svm(100);
	same(cl->clEnqueueSVMFree(on[0], 2, pointers, frees_the_first, context, 0, NULL, NULL), 0);
	same(seen_bytes(UNPLACED), 1100);
	fake_svm_free_now();
	same(seen_bytes(UNPLACED), 100);
	same(fake_did.svm, 1);
	expect_no_faults();
}

static void failures(uint32_t count)
{
	struct segment_view *view = outside();

	same(view->failure_count, count);
	segment_view_destroy(view);
}

TEST(no_memory_is_a_failure_and_no_support_is_none)
{
	begin();
	fake_did.refuse = CL_OUT_OF_RESOURCES;
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 1000, 0));
	failures(1);
	fake_did.refuse = 0;
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 0, 0));
	fake_did.has_svm = false;
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 1000, 0));
	failures(1);
	same(seen_bytes(UNPLACED), 0);
}

/* What a device cannot do, or nobody may ask for, fails on an empty device too. */
TEST(a_wrong_call_is_no_failure)
{
	begin();
	fake_did.refuse = CL_INVALID_VALUE;
	holds(!cl->clSVMAlloc(context, CL_MEM_SVM_FINE_GRAIN_BUFFER, 1000, 0));
	holds(!cl->clSVMAlloc(context, CL_MEM_SVM_ATOMICS, 1000, 0));
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 1000, 24));
	fake_did.refuse = 0;
	svm(10);
	failures(0);
	fake_did.refuse = CL_OUT_OF_RESOURCES;
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 1000, 64));
	failures(1);
}

TEST(the_budget_is_asked)
{
	void *pointer;

	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "1000", 1);
	begin();
	holds(!cl->clSVMAlloc(context, CL_MEM_READ_WRITE, 1001, 0));
	failures(1);
	same(fake_did.svm, 0);
	pointer = svm(600);
	same(cl->clEnqueueSVMUnmap(on[1], pointer, 0, NULL, NULL), 0);
	same(cl->clEnqueueSVMUnmap(on[1], svm(600), 0, NULL, NULL),
	     CL_MEM_OBJECT_ALLOCATION_FAILURE);
	cl->clSVMFree(context, pointer);
	same(cl->clEnqueueSVMUnmap(on[1], svm(1000), 0, NULL, NULL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_placed_by_its_first_use_and_gone_with_its_free),
		cmocka_unit_test(every_command_passes_its_arguments_on_and_brings_what_it_uses),
		cmocka_unit_test(an_address_behind_an_allocation_is_not_of_it),
		cmocka_unit_test(kernels_use_it_by_arguments_and_by_pointers),
		cmocka_unit_test(a_command_that_frees_it_does_so_when_it_runs),
		cmocka_unit_test(a_callback_of_the_program_frees_what_it_frees),
		cmocka_unit_test(no_memory_is_a_failure_and_no_support_is_none),
		cmocka_unit_test(a_wrong_call_is_no_failure),
		cmocka_unit_test(the_budget_is_asked),
	};

	(void)argc;
	return fixture_main("opencl-svm", tests, sizeof tests / sizeof *tests, argv);
}
