/* SPDX-License-Identifier: Apache-2.0 */
/* How the layer comes into a program, and what it leaves alone there. */
#include "fake_commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ENTRIES = sizeof(cl_icd_dispatch) / sizeof(void *) };

TEST(it_says_who_it_is)
{
	pfn_clGetLayerInfo info = fake_layer_info();
	cl_layer_api_version version = 0;
	char name[32] = "";
	size_t size = 0;

	same(info(CL_LAYER_API_VERSION, sizeof version, &version, &size), CL_SUCCESS);
	same(version, CL_LAYER_API_VERSION_100);
	same(size, sizeof version);
	same(info(CL_LAYER_NAME, 0, NULL, &size), CL_SUCCESS);
	same(size, strlen("meshtally") + 1);
	same(info(CL_LAYER_NAME, sizeof name, name, NULL), CL_SUCCESS);
	same(strcmp(name, "meshtally"), 0);
	same(info(CL_LAYER_NAME, 3, name, NULL), CL_INVALID_VALUE);
	same(info(0, sizeof name, name, NULL), CL_INVALID_VALUE);
}

TEST(nothing_begins_before_the_first_allocation)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	context = fake_context(1);
	same(segment_count(), 0);
	same(fake.asked, 0);
	memory = fake_buffer(context, 1000);
	same(segment_count(), 1);
	same(seen_bytes(0), 1000);
	cl->clReleaseMemObject(memory);
	cl->clReleaseContext(context);
	same(fake.contexts, 0);
}

TEST(what_the_driver_lacks_stays_empty)
{
	fake_table()->clCreatePipe = NULL;
	fake_table()->clCreateImage3D = NULL;
	fake_load();
	holds(!cl->clCreatePipe);
	holds(!cl->clCreateImage3D);
	holds(cl->clCreateBuffer);
	holds(cl->clCreateBuffer != fake_table()->clCreateBuffer);
}

/* A loader of OpenCL 1.2: its table ends there. What is beyond must be neither read nor called. */
TEST(a_short_table)
{
	enum { SHORT = offsetof(cl_icd_dispatch, clCreateCommandQueueWithProperties) / 8 };
	void *shorter[SHORT];
	cl_context context;
	cl_mem memory;

	memcpy(shorter, fake_table(), sizeof shorter);
	same(fake_load_entries(SHORT, shorter), ENTRIES);
	holds(!cl->clCreatePipe);
	holds(!cl->clCreateBufferWithProperties);
	context = fake_context(1);
	memory = fake_buffer(context, 1000);
	same(seen_bytes(0), 1000);
	cl->clReleaseMemObject(memory);
	cl->clReleaseContext(context);
	same(seen_bytes(0), 0);
	same(seen_spaces(), 0); /* though there is nobody to tell the end of a context */
}

static cl_int CL_API_CALL of_tomorrow(void)
{
	return 17;
}

/* A loader that is newer than our header: its functions must go through. */
TEST(a_long_table)
{
	void *longer[ENTRIES + 3];
	cl_int(CL_API_CALL *const *last)(void);

	memcpy(longer, fake_table(), sizeof *fake_table());
	longer[ENTRIES] = longer[ENTRIES + 1] = NULL;
	longer[ENTRIES + 2] = (void *)of_tomorrow;
	same(fake_load_entries(ENTRIES + 3, longer), ENTRIES + 3);
	last = (cl_int(CL_API_CALL *const *)(void)) & ((void *const *)cl)[ENTRIES + 2];
	same((*last)(), 17);
}

