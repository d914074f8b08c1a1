/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations compute what the host computes, on every board; programs are cached, their kernels
 * lie at the top of DRAM, and circular buffers that would run into an L1 buffer are refused.
 */
#include "bfloat16.h"
#include "mesh_ops.h"
#include "program_cache.h"
#include "runtime_fixture.h"

static const int32_t order[] = {2, 0, 3, 1};

static float plus(uint64_t index, const void *arg)
{
	return (float)(index % 7) + *(const float *)arg;
}

static float twice_plus(uint64_t index, const void *arg)
{
	return 2 * plus(index, arg);
}

/* Every row of x is (i % 7 + c), y is a constant: dot products in closed form. */
static float row_sums(uint64_t index, const void *arg)
{
	uint64_t row = index / 16;
	float sum = 0;

	for (uint64_t k = 0; k < 8; k++)
		sum += plus(row * 8 + k, arg);
	return 2 * sum;
}

static float two(uint64_t index, const void *arg)
{
	(void)index;
	(void)arg;
	return 2;
}

static void test_bfloat16(void **state)
{
	(void)state;
	assert_int_equal(bfloat16_from_float(1.0f), 0x3f80);
	assert_int_equal(bfloat16_from_float(1.00390625f), 0x3f80);
	assert_int_equal(bfloat16_from_float(1.01171875f), 0x3f82);
	assert_true(bfloat16_to_float(0xc040) == -3.0f);
	assert_int_equal(bfloat16_from_float(__builtin_nanf("")) & 0x7fc0, 0x7fc0);
	assert_int_equal(bfloat16_from_float(__builtin_inff()), 0x7f80);
}

static void check_ops(const char *board)
{
	const struct machine_config config = {.board = board, .chips = 4};
	const uint32_t x_shape[4] = {2, 4, 4, 8}, y_shape[4] = {2, 4, 8, 16};
	struct mesh_tensor x, y, sum, product;
	struct fixture f;
	float one = 1, three = 3;

	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	assert_int_equal(mesh_tensor_create(f.mesh, x_shape, "x", &x), 0);
	assert_int_equal(mesh_tensor_create(f.mesh, y_shape, "y", &y), 0);
	assert_int_equal(mesh_tensor_fill(&x, plus, &one), 0);
	assert_int_equal(mesh_tensor_fill(&y, two, NULL), 0);
	assert_int_equal(mesh_op_add(&x, &x, &sum), 0);
	assert_int_equal(mesh_tensor_check(&sum, twice_plus, &one), 0);
	assert_int_equal(mesh_tensor_check(&sum, twice_plus, &three), -EILSEQ);
	assert_int_equal(mesh_op_matmul(&x, &y, &product), 0);
	assert_int_equal(mesh_tensor_check(&product, row_sums, &one), 0);
	assert_int_equal(mesh_op_add(&x, &y, &sum), -EINVAL);
	assert_int_equal(mesh_op_matmul(&x, &x, &sum), -EINVAL);
	mesh_tensor_destroy(&product);
	mesh_tensor_destroy(&sum);
	mesh_tensor_destroy(&y);
	mesh_tensor_destroy(&x);
	program_cache_clear(f.mesh);
	assert_int_equal(report_double_live(), 0);
	fixture_close(&f);
}

static void test_ops_on_every_board(void **state)
{
	(void)state;
	for (size_t i = 0; i < arch_count; i++)
		check_ops(arch_table[i].board);
}

static float own_index(uint64_t index, const void *arg)
{
	(void)arg;
	return (float)index;
}

