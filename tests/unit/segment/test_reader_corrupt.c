/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments that no honest writer makes. None may crash the reader, keep it busy or cost it memory;
 * what can be read of them is shown, and what cannot is counted. Run with the sanitizers on.
 */
#include "build_segment.h"
#include "reader.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { FLIPS = 4000, CUTS = 400 };

static struct segment_reject why;

/* Walks through all that a view has, so that the sanitizers see every pointer. */
static uint64_t view_sum(const struct segment_view *view)
{
	uint64_t sum = strlen(view->name) + strlen(view->comm) + strlen(view->command_line);

	for (uint32_t i = 0; i < view->device_count; i++)
		sum += strlen(view->devices[i].arch) + view->devices[i].memory_count;
	for (uint32_t i = 0; i < view->tag_count; i++)
		sum += strlen(view->tags[i].path) + view->tags[view->tags[i].parent].parent;
	for (uint32_t i = 0; i < view->space_count; i++)
		for (uint32_t m = 0; m < view->spaces[i].member_count; m++)
			if (view->spaces[i].members[m] != SPACE_REMOTE)
				sum += view->devices[view->spaces[i].members[m]].unique_id;
	for (uint32_t i = 0; i < view->row_count; i++)
		sum += view->spaces[view->rows[i].space].handle + view->rows[i].class_now +
		       strlen(view->tags[view->rows[i].tag].path);
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];
		const struct view_space *space = &view->spaces[buffer->space];

		sum += strlen(buffer->site) + strlen(view->tags[buffer->tag].path);
		for (uint32_t m = 0; buffer->member_bytes && m < space->member_count; m++)
			sum += buffer->member_bytes[m];
	}
	for (uint32_t i = 0; i < view->fault_count; i++)
		sum += strlen(view->faults[i].site_first) + strlen(view->faults[i].tag_second);
	for (uint32_t i = 0; i < view->frame_count; i++)
		for (uint32_t l = 0; l < view->frames[i].line_count; l++)
			sum += strlen(view->frames[i].lines[l].tag);
	for (uint32_t i = 0; i < view->failure_count; i++) {
		const struct view_failure *failure = &view->failures[i];

		for (uint32_t n = 0; n < failure->device_count; n++)
			sum += view->devices[failure->devices[n].device].unique_id;
		for (uint32_t n = 0; n < failure->buffer_count; n++)
			sum += strlen(failure->buffers[n].site);
	}
	for (uint32_t i = 0; i < view->program_count; i++)
		for (uint32_t n = 0; n < view->programs[i].cb_count; n++)
			sum += view->programs[i].cbs[n].bytes;
	for (uint32_t i = 0; i < view->kind_count * view->device_count; i++)
		sum += view->figures[i].held +
		       (view->figures[i].frame ? view->frames[view->figures[i].frame - 1].op : 0);
	return sum;
}

static volatile uint64_t sink;

static int parse(const void *bytes, size_t size)
{
	struct segment_view *view = NULL;
	int error = segment_view_parse(bytes, size, VIEW_BUFFERS, &view, &why);

	if (error)
		return error;
	sink = view_sum(view);
	segment_view_destroy(view);
	return 0;
}

static int load(const char *path, struct segment_view **ret_view)
{
	return segment_view_load(path, getuid(), VIEW_BUFFERS, ret_view, &why);
}

