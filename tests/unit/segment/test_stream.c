/* SPDX-License-Identifier: Apache-2.0 */
/* The streamed pass: what a view of all buffers has, one by one, also while the writer goes on. */
#include "stream_collect.h"
#include "writer_fixture.h"
#include "writer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESH = 5, OTHER_MESH = 6, DEVICES = 4, STABLE = 20000, FLIPS = 600 };

static struct writer w;

static void begin(void)
{
	const uint32_t members[DEVICES] = {1, 2, 3, 4}, others[2] = {2, 3};

	fixture_open(&w, &(struct writer_options){.cap_bytes = 64 << 20});
	for (uint32_t i = 1; i <= DEVICES; i++)
		fixture_device(&w, i, 100 + i, (int32_t)i);
	fixture_mesh(&w, MESH, DEVICES, members);
	fixture_mesh(&w, OTHER_MESH, 2, others);
	writer_tag(&w, 1, 0, "model");
	writer_tag(&w, 2, 1, "layer");
}

static void end(void)
{
	writer_close(&w, 0);
	test_dir_remove();
}

static void put(const struct mt_buffer *buffer)
{
	writer_tend(&w);
	assert_int_equal(writer_alloc(&w, buffer, &fixture_call), MT_OK);
}

/* LOCAL records before and after the backing ones that they name, of ids that two meshes have. */
static void fill_backing(void)
{
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .kind = MT_L1, .bytes = 4096};

	for (uint64_t id = 10001; id <= 10400; id++) {
		buffer.id = id;
		buffer.space = id % 4 == 0 ? OTHER_MESH : MESH;
		buffer.flags = MT_BACKING;
		buffer.parent = 0;
		if (id % 5 != 0)
			put(&buffer);
		buffer.id = id + 10000;
		buffer.space = 1 + (uint32_t)(id % DEVICES);
		buffer.flags = MT_LOCAL;
		buffer.parent = id;
		if (id % 3 == 0)
			put(&buffer);
		buffer.id = id;
		buffer.space = MESH;
		buffer.flags = MT_BACKING;
		buffer.parent = 0;
		if (id % 5 == 0)
			put(&buffer);
	}
}

/* On devices and meshes, uneven, divided, virtual, with tags and sites, some freed again. */
static void fill(void)
{
	const uint64_t uneven[DEVICES] = {640, 320, 960, 64};
	struct mt_buffer buffer = {.struct_size = sizeof buffer};
	static const char *const sites[] = {"add", "matmul.cpp:7", NULL, "x"};

	for (uint64_t id = 1; id <= 3000; id++) {
		buffer.id = id;
		buffer.space = 1 + (uint32_t)(id % 5);
		buffer.kind = id % 3 ? MT_DRAM : MT_L1;
		buffer.address = id * 64;
		buffer.bytes = 64 + (id * 2654435761u) % 65536;
		buffer.span = id % 2 ? buffer.bytes / 4 : 0;
		buffer.flags = id % 11 == 3 ? MT_CACHE : id % 13 == 5 ? MT_SYSTEM : 0;
		buffer.site = sites[id % 4];
		buffer.tag = (mt_tag)(id % 3);
		buffer.region = id % 17 == 0 ? 9 : 0;
		buffer.uneven_bytes = id % 50 == 9 ? uneven : NULL;
		put(&buffer);
		if (id % 30 == 4)
			assert_int_equal(writer_free_on(&w, MESH, id, 2, &fixture_call), MT_OK);
		if (id % 7 == 0)
			assert_int_equal(fixture_free(&w, buffer.space, id), MT_OK);
	}
	fill_backing();
}

