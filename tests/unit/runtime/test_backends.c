/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Back ends: what one stores it gives back, on each chip its own; the operations on OpenCL devices
 * are those of the host to the bit; a mesh on OpenCL devices is the mesh on the host; what fails
 * leaves nothing behind and says what to do. Of OpenCL, with PoCL; skipped where there is none.
 */
#include "bfloat16.h"
#include "mesh_ops.h"
#include "program_cache.h"
#include "runtime_fixture.h"

#include <unistd.h>

/* Asked by the leak sanitizer: what PoCL and its compiler keep until the process ends is theirs. */
__attribute__((visibility("default"), used)) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpocl\nleak:libLLVM\n";
}

enum { CHIPS = 4, KIB = 1024, MIB = KIB * KIB };

/* As the runtime asks: physical memories, with nothing carved yet. */
static void n150_memories(struct mt_memory memories[MEMORY_ROLES])
{
	const struct arch *arch = arch_find("n150");

	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		const struct arch_memory *row = &arch->memories[role];

		memories[role] =
			(struct mt_memory){0, row->banks, row->base, row->bank_bytes, row->align};
	}
}

static void skip_without(const struct backend *backend)
{
	if (backend == &opencl_backend && access("/etc/OpenCL/vendors/pocl.icd", R_OK) != 0) {
		print_message("PoCL is not installed\n");
		skip();
	}
}

static void *open_state(const struct backend *backend, struct mt_memory memories[MEMORY_ROLES])
{
	struct backend_problem problem = {""};
	void *state = NULL;

	skip_without(backend);
	if (backend->open(CHIPS, memories, &problem, &state) != 0)
		fail_msg("%s", problem.text);
	return state;
}

/* --- memory ------------------------------------------------------------------------------ */

static unsigned char pattern(uint32_t chip, uint64_t at)
{
	return (unsigned char)(chip * 61 + at * 7 + at / 251);
}

static void test_contents(const struct backend *backend)
{
	static const uint64_t positions[] = {0, 24 * KIB, 60 * (uint64_t)MIB};
	struct mt_memory memories[MEMORY_ROLES];
	void *state, *ranges[CHIPS][3];
	unsigned char bytes[24 * KIB];

	n150_memories(memories);
	state = open_state(backend, memories);
	for (uint32_t chip = 0; chip < CHIPS; chip++) {
		for (size_t i = 0; i < 3; i++) {
			assert_int_equal(backend->range_open(state, chip, positions[i],
			                                     sizeof bytes, &ranges[chip][i]),
			                 0);
			for (size_t at = 0; at < sizeof bytes; at++)
				bytes[at] = pattern(chip, positions[i] + at);
			assert_int_equal(backend->write(ranges[chip][i], 0, bytes, sizeof bytes),
			                 0);
		}
	}
	for (uint32_t chip = 0; chip < CHIPS; chip++) {
		void *both;

		/* One range over two neighbours sees what was written through each. */
		assert_int_equal(backend->range_open(state, chip, 0, 48 * KIB, &both), 0);
		assert_int_equal(backend->read(both, 12 * KIB, bytes, sizeof bytes), 0);
		for (size_t at = 0; at < sizeof bytes; at++)
			assert_int_equal(bytes[at], pattern(chip, 12 * KIB + at));
		assert_int_equal(backend->read(ranges[chip][2], 5, bytes, 100), 0);
		for (size_t at = 0; at < 100; at++)
			assert_int_equal(bytes[at], pattern(chip, positions[2] + 5 + at));
		backend->range_close(both);
		for (size_t i = 0; i < 3; i++)
			backend->range_close(ranges[chip][i]);
	}
	backend->close(state);
}

static void test_host_contents(void **state)
{
	(void)state;
	test_contents(&host_backend);
}

static void test_opencl_contents(void **state)
{
	(void)state;
	test_contents(&opencl_backend);
}