static void what_is_no_file_is_refused(void **state)
{
	struct segment_view *view = NULL;
	const char *fifo = test_path("fifo.seg"), *link = test_path("link.seg");
	const char *target = test_path("target.seg"), *empty = test_path("empty.seg");
	struct build b;

	(void)state;
	build_sample(&b);
	build_write(&b, target);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(load(fifo, &view), -EINVAL);
	assert_non_null(strstr(why.reason, "a FIFO, not a file"));
	assert_int_equal(symlink(target, link), 0);
	assert_int_equal(load(link, &view), -ELOOP);
	assert_non_null(strstr(why.reason, "symbolic link"));
	assert_int_equal(load(test_dir(), &view), -EINVAL);
	close(open(empty, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(load(empty, &view), -EINVAL);
	assert_string_equal(why.reason, "not a segment: bad magic");
	assert_int_equal(load(test_path("none.seg"), &view), -ENOENT);
	assert_int_equal(segment_view_load(target, getuid() + 1, VIEW_TOTALS, &view, &why), -EPERM);
	assert_int_equal(load("/dev/zero", &view), -EINVAL);
	build_finish(&b);
}

static void unknown_formats_are_refused(void **state)
{
	struct build b;

	(void)state;
	build_sample(&b);
	b.header->version = 2;
	assert_int_equal(parse(b.bytes, b.size), -EPROTONOSUPPORT);
	b.header->version = 1;
	b.header->incompat = 4;
	assert_int_equal(parse(b.bytes, b.size), -EPROTONOSUPPORT);
	b.header->incompat = 0;
	b.header->compat = 1ull << 60;
	assert_int_equal(parse(b.bytes, b.size), 0);
	b.header->magic++;
	assert_int_equal(parse(b.bytes, b.size), -EINVAL);
	build_finish(&b);
}

static void hostile_regions_are_refused(void **state)
{
	struct build b;

	(void)state;
	build_sample(&b);
	for (uint32_t id = 0; id < REGION_LIMIT; id++) {
		struct segment_region *region = &b.header->regions[id], was = *region;

		region->count = UINT32_MAX;
		region->capacity_bytes = UINT64_MAX;
		assert_int_equal(parse(b.bytes, b.size), -EINVAL);
		*region = was;
		region->offset = UINT64_MAX - 4095; /* no file is so large */
		assert_int_equal(parse(b.bytes, b.size), -EINVAL);
		*region = was;
		region->element_bytes++;
		assert_int_equal(parse(b.bytes, b.size), was.count ? -EINVAL : 0);
		*region = was;
		region->offset = 1ull << 49; /* beyond the end: as if it were zeros */
		assert_int_equal(parse(b.bytes, b.size), 0);
		*region = was;
	}
	assert_int_equal(parse(b.bytes, b.size), 0);
	build_finish(&b);
}

static void short_inputs_are_filled_up(void **state)
{
	struct build b;

	(void)state;
	build_sample(&b);
	for (size_t i = 0; i < CUTS; i++)
		parse(b.bytes, b.size * i / CUTS);
	assert_int_equal(parse(b.bytes, 4096), 0);
	assert_int_equal(parse(b.bytes, 100), -EINVAL);
	build_finish(&b);
}

static int no_view(struct segment_view *view, void *arg)
{
	(void)view;
	(void)arg;
	return 1;
}

static void refuses_as_cut(const char *path, const char *reason)
{
	struct segment_view *view = NULL;
	struct segment_image *image = NULL;
	enum view_life life;

	assert_int_equal(load(path, &view), -EINVAL);
	assert_non_null(strstr(why.reason, reason));
	assert_string_equal(why.path, path);
	assert_int_equal(segment_view_load(path, getuid(), VIEW_TOTALS, &view, &why), -EINVAL);
	assert_int_equal(segment_image_take(path, &image, &why), -EINVAL);
	assert_int_equal(segment_file_read(path, no_view, NULL, &why), -EINVAL);
	assert_non_null(strstr(why.reason, reason));
	assert_int_equal(segment_life(path, &life, NULL), -EINVAL);
}

/* A segment has its full size before it has its name; what is smaller is part of a copy. */
static void cut_files_are_refused(void **state)
{
	const char *path = test_path("cut.seg");
	const size_t lost[] = {1, 4096, 100000};
	struct segment_view *view = NULL;
	char reason[64], whole[UNITS_SIZE];
	struct build b;

	(void)state;
	build_sample(&b);
	build_write(&b, path);
	assert_int_equal(load(path, &view), 0);
	segment_view_destroy(view);
	for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
		assert_int_equal(truncate(path, (off_t)(b.size - lost[i])), 0);
		refuses_as_cut(path, "cut off: ");
	}
	assert_int_equal(truncate(path, 5000), 0);
	snprintf(reason, sizeof reason, "cut off: 5,000 bytes of %s", units_count(&whole, b.size));
	refuses_as_cut(path, reason);
	assert_int_equal(truncate(path, 1200), 0);
	refuses_as_cut(path, "cut off: 1,200 bytes, not even a header");
	assert_int_equal(truncate(path, 8), 0);
	assert_int_equal(load(path, &view), -EPROTONOSUPPORT);
	build_finish(&b);
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	return *state ^= *state << 17;
}

static void flipped_bits_do_no_harm(void **state)
{
	uint64_t random = 88172645463325252u;
	struct build b;
	uint8_t *bytes;

	(void)state;
	build_sample(&b);
	bytes = malloc(b.size);
	for (int i = 0; i < FLIPS; i++) {
		memcpy(bytes, b.bytes, b.size);
		for (uint64_t n = next_random(&random) % 16 + 1; n; n--) {
			/* Half of them in the header, which decides most. */
			size_t limit = n % 2 ? 4096 : b.size;

			bytes[next_random(&random) % limit] ^=
				(uint8_t)(1u << next_random(&random) % 8);
		}
		parse(bytes, b.size);
	}
	free(bytes);
	build_finish(&b);
}

static void records_that_make_no_sense_are_left_out(void **state)
{
	struct segment_view *view = NULL;
	struct segment_detail *detail;
	struct build b;

	(void)state;
	build_sample(&b);
	build_slot(&b, 0)->bytes ^= 1; /* check does not fit */
	build_slot(&b, 2)->row = 60000;
	build_seal(&b, 2);
	detail = build_element(&b, REGION_DETAILS, 4);
	detail->shares_block = 0x7fffffff;
	build_shares(&b, 3)->members = 3; /* not the mesh's */
	assert_int_equal(segment_view_parse(b.bytes, b.size, VIEW_BUFFERS, &view, &why), 0);
	assert_int_equal(view->buffer_count, 3);
	assert_true(view->corrupt_records >= 4);
	sink = view_sum(view);
	segment_view_destroy(view);
	build_finish(&b);
}

static void tags_that_go_in_circles(void **state)
{
	struct segment_view *view = NULL;
	struct segment_tag *tags;
	struct build b;

	(void)state;
	build_sample(&b);
	for (int i = 0; i < 100; i++)
		build_tag(&b, (uint32_t)i, "a/b");
	tags = build_region(&b, REGION_TAGS);
	tags[1].parent = 50;
	tags[50].parent = 1;
	tags[51].parent = 51;
	tags[52].parent = UINT32_MAX;
	tags[53].name = UINT32_MAX;
	tags[54].name = 8191; /* the last bytes of the strings */
	assert_int_equal(segment_view_parse(b.bytes, b.size, VIEW_TOTALS, &view, &why), 0);
	assert_true(view->corrupt_records >= 3);
	sink = view_sum(view);
	segment_view_destroy(view);
	build_finish(&b);
}

static void rows_that_point_anywhere(void **state)
{
	uint64_t random = 99;
	struct build b;

	(void)state;
	build_sample(&b);
	for (int i = 0; i < 2000; i++) {
		struct segment_row *row = build_element(&b, REGION_ROWS, (uint32_t)i % 3);
		struct segment_row was = *row;

		row->space = (uint32_t)next_random(&random) % 5;
		row->member = (uint16_t)next_random(&random);
		row->kind = (uint8_t)next_random(&random);
		row->class_now = row->class_before = (uint8_t)next_random(&random);
		row->tag = (uint32_t)next_random(&random);
		row->ready_op = next_random(&random);
		assert_int_equal(parse(b.bytes, b.size), 0);
		*row = was;
	}
	build_finish(&b);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000u + (uint64_t)ts.tv_nsec / 1000000u;
}

/* All the counts at their limits, all of it holes. */
static void endless_files_end(void **state)
{
	const char *path = test_path("endless.seg");
	struct segment_view *view = NULL;
	struct rlimit limit = {3ull << 30, RLIM_INFINITY};
	struct build b;
	uint64_t start = now_ms();
	static uint8_t ones[65536];
	int fd;

	(void)state;
	build_sample(&b);
	b.header->regions[REGION_SLOTS].count = SEGMENT_MAX_SLOTS;
	b.header->regions[REGION_DETAILS].count = SEGMENT_MAX_SLOTS;
	b.header->regions[REGION_BITMAP].count = SEGMENT_MAX_SLOTS / 64;
	b.header->regions[REGION_BLOCKS].count = 1u << 24;
	b.header->regions[REGION_STRINGS].count = 1u << 28;
	for (uint32_t id = 0; id < REGION_LIMIT; id++) {
		struct segment_region *region = &b.header->regions[id];

		region->capacity_bytes = 1ull << 40;
		if (region->count > 60000)
			region->offset = (uint64_t)(id + 1) << 41;
	}
	build_write(&b, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1ll << 46), 0);
	memset(ones, 0xff, sizeof ones);
	for (size_t at = 0; at < SEGMENT_MAX_SLOTS / 8; at += sizeof ones)
		assert_int_equal(pwrite(fd, ones, sizeof ones,
		                        (off_t)(b.header->regions[REGION_BITMAP].offset + at)),
		                 sizeof ones);
	close(fd);
#if !defined(__SANITIZE_ADDRESS__)
	setrlimit(RLIMIT_DATA, &limit);
#else
	(void)limit;
#endif
	assert_int_equal(load(path, &view), 0);
	assert_true(view->corrupt_records >= SEGMENT_MAX_SLOTS);
	assert_int_equal(view->buffer_count, 0);
	segment_view_destroy(view);
	assert_true(now_ms() - start < 20000);
	build_finish(&b);
}

