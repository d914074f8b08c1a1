/* SPDX-License-Identifier: Apache-2.0 */
/* Which frees would have been enough. Checked against trying out every run of buffers. */
#include "advice.h"
#include "cmocka_all.h"
#include "memory.h"
#include "view_build.h"

#include <stdlib.h>

static struct built_view *built;

static void put(struct view_failure_buffer *buffer, uint64_t address, uint64_t span,
                uint8_t class_then)
{
	*buffer =
		(struct view_failure_buffer){.address = address, .span = span, .bytes = span * 12};
	buffer->tag = buffer->site = "";
	buffer->class_then = class_then;
}

/* Every run of neighbours; the fewest bytes that do. UINT64_MAX: none. */
static uint64_t try_all(const struct view_failure *failure, uint64_t end)
{
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < failure->buffer_count; i++) {
		const struct view_failure_buffer *b = failure->buffers;
		uint64_t start = i == 0 ? 0 : b[i - 1].address + b[i - 1].span, span = 0;

		for (uint32_t j = i; j < failure->buffer_count; j++) {
			uint64_t stop = j + 1 < failure->buffer_count ? b[j + 1].address : end;

			if (b[j].class_then == CLASS_SYSTEM)
				break;
			span += b[j].span;
			if (stop - start >= failure->span && span < best)
				best = span;
		}
	}
	return best;
}

static void fewest_bytes(void **state)
{
	(void)state;
	srand(7);
	for (int round = 0; round < 3000; round++) {
		struct view_failure_buffer buffers[24];
		struct view_failure failure = {.buffers = buffers, .kind = MT_DRAM};
		struct advice advice;
		uint64_t address = 0, best;

		for (int i = 0; i < 24 && address < (1u << 30) - 4096; i++) {
			address += (uint64_t)(rand() % 3) * (1u << 20);
			put(&buffers[i], address, (uint64_t)(1 + rand() % 64) << 20,
			    rand() % 8 == 0 ? CLASS_SYSTEM : CLASS_USER);
			if (address + buffers[i].span > 1u << 30)
				break;
			address += buffers[i].span;
			failure.buffer_count = failure.buffers_total = (uint32_t)i + 1;
		}
		failure.span = (uint64_t)(1 + rand() % 300) << 20;
		best = try_all(&failure, 1u << 30);
		advice_make(&advice, &built->view, &failure);
		assert_true(advice.complete);
		assert_int_equal(advice.known, best != UINT64_MAX);
		if (advice.known) {
			assert_int_equal(advice.span, best);
			assert_true(advice.hole >= failure.span);
		}
		advice_finish(&advice);
	}
}

/* When not all were kept, gaps are not known to be free. */
static void only_the_largest(void **state)
{
	struct view_failure_buffer buffers[3];
	struct view_failure failure = {.buffers = buffers, .buffer_count = 3, .buffers_total = 900};
	struct advice advice;

	(void)state;
	put(&buffers[0], 5000, 1000, CLASS_USER);
	put(&buffers[1], 0, 1000, CLASS_USER);
	put(&buffers[2], 1000, 1000, CLASS_USER);
	failure.span = 1500;
	advice_make(&advice, &built->view, &failure);
	assert_true(advice.known);
	assert_false(advice.complete);
	assert_int_equal(advice.count, 2);
	advice_finish(&advice);
	failure.span = 2500;
	advice_make(&advice, &built->view, &failure);
	assert_false(advice.known);
	advice_finish(&advice);
}

static void nothing_there(void **state)
{
	struct view_failure failure = {.span = 10, .space = UINT32_MAX};
	struct advice advice;

	(void)state;
	advice_make(&advice, &built->view, &failure);
	assert_false(advice.known);
	advice_finish(&advice);
}

/* Where some lie is not known: nothing is said of holes. */
static void no_advice_without_addresses(void **state)
{
	struct view_failure_buffer buffers[3];
	struct view_failure failure = {.buffers = buffers,
	                               .kind = MT_DRAM,
	                               .span = 1 << 20,
	                               .buffer_count = 3,
	                               .buffers_total = 3};
	struct advice advice;

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		put(&buffers[i], i << 21, 1 << 21, CLASS_USER);
	advice_make(&advice, &built->view, &failure);
	assert_true(advice.placed);
	assert_true(advice.known);
	advice_finish(&advice);
	buffers[1].address = SEGMENT_NO_ADDRESS;
	advice_make(&advice, &built->view, &failure);
	assert_false(advice.placed);
	assert_false(advice.known);
	assert_int_equal(advice.count, 0);
	advice_finish(&advice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fewest_bytes),
		cmocka_unit_test(only_the_largest),
		cmocka_unit_test(nothing_there),
		cmocka_unit_test(no_advice_without_addresses),
	};
	int failed;

	built = build_view(1, LIFE_ALIVE);
	build_device_space(built, build_device(built, 1, 0, ""));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	build_free(built);
	return failed;
}