/* What it says to have is there, to the last byte, and not one more. */
static void test_capacity(const struct backend *backend)
{
	struct mt_memory memories[MEMORY_ROLES], asked[MEMORY_ROLES];
	uint64_t bytes = 0;
	void *state, *range = NULL;
	unsigned char byte = 77;

	n150_memories(asked);
	memcpy(memories, asked, sizeof memories);
	state = open_state(backend, memories);
	for (size_t role = 0; role < MEMORY_ROLES; role++) {
		assert_int_equal(memories[role].banks, asked[role].banks);
		assert_int_equal(memories[role].base, asked[role].base);
		assert_true(memories[role].align >= asked[role].align);
		bytes += memories[role].banks * memories[role].bank_bytes;
	}
	assert_int_equal(memories[MEMORY_L1].bank_bytes, asked[MEMORY_L1].bank_bytes);
	assert_in_range(memories[MEMORY_MAIN].bank_bytes, 64 * MIB / 12,
	                asked[MEMORY_MAIN].bank_bytes);
	for (uint32_t chip = 0; chip < CHIPS; chip++) {
		assert_int_equal(backend->range_open(state, chip, bytes - 4096, 4096, &range), 0);
		assert_int_equal(backend->write(range, 4095, &byte, 1), 0);
		byte = 0;
		assert_int_equal(backend->read(range, 4095, &byte, 1), 0);
		assert_int_equal(byte, 77);
		backend->range_close(range);
		assert_int_equal(backend->range_open(state, chip, bytes - 4096, 8192, &range),
		                 -ERANGE);
	}
	backend->close(state);
}

static void test_host_capacity(void **state)
{
	(void)state;
	test_capacity(&host_backend);
}

static void test_opencl_capacity(void **state)
{
	(void)state;
	test_capacity(&opencl_backend);
}

/* --- operations -------------------------------------------------------------------------- */

/* b has more values than a: their sum is taken of as many as a has. */
enum { ROWS = 17, INNER = 33, COLUMNS = 29, MATRICES = 5 };
enum { A_COUNT = MATRICES * ROWS * INNER, B_COUNT = MATRICES * INNER * COLUMNS };
enum { PRODUCT_COUNT = MATRICES * ROWS * COLUMNS };

/* Signs and bits as they come, exponents that make sums round: ties among them. */
static void fill_random(uint16_t *values, size_t count, uint32_t seed)
{
	for (size_t i = 0; i < count; i++) {
		seed = seed * 1664525 + 1013904223;
		values[i] = (uint16_t)((seed >> 16 & 0x807f) | (uint32_t)(120 + seed % 12) << 7);
	}
}

struct results {
	uint16_t sum[A_COUNT], product[PRODUCT_COUNT];
};

static void *range_with(const struct backend *backend, void *state, uint32_t chip,
                        uint64_t position, const uint16_t *values, size_t count)
{
	void *range = NULL;

	assert_int_equal(backend->range_open(state, chip, position, count * sizeof *values, &range),
	                 0);
	if (values)
		assert_int_equal(backend->write(range, 0, values, count * sizeof *values), 0);
	return range;
}

static void compute(const struct backend *backend, void *state, uint32_t chip,
                    const uint16_t *a_values, const uint16_t *b_values, struct results *ret_results)
{
	const struct matmul_shape shape = {ROWS, INNER, COLUMNS, MATRICES};
	void *a = range_with(backend, state, chip, 0, a_values, A_COUNT);
	void *b = range_with(backend, state, chip, 1 * MIB, b_values, B_COUNT);
	void *sum = range_with(backend, state, chip, 2 * MIB, NULL, A_COUNT);
	void *product = range_with(backend, state, chip, 3 * MIB, NULL, PRODUCT_COUNT);

	assert_int_equal(backend->add(a, b, sum, A_COUNT), 0);
	assert_int_equal(backend->matmul(a, b, product, &shape), 0);
	if (backend->finish)
		assert_int_equal(backend->finish(state), 0);
	assert_int_equal(backend->read(sum, 0, ret_results->sum, sizeof ret_results->sum), 0);
	assert_int_equal(
		backend->read(product, 0, ret_results->product, sizeof ret_results->product), 0);
	backend->range_close(product);
	backend->range_close(sum);
	backend->range_close(b);
	backend->range_close(a);
}