static void compare(const char *path, bool dead)
{
	struct segment_view *view = fixture_view_of(path, VIEW_BUFFERS);
	struct segment_view *totals = fixture_view_of(path, VIEW_TOTALS);
	struct collected collected = {0};
	uint64_t held = 0;

	assert_int_equal(collect(&collected, path), 0);
	assert_int_equal(collected.life == LIFE_ALIVE, !dead);
	assert_int_equal(collected.off_by, 0);
	assert_int_equal(view->corrupt_records, 0);
	collected_compare(&collected, view);
	for (uint32_t i = 0; i < totals->kind_count * totals->device_count; i++)
		held += totals->figures[i].held;
	assert_int_equal(collected.held, held);
	collected_finish(&collected);
	segment_view_destroy(totals);
	segment_view_destroy(view);
}

static void has_what_a_view_has(void **state)
{
	char path[sizeof w.file.path];

	(void)state;
	begin();
	compare(w.file.path, false); /* nothing */
	fill();
	compare(w.file.path, false);
	writer_ready(&w, 1, &fixture_call);
	writer_ready(&w, MESH, &fixture_call);
	compare(w.file.path, false);
	writer_close_space(&w, OTHER_MESH, false, &fixture_call);
	writer_close_space(&w, 4, true, &fixture_call);
	compare(w.file.path, false);
	strcpy(path, w.file.path);
	writer_close(&w, 0);
	compare(path, true);
	test_dir_remove();
}

static void image_write(const char *from, const char *to)
{
	struct segment_image *image;
	struct segment_reject why;
	int fd = open(to, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(segment_image_take(from, &image, &why), 0);
	assert_int_equal(segment_image_write(image, fd), 0);
	segment_image_destroy(image);
	close(fd);
}

static void images_as_well(void **state)
{
	struct segment_view *view;
	struct collected collected = {0};
	const char *path;

	(void)state;
	begin();
	fill();
	path = test_path("kept.snapshot");
	image_write(w.file.path, path);
	view = fixture_view(&w, VIEW_BUFFERS);
	assert_int_equal(collect(&collected, path), 0);
	collected_compare(&collected, view);
	collected_finish(&collected);
	segment_view_destroy(view);
	end();
}

/* --- by hand: what a writer makes rarely ---------------------------------------------------- */

static void compare_built(struct build *b, bool live)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	int lock;

	build_write(b, path);
	lock = live ? build_lock(path) : -1;
	compare(path, !live);
	if (lock >= 0)
		close(lock);
}

static void records_made_by_hand(void **state)
{
	struct build b;
	uint32_t slot, row;

	(void)state;
	build_sample(&b);
	compare_built(&b, false);
	compare_built(&b, true);
	build_ready(&b, build_space(&b, 1)->handle);
	row = build_row(&b, build_space(&b, 1)->handle, BUILD_L1, CLASS_VIRTUAL, 0);
	for (uint64_t id = 100; id < 900; id++) {
		slot = build_alloc(&b, &(struct build_record){.id = id, .bytes = 7, .row = row});
		if (id % 100 > 5)
			build_free(&b, slot);
	}
	compare_built(&b, false);
	compare_built(&b, true);
	build_close(&b, build_space(&b, 1)->handle, SPACE_CLOSED);
	compare_built(&b, true);
	compare_built(&b, false);
	build_finish(&b);
	test_dir_remove();
}

