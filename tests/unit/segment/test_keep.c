/* SPDX-License-Identifier: Apache-2.0 */
/* Images of which only the largest buffers are kept: everything that is added up stays. */
#include "writer_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESH = 5, CAP = 64 << 20 };

static struct writer w;

static void begin(void)
{
	const uint32_t members[4] = {1, 2, 3, 4};

	fixture_open(&w, &(struct writer_options){.cap_bytes = CAP});
	for (uint32_t i = 1; i <= 4; i++)
		fixture_device(&w, i, 100 + i, (int32_t)i);
	fixture_mesh(&w, MESH, 4, members);
}

static void end(void)
{
	writer_close(&w, 0);
	test_dir_remove();
}

/* On devices and the mesh, uneven, divided, taken over, in a space that is closed. */
static void fill(void)
{
	const uint64_t uneven[4] = {640, 320, 960, 64};
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .kind = MT_L1};

	for (uint64_t id = 1; id <= 2000; id++) {
		buffer.id = id;
		buffer.space = 1 + (uint32_t)(id % 5);
		buffer.bytes = 64 + (id * 2654435761u) % 65536;
		buffer.span = id % 2 ? buffer.bytes / 4 : 0;
		buffer.flags = id % 10 == 4 ? MT_BACKING : 0;
		buffer.uneven_bytes = id % 50 == 9 ? uneven : NULL;
		writer_tend(&w);
		assert_int_equal(writer_alloc(&w, &buffer, &fixture_call), MT_OK);
		if (id % 30 == 4)
			assert_int_equal(writer_free_on(&w, MESH, id, 2, &fixture_call), MT_OK);
		if (id % 70 == 4) {
			buffer.space = 3;
			buffer.parent = id;
			buffer.flags = MT_LOCAL;
			assert_int_equal(writer_alloc(&w, &buffer, &fixture_call), MT_OK);
			buffer.parent = 0;
		}
	}
	writer_ready(&w, 1, &fixture_call);
	writer_close_space(&w, 4, false, &fixture_call);
}

static int view_of_file(struct segment_view *view, void *arg)
{
	*(struct segment_view **)arg = view;
	return 0;
}

static struct segment_view *image_view(const struct segment_image *image)
{
	const char *path = test_path("one.mshsnap");
	struct segment_view *view = NULL;
	struct segment_reject why;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(segment_image_write(image, fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), segment_image_bytes(image));
	close(fd);
	assert_int_equal(segment_file_read(path, view_of_file, &view, &why), 0);
	return view;
}

static void rows_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_int_equal(a->row_count, b->row_count);
	for (uint32_t i = 0; i < a->row_count; i++) {
		const struct view_row *x = &a->rows[i], *y = &b->rows[i];

		assert_int_equal(x->space, y->space);
		assert_int_equal(x->member, y->member);
		assert_int_equal(x->kind, y->kind);
		assert_int_equal(x->class_now, y->class_now);
		assert_int_equal(x->tag, y->tag);
		assert_int_equal(x->closed, y->closed);
		assert_int_equal(x->bytes, y->bytes);
		assert_int_equal(x->held, y->held);
		assert_int_equal(x->buffers, y->buffers);
		assert_int_equal(x->allocs, y->allocs);
	}
}

static uint64_t bytes_of(const struct segment_view *view, const struct view_buffer *buffer)
{
	return buffer->bytes * view->spaces[buffer->space].member_count;
}

static const struct view_buffer *find(const struct segment_view *view, const struct view_buffer *of)
{
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		if (view->buffers[i].slot == of->slot)
			return &view->buffers[i];
	}
	return NULL;
}

/* Those that are kept are as they were, and none that is not is larger. */
static void largest_are_kept(const struct segment_view *all, const struct segment_view *kept)
{
	uint64_t smallest = UINT64_MAX;

	for (uint32_t i = 0; i < kept->buffer_count; i++) {
		if (bytes_of(kept, &kept->buffers[i]) < smallest)
			smallest = bytes_of(kept, &kept->buffers[i]);
	}
	for (uint32_t i = 0; i < all->buffer_count; i++) {
		const struct view_buffer *x = &all->buffers[i], *y = find(kept, x);

		if (!y) {
			assert_true(bytes_of(all, x) <= smallest);
			continue;
		}
		assert_int_equal(x->id, y->id);
		assert_int_equal(x->op, y->op);
		assert_int_equal(x->parent, y->parent);
		assert_int_equal(x->class_now, y->class_now);
		assert_string_equal(x->site, y->site);
		assert_int_equal(x->member_bytes != NULL, y->member_bytes != NULL);
		if (x->member_bytes)
			assert_memory_equal(x->member_bytes, y->member_bytes, 4 * sizeof(uint64_t));
	}
}