static void test_operations_are_the_hosts(void **unused)
{
	static uint16_t a[A_COUNT], b[B_COUNT];
	static struct results on_host, on_device;
	struct mt_memory memories[MEMORY_ROLES];
	void *host, *opencl;

	(void)unused;
	n150_memories(memories);
	host = open_state(&host_backend, memories);
	opencl = open_state(&opencl_backend, memories);
	for (uint32_t chip = 0; chip < CHIPS; chip++) {
		fill_random(a, A_COUNT, chip);
		fill_random(b, B_COUNT, chip + 100);
		/* Overflow to infinity, infinity and NaN. */
		a[0] = b[0] = 0x7f7f;
		a[1] = 0xff80;
		a[2] = 0x7fc1;
		compute(&host_backend, host, chip, a, b, &on_host);
		compute(&opencl_backend, opencl, chip, a, b, &on_device);
		assert_int_equal(on_host.sum[0], 0x7f80);
		assert_int_equal(on_host.sum[1], 0xff80);
		assert_memory_equal(on_host.sum, on_device.sum, sizeof on_host.sum);
		/* The first row is NaN all along: of which kind is the device's affair. */
		for (size_t i = 0; i < COLUMNS; i++) {
			assert_true((on_host.product[i] & 0x7fff) > 0x7f80);
			assert_true((on_device.product[i] & 0x7fff) > 0x7f80);
		}
		assert_memory_equal(on_host.product + COLUMNS, on_device.product + COLUMNS,
		                    sizeof on_host.product - COLUMNS * sizeof on_host.product[0]);
	}
	opencl_backend.close(opencl);
	host_backend.close(host);
}

/* --- meshes ------------------------------------------------------------------------------ */

static const int32_t order[CHIPS] = {2, 0, 3, 1};
static const uint32_t shape[4] = {2, 4, 16, 16};

static float own_index(uint64_t index, const void *arg)
{
	return (float)(index % 100) + *(const float *)arg;
}

static float twice(uint64_t index, const void *arg)
{
	return 2 * own_index(index, arg);
}

/* Bytes, span and what a chip has given after a story with all memories and a sub-mesh in it. */
struct seen {
	uint64_t bytes[32], spans[32], allocated[MEMORY_ROLES];
	size_t count;
};

static void see(struct seen *seen, const struct mesh_buffer *buffer)
{
	seen->bytes[seen->count] = buffer->backing.spec.bytes;
	seen->spans[seen->count++] = buffer->backing.span;
}

enum { NEIGHBOURS = 3, BUFFERS = NEIGHBOURS * MEMORY_ROLES };

static void fill_pattern(unsigned char bytes[10 * KIB], size_t buffer, uint32_t member)
{
	for (size_t at = 0; at < 10 * KIB; at++)
		bytes[at] = pattern(member, at + 1000 * buffer);
}

/* Neighbours in each memory, all live at once, each with contents of its own on each device. */
static void use_all_memories(struct fixture *f, struct seen *seen)
{
	unsigned char wanted[10 * KIB], found[10 * KIB];
	struct mesh_buffer *buffers[BUFFERS];

	for (size_t i = 0; i < BUFFERS; i++) {
		const struct buffer_spec spec = {.role = (enum memory_role)(i % MEMORY_ROLES),
		                                 .bytes = sizeof wanted,
		                                 .site = "memory"};

		assert_int_equal(mesh_buffer_create(f->mesh, MESH_REPLICATED, &spec, &buffers[i]),
		                 0);
		see(seen, buffers[i]);
	}
	for (size_t i = 0; i < BUFFERS * CHIPS; i++) {
		uint32_t member = (uint32_t)(i % CHIPS);

		fill_pattern(wanted, i / CHIPS, member);
		assert_int_equal(
			mesh_buffer_write(buffers[i / CHIPS], member, 0, wanted, sizeof wanted), 0);
	}
	for (size_t i = 0; i < BUFFERS * CHIPS; i++) {
		uint32_t member = (uint32_t)(i % CHIPS);

		fill_pattern(wanted, i / CHIPS, member);
		assert_int_equal(
			mesh_buffer_read(buffers[i / CHIPS], member, 0, found, sizeof found), 0);
		assert_memory_equal(found, wanted, sizeof found);
	}
	for (size_t i = 0; i < BUFFERS; i++)
		mesh_buffer_destroy(buffers[i]);
}

