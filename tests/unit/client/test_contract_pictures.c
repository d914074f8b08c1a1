/* SPDX-License-Identifier: Apache-2.0 */
/* Rule 18: failures and peaks are frozen in the segment. */
#include "client_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mt_result put_tagged(mt_space space, uint64_t id, uint64_t bytes, const char *tag,
                            uint32_t flags)
{
	mt_result result;

	mt_tag_push(tag);
	result = put_flags(space, id, bytes, flags, 0);
	mt_tag_pop();
	return result;
}

static mt_result report_failure(mt_space space, uint64_t bytes)
{
	const struct mt_failure failure = {.struct_size = sizeof failure,
	                                   .space = space,
	                                   .kind = MT_DRAM,
	                                   .bytes = bytes,
	                                   .span = bytes / 12,
	                                   .free_span = 1 << 20,
	                                   .largest_span = 1 << 16,
	                                   .reason = "no hole is large enough"};

	return mt_alloc_failed(&failure);
}

static uint64_t line_bytes(const struct view_line *lines, uint32_t count, const char *tag,
                           unsigned class)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(lines[i].tag, tag) == 0 && lines[i].class_then == class)
			bytes += lines[i].bytes;
	}
	return bytes;
}

TEST(a_failure_is_frozen_before_the_unwinding)
{
	mt_space devices[2], m;
	struct segment_view *view;
	const struct view_failure *f;

	chips(2, devices);
	m = mesh(1, 2, devices);
	ok(mt_ready(devices[0]));
	ok(put_tagged(devices[0], 1, 1000, "weights", 0));
	ok(put_tagged(devices[0], 2, 300, "cache", MT_CACHE));
	ok(put_tagged(m, 3, 50, "activations", 0));
	ok(put_tagged(devices[1], 4, 7, "elsewhere", 0));
	ok(report_failure(devices[0], 1 << 20));
	ok(mt_free(devices[0], 1));
	ok(mt_free(devices[0], 2));
	ok(mt_free(m, 3));
	view = outside();
	same(view->failure_count, 1);
	f = &view->failures[0];
	same(f->bytes, 1 << 20);
	same(f->span, (1 << 20) / 12);
	same(f->free_span, 1 << 20);
	same(f->largest_span, 1 << 16);
	holds(strcmp(f->reason, "no hole is large enough") == 0);
	same(f->device_count, 1);
	same(f->devices[0].held, 1350);
	same(f->devices[0].capacity, 12ull << 30);
	same(line_bytes(f->lines, f->line_count, "weights", CLASS_USER), 1000);
	same(line_bytes(f->lines, f->line_count, "cache", CLASS_CACHE), 300);
	same(line_bytes(f->lines, f->line_count, "activations", CLASS_USER), 50);
	same(line_bytes(f->lines, f->line_count, "elsewhere", CLASS_USER), 0);
	same(f->buffer_count, 3);
	same(f->buffers_total, 3);
	same(view->faults_by_type[MT_ALLOC_FAILED], 1);
	segment_view_destroy(view);
}

TEST(the_largest_are_kept_where_there_are_too_many)
{
	enum { BUFFERS = 5000 };
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_failure *f;
	uint64_t least = UINT64_MAX;

	for (uint64_t i = 0; i < BUFFERS; i++)
		ok(put(d, i, i * 7919 % BUFFERS + 1));
	ok(report_failure(d, 1));
	view = outside();
	f = &view->failures[0];
	same(f->buffers_total, BUFFERS);
	same(f->buffer_count, 32);
	for (uint32_t i = 0; i < f->buffer_count; i++)
		least = f->buffers[i].bytes < least ? f->buffers[i].bytes : least;
	same(least, BUFFERS - 31);
	same(line_bytes(f->lines, f->line_count, "", CLASS_USER), BUFFERS * (BUFFERS + 1ull) / 2);
	segment_view_destroy(view);
}

TEST(the_first_and_the_last_failures_are_kept)
{
	mt_space d = chip(0);
	struct segment_view *view;
	unsigned seen[32] = {0};

	for (unsigned i = 1; i <= 21; i++) {
		ok(put(d, i, 1));
		ok(report_failure(d, i));
	}
	view = outside();
	same(view->failure_count, SEGMENT_MAX_FAILURES);
	for (uint32_t i = 0; i < view->failure_count; i++) {
		same(view->failures[i].bytes, view->failures[i].number);
		same(view->failures[i].buffers_total, view->failures[i].number);
		seen[view->failures[i].number] = 1;
	}
	for (unsigned i = 1; i <= 4; i++)
		same(seen[i] + seen[17 + i], 2);
	segment_view_destroy(view);
	same(faults_of(MT_ALLOC_FAILED), 21);
}

TEST(the_peak_is_what_was_there_at_the_peak)
{
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_frame *frame;

	ok(put_tagged(d, 1, 1000, "a", 0));
	ok(put_tagged(d, 2, 500, "b", 0));
	ok(mt_free(d, 1));
	ok(put_tagged(d, 3, 1500, "c", 0));
	ok(mt_free(d, 2));
	ok(mt_free(d, 3));
	expect(0, MT_DRAM, 0, 0, 0);
	expect_peak(0, MT_DRAM, 2000);
	view = outside();
	holds(figure_of(view, 0, MT_DRAM)->frame);
	frame = &view->frames[figure_of(view, 0, MT_DRAM)->frame - 1];
	same(frame->kind, MT_DRAM);
	same(line_bytes(frame->lines, frame->line_count, "a", CLASS_USER), 0);
	same(line_bytes(frame->lines, frame->line_count, "b", CLASS_USER), 500);
	same(line_bytes(frame->lines, frame->line_count, "c", CLASS_USER), 1500);
	same(frame->rest_bytes, 0);
	segment_view_destroy(view);
}

