/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and forks. */
#include "fake_driver.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 8, ROUNDS = 3000, KEPT = 16 };

static cl_context shared_context;
static cl_mem kept[THREADS][KEPT];

/* Buffers, sub-buffers, images, contexts, in an order of its own; keeps some at the end. */
static void *come_and_go(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg, seed = thread * 2654435761u + 1;

	for (unsigned i = 0; i < ROUNDS; i++) {
		const cl_buffer_region region = {0, 8};
		cl_mem *memory = &kept[thread][(seed >> 8) % KEPT];
		cl_mem sub;

		seed = seed * 1664525u + 1013904223u;
		if (*memory) {
			cl->clReleaseMemObject(*memory);
			*memory = NULL;
			continue;
		}
		*memory = cl->clCreateBuffer(shared_context, 0, 1 + thread * 1000 + i, NULL, NULL);
		sub = cl->clCreateSubBuffer(*memory, 0, CL_BUFFER_CREATE_TYPE_REGION, &region,
		                            NULL);
		if (seed & 1 << 20) {
			cl->clRetainMemObject(*memory);
			cl->clReleaseMemObject(*memory);
		}
		cl->clReleaseMemObject(sub);
		if (i % 64 == 0) {
			cl_context own = fake_context(1 + i % 2);
			cl_mem mine = fake_buffer(own, 50);

			cl->clReleaseContext(own);
			cl->clReleaseMemObject(mine);
		}
	}
	return NULL;
}

static void start(pthread_t *threads, void *(*body)(void *))
{
	for (uintptr_t i = 0; i < THREADS; i++)
		same(pthread_create(&threads[i], NULL, body, (void *)i), 0);
}

static void many_threads(void)
{
	pthread_t threads[THREADS];
	uint64_t bytes = 0;

	fake.device_count = 2;
	fake_load();
	shared_context = fake_context(1);
	start(threads, come_and_go);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		for (unsigned k = 0; k < KEPT; k++) {
			size_t size = 0;

			if (kept[i][k])
				cl->clGetMemObjectInfo(kept[i][k], CL_MEM_SIZE, sizeof size, &size,
				                       NULL);
			bytes += size;
		}
	}
	holds(bytes);
	same(seen_bytes(0), bytes);
	same(seen_buffers(NULL), fake.objects);
	same(seen_spaces(), 1);
	expect_no_faults();
}

TEST(threads_make_no_mistakes)
{
	many_threads();
	same(seen_bytes(0), fake.devices[0].held);
}

TEST(nor_where_references_are_counted)
{
	fake.no_memory_callbacks = fake.no_context_callbacks = true;
	many_threads();
}

/* --- fork ---------------------------------------------------------------------------------- */

struct inherited {
	cl_context context;
	cl_mem memory;
};

static void child(void *arg)
{
	const struct inherited *inherited = arg;
	unsigned segments = segment_count();
	cl_context own;
	cl_mem memory;

	/* What is the parent's passes through, and is no fault. */
	cl->clRetainMemObject(inherited->memory);
	cl->clReleaseMemObject(inherited->memory);
	cl->clReleaseMemObject(inherited->memory);
	same(segment_count(), segments);
	own = fake_context(1);
	memory = fake_buffer(own, 70);
	same(segment_count(), segments + 1);
	same(seen_bytes(0), 70);
	cl->clReleaseMemObject(memory);
	fake_buffer(inherited->context, 8);
	same(seen_bytes(0), 8);
	expect_no_faults();
}

TEST(a_forked_child_has_its_own)
{
	struct inherited inherited;

	fake_load();
	inherited.context = fake_context(1);
	inherited.memory = fake_buffer(inherited.context, 1000);
	in_child(child, &inherited);
	in_child(child, &inherited);
	same(seen_bytes(0), 1000);
	fake_buffer(inherited.context, 1);
	same(seen_bytes(0), 1001);
	cl->clReleaseMemObject(inherited.memory);
	same(seen_bytes(0), 1);
	expect_no_faults();
}

static void child_of_the_second_generation(void *arg)
{
	const struct inherited *inherited = arg;
	struct inherited own;

	own.context = fake_context(1);
	own.memory = fake_buffer(own.context, 10);
	same(seen_bytes(0), 10);
	in_child(child, &own);
	cl->clReleaseMemObject(own.memory);
	cl->clReleaseMemObject(inherited->memory);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

TEST(so_has_a_grandchild)
{
	struct inherited inherited;

	fake_load();
	inherited.context = fake_context(1);
	inherited.memory = fake_buffer(inherited.context, 1000);
	in_child(child_of_the_second_generation, &inherited);
	same(seen_bytes(0), 1000);
}

static bool enough;

static void *never_pause(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		cl->clReleaseMemObject(fake_buffer(shared_context, 10));
	return NULL;
}

static void child_beside_threads(void *arg)
{
	(void)arg;
	cl->clReleaseMemObject(fake_buffer(shared_context, 10));
	same(seen_bytes(0), 0);
	expect_no_faults();
}

/* Forked while other threads hold the lock and change tables: the child must not wait for them. */
TEST(forked_in_the_midst_of_things)
{
	pthread_t threads[THREADS];

	fake_load();
	shared_context = fake_context(1);
	start(threads, never_pause);
	for (unsigned i = 0; i < 60; i++) {
		in_child(child_beside_threads, NULL);
		sched_yield();
	}
	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	same(seen_bytes(0), 0);
	expect_no_faults();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_make_no_mistakes),
		cmocka_unit_test(nor_where_references_are_counted),
		cmocka_unit_test(a_forked_child_has_its_own),
		cmocka_unit_test(so_has_a_grandchild),
		cmocka_unit_test(forked_in_the_midst_of_things),
	};

	(void)argc;
	return fixture_main("opencl-process", tests, sizeof tests / sizeof *tests, argv);
}