static void reduce_to(uint32_t limit, bool dead)
{
	struct segment_image *image;
	struct segment_view *all, *kept;
	struct segment_reject why;
	char path[sizeof w.file.path];
	uint64_t bytes;

	begin();
	fill();
	memcpy(path, w.file.path, sizeof path);
	if (dead)
		writer_close(&w, 0);
	assert_int_equal(segment_image_take(path, &image, &why), 0);
	all = image_view(image);
	bytes = segment_image_bytes(image);
	assert_int_equal(segment_image_reduce(image, limit), 0);
	kept = image_view(image);
	assert_true(limit >= all->buffer_count || segment_image_bytes(image) < bytes);
	assert_int_equal(kept->buffer_count, limit < all->buffer_count ? limit : all->buffer_count);
	assert_int_equal(kept->no_detail_buffers, all->buffer_count - kept->buffer_count);
	assert_true(all->exact && kept->exact && !kept->corrupt_records);
	assert_memory_equal(all->figures, kept->figures,
	                    all->kind_count * all->device_count * sizeof *all->figures);
	rows_agree(all, kept);
	largest_are_kept(all, kept);
	segment_view_destroy(all);
	segment_view_destroy(kept);
	segment_image_destroy(image);
	if (!dead)
		writer_close(&w, 0);
	test_dir_remove();
}

static void the_largest_are_kept(void **state)
{
	(void)state;
	reduce_to(100, false);
	reduce_to(1, true);
	reduce_to(0, false);
	reduce_to(1000000, true);
}

/* Twice, and after an end was noted, as a keeper of post-mortems does. */
static void again_and_with_an_end(void **state)
{
	const struct segment_end died = {END_SIGNAL, 9, 77};
	struct segment_image *image;
	struct segment_view *first, *second;
	struct segment_reject why;

	(void)state;
	begin();
	fill();
	assert_int_equal(segment_image_take(w.file.path, &image, &why), 0);
	assert_int_equal(segment_image_end(image, &died), 0);
	assert_int_equal(segment_image_reduce(image, 500), 0);
	first = image_view(image);
	assert_int_equal(segment_image_reduce(image, 20), 0);
	second = image_view(image);
	assert_int_equal(second->buffer_count, 20);
	assert_int_equal(second->life, LIFE_KILLED);
	assert_int_equal(second->no_detail_buffers, first->no_detail_buffers + 480);
	rows_agree(first, second);
	assert_memory_equal(first->figures, second->figures,
	                    first->kind_count * first->device_count * sizeof *first->figures);
	segment_view_destroy(first);
	segment_view_destroy(second);
	segment_image_destroy(image);
	end();
}

/* A writer that was killed within a batch: its rows are wrong, its records are not. */
static void rows_of_the_dead_are_added_up(void **state)
{
	const char *path = test_path("1-0000000000000001.seg");
	struct segment_image *image;
	struct segment_view *all, *kept;
	struct segment_reject why;
	struct build b;

	(void)state;
	build_sample(&b);
	((struct segment_row *)build_region(&b, REGION_ROWS))[0].bytes += 4096;
	((struct segment_row *)build_region(&b, REGION_ROWS))[1].buffers += 7;
	build_write(&b, path);
	assert_int_equal(segment_image_take(path, &image, &why), 0);
	all = image_view(image);
	assert_int_equal(segment_image_reduce(image, 2), 0);
	kept = image_view(image);
	assert_int_equal(kept->buffer_count, 2);
	rows_agree(all, kept);
	assert_memory_equal(all->figures, kept->figures,
	                    all->kind_count * all->device_count * sizeof *all->figures);
	segment_view_destroy(all);
	segment_view_destroy(kept);
	segment_image_destroy(image);
	build_finish(&b);
	test_dir_remove();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_are_kept),
		cmocka_unit_test(again_and_with_an_end),
		cmocka_unit_test(rows_of_the_dead_are_added_up),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