/* Shares that LOCAL records name, whether these come before or after. */
static void shares_are_taken_over(void **state)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	const uint32_t members[3] = {0, 1, 2};
	struct collected collected = {0};
	struct build b;
	uint32_t mesh, rows[3];

	(void)state;
	build_init(&b, 128);
	for (uint32_t i = 0; i < 3; i++) {
		build_device(&b, 100 + i, BUILD_BANKS);
		rows[i] = build_row(&b, build_open_device(&b, i), BUILD_L1, CLASS_USER, 0);
	}
	mesh = build_row(&b, build_open_mesh(&b, 1, 3, members), BUILD_L1, CLASS_USER, 0);
	build_alloc(&b,
	            &(struct build_record){
			    .id = 20, .bytes = 8, .row = rows[2], .flags = MT_LOCAL, .parent = 10});
	build_alloc(&b,
	            &(struct build_record){.id = 9, .bytes = 64, .row = mesh, .flags = MT_BACKING});
	build_alloc(&b, &(struct build_record){
				.id = 10, .bytes = 64, .row = mesh, .flags = MT_BACKING});
	build_alloc(&b,
	            &(struct build_record){
			    .id = 21, .bytes = 8, .row = rows[0], .flags = MT_LOCAL, .parent = 10});
	compare_built(&b, false);
	assert_int_equal(collect(&collected, path), 0);
	assert_int_equal(collected.count, 4);
	assert_null(collected.items[1].member_bytes);
	assert_non_null(collected.items[2].member_bytes);
	assert_int_equal(collected.items[2].member_bytes[0], 0);
	assert_int_equal(collected.items[2].member_bytes[1], 64);
	assert_int_equal(collected.items[2].member_bytes[2], 0);
	collected_finish(&collected);
	build_finish(&b);
	test_dir_remove();
}

struct late {
	int fd;
	const void *shares;
	uint64_t offset;
};

static void write_shares(void *arg, const struct view_buffer *buffer)
{
	const struct late *late = arg;

	if (buffer->id == 4)
		assert_int_equal(pwrite(late->fd, late->shares, sizeof(struct segment_shares),
		                        (off_t)late->offset),
		                 sizeof(struct segment_shares));
}

/* Another's shares lay there when those before them were read: what is there now counts. */
static void shares_are_read_again(void **state)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	struct segment_shares *shares, right;
	struct late late = {.shares = &right};
	struct collected collected = {.meanwhile = write_shares, .arg = &late};
	struct build b;

	(void)state;
	build_sample(&b);
	shares = build_shares(&b, 4);
	right = *shares;
	shares->op--;
	late.offset = (uint64_t)((uint8_t *)shares - b.bytes);
	build_write(&b, path);
	late.fd = build_lock(path);
	assert_int_equal(collect(&collected, path), 0);
	assert_int_equal(collected.count, 5);
	assert_int_equal(collected.items[3].buffer.id, 5);
	assert_non_null(collected.items[3].member_bytes);
	assert_int_equal(collected.items[3].member_bytes[0], 640);
	assert_int_equal(collected.items[3].member_bytes[1], 0);
	close(late.fd);
	collected_finish(&collected);
	build_finish(&b);
	test_dir_remove();
}

static void what_makes_no_sense_is_left_out(void **state)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	struct collected collected = {0};
	struct build b;

	(void)state;
	build_sample(&b);
	build_slot(&b, 0)->bytes ^= 1; /* check does not fit */
	build_slot(&b, 2)->row = 60000;
	build_seal(&b, 2);
	((struct segment_detail *)build_element(&b, REGION_DETAILS, 4))->shares_block = 0x7fffffff;
	build_shares(&b, 3)->members = 3; /* not the mesh's */
	build_write(&b, path);
	assert_int_equal(collect(&collected, path), 0);
	assert_int_equal(collected.count, 3);
	assert_int_equal(collected_times(&collected, 1), 0);
	collected_finish(&collected);
	build_finish(&b);
	test_dir_remove();
}

static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return *state >> 33;
}

static void stream_anything(const char *path)
{
	struct collected collected = {0};

	collect(&collected, path);
	collected_finish(&collected);
}

/* Half of the flips in the header, which decides most. */
static void flipped_bits(void **state)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	uint64_t random = 4711;
	struct build b;
	int lock;

	(void)state;
	build_sample(&b);
	build_write(&b, path);
	for (int i = 0; i < FLIPS; i++) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		size_t at[8];

		for (int n = 0; n < 8; n++) {
			uint8_t byte;

			at[n] = next_random(&random) % (n % 2 ? sizeof(*b.header) : b.size);
			byte = b.bytes[at[n]] ^ (uint8_t)(1u << next_random(&random) % 8);
			assert_int_equal(pwrite(fd, &byte, 1, (off_t)at[n]), 1);
		}
		stream_anything(path);
		lock = build_lock(path);
		stream_anything(path);
		close(lock);
		for (int n = 0; n < 8; n++)
			assert_int_equal(pwrite(fd, b.bytes + at[n], 1, (off_t)at[n]), 1);
		close(fd);
	}
	build_finish(&b);
	test_dir_remove();
}

