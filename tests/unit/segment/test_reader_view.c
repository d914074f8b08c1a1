/* SPDX-License-Identifier: Apache-2.0 */
/* What a view says of segments whose bytes are known. */
#include "build_segment.h"
#include "meshtally.h"
#include "reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct segment_view *load(struct build *b, enum view_depth depth)
{
	struct segment_reject why = {.reason = ""};
	const char *path = test_path("1-0123456789abcdef.seg");
	struct segment_view *view = NULL;

	build_write(b, path);
	if (segment_view_load(path, getuid(), depth, &view, &why) != 0)
		fail_msg("%s: %s", why.path, why.reason);
	return view;
}

static struct segment_view *load_live(struct build *b, enum view_depth depth)
{
	struct segment_reject why = {.reason = ""};
	const char *path = test_path("2-0123456789abcdef.seg");
	struct segment_view *view = NULL;
	int fd;

	build_write(b, path);
	fd = build_lock(path);
	if (segment_view_load(path, getuid(), depth, &view, &why) != 0)
		fail_msg("%s: %s", why.path, why.reason);
	close(fd);
	return view;
}

static const struct view_buffer *buffer_of(const struct segment_view *view, uint64_t id)
{
	for (uint32_t i = 0; i < view->buffer_count; i++)
		if (view->buffers[i].id == id)
			return &view->buffers[i];
	return NULL;
}

static const struct view_figure *figure_of(const struct segment_view *view, uint32_t kind,
                                           uint32_t device)
{
	return &view->figures[kind * view->device_count + device];
}

static void sample_says_what_was_put_in(void **state)
{
	struct segment_view *view;
	const struct view_buffer *buffer;
	struct build b;

	(void)state;
	build_sample(&b);
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(view->life, LIFE_KILLED);
	assert_true(view->exact);
	assert_int_equal(view->op, b.op);
	assert_int_equal(view->device_count, 3);
	assert_string_equal(view->devices[1].arch, "wormhole_b0");
	assert_int_equal(view->space_count, 2);
	assert_int_equal(view->spaces[1].members[2], SPACE_REMOTE);
	assert_string_equal(view->spaces[1].name, "mesh");
	assert_int_equal(view->buffer_count, 5);
	assert_int_equal(view->corrupt_records, 0);
	buffer = buffer_of(view, 1);
	assert_non_null(buffer);
	assert_string_equal(buffer->site, "add");
	assert_string_equal(view->tags[buffer->tag].path, "model/layer");
	assert_int_equal(buffer->span, 2048);
	assert_null(buffer->member_bytes);
	buffer = buffer_of(view, 4);
	assert_int_equal(buffer->member_bytes[1], 2000);
	assert_int_equal(buffer->member_bytes[3], 3000);
	buffer = buffer_of(view, 5);
	assert_int_equal(buffer->member_bytes[0], 640);
	assert_int_equal(buffer->member_bytes[1], 0);
	assert_int_equal(buffer_of(view, 6)->parent, 3);
	assert_string_equal(view->command_line, "build --by hand");
	segment_view_destroy(view);
	build_finish(&b);
}

static void figures_add_up(void **state)
{
	struct segment_view *view;
	struct build b;

	(void)state;
	build_sample(&b);
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_USER],
	                 24000 + 4096 + 1000 + 640);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held,
	                 2048 * BUILD_BANKS + 4096 * BUILD_BANKS + 1000 + 640);
	assert_int_equal(figure_of(view, BUILD_DRAM, 1)->bytes[CLASS_USER], 4096 + 2000);
	assert_int_equal(figure_of(view, BUILD_DRAM, 2)->bytes[CLASS_USER], 4096 + 3000 + 640);
	assert_int_equal(figure_of(view, BUILD_DRAM, 2)->buffers[CLASS_USER], 3);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->capacity, (uint64_t)BUILD_BANKS << 30);
	assert_int_equal(figure_of(view, BUILD_L1, 1)->bytes[CLASS_VIEW], 64);
	assert_int_equal(figure_of(view, BUILD_L1, 1)->held, 0);
	segment_view_destroy(view);
	build_finish(&b);
}