/* More than any region may have is refused at once. */
static void too_much_data_is_refused(void **state)
{
	struct build b;

	(void)state;
	build_sample(&b);
	b.header->regions[REGION_SLOTS].count = SEGMENT_MAX_SLOTS + 1;
	b.header->regions[REGION_SLOTS].capacity_bytes = 1ull << 40;
	assert_int_equal(parse(b.bytes, b.size), -EINVAL);
	build_finish(&b);
}

/* A live file with a ring, and words, that no writer could have made. */
static void impossible_words_end(void **state)
{
	const uint64_t words[][2] = {{UINT64_MAX, 0},
	                             {0, UINT64_MAX},
	                             {UINT64_MAX, UINT64_MAX},
	                             {1ull << 40, 5},
	                             {5, 1ull << 40}};
	const char *path = test_path("words.seg");
	struct build b;

	(void)state;
	build_sample(&b);
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		struct segment_view *view = NULL;
		int fd;

		b.header->reserve = words[i][0];
		b.header->commit = words[i][1];
		b.header->regions[REGION_RING].count = i % 2 ? 0 : 1024;
		build_write(&b, path);
		fd = build_lock(path);
		if (load(path, &view) == 0)
			sink = view_sum(view);
		segment_view_destroy(view);
		close(fd);
	}
	build_finish(&b);
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
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(unknown_formats_are_refused),
		cmocka_unit_test(hostile_regions_are_refused),
		cmocka_unit_test(short_inputs_are_filled_up),
		cmocka_unit_test(cut_files_are_refused),
		cmocka_unit_test(flipped_bits_do_no_harm),
		cmocka_unit_test(records_that_make_no_sense_are_left_out),
		cmocka_unit_test(tags_that_go_in_circles),
		cmocka_unit_test(rows_that_point_anywhere),
		cmocka_unit_test(too_much_data_is_refused),
		cmocka_unit_test(impossible_words_end),
		cmocka_unit_test(endless_files_end),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