static void wild_counts(void **state)
{
	const char *path = test_path("1-0123456789abcdef.seg");
	const uint32_t counts[] = {0, 1, 63, 65, 1u << 20, UINT32_MAX};
	struct build b;
	int lock;

	(void)state;
	build_sample(&b);
	for (uint32_t region = 0; region < REGION_LIMIT; region++)
		for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
			uint32_t before = b.header->regions[region].count;

			b.header->regions[region].count = counts[i];
			build_write(&b, path);
			stream_anything(path);
			lock = build_lock(path);
			stream_anything(path);
			close(lock);
			b.header->regions[region].count = before;
		}
	build_finish(&b);
	test_dir_remove();
}

/* Cut off while it is read: what is gone is zeros, which are no records. */
static void cut(void *arg, const struct view_buffer *buffer)
{
	(void)buffer;
	assert_int_equal(truncate(arg, sizeof(struct segment_header)), 0);
}

static void cut_off(void **state)
{
	char path[256];
	struct collected collected = {.meanwhile = cut, .arg = path};
	struct build b;
	int lock;

	(void)state;
	strcpy(path, test_path("1-0123456789abcdef.seg"));
	build_sample(&b);
	build_write(&b, path);
	assert_int_equal(truncate(path, 5000), 0);
	assert_true(collect(&collected, path) < 0);
	assert_int_equal(collected.begun, 0);
	build_write(&b, path);
	lock = build_lock(path);
	assert_int_equal(collect(&collected, path), 0);
	assert_int_equal(collected.begun, 1);
	assert_in_range(collected.count, 1, 5);
	close(lock);
	collected_finish(&collected);
	build_finish(&b);
	test_dir_remove();
}

/* --- while the writer goes on --------------------------------------------------------------- */

/* With the first of them, all others with odd ids go, and new ones come. */
static void go_on(void *arg, const struct view_buffer *buffer)
{
	bool *done = arg;

	/* The last slots first: these are used again. */
	for (uint64_t id = STABLE; !*done && id > 0; id--)
		if (id % 2 != 0 && id != buffer->id)
			assert_int_equal(fixture_free(&w, 1, id), MT_OK);
	for (uint64_t id = 1; !*done && id <= 100; id++)
		assert_int_equal(fixture_alloc(&w, 1, STABLE + id, 64), MT_OK);
	*done = true;
}

static void what_goes_meanwhile_is_left_out(void **state)
{
	bool done = false;
	struct collected collected = {.meanwhile = go_on, .arg = &done};
	size_t odd = 0;

	(void)state;
	begin();
	for (uint64_t id = 1; id <= STABLE; id++)
		assert_int_equal(fixture_alloc(&w, 1, id, 64), MT_OK);
	assert_int_equal(collect(&collected, w.file.path), 0);
	for (size_t i = 0; i < collected.count; i++) {
		odd += collected.items[i].buffer.id % 2;
		assert_true(collected.items[i].buffer.id <= STABLE);
	}
	assert_int_equal(collected.count - odd, STABLE / 2);
	assert_in_range(odd, 1, 1024); /* of the run that was read already */
	/* Each was one event. */
	assert_int_equal(collected.off_by, STABLE / 2 - collected.items[0].buffer.id % 2 + 100);
	collected_finish(&collected);
	end();
}

struct churn {
	atomic_bool stop;
	atomic_uint_fast64_t events;
};