static void totals_of_the_live_are_the_writers(void **state)
{
	struct segment_view *view;
	struct build b;
	uint32_t space, row;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	space = build_open_device(&b, 0);
	row = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){.id = 1, .bytes = 100, .span = 10, .row = row});
	build_free(&b, build_alloc(&b, &(struct build_record){.id = 2, .bytes = 50, .row = row}));
	view = load_live(&b, VIEW_TOTALS);
	assert_int_equal(view->life, LIFE_ALIVE);
	assert_true(view->exact);
	assert_int_equal(view->buffer_count, 0);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_USER], 100);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 120);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->peak, 170);
	assert_int_equal(view->row_count, 1);
	assert_int_equal(view->rows[0].allocs, 2);
	assert_int_equal(view->rows[0].frees, 1);
	assert_true(view->last_ns <= view->read_ns);
	assert_true(view->read_ns - view->last_ns < 60000000000u);
	segment_view_destroy(view);
	view = load_live(&b, VIEW_BUFFERS);
	assert_false(view->counters_differ);
	assert_int_equal(view->buffer_count, 1);
	segment_view_destroy(view);
	((struct segment_counters *)build_region(&b, REGION_COUNTERS))->held[0]++;
	view = load_live(&b, VIEW_BUFFERS);
	assert_true(view->counters_differ);
	segment_view_destroy(view);
	build_finish(&b);
}

/* A writer that is stopped inside a batch: the state is that before it, however far it came. */
static void half_a_batch_is_undone(void **state)
{
	struct segment_view *view;
	struct build b;
	uint64_t before;
	uint32_t space, mesh, row, mesh_row, kept, shared;
	const uint32_t members[2] = {0, 1};

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	build_device(&b, 2, BUILD_BANKS);
	space = build_open_device(&b, 0);
	mesh = build_open_mesh(&b, 1, 2, members);
	row = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	mesh_row = build_row(&b, mesh, BUILD_DRAM, CLASS_USER, 0);
	kept = build_alloc(&b, &(struct build_record){.id = 1, .bytes = 100, .row = row});
	shared = build_alloc(
		&b, &(struct build_record){.id = 2, .bytes = 30, .row = mesh_row, .members = 2});
	before = b.op;
	build_free(&b, kept);
	build_share_gone(&b, shared, 1);
	build_alloc(&b, &(struct build_record){.id = 3, .bytes = 7, .row = row});
	build_ready(&b, space);
	build_close(&b, mesh, SPACE_CLOSED);
	b.header->commit = before;
	view = load_live(&b, VIEW_BUFFERS);
	assert_true(view->exact);
	assert_int_equal(view->op, before);
	assert_int_equal(view->buffer_count, 2);
	assert_false(buffer_of(view, 1)->incomplete);
	assert_null(buffer_of(view, 2)->member_bytes);
	assert_int_equal(view->spaces[0].state, SPACE_OPEN);
	assert_int_equal(view->spaces[1].state, SPACE_OPEN);
	assert_int_equal(buffer_of(view, 1)->class_now, CLASS_USER);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 130);
	assert_int_equal(figure_of(view, BUILD_DRAM, 1)->held, 30);
	segment_view_destroy(view);
	/* Totals of it come from the records as well. */
	view = load_live(&b, VIEW_TOTALS);
	assert_int_equal(view->op, before);
	assert_true(view->exact);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 130);
	segment_view_destroy(view);
	/* Of the dead, the bits decide. */
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(view->op, b.op);
	assert_null(buffer_of(view, 1));
	assert_int_equal(buffer_of(view, 3)->class_now, CLASS_SYSTEM);
	assert_int_equal(view->spaces[1].state, SPACE_CLOSED);
	assert_true(buffer_of(view, 2)->closed);
	segment_view_destroy(view);
	build_finish(&b);
}

/* The slot of a freed record was given to another since: its event still tells its size. */
static void overwritten_slots_are_told_by_events(void **state)
{
	struct segment_view *view;
	struct build b;
	uint64_t before;
	uint32_t space, row, slot;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	space = build_open_device(&b, 0);
	row = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	slot = build_alloc(&b, &(struct build_record){.id = 1, .bytes = 96, .span = 8, .row = row});
	before = b.op;
	build_free(&b, slot);
	b.next_slot = slot;
	build_alloc(&b, &(struct build_record){.id = 9, .bytes = 4, .row = row});
	b.header->commit = before;
	view = load_live(&b, VIEW_BUFFERS);
	assert_true(view->exact);
	assert_int_equal(view->buffer_count, 1);
	assert_true(buffer_of(view, 1)->incomplete);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_USER], 96);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 96);
	segment_view_destroy(view);
	build_finish(&b);
}