/* Rows of the mesh take the first dimension, columns the second: 2x4 matrices, 2 on each device. */
static void test_sharding(void **state)
{
	static const float first[4] = {0, 64, 128, 192};
	const struct machine_config config = {.board = "n150", .chips = 4};
	const uint32_t shape[4] = {2, 4, 4, 8};
	struct mesh_tensor x;
	struct fixture f;

	(void)state;
	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	assert_int_equal(mesh_tensor_create(f.mesh, shape, "x", &x), 0);
	assert_int_equal(mesh_tensor_fill(&x, own_index, NULL), 0);
	for (uint32_t member = 0; member < 4; member++) {
		uint16_t values[64];

		assert_int_equal(mesh_buffer_read(x.buffer, member, 0, values, sizeof values), 0);
		for (size_t i = 0; i < 64; i++)
			assert_true(bfloat16_to_float(values[i]) == first[member] + (float)i);
	}
	mesh_tensor_destroy(&x);
	fixture_close(&f);
}

static void test_shape_must_divide(void **state)
{
	const uint32_t shape[4] = {2, 3, 4, 8};
	struct mesh_tensor x;
	struct fixture f;

	(void)state;
	fixture_open(&f, "both", true);
	assert_int_equal(mesh_tensor_create(f.mesh, shape, "x", &x), -EINVAL);
	fixture_close(&f);
}

static void test_program_cache(void **state)
{
	const struct program_spec add = {"add", 12288, 1, {4096}}, mul = {"mul", 24576, 1, {4096}};
	struct program *first, *again, *other;
	struct fixture f;

	(void)state;
	fixture_open(&f, "mesh", true);
	assert_int_equal(program_cache_get(f.mesh, &add, &first), 0);
	assert_int_equal(program_cache_get(f.mesh, &mul, &other), 0);
	assert_int_equal(program_cache_get(f.mesh, &add, &again), 0);
	assert_ptr_equal(first, again);
	assert_int_equal(report_double_count(REPORT_ALLOC), 2);
	assert_int_equal(report_double_get(REPORT_ALLOC, 0)->buffer.address, 0x3ffff800);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->buffer.address, 0x3ffff000);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->buffer.span, 2048);
	assert_int_equal(report_double_get(REPORT_ALLOC, 1)->buffer.flags, MT_CACHE);
	program_cache_clear(f.mesh);
	assert_int_equal(report_double_count(REPORT_FREE), 2);
	assert_int_equal(program_cache_get(f.mesh, &add, &first), 0);
	mesh_device_close(f.mesh);
	assert_int_equal(report_double_count(REPORT_FREE), 2);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	fixture_close(&f);
}

static void test_circular_buffers_clash(void **state)
{
	const struct program_spec big = {"big", 2048, 2, {1 << 20, 256 << 10}};
	struct buffer_spec spec = {.role = MEMORY_L1, .bytes = 64 * (200 << 10), .site = "l1"};
	struct program *program;
	struct mesh_buffer *l1;
	struct fixture f;

	(void)state;
	fixture_open(&f, "mesh", true);
	assert_int_equal(program_cache_get(f.mesh, &big, &program), 0);
	/* The double knows no programs: a missing one must be dispatched and refused all the same.
	 */
	assert_int_equal(program_dispatch(f.mesh, program), 0);
	assert_int_equal(report_double_count(REPORT_DISPATCH), 1);
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_REPLICATED, &spec, &l1), 0);
	assert_int_equal(program_dispatch(f.mesh, program), -ENOSPC);
	assert_int_equal(report_double_count(REPORT_CLASH), 1);
	assert_int_equal(report_double_get(REPORT_CLASH, 0)->cb_end, (104 << 10) + (1280 << 10));
	assert_int_equal(report_double_get(REPORT_CLASH, 0)->lowest, l1->backing.address);
	mesh_buffer_destroy(l1);
	assert_int_equal(program_dispatch(f.mesh, program), 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bfloat16),      cmocka_unit_test(test_ops_on_every_board),
		cmocka_unit_test(test_sharding),      cmocka_unit_test(test_shape_must_divide),
		cmocka_unit_test(test_program_cache), cmocka_unit_test(test_circular_buffers_clash),
	};

	return cmocka_run_group_tests_name("mesh operations", tests, NULL, NULL);
}