static void *churn_run(void *arg)
{
	struct churn *churn = arg;
	const uint64_t first = STABLE + 1;

	for (uint64_t id = first; !churn->stop; id++) {
		if (fixture_alloc(&w, id % 2 ? 1 : MESH, id, id) != MT_OK)
			abort();
		if (id >= first + 500 && fixture_free(&w, id % 2 ? 1 : MESH, id - 500) != MT_OK)
			abort();
		churn->events++;
	}
	return NULL;
}

/* Events go on, whoever is faster. */
static void wait_for_events(void *arg, const struct view_buffer *buffer)
{
	struct churn *churn = arg;
	uint64_t from = churn->events;

	while (buffer->id % 5000 == 1 && churn->events < from + 50)
		sched_yield();
}

static void check_churned(const struct collected *collected)
{
	uint8_t *times = calloc(STABLE + 1, 1);

	for (size_t i = 0; i < collected->count; i++) {
		const struct view_buffer *buffer = &collected->items[i].buffer;

		if (buffer->id <= STABLE)
			times[buffer->id]++;
		assert_int_equal(buffer->bytes, buffer->id <= STABLE ? 64 : buffer->id);
	}
	for (uint64_t id = 1; id <= STABLE; id++)
		assert_int_equal(times[id], id % 3 != 0);
	free(times);
}

static void what_stays_is_found_once(void **state)
{
	struct churn churn = {0};
	pthread_t thread;

	(void)state;
	begin();
	for (uint64_t id = 1; id <= STABLE; id++)
		assert_int_equal(fixture_alloc(&w, 1, id, 64), MT_OK);
	for (uint64_t id = 3; id <= STABLE; id += 3) /* slots among them */
		assert_int_equal(fixture_free(&w, 1, id), MT_OK);
	assert_int_equal(pthread_create(&thread, NULL, churn_run, &churn), 0);
	for (int i = 0; i < 20; i++) {
		struct collected collected = {.meanwhile = wait_for_events, .arg = &churn};

		assert_int_equal(collect(&collected, w.file.path), 0);
		assert_int_not_equal(collected.off_by, 0);
		check_churned(&collected);
		collected_finish(&collected);
	}
	churn.stop = true;
	pthread_join(thread, NULL);
	end();
}

/* --- ended by the caller -------------------------------------------------------------------- */

static int result_of_begin, result_of_found, calls;

static int some_begin(const struct segment_view *view, void *arg)
{
	(void)view;
	(void)arg;
	return result_of_begin;
}

static int some_found(const struct view_buffer *buffer, void *arg)
{
	(void)buffer;
	(void)arg;
	calls++;
	return result_of_found;
}

static void a_caller_may_end_it(void **state)
{
	const struct segment_stream stream = {some_begin, some_found, NULL};
	struct segment_reject why = {.reason = "as it was"};
	uint64_t off_by = 4711;
	int fd;

	(void)state;
	begin();
	fill();
	fd = open(w.file.path, O_RDONLY | O_CLOEXEC);
	result_of_begin = 5;
	assert_int_equal(segment_stream_fd(fd, "x", &stream, &off_by, &why), 5);
	assert_int_equal(calls, 0);
	result_of_begin = 0;
	result_of_found = -ECANCELED;
	assert_int_equal(segment_stream_fd(fd, "x", &stream, &off_by, &why), -ECANCELED);
	assert_int_equal(calls, 1);
	assert_string_equal(why.reason, "as it was");
	assert_int_equal(off_by, 4711);
	close(fd);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_what_a_view_has),
		cmocka_unit_test(images_as_well),
		cmocka_unit_test(records_made_by_hand),
		cmocka_unit_test(shares_are_taken_over),
		cmocka_unit_test(shares_are_read_again),
		cmocka_unit_test(what_makes_no_sense_is_left_out),
		cmocka_unit_test(flipped_bits),
		cmocka_unit_test(wild_counts),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(what_goes_meanwhile_is_left_out),
		cmocka_unit_test(what_stays_is_found_once),
		cmocka_unit_test(a_caller_may_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