TEST(the_peak_at_a_close_is_kept)
{
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_frame *frame;

	ok(put_tagged(d, 1, 4096, "model", 0));
	ok(mt_close(d, 0));
	view = outside();
	same(figure_of(view, 0, MT_DRAM)->peak, 4096);
	holds(figure_of(view, 0, MT_DRAM)->frame);
	frame = &view->frames[figure_of(view, 0, MT_DRAM)->frame - 1];
	same(line_bytes(frame->lines, frame->line_count, "model", CLASS_USER), 4096);
	segment_view_destroy(view);
}

TEST(the_rest_of_a_peak_of_many_tags)
{
	enum { TAGS = 300 };
	mt_space d = chip(0);
	struct segment_view *view;
	const struct view_frame *frame;
	uint64_t sum = 0;
	char name[16];

	for (uint64_t i = 0; i < TAGS; i++) {
		snprintf(name, sizeof name, "t%u", (unsigned)i);
		ok(put_tagged(d, i, i + 1, name, 0));
	}
	ok(mt_free(d, 0));
	view = outside();
	frame = &view->frames[figure_of(view, 0, MT_DRAM)->frame - 1];
	for (uint32_t i = 0; i < frame->line_count; i++)
		sum += frame->lines[i].bytes;
	holds(frame->line_count < TAGS);
	same(sum + frame->rest_bytes, TAGS * (TAGS + 1) / 2);
	same(frame->line_count + frame->rest_buffers, TAGS);
	segment_view_destroy(view);
}

TEST(peaks_since_a_mark)
{
	mt_space d = chip(0);
	struct segment_view *view;
	struct mt_usage u;

	ok(put(d, 1, 1000));
	ok(mt_free(d, 1));
	mt_mark("step", 1);
	ok(put(d, 2, 300));
	ok(mt_free(d, 2));
	ok(put(d, 3, 10));
	u = usage(d, MT_DRAM);
	same(u.peak, 1000);
	same(u.peak_since_mark, 300);
	expect_peak(0, MT_DRAM, 1000);
	mt_mark("step", 2);
	same(usage(d, MT_DRAM).peak_since_mark, 10);
	view = outside();
	same(view->mark_count, 2);
	holds(strcmp(view->marks[1].name, "step") == 0);
	same(view->marks[1].n, 2);
	same(figure_of(view, 0, MT_DRAM)->peak_since_mark, 10);
	segment_view_destroy(view);
}

TEST(marks_are_bounded_and_the_last_are_kept)
{
	mt_space d = chip(0);
	struct segment_view *view;

	for (uint64_t n = 0; n < SEGMENT_MAX_MARKS * 3; n++)
		mt_mark("step", n);
	ok(put(d, 1, 1));
	view = outside();
	same(view->mark_count, SEGMENT_MAX_MARKS);
	same(view->marks[0].n, SEGMENT_MAX_MARKS * 2);
	same(view->marks[SEGMENT_MAX_MARKS - 1].n, SEGMENT_MAX_MARKS * 3 - 1);
	segment_view_destroy(view);
}

/* `run --keep FILE --at ...` asks for it by the environment. */
static void kept_at(const char *at, void (*act)(mt_space space), uint64_t expected)
{
	struct segment_reject reject = {.reason = "?"};
	struct segment_view *view = NULL;
	char path[300];

	snprintf(path, sizeof path, "%s/kept", fixture_dir);
	setenv("MESHTALLY_KEEP", path, 1);
	setenv("MESHTALLY_KEEP_AT", at, 1);
	act(chip(0));
	if (segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject))
		check_failed(__FILE__, __LINE__, "%s: %s", path, reject.reason);
	same(figure_of(view, 0, MT_DRAM)->bytes[CLASS_USER], expected);
	same(view->corrupt_records, 0);
	segment_view_destroy(view);
}

static void act_mark(mt_space d)
{
	ok(put(d, 1, 100));
	mt_mark("step", 1);
	ok(put(d, 2, 10));
	mt_mark("step", 2);
	ok(mt_free(d, 1));
	mt_mark("step", 3);
}

TEST(a_copy_is_kept_at_a_mark)
{
	kept_at("mark=step:2", act_mark, 110);
}

static void act_failure(mt_space d)
{
	ok(put(d, 1, 100));
	ok(report_failure(d, 5));
	ok(mt_free(d, 1));
}

TEST(a_copy_is_kept_at_a_failure)
{
	kept_at("failure", act_failure, 100);
}

static void act_peak(mt_space d)
{
	ok(put(d, 1, 100));
	ok(put(d, 2, 1000));
	ok(mt_free(d, 1));
	ok(put(d, 3, 50));
	ok(mt_free(d, 2));
}

TEST(a_copy_is_kept_at_the_peak)
{
	kept_at("peak", act_peak, 1100);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_is_frozen_before_the_unwinding),
		cmocka_unit_test(the_largest_are_kept_where_there_are_too_many),
		cmocka_unit_test(the_first_and_the_last_failures_are_kept),
		cmocka_unit_test(the_peak_is_what_was_there_at_the_peak),
		cmocka_unit_test(the_peak_at_a_close_is_kept),
		cmocka_unit_test(the_rest_of_a_peak_of_many_tags),
		cmocka_unit_test(peaks_since_a_mark),
		cmocka_unit_test(marks_are_bounded_and_the_last_are_kept),
		cmocka_unit_test(a_copy_is_kept_at_a_mark),
		cmocka_unit_test(a_copy_is_kept_at_a_failure),
		cmocka_unit_test(a_copy_is_kept_at_the_peak),
	};

	(void)argc;
	return fixture_main("contract_pictures", tests, sizeof tests / sizeof *tests, argv);
}
