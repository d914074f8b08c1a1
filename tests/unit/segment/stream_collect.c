/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_collect.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A scale is measured anew at each reading. */
#define SCALE_NS 100000000u

struct collecting {
	struct collected *to;
	const struct segment_view *view;
};

static void fill(struct found_buffer *found, const struct segment_view *view,
                 const struct view_buffer *buffer)
{
	const struct view_space *space = &view->spaces[buffer->space];

	*found = (struct found_buffer){.buffer = *buffer,
	                               .site = strdup(buffer->site),
	                               .tag = strdup(view->tags[buffer->tag].path),
	                               .space = space->handle,
	                               .members = space->member_count};
	if (buffer->member_bytes != NULL) {
		found->member_bytes = calloc(space->member_count, sizeof(uint64_t));
		memcpy(found->member_bytes, buffer->member_bytes,
		       space->member_count * sizeof(uint64_t));
	}
	found->buffer.site = NULL;
	found->buffer.member_bytes = NULL;
}

static int begin(const struct segment_view *view, void *arg)
{
	struct collecting *collecting = arg;

	collecting->view = view;
	collecting->to->begun++;
	collecting->to->life = view->life;
	collecting->to->held = 0;
	for (uint32_t i = 0; i < view->kind_count * view->device_count; i++)
		collecting->to->held += view->figures[i].held;
	return 0;
}

static int found(const struct view_buffer *buffer, void *arg)
{
	struct collecting *collecting = arg;
	struct collected *to = collecting->to;

	if (to->count == to->room) {
		to->room = to->room * 2 + 1024;
		to->items = realloc(to->items, to->room * sizeof(*to->items));
	}
	fill(&to->items[to->count++], collecting->view, buffer);
	to->seen += strlen(collecting->view->kind_names[buffer->kind]);
	if (to->meanwhile != NULL)
		to->meanwhile(to->arg, buffer);
	return 0;
}

static int by_slot(const void *a, const void *b)
{
	const struct found_buffer *x = a, *y = b;

	return (x->buffer.slot > y->buffer.slot) - (x->buffer.slot < y->buffer.slot);
}

int collect(struct collected *collected, const char *path)
{
	struct collecting collecting = {.to = collected};
	const struct segment_stream stream = {begin, found, &collecting};
	struct segment_reject why = {.reason = ""};
	int fd = open(path, O_RDONLY | O_CLOEXEC), result;

	assert_true(fd >= 0);
	result = segment_stream_fd(fd, path, &stream, &collected->off_by, &why);
	if (result < 0)
		assert_true(why.reason[0] != '\0');
	close(fd);
	if (collected->count != 0)
		qsort(collected->items, collected->count, sizeof(*collected->items), by_slot);
	return result;
}

static void empty(struct found_buffer *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(items[i].site);
		free(items[i].tag);
		free(items[i].member_bytes);
	}
	free(items);
}

void collected_finish(struct collected *collected)
{
	empty(collected->items, collected->count);
}

static void compare_one(const struct found_buffer *a, const struct found_buffer *b)
{
	const struct view_buffer *x = &a->buffer, *y = &b->buffer;

	assert_int_equal(x->slot, y->slot);
	assert_int_equal(x->id, y->id);
	assert_int_equal(x->address, y->address);
	assert_int_equal(x->bytes, y->bytes);
	assert_int_equal(x->span, y->span);
	assert_int_equal(x->op, y->op);
	assert_true(x->time_ns - y->time_ns + SCALE_NS <= 2 * SCALE_NS);
	assert_int_equal(x->parent, y->parent);
	assert_int_equal(x->thread, y->thread);
	assert_int_equal(x->region, y->region);
	assert_int_equal(x->flags, y->flags);
	assert_int_equal(x->kind, y->kind);
	assert_int_equal(x->class_now, y->class_now);
	assert_int_equal(x->repeats, y->repeats);
	assert_int_equal(x->closed, y->closed);
	assert_int_equal(x->one_bank, y->one_bank);
	assert_int_equal(x->incomplete, y->incomplete);
	assert_string_equal(a->site, b->site);
	assert_string_equal(a->tag, b->tag);
	assert_int_equal(a->space, b->space);
	assert_int_equal(a->members, b->members);
	assert_int_equal(a->member_bytes != NULL, b->member_bytes != NULL);
	if (a->member_bytes != NULL)
		assert_memory_equal(a->member_bytes, b->member_bytes,
		                    a->members * sizeof(uint64_t));
}

void collected_compare(const struct collected *collected, const struct segment_view *view)
{
	struct found_buffer *items = calloc(view->buffer_count + 1, sizeof(*items));

	assert_int_equal(collected->begun, 1);
	assert_int_equal(collected->count, view->buffer_count);
	for (uint32_t i = 0; i < view->buffer_count; i++)
		fill(&items[i], view, &view->buffers[i]);
	qsort(items, view->buffer_count, sizeof(*items), by_slot);
	for (uint32_t i = 0; i < view->buffer_count; i++)
		compare_one(&collected->items[i], &items[i]);
	empty(items, view->buffer_count);
}

size_t collected_times(const struct collected *collected, uint64_t id)
{
	size_t times = 0;

	for (size_t i = 0; i < collected->count; i++)
		times += collected->items[i].buffer.id == id;
	return times;
}
