/* SPDX-License-Identifier: Apache-2.0 */
/* From a copy to a view: what is true of the process, its kinds, strings, tags and devices. */
#include "reader_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES_MAX = 2047 /* a longer tag path is cut */ };
#define LIST_BYTES_MAX (512u << 20) /* of lists in one view */

void segment_view_destroy(struct segment_view *view)
{
	if (!view || __atomic_fetch_sub(&view->references, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	arena_destroy(view->arena);
	free(view);
}

struct segment_view *segment_view_hold(struct segment_view *view)
{
	__atomic_fetch_add(&view->references, 1, __ATOMIC_RELAXED);
	return view;
}

/* Text of foreign origin: any bytes. */
static char *text_copy(struct parse *p, const char *bytes, size_t length)
{
	char *text = arena_string(p->arena, bytes, length);
	char *nul;

	if (!text)
		return NULL;
	while ((nul = memchr(text, 0, length)))
		*nul = '?';
	return text;
}

const char *parse_string_new(struct parse *p, uint32_t reference)
{
	const struct copy_table *table = &p->copy->tables[REGION_STRINGS];
	uint64_t at = (uint64_t)reference * 8;
	uint16_t length;
	char *text;

	if (reference == 0 || reference >= p->string_limit)
		return "";
	memcpy(&length, (const char *)table->data + at, sizeof length);
	if (at + sizeof length + length > table->count || length > p->string_budget)
		return "";
	p->string_budget -= length;
	text = text_copy(p, (const char *)table->data + at + sizeof length, length);
	p->strings[reference] = text ? text : "";
	return p->strings[reference];
}

static int strings_init(struct parse *p)
{
	const struct copy_table *table = &p->copy->tables[REGION_STRINGS];

	p->string_budget = table->count;
	p->string_limit = table->count / 8;
	p->strings = arena_take(p->scratch, p->string_limit, sizeof *p->strings);
	return p->strings ? 0 : -ENOMEM;
}

uint32_t parse_tag(const struct parse *p, uint32_t tag)
{
	return tag < p->view->tag_count ? tag : 0;
}

const char *parse_tag_path(const struct parse *p, uint32_t tag)
{
	return p->view->tags[parse_tag(p, tag)].path;
}

uint32_t parse_space(const struct parse *p, uint32_t handle)
{
	uint32_t index = p->space_of_entry[handle % SEGMENT_MAX_SPACES];

	if (handle == 0 || index == 0 || p->view->spaces[index - 1].handle != handle)
		return NONE;
	return index - 1;
}

void *parse_list(struct parse *p, uint32_t block, uint32_t *count, uint32_t limit, size_t size)
{
	size_t bytes = *count * size;
	const void *from;
	void *list = NULL;

	if (*count && *count <= limit && bytes <= p->list_budget) {
		p->list_budget -= bytes;
		from = copy_block(p->copy, block, bytes, false);
		list = from ? arena_take(p->arena, *count, size) : NULL;
		if (list)
			memcpy(list, from, bytes);
	}
	if (*count && !list) {
		p->view->corrupt_records++;
		*count = 0;
	}
	return list;
}

static const char *path_join(struct parse *p, const struct view_tag *parent, const char *name)
{
	size_t before = strlen(parent->path), length = strlen(name);
	char *path;

	if (before == 0)
		return name;
	if (before + 1 + length > PATH_BYTES_MAX)
		length = before < PATH_BYTES_MAX ? PATH_BYTES_MAX - before - 1 : 0;
	path = arena_take(p->arena, before + length + 2, 1);
	if (!path)
		return NULL;
	memcpy(path, parent->path, before);
	path[before] = '/';
	memcpy(path + before + 1, name, length);
	return path;
}

/* A tag is made after its parent, so that parents have lower numbers and there are no cycles. */
static int parse_tags(struct parse *p)
{
	const struct segment_tag *tags = p->copy->tables[REGION_TAGS].data;
	struct segment_view *view = p->view;
	uint32_t count = p->copy->tables[REGION_TAGS].count, i;

	view->tag_count = count ? count : 1;
	view->tags = arena_take(p->arena, view->tag_count, sizeof *view->tags);
	if (!view->tags)
		return -ENOMEM;
	view->tags[0].name = view->tags[0].path = "";
	for (i = 1; i < count; i++) {
		struct view_tag *tag = &view->tags[i];

		tag->parent = tags[i].parent;
		if (tag->parent >= i) {
			tag->parent = 0;
			view->corrupt_records++;
		}
		tag->name = parse_string(p, tags[i].name);
		tag->path = path_join(p, &view->tags[tag->parent], tag->name);
		if (!tag->path)
			return -ENOMEM;
	}
	return 0;
}

static int parse_devices(struct parse *p)
{
	const struct segment_device *devices = p->copy->tables[REGION_DEVICES].data;
	struct segment_view *view = p->view;
	uint32_t i;

	view->device_count = p->copy->tables[REGION_DEVICES].count;
	view->devices = arena_take(p->arena, view->device_count, sizeof *view->devices);
	if (!view->devices)
		return -ENOMEM;
	for (i = 0; i < view->device_count; i++) {
		struct view_device *device = &view->devices[i];

		device->unique_id = devices[i].unique_id;
		device->ordinal = devices[i].ordinal;
		device->ordinals = devices[i].ordinals;
		device->unplaced = devices[i].flags & SEGMENT_DEVICE_UNPLACED;
		device->arch = parse_string(p, devices[i].arch);
		device->bus = parse_string(p, devices[i].bus);
		device->memory_count = devices[i].memory_count;
		if (device->memory_count > SEGMENT_MAX_MEMORIES) {
			device->memory_count = 0;
			view->corrupt_records++;
		}
		memcpy(device->memories, devices[i].memories, sizeof device->memories);
	}
	return 0;
}

static void parse_kinds(struct parse *p)
{
	const struct segment_header *header = &p->copy->header;
	struct segment_view *view = p->view;
	uint32_t i;

	view->kind_count = header->kind_count;
	if (view->kind_count > SEGMENT_MAX_KINDS) {
		view->kind_count = SEGMENT_MAX_KINDS;
		view->corrupt_records++;
	}
	for (i = 0; i < view->kind_count; i++)
		memcpy(view->kind_names[i], header->kind_names[i], SEGMENT_KIND_NAME);
}

static int parse_header(struct parse *p)
{
	const struct segment_header *header = &p->copy->header;
	struct segment_view *view = p->view;

	view->identity = header->identity;
	view->run_id = header->run_id;
	view->life = p->copy->life;
	view->writer_gone = p->copy->writer_gone;
	view->is_proxy = header->compat & SEGMENT_COMPAT_PROXY;
	view->writer = header->writer;
	view->subject = header->subject;
	view->inner_pid = header->inner_pid;
	view->inner_pid_ns = header->inner_pid_ns;
	view->rank = header->rank;
	view->birth_realtime_ns = header->birth_realtime_ns;
	view->clock = (struct view_clock){header->clock, header->birth_time,
	                                  header->birth_monotonic_ns, p->scale.ns_per_tick};
	view->state = header->state;
	view->no_detail_buffers = header->no_detail_buffers;
	view->refused = header->refused;
	view->unrecorded = header->unrecorded;
	view->populated_bytes = header->populated_bytes;
	view->cap_bytes = header->cap_bytes;
	view->inexact_op = header->inexact_op;
	view->exit_op = header->exit_op;
	if (header->state & SEGMENT_STATE_DEAD)
		view->end = header->end;
	view->fault_total = header->fault_total;
	memcpy(view->faults_by_type, header->faults_by_type, sizeof view->faults_by_type);
	view->name = arena_string(p->arena, p->copy->name, strlen(p->copy->name));
	view->comm =
		arena_string(p->arena, header->comm, strnlen(header->comm, sizeof header->comm));
	view->command_line =
		arena_string(p->arena, header->command_line,
	                     strnlen(header->command_line, sizeof header->command_line));
	return view->name && view->comm && view->command_line ? 0 : -ENOMEM;
}

/* Times of the segment are set against the clock of its reader, not against that at its birth,
 * which may have been put right since. */
static void parse_last(struct parse *p)
{
	const struct reader_clock *now = &p->copy->now;
	uint64_t last = parse_time(p, p->copy->last_time);
	uint64_t then = clock_realtime_ns(&p->scale, now->time);
	uint64_t age = last < then ? then - last : 0;

	p->view->last_time = p->copy->last_time;
	p->view->read_ns = now->realtime_ns;
	if (last && then && age < now->realtime_ns)
		p->view->last_ns = now->realtime_ns - age;
}

static void parse_exactness(struct parse *p)
{
	const struct reader_copy *copy = p->copy;
	struct segment_view *view = p->view;

	view->op = copy->op;
	view->corrupt_records += copy->corrupt;
	view->off_by_events = copy->missed;
	if (!p->recount && !copy->totals_exact)
		view->off_by_events += copy->totals_off;
	view->exact = view->off_by_events == 0;
	parse_last(p);
}

int parse_tables(struct parse *p)
{
	int error = strings_init(p);

	parse_kinds(p);
	if (!error)
		error = parse_header(p);
	if (!error)
		error = parse_devices(p);
	if (!error)
		error = parse_tags(p);
	if (!error)
		error = parse_spaces(p);
	if (!error)
		error = parse_lists(p);
	return error ? error : parse_rows(p);
}

int parse_totals(struct parse *p)
{
	int error = finish_rows(p);

	if (!error)
		error = parse_figures(p);
	if (!error)
		parse_exactness(p);
	return error;
}

static int parse_all(struct parse *p, enum view_depth depth)
{
	int error = parse_tables(p);

	if (!error && p->copy->has_slots)
		error = parse_buffers(p, depth == VIEW_BUFFERS);
	if (!error && p->copy->settle_rows && p->recount)
		error = settle_rows(p);
	if (!error)
		error = parse_totals(p);
	return error ? error : p->stale && !copy_is_dead(p->copy) ? -EAGAIN : 0;
}

int parse_begin(struct parse *p, struct reader_copy *copy, enum view_depth depth, bool recount)
{
	*p = (struct parse){.copy = copy, .scratch = copy->arena, .op_limit = copy->op_limit};
	p->view = calloc(1, sizeof *p->view);
	if (!p->view)
		return -ENOMEM;
	p->view->depth = depth;
	p->view->arena = p->arena = arena_create();
	p->scale = clock_scale(&copy->header, &copy->now);
	/* Rows of records that have no slot are known from the writer alone. */
	p->recount = recount && copy->header.no_detail_buffers == 0;
	p->list_budget = LIST_BYTES_MAX;
	return p->arena ? 0 : -ENOMEM;
}

int copy_parse(struct reader_copy *copy, enum view_depth depth, struct segment_view **ret_view)
{
	struct parse p;
	int error = parse_begin(&p, copy, depth, copy->has_slots);

	if (!error)
		error = parse_all(&p, depth);
	if (error && error != -EAGAIN) {
		segment_view_destroy(p.view);
		return error;
	}
	*ret_view = p.view;
	return error;
}