/* More events than the ring holds went by: said, not hidden. */
static void overwritten_events_are_counted(void **state)
{
	struct segment_view *view;
	struct build b;
	uint32_t space, row;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	space = build_open_device(&b, 0);
	row = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){.id = 1, .bytes = 96, .row = row});
	b.header->reserve = b.header->commit + 1024 + 17;
	view = load_live(&b, VIEW_BUFFERS);
	assert_false(view->exact);
	assert_true(view->off_by_events >= 17);
	assert_int_equal(view->buffer_count, 1);
	segment_view_destroy(view);
	build_finish(&b);
}

/* Between the commit points of a LOCAL record and of the share that it takes over. */
static void local_takes_the_share_at_once(void **state)
{
	struct segment_view *view;
	struct build b;
	uint32_t device, mesh, mesh_row, row;
	const uint32_t members[2] = {0, 1};

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	build_device(&b, 2, BUILD_BANKS);
	device = build_open_device(&b, 0);
	mesh = build_open_mesh(&b, 1, 2, members);
	row = build_row(&b, device, BUILD_DRAM, CLASS_USER, 0);
	mesh_row = build_row(&b, mesh, BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){
				.id = 10, .bytes = 800, .row = mesh_row, .flags = MT_BACKING});
	build_alloc(&b,
	            &(struct build_record){
			    .id = 11, .bytes = 800, .row = row, .parent = 10, .flags = MT_LOCAL});
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 800);
	assert_int_equal(figure_of(view, BUILD_DRAM, 1)->held, 800);
	assert_int_equal(view->buffer_count, 2);
	assert_int_equal(buffer_of(view, 10)->member_bytes[0], 0);
	assert_int_equal(buffer_of(view, 10)->member_bytes[1], 800);
	segment_view_destroy(view);
	row = build_row(&b, build_open_device(&b, 1), BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b,
	            &(struct build_record){
			    .id = 12, .bytes = 800, .row = row, .parent = 10, .flags = MT_LOCAL});
	view = load(&b, VIEW_BUFFERS);
	assert_null(buffer_of(view, 10));
	assert_int_equal(figure_of(view, BUILD_DRAM, 1)->held, 800);
	segment_view_destroy(view);
	build_finish(&b);
}

static void classes_and_closings(void **state)
{
	struct segment_view *view;
	struct build b;
	uint32_t space, row, user;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	space = build_open_device(&b, 0);
	row = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){.id = 1, .bytes = 100, .row = row});
	build_ready(&b, space);
	user = build_row(&b, space, BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){.id = 2, .bytes = 30, .row = user});
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_SYSTEM], 100);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_USER], 30);
	assert_int_equal(view->spaces[0].state, SPACE_READY);
	segment_view_destroy(view);
	build_close(&b, space, SPACE_LOST);
	view = load(&b, VIEW_BUFFERS);
	assert_int_equal(view->spaces[0].state, SPACE_LOST);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->held, 0);
	assert_int_equal(view->buffer_count, 2);
	assert_true(view->buffers[0].closed);
	assert_true(view->rows[0].closed);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->peak, 130);
	segment_view_destroy(view);
	build_finish(&b);
}

static void without_detail_the_rows_decide(void **state)
{
	struct segment_view *view;
	struct segment_row *row;
	struct build b;
	uint32_t index;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	index = build_row(&b, build_open_device(&b, 0), BUILD_DRAM, CLASS_USER, 0);
	build_alloc(&b, &(struct build_record){.id = 1, .bytes = 100, .row = index});
	row = build_element(&b, REGION_ROWS, index);
	row->bytes += 1000;
	row->held += 1000;
	row->buffers++;
	b.header->no_detail_buffers = 1;
	b.header->state |= SEGMENT_STATE_DEGRADED;
	view = load_live(&b, VIEW_BUFFERS);
	assert_true(view->exact);
	assert_int_equal(view->buffer_count, 1);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->bytes[CLASS_USER], 1100);
	assert_int_equal(figure_of(view, BUILD_DRAM, 0)->buffers[CLASS_USER], 2);
	segment_view_destroy(view);
	build_finish(&b);
}

