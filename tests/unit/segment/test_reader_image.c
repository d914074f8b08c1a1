/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot files: what was live is read from them as it was. */
#include "build_segment.h"
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct segment_reject why;

/* Bytes of what two views have in common, whatever their addresses. */
static void views_agree(const struct segment_view *a, const struct segment_view *b)
{
	assert_string_equal(a->name, b->name);
	assert_int_equal(a->life, b->life);
	assert_int_equal(a->op, b->op);
	assert_int_equal(a->exact, b->exact);
	assert_int_equal(a->buffer_count, b->buffer_count);
	assert_int_equal(a->row_count, b->row_count);
	assert_int_equal(a->space_count, b->space_count);
	assert_memory_equal(a->figures, b->figures,
	                    a->kind_count * a->device_count * sizeof *a->figures);
	for (uint32_t i = 0; i < a->buffer_count; i++) {
		const struct view_buffer *left = &a->buffers[i], *right = &b->buffers[i];

		assert_int_equal(left->id, right->id);
		assert_int_equal(left->bytes, right->bytes);
		assert_int_equal(left->op, right->op);
		assert_int_equal(left->parent, right->parent);
		assert_string_equal(left->site, right->site);
		assert_int_equal(left->member_bytes != NULL, right->member_bytes != NULL);
		if (left->member_bytes)
			assert_memory_equal(left->member_bytes, right->member_bytes,
			                    a->spaces[left->space].member_count * 8ul);
		assert_true(left->time_ns &&
		            left->time_ns - right->time_ns + 100000000 < 200000000);
	}
}

struct collected {
	struct segment_view *views[8];
	size_t count;
	int answer;
};

static int collect(struct segment_view *view, void *arg)
{
	struct collected *all = arg;

	assert_true(all->count < 8);
	all->views[all->count++] = view;
	return all->answer;
}

static void collected_finish(struct collected *all)
{
	for (size_t i = 0; i < all->count; i++)
		segment_view_destroy(all->views[i]);
	memset(all, 0, sizeof *all);
}

static void image_append(const char *segment, const char *snapshot)
{
	struct segment_image *image = NULL;
	int fd = open(snapshot, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(segment_image_take(segment, &image, &why), 0);
	assert_int_equal(segment_image_write(image, fd), 0);
	segment_image_destroy(image);
	close(fd);
}

static struct segment_view *load(const char *path)
{
	struct segment_view *view = NULL;

	assert_int_equal(segment_view_load(path, getuid(), VIEW_BUFFERS, &view, &why), 0);
	return view;
}

static void images_are_what_was_read(void **state)
{
	const char *one = test_path("1-0000000000000001.seg"), *two = test_path("2-2.seg");
	const char *snapshot = test_path("all.snapshot");
	struct segment_view *first, *second;
	struct collected all = {.count = 0};
	struct build b;
	int fd;

	(void)state;
	build_sample(&b);
	build_write(&b, one);
	b.header->commit -= 2; /* a writer inside a batch */
	build_write(&b, two);
	fd = build_lock(two);
	first = load(one);
	second = load(two);
	assert_int_equal(second->life, LIFE_ALIVE);
	assert_int_equal(second->op, b.op - 2);
	image_append(one, snapshot);
	image_append(two, snapshot);
	close(fd);
	assert_int_equal(segment_file_read(snapshot, collect, &all, &why), 0);
	assert_int_equal(all.count, 2);
	views_agree(first, all.views[0]);
	views_agree(second, all.views[1]);
	collected_finish(&all);
	segment_view_destroy(first);
	segment_view_destroy(second);
	build_finish(&b);
}

static void a_segment_is_an_image_too(void **state)
{
	const char *path = test_path("kept.seg");
	struct collected all = {.count = 0};
	struct build b;

	(void)state;
	build_sample(&b);
	build_write(&b, path);
	assert_int_equal(segment_file_read(path, collect, &all, &why), 0);
	assert_int_equal(all.count, 1);
	assert_int_equal(all.views[0]->life, LIFE_IMAGE);
	assert_int_equal(all.views[0]->buffer_count, 5);
	collected_finish(&all);
	b.header->state = SEGMENT_STATE_EXITING;
	build_write(&b, path);
	assert_int_equal(segment_file_read(path, collect, &all, &why), 0);
	assert_int_equal(all.views[0]->life, LIFE_ENDED);
	collected_finish(&all);
	all.answer = 42;
	assert_int_equal(segment_file_read(path, collect, &all, &why), 42);
	collected_finish(&all);
	build_finish(&b);
}

/* Cut and flipped at every place: read or refused, and never anything else. */
static void damaged_images_are_refused(void **state)
{
	const char *segment = test_path("3-3.seg"), *snapshot = test_path("damaged.snapshot");
	struct segment_view *view = NULL;
	uint64_t random = 4711;
	struct stat st;
	struct build b;
	uint8_t *bytes, *copy;
	int fd;

	(void)state;
	build_sample(&b);
	build_write(&b, segment);
	image_append(segment, snapshot);
	fd = open(snapshot, O_RDONLY | O_CLOEXEC);
	assert_int_equal(fstat(fd, &st), 0);
	bytes = malloc((size_t)st.st_size);
	copy = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
	close(fd);
	assert_int_equal(segment_view_parse(bytes, (size_t)st.st_size, VIEW_BUFFERS, &view, &why),
	                 0);
	assert_int_equal(view->buffer_count, 5);
	segment_view_destroy(view);
	for (size_t cut = 0; cut < (size_t)st.st_size; cut += 61)
		assert_true(segment_view_parse(bytes, cut, VIEW_BUFFERS, &view, &why) < 0);
	for (int i = 0; i < 20000; i++) {
		memcpy(copy, bytes, (size_t)st.st_size);
		for (int n = 0; n < 4; n++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			copy[(random >> 20) % (uint64_t)st.st_size] ^=
				(uint8_t)(1u << (random >> 61));
		}
		if (segment_view_parse(copy, (size_t)st.st_size, VIEW_BUFFERS, &view, &why) == 0)
			segment_view_destroy(view);
	}
	free(bytes);
	free(copy);
	build_finish(&b);
}

static void other_files_are_refused(void **state)
{
	const char *path = test_path("text");
	struct collected all = {.count = 0};
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)state;
	assert_int_equal(write(fd, "hello", 5), 5);
	close(fd);
	assert_int_equal(segment_file_read(path, collect, &all, &why), -EINVAL);
	assert_string_equal(why.reason, "neither a snapshot nor a segment");
	assert_int_equal(segment_file_read(test_path("none"), collect, &all, &why), -ENOENT);
	assert_int_equal(all.count, 0);
}

static int remove_dir(void **state)
{
	(void)state;
	test_dir_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images_are_what_was_read),
		cmocka_unit_test(a_segment_is_an_image_too),
		cmocka_unit_test(damaged_images_are_refused),
		cmocka_unit_test(other_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