/* Listed twice, the second one lies over the first: what passes both is counted once. */
TEST(loaded_twice)
{
	const cl_icd_dispatch *once;
	cl_context context;
	cl_mem memory;

	fake_load();
	once = cl;
	fake_load_entries(ENTRIES, once);
	holds(cl != once);
	context = fake_context(1);
	memory = fake_buffer(context, 1000);
	same(seen_bytes(0), 1000);
	same(seen_buffers(NULL), 1);
	cl->clReleaseMemObject(memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

TEST(off_it_only_passes_through)
{
	cl_context context;
	cl_mem memory;
	cl_int error = -1;

	mt_enable(0, NULL, NULL);
	setenv("MESHTALLY_OPENCL_DEVICE_MEMORY", "10", 1);
	fake_load();
	context = fake_context(1);
	memory = fake_buffer(context, 1000); /* no budget either */
	same(cl->clCreateBuffer(context, 0, 0, NULL, &error) == NULL, true);
	same(error, CL_INVALID_BUFFER_SIZE);
	cl->clReleaseMemObject(memory);
	cl->clReleaseContext(context);
	same(fake.asked, 0);
	same(fake.objects, 0);
	same(segment_count(), 0);
}

/* The one segment that goes on, of those of this process: what it holds, all in one buffer, and no
 * fault. */
static int look_at(const char *path, void *arg)
{
	uint64_t bytes = *(uint64_t *)arg, seen = 0;
	struct segment_reject reject;
	struct segment_view *view;

	same(segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject), 0);
	if (view->life == LIFE_ALIVE) {
		for (uint32_t i = 0; i < view->buffer_count; i++)
			seen += view->buffers[i].bytes;
		same(seen, bytes);
		same(view->buffer_count, bytes > 0);
		same(view->fault_total, 0);
		*(uint64_t *)arg = UINT64_MAX;
	}
	segment_view_destroy(view);
	return 0;
}

static void check_alive(uint64_t bytes)
{
	same(segment_dir_scan(fixture_dir, look_at, NULL, &bytes), 0);
	same(bytes, UINT64_MAX);
}

/* Turned on late, off and on again: what was made in other times is neither counted nor missed. */
TEST(on_late_and_on_again)
{
	cl_context context, before;
	cl_mem first, second, third, fourth;

	mt_enable(0, NULL, NULL);
	fake_load();
	before = fake_context(1);
	first = fake_buffer(before, 1);
	ok(mt_enable(1, NULL, NULL));
	second = fake_buffer(before, 20);
	context = fake_context(1);
	third = fake_buffer(context, 300);
	same(seen_bytes(0), 320);
	cl->clReleaseMemObject(first);
	same(seen_bytes(0), 320);
	mt_enable(0, NULL, NULL);
	cl->clReleaseMemObject(fake_buffer(context, 5));
	ok(mt_enable(1, NULL, NULL));
	fourth = fake_buffer(context, 4000);
	check_alive(4000);
	cl->clReleaseMemObject(second);
	cl->clReleaseMemObject(third);
	cl->clReleaseMemObject(fourth);
	cl->clReleaseContext(context);
	cl->clReleaseContext(before);
	check_alive(0);
	same(fake.objects, 0);
	same(fake.contexts, 0);
}

/* No hook was called while it was off: the tables are void all the same. */
TEST(off_and_on_again_between_two_calls)
{
	cl_command_queue on[2];
	cl_context context;
	cl_mem first, second;

	fake.device_count = 2;
	fake_load_commands();
	context = fake_context(2);
	on[0] = fake_queue(context, 0);
	on[1] = fake_queue(context, 1);
	first = fake_buffer(context, 1000);
	fake_write(on[0], first);
	mt_enable(0, NULL, NULL);
	ok(mt_enable(1, NULL, NULL));
	second = fake_buffer(context, 20);
	check_alive(20);
	fake_write(on[1], second);
	check_alive(20);
	mt_enable(0, NULL, NULL);
	ok(mt_enable(1, NULL, NULL));
	fake_write(on[0], second); /* would be shared with that device */
	cl->clReleaseMemObject(second);
	second = fake_buffer(context, 300);
	check_alive(300);
	cl->clReleaseMemObject(first);
	cl->clReleaseMemObject(second);
	cl->clReleaseContext(context);
	check_alive(0);
}

TEST(errno_is_left_alone)
{
	cl_context context;
	cl_mem memory;

	fake_load();
	errno = 77;
	context = fake_context(1);
	memory = cl->clCreateBuffer(context, 0, 1000, NULL, NULL);
	fake.refuse = CL_MEM_OBJECT_ALLOCATION_FAILURE;
	cl->clCreateBuffer(context, 0, 1000, NULL, NULL);
	cl->clReleaseMemObject(memory);
	cl->clReleaseContext(context);
	same(errno, 77);
}

/* A driver that is made of another one creates its parts by calls through the loader. */
TEST(what_a_driver_creates_for_itself_is_not_the_programs)
{
	const cl_image_format format = {CL_RGBA, CL_UNORM_INT8};
	const cl_image_desc desc = {
		.image_type = CL_MEM_OBJECT_IMAGE2D, .image_width = 16, .image_height = 16};
	cl_context context;
	cl_mem image;

	fake.nested = true;
	fake_load();
	context = fake_context(1);
	image = cl->clCreateImage(context, 0, &format, &desc, NULL, NULL);
	same(seen_bytes(0), 16 * 16 * 4 + 4096);
	same(seen_buffers(NULL), 1);
	same(fake.calls, 2);
	cl->clReleaseMemObject(image);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_who_it_is),
		cmocka_unit_test(nothing_begins_before_the_first_allocation),
		cmocka_unit_test(what_the_driver_lacks_stays_empty),
		cmocka_unit_test(a_short_table),
		cmocka_unit_test(a_long_table),
		cmocka_unit_test(loaded_twice),
		cmocka_unit_test(off_it_only_passes_through),
		cmocka_unit_test(on_late_and_on_again),
		cmocka_unit_test(off_and_on_again_between_two_calls),
		cmocka_unit_test(errno_is_left_alone),
		cmocka_unit_test(what_a_driver_creates_for_itself_is_not_the_programs),
	};

	(void)argc;
	return fixture_main("opencl-load", tests, sizeof tests / sizeof *tests, argv);
}