static void lists_put(struct build *b, uint32_t space, uint32_t tag)
{
	struct segment_fault *fault = build_element(b, REGION_FAULTS, 0);
	struct segment_frame *frame = build_element(b, REGION_FRAMES, 1);
	struct segment_failure *failure = build_element(b, REGION_FAILURES, 0);
	struct segment_failure_device device = {.device = 0, .held = 5, .capacity = 9};
	struct segment_failure_buffer buffer = {.id = 8, .bytes = 3, .space = space, .tag = tag};
	struct segment_share_of line = {
		.space = space, .member = ROW_ALL_MEMBERS, .tag = tag, .buffers = 2, .bytes = 12};
	struct segment_mark *mark = build_element(b, REGION_MARKS, 0);
	struct segment_program *program = build_element(b, REGION_PROGRAMS, 0);
	struct segment_cb cb = {.x1 = 7, .y1 = 7, .address = 1024, .bytes = 2048};
	struct segment_resident resident = {.program = 0, .op = 1};

	*fault = (struct segment_fault){.type = MT_DOUBLE_FREE,
	                                .space = space,
	                                .device = 0,
	                                .kind = 0,
	                                .id = 4,
	                                .tag_first = tag,
	                                .count = 3,
	                                .first_op = 1,
	                                .last_op = 2};
	frame->op = 1;
	frame->count = 1;
	frame->lines[0] = line;
	((struct segment_counters *)build_region(b, REGION_COUNTERS))->frame[0] = 2;
	*failure = (struct segment_failure){.op = 1,
	                                    .number = 1,
	                                    .space = space,
	                                    .bytes = 77,
	                                    .reason = build_string(b, "full"),
	                                    .device_count = 1,
	                                    .line_count = 1,
	                                    .buffer_count = 1};
	failure->devices_block = build_block(b, &device, sizeof device);
	failure->lines_block = build_block(b, &line, sizeof line);
	failure->buffers_block = build_block(b, &buffer, sizeof buffer);
	*mark = (struct segment_mark){.op = 1, .n = 17, .name = build_string(b, "step")};
	*program = (struct segment_program){.id = 5, .tag = tag, .live = 1, .cb_count = 1};
	program->cb_block = build_block(b, &cb, sizeof cb);
	build_space(b, space)->resident_block = build_block(b, &resident, sizeof resident);
	build_space(b, space)->resident_count = 1;
}

static void lists_are_read(void **state)
{
	struct segment_view *view;
	struct build b;
	uint32_t space, tag;

	(void)state;
	build_init(&b, 64);
	build_device(&b, 1, BUILD_BANKS);
	space = build_open_device(&b, 0);
	tag = build_tag(&b, 0, "model");
	lists_put(&b, space, tag);
	view = load_live(&b, VIEW_TOTALS);
	assert_int_equal(view->fault_count, 1);
	assert_int_equal(view->faults[0].type, MT_DOUBLE_FREE);
	assert_string_equal(view->faults[0].tag_first, "model");
	assert_int_equal(view->frame_count, 1);
	assert_int_equal(figure_of(view, 0, 0)->frame, 1);
	assert_int_equal(view->frames[0].lines[0].bytes, 12);
	assert_int_equal(view->failure_count, 1);
	assert_string_equal(view->failures[0].reason, "full");
	assert_int_equal(view->failures[0].devices[0].capacity, 9);
	assert_int_equal(view->failures[0].buffers[0].id, 8);
	assert_string_equal(view->failures[0].lines[0].tag, "model");
	assert_int_equal(view->marks[0].n, 17);
	assert_string_equal(view->marks[0].name, "step");
	assert_int_equal(view->programs[0].cbs[0].bytes, 2048);
	assert_int_equal(view->spaces[0].resident_count, 1);
	segment_view_destroy(view);
	build_finish(&b);
}

static void proxies_may_be_stale(void **state)
{
	struct segment_view *view;
	struct build b;

	(void)state;
	build_sample(&b);
	b.header->compat = SEGMENT_COMPAT_PROXY;
	view = load(&b, VIEW_TOTALS);
	assert_int_equal(view->life, LIFE_ALIVE);
	assert_true(view->writer_gone);
	assert_true(view->is_proxy);
	segment_view_destroy(view);
	view = load_live(&b, VIEW_TOTALS);
	assert_false(view->writer_gone);
	segment_view_destroy(view);
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
		cmocka_unit_test(sample_says_what_was_put_in),
		cmocka_unit_test(figures_add_up),
		cmocka_unit_test(totals_of_the_live_are_the_writers),
		cmocka_unit_test(half_a_batch_is_undone),
		cmocka_unit_test(overwritten_slots_are_told_by_events),
		cmocka_unit_test(overwritten_events_are_counted),
		cmocka_unit_test(local_takes_the_share_at_once),
		cmocka_unit_test(classes_and_closings),
		cmocka_unit_test(without_detail_the_rows_decide),
		cmocka_unit_test(lists_are_read),
		cmocka_unit_test(proxies_may_be_stale),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