static void add_on(struct mesh_device *mesh, struct seen *seen)
{
	struct mesh_tensor x, sum;
	float one = 1;

	assert_int_equal(mesh_tensor_create(mesh, shape, "x", &x), 0);
	assert_int_equal(mesh_tensor_fill(&x, own_index, &one), 0);
	assert_int_equal(mesh_op_add(&x, &x, &sum), 0);
	assert_int_equal(mesh_tensor_check(&sum, twice, &one), 0);
	see(seen, sum.buffer);
	see(seen, mesh->programs->kernels);
	mesh_tensor_destroy(&sum);
	mesh_tensor_destroy(&x);
}

static void play(const struct backend *backend, struct seen *ret_seen)
{
	const struct machine_config config = {.board = "n150",
	                                      .chips = CHIPS,
	                                      .backend = backend,
	                                      .trace_bank_bytes = 1 * MIB,
	                                      .l1_small_bank_bytes = 32 * KIB,
	                                      .queue_bytes = 14753792,
	                                      .fabric_bytes = 22528};
	struct mesh_device *half;
	struct fixture f;

	memset(ret_seen, 0, sizeof *ret_seen);
	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	use_all_memories(&f, ret_seen);
	add_on(f.mesh, ret_seen);
	assert_int_equal(mesh_device_open_submesh(f.mesh, 0, 1, 2, 1, &half), 0);
	add_on(half, ret_seen);
	for (size_t role = 0; role < MEMORY_ROLES; role++)
		ret_seen->allocated[role] =
			fixture_stats(f.mesh, (enum memory_role)role).allocated_bytes;
	mesh_device_destroy(half);
	fixture_close(&f);
}

static void test_mesh_is_the_hosts(void **state)
{
	struct seen on_host, on_devices;

	(void)state;
	skip_without(&opencl_backend);
	play(&host_backend, &on_host);
	play(&opencl_backend, &on_devices);
	assert_int_equal(on_host.count, BUFFERS + 4);
	assert_memory_equal(&on_host, &on_devices, sizeof on_host);
}

/* --- what fails -------------------------------------------------------------------------- */

static void test_too_few_devices(void **unused)
{
	struct mt_memory memories[MEMORY_ROLES];
	struct backend_problem problem = {""};
	void *state = NULL;

	(void)unused;
	skip_without(&opencl_backend);
	n150_memories(memories);
	assert_int_equal(opencl_backend.open(1000, memories, &problem, &state), -ENODEV);
	assert_null(state);
	assert_non_null(strstr(problem.text, "1000 OpenCL devices"));
	assert_non_null(strstr(problem.text, "POCL_DEVICES=\"pthread pthread"));
	assert_non_null(strstr(problem.text, "..."));
}

static void test_too_little_memory(void **unused)
{
	struct mt_memory memories[MEMORY_ROLES];
	struct backend_problem problem = {""};
	void *state = NULL;

	(void)unused;
	skip_without(&opencl_backend);
	n150_memories(memories);
	memories[MEMORY_L1].bank_bytes = (uint64_t)1 << 45;
	assert_int_equal(opencl_backend.open(CHIPS, memories, &problem, &state), -ENOMEM);
	assert_null(state);
	assert_non_null(strstr(problem.text, "POCL_MEMORY_LIMIT"));
}

static int ranges_open, ranges_left;

static int counted_range_open(void *state, uint32_t chip, uint64_t position, uint64_t bytes,
                              void **ret_range)
{
	if (ranges_left-- == 0)
		return -ENOMEM;
	ranges_open++;
	return host_backend.range_open(state, chip, position, bytes, ret_range);
}

static void counted_range_close(void *range)
{
	if (range)
		ranges_open--;
}

static int broken_add(void *a, void *b, void *sum, uint64_t count)
{
	(void)a;
	(void)b;
	(void)sum;
	(void)count;
	return -EIO;
}

/* The host's, with ranges that are counted and come to an end. */
static struct backend frail_backend(void)
{
	struct backend frail = host_backend;

	frail.range_open = counted_range_open;
	frail.range_close = counted_range_close;
	frail.add = broken_add;
	ranges_open = 0;
	ranges_left = INT32_MAX;
	return frail;
}

static void test_refused_range_leaves_nothing(void **state)
{
	const struct buffer_spec spec = {.bytes = 4096, .site = "refused"};
	const struct backend frail = frail_backend();
	const struct machine_config config = {.board = "n150", .chips = CHIPS, .backend = &frail};
	struct mesh_buffer *buffer = NULL;
	struct device_buffer single;
	struct fixture f;

	(void)state;
	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	for (int had = 0; had < CHIPS; had++) {
		ranges_left = had;
		assert_int_equal(mesh_buffer_create(f.mesh, MESH_REPLICATED, &spec, &buffer),
		                 -ENOMEM);
		assert_int_equal(ranges_open, 0);
		assert_int_equal(report_double_live(), 0);
		assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	}
	ranges_left = CHIPS;
	assert_int_equal(mesh_buffer_create(f.mesh, MESH_REPLICATED, &spec, &buffer), 0);
	assert_int_equal(ranges_open, CHIPS);
	mesh_buffer_destroy(buffer);
	assert_int_equal(ranges_open, 0);
	ranges_left = 0;
	assert_int_equal(device_buffer_create(f.mesh->devices[0], &spec, &single), -ENOMEM);
	assert_int_equal(report_double_live(), 0);
	assert_int_equal(fixture_stats(f.mesh, MEMORY_MAIN).allocated_bytes, 0);
	fixture_close(&f);
}

/* Ranges end with what closes over them, and before the machine. */
static void test_ranges_end(void **state)
{
	const struct backend frail = frail_backend();
	const struct machine_config config = {.board = "n150",
	                                      .chips = CHIPS,
	                                      .backend = &frail,
	                                      .queue_bytes = 14753792,
	                                      .fabric_bytes = 22528};
	struct mesh_buffer *freed, *leaked;
	struct fixture f;

	(void)state;
	fixture_open_config(&f, "naive-owned", false, &config, 2, 2, order);
	assert_int_equal(ranges_open, CHIPS * DEVICE_QUEUE_BUFFERS + 1);
	freed = fixture_buffer(f.mesh, 4096);
	leaked = fixture_buffer(f.mesh, 4096);
	assert_int_equal(ranges_open, CHIPS * (DEVICE_QUEUE_BUFFERS + 2) + 1);
	assert_int_equal(mesh_buffer_deallocate(freed), 0);
	assert_int_equal(ranges_open, CHIPS * (DEVICE_QUEUE_BUFFERS + 1) + 1);
	mesh_device_release_queues(f.mesh);
	assert_int_equal(ranges_open, CHIPS + 1);
	mesh_device_close(f.mesh);
	assert_int_equal(ranges_open, 0);
	assert_int_equal(mesh_buffer_read(leaked, 0, 0, &(char){0}, 1), -EBADF);
	mesh_buffer_destroy(leaked);
	mesh_buffer_destroy(freed);
	fixture_close(&f);
}

static void test_failed_operation_leaves_nothing(void **state)
{
	const struct backend frail = frail_backend();
	const struct machine_config config = {.board = "n150", .chips = CHIPS, .backend = &frail};
	struct mesh_tensor x, sum = {.buffer = NULL};
	struct fixture f;

	(void)state;
	fixture_open_config(&f, "both", true, &config, 2, 2, order);
	assert_int_equal(mesh_tensor_create(f.mesh, shape, "x", &x), 0);
	assert_int_equal(mesh_op_add(&x, &x, &sum), -EIO);
	assert_null(sum.buffer);
	mesh_buffer_deallocate(x.buffer);
	assert_int_equal(mesh_op_add(&x, &x, &sum), -EBADF);
	mesh_tensor_destroy(&x);
	program_cache_clear(f.mesh);
	assert_int_equal(report_double_live(), 0);
	assert_int_equal(ranges_open, 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_contents),
		cmocka_unit_test(test_opencl_contents),
		cmocka_unit_test(test_host_capacity),
		cmocka_unit_test(test_opencl_capacity),
		cmocka_unit_test(test_operations_are_the_hosts),
		cmocka_unit_test(test_mesh_is_the_hosts),
		cmocka_unit_test(test_too_few_devices),
		cmocka_unit_test(test_too_little_memory),
		cmocka_unit_test(test_refused_range_leaves_nothing),
		cmocka_unit_test(test_ranges_end),
		cmocka_unit_test(test_failed_operation_leaves_nothing),
	};

	setenv("POCL_DEVICES", "pthread pthread pthread pthread", 1);
	setenv("OCL_ICD_VENDORS", "pocl.icd", 1);
	return cmocka_run_group_tests_name("back ends", tests, NULL, NULL);
}
