/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs made up for tests of the monitor. Their arrays are of the size that is needed, so that
 * meshes are not bounded by view_build.h, of which the rest is used.
 */
#include "memory.h"
#include "tui_fixtures.h"

#include <stdlib.h>
#include <string.h>

#define MB        (1ull << 20)
#define KB        (1ull << 10)
#define SECOND_NS 1000000000ull
#define FIRST_UID 0x4d4553480000ull

/* What a buffer is made with; see add(). */
struct place {
	uint32_t space;
	uint8_t kind, class_now;
	uint32_t tag;
	const char *site;
	uint64_t base; /* in each bank of DRAM: below it is somebody else's */
};

static struct built_view *view_of(int32_t pid, enum view_life life, const char *command)
{
	struct built_view *built = build_view(pid, life);

	built->view.comm = "python3";
	built->view.command_line = command;
	built->view.birth_realtime_ns = FIXTURE_NOW_NS - 4000 * SECOND_NS;
	built->view.last_ns = FIXTURE_NOW_NS - 2 * SECOND_NS;
	built->view.devices = NULL;
	built->view.figures = NULL;
	built->view.rows = NULL;
	return built;
}

void fixture_view_free(struct built_view *built)
{
	for (uint32_t i = 0; i < built->view.space_count; i++)
		if (built->spaces[i].members != built->members[i])
			free(built->spaces[i].members);
	free(built->view.devices);
	free(built->view.figures);
	free(built->view.rows);
	free(built->view.marks);
	build_free(built);
}

static void add_devices(struct built_view *built, uint32_t first, uint32_t count)
{
	struct view_device *devices = mem_calloc(count, sizeof(*devices));

	for (uint32_t d = 0; d < count; d++) {
		devices[d].unique_id = FIRST_UID + first + d;
		devices[d].ordinal = (int32_t)(first + d);
		devices[d].arch = "wormhole_b0";
		devices[d].bus = "";
		devices[d].memory_count = 2;
		devices[d].memories[0] = (struct segment_memory){MT_DRAM, 12, 0, 1u << 30, 32};
		devices[d].memories[1] = (struct segment_memory){MT_L1, 64, 0, 1u << 20, 16};
	}
	built->view.devices = devices;
	built->view.device_count = count;
}

/* A mesh of all its devices in their order. */
static uint32_t add_mesh(struct built_view *built, uint16_t rows, uint16_t columns,
                         const char *name)
{
	uint32_t number = built->view.space_count++;
	struct view_space *space = &built->spaces[number];

	*space = (struct view_space){.handle = number + 1,
	                             .type = SPACE_MESH,
	                             .state = SPACE_READY,
	                             .rows = rows,
	                             .columns = columns,
	                             .member_count = (uint32_t)rows * columns,
	                             .name = name};
	space->members = mem_calloc(space->member_count, sizeof(*space->members));
	for (uint32_t i = 0; i < space->member_count; i++)
		space->members[i] = i;
	return number;
}

/* Where the last buffer of a space and kind ends; of L1, which fills from its top, where it begins.
 */
static uint64_t last_end(const struct built_view *built, const struct place *place, uint64_t end)
{
	for (uint32_t i = 0; i < built->view.buffer_count; i++) {
		const struct view_buffer *buffer = &built->buffers[i];

		if (buffer->space == place->space && buffer->kind == place->kind)
			end = place->kind == MT_L1 ? buffer->address
			                           : buffer->address + buffer->span;
	}
	return end;
}

/* Buffers lie one behind the other in the banks of their kind, with a gap now and then. */
static struct view_buffer *add(struct built_view *built, const struct place *place, uint64_t bytes)
{
	uint64_t banks = place->kind == MT_L1 ? 64 : 12, align = place->kind == MT_L1 ? 16 : 32;
	uint64_t end = last_end(built, place, place->kind == MT_L1 ? MB : place->base);
	struct view_buffer *buffer =
		build_buffer(built, place->space, 0x7f00 + built->view.buffer_count, bytes);

	buffer->kind = place->kind;
	buffer->class_now = place->class_now;
	buffer->tag = place->tag;
	buffer->site = place->site;
	buffer->span = (bytes / banks + align - 1) / align * align;
	buffer->address = place->kind == MT_L1 ? end - buffer->span : end;
	if (built->view.buffer_count % 5 == 0 && place->kind != MT_L1)
		buffer->address += buffer->span / 2;
	buffer->thread = (uint32_t)built->view.subject.pid;
	buffer->op = built->view.op += 10;
	buffer->time_ns = built->view.birth_realtime_ns + (100 + built->view.op) * SECOND_NS;
	return buffer;
}

static void add_row(struct segment_view *view, const struct view_buffer *buffer, uint64_t held)
{
	struct view_row *row = view->rows;

	while (row < view->rows + view->row_count &&
	       (row->space != buffer->space || row->kind != buffer->kind ||
	        row->class_now != buffer->class_now || row->tag != buffer->tag))
		row++;
	if (row == view->rows + view->row_count) {
		view->row_count++;
		*row = (struct view_row){.space = buffer->space,
		                         .member = ROW_ALL_MEMBERS,
		                         .kind = buffer->kind,
		                         .class_now = buffer->class_now,
		                         .tag = buffer->tag};
	}
	row->bytes += buffer->bytes;
	row->held += held;
	row->buffers++;
	row->allocs += 7;
	row->frees += 6;
}

static void add_figures(struct segment_view *view, const struct view_buffer *buffer, uint64_t held)
{
	const struct view_space *space = &view->spaces[buffer->space];

	for (uint32_t m = 0; m < space->member_count; m++) {
		struct view_figure *figure =
			&view->figures[buffer->kind * view->device_count + space->members[m]];

		figure->bytes[buffer->class_now] += buffer->bytes;
		figure->buffers[buffer->class_now]++;
		if (buffer->class_now < CLASS_COUNTED_LIMIT)
			figure->held += held;
	}
}

/* Rows and figures of what was added. */
static struct built_view *summed(struct built_view *built)
{
	struct segment_view *view = &built->view;

	view->rows = mem_calloc(view->buffer_count + 1, sizeof(*view->rows));
	view->figures =
		mem_calloc((size_t)view->kind_count * view->device_count, sizeof(*view->figures));
	for (uint32_t i = 0; i < view->buffer_count; i++) {
		const struct view_buffer *buffer = &view->buffers[i];
		uint64_t held = buffer->span * (buffer->kind == MT_L1 ? 64 : 12);

		add_row(view, buffer, held);
		add_figures(view, buffer, held);
	}
	for (uint32_t d = 0; d < view->device_count; d++) {
		view->figures[d].capacity = 12ull << 30;
		view->figures[view->device_count + d].capacity = 64 * MB;
	}
	for (uint32_t i = 0; i < view->kind_count * view->device_count; i++)
		view->figures[i].peak = view->figures[i].held + view->figures[i].held / 8;
	return built;
}

static void add_layers(struct built_view *built, uint32_t mesh)
{
	static const char *const attention[] = {"model/layer0/attn", "model/layer1/attn",
	                                        "model/layer2/attn", "model/layer3/attn"};
	static const char *const mlp[] = {"model/layer0/mlp", "model/layer1/mlp",
	                                  "model/layer2/mlp", "model/layer3/mlp"};

	for (int i = 0; i < 4; i++) {
		struct place place = {mesh,
		                      MT_DRAM,
		                      CLASS_USER,
		                      build_tag(built, attention[i]),
		                      "attention.py:88",
		                      0};

		add(built, &place, 196 * MB);
		add(built, &place, 196 * MB);
		place.tag = build_tag(built, mlp[i]);
		place.site = "mlp.py:41";
		add(built, &place, 512 * MB);
		place.kind = MT_L1;
		add(built, &place, 2 * MB);
	}
}

/* Each step leaves something behind, and the one under way holds a little more. */
static void add_steps(struct built_view *built, uint32_t mesh)
{
	struct place loss = {
		mesh, MT_DRAM, CLASS_USER, build_tag(built, "train/loss_history"), "loss.py:17", 0};
	struct place logits = {
		mesh, MT_DRAM, CLASS_USER, build_tag(built, "train/activations"), "forward.py:230",
		0};

	built->view.marks = mem_calloc(8, sizeof(*built->view.marks));
	for (uint64_t step = 1; step <= 6; step++) {
		struct view_mark *mark = &built->view.marks[built->view.mark_count++];

		*mark = (struct view_mark){.op = ++built->view.op, .n = step, .name = "step"};
		mark->time_ns = built->view.birth_realtime_ns + (100 + mark->op) * SECOND_NS;
		add(built, &loss, 3 * MB + step * 64 * KB);
	}
	add(built, &logits, 640 * MB);
}

static void add_faults(struct built_view *built)
{
	static const struct {
		uint32_t type, device;
		uint64_t count;
		const char *tag, *first, *second;
	} made[] = {
		{MT_DOUBLE_FREE, 21, 3, "model/layer1/attn", "attention.py:88", "cleanup.py:12"},
		{MT_UNKNOWN_FREE, 21, 1, "", "", "cleanup.py:19"},
		{MT_OUT_OF_RANGE, 30, 12, "train/activations", "forward.py:230", ""},
	};

	for (uint32_t i = 0; i < ARRAY_COUNT(made); i++) {
		built->faults[built->view.fault_count++] =
			(struct view_fault){.type = made[i].type,
		                            .kind = MT_DRAM,
		                            .device = made[i].device,
		                            .id = 0xbeef + i,
		                            .address = 0x4000 * (i + 1),
		                            .bytes_first = 4096,
		                            .tag_first = made[i].tag,
		                            .site_first = made[i].first,
		                            .tag_second = "",
		                            .site_second = made[i].second,
		                            .first_op = 50 + i,
		                            .last_op = 60 + i,
		                            .first_ns = FIXTURE_NOW_NS - (700 - i) * SECOND_NS,
		                            .last_ns = FIXTURE_NOW_NS - (95 - 40 * i) * SECOND_NS,
		                            .count = made[i].count};
		built->view.fault_total += made[i].count;
		built->view.faults_by_type[made[i].type] += made[i].count;
	}
}

struct built_view *fixture_train(void)
{
	struct built_view *built = view_of(4242, LIFE_ALIVE, "python3 train.py --layers 4");
	struct place place = {0, MT_DRAM, CLASS_SYSTEM, 0, "command queue", 0};

	built->view.rank = 0;
	add_devices(built, 0, 32);
	place.space = add_mesh(built, 4, 8, "galaxy");
	add(built, &place, 96 * MB);
	add_layers(built, place.space);
	place = (struct place){place.space, MT_DRAM, CLASS_CACHE, 0, "kernel binaries", 0};
	add(built, &place, 36 * KB);
	place = (struct place){place.space,  MT_DRAM, CLASS_USER, build_tag(built, "optimizer/m"),
	                       "adam.py:30", 0};
	add(built, &place, 768 * MB);
	place.kind = MT_TRACE;
	add(built, &place, 40 * MB);
	add_steps(built, place.space);
	place = (struct place){build_device_space(built, 13),  MT_DRAM,      CLASS_USER,
	                       build_tag(built, "debug/dump"), "debug.py:5", 560 * MB};
	add(built, &place, 5120 * MB);
	add_faults(built);
	return summed(built);
}

struct built_view *fixture_eval(void)
{
	struct built_view *built = view_of(4250, LIFE_ALIVE, "python3 eval.py --kv 8");
	struct place place = {
		0, MT_DRAM, CLASS_USER, build_tag(built, "kv_cache"), "cache.py:64", 560 * MB};

	built->view.birth_realtime_ns = FIXTURE_NOW_NS - 600 * SECOND_NS;
	add_devices(built, 0, 4);
	place.space = add_mesh(built, 1, 4, "");
	for (int i = 0; i < 8; i++)
		add(built, &place, 256 * MB);
	place.class_now = CLASS_VIEW;
	add(built, &place, 128 * MB)->parent = 0x7f00;
	return summed(built);
}

struct built_view *fixture_killed(void)
{
	struct built_view *built = view_of(4100, LIFE_KILLED, "python3 train.py --batch 64");
	struct place place = {0, MT_DRAM, CLASS_USER, build_tag(built, "batch"), "input.py:9", 0};

	built->view.end = (struct segment_end){2, 9, FIXTURE_NOW_NS - 1200 * SECOND_NS};
	add_devices(built, 8, 8);
	place.space = add_mesh(built, 2, 4, "");
	add(built, &place, 1024 * MB);
	add(built, &place, 24 * KB);
	return summed(built);
}

struct built_view *fixture_big(void)
{
	struct built_view *built = view_of(5000, LIFE_ALIVE, "pretrain --nodes 32");
	struct place place = {0, MT_DRAM, CLASS_USER, build_tag(built, "shard"), "shard.cpp:1", 0};

	add_devices(built, 0, 1024);
	place.space = add_mesh(built, 32, 32, "pod");
	add(built, &place, 4096 * MB);
	for (uint32_t i = 0; i < 60; i++) {
		place.space = build_device_space(built, (i * 37 + i * i) % 1024);
		place.base = 400 * MB;
		add(built, &place, (1 + i % 7) * 1024 * MB);
	}
	return summed(built);
}

/* Bytes that a program may choose, and that must not come to the terminal as they are. */
static const char *const hostile_words[] = {
	"\033[31mred\033[2J",
	"\033]0;title\007bell",
	"\xc2\x9b"
	"31m c1",
	"line\nfeed\ttab\rback",
	"\xe2\x80\xae"
	"desrever \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d",
	"\xe6\xa8\xa1\xe5\x9e\x8b/\xe6\xb3\xa8\xe6\x84\x8f\xe5\x8a\x9b\xe5\xb1\x82",
	"\xf0\x9f\x9a\x80/\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7",
	"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81"
	"\xcc\x81",
	"\xcc\x81 begins with a mark",
	"\xff\xfe\xc3",
	"zero\xe2\x80\x8bwidth",
	"a_name_without_end_a_name_without_end_a_name_without_end_a_name_without_end_a_name_without"
	"_end_a_name_without_end_a_name_without_end_a_name_without_end/end",
	"\x7f\x01\x02",
	"/",
};

struct built_view *fixture_hostile(void)
{
	struct built_view *built =
		view_of(6666, LIFE_ALIVE, "\033[5mrun\xff \xe6\xa8\xa1\xe5\x9e\x8b \033]2;x\033\\");
	struct place place = {0, MT_DRAM, CLASS_USER, 0, "", 0};

	built->view.comm = "\033[5mrun";
	add_devices(built, 0, 2);
	built->view.devices[0].arch = "\033[7march\xff";
	built->view.devices[1].bus = "\033[8m0000:81\n";
	memcpy(built->view.kind_names[MT_TRACE], "\033[1mK\xff", 7);
	place.space = add_mesh(built, 1, 2, "\033[9mmesh\n");
	for (size_t i = 0; i < ARRAY_COUNT(hostile_words); i++) {
		place.tag = build_tag(built, hostile_words[i]);
		place.site = hostile_words[ARRAY_COUNT(hostile_words) - 1 - i];
		place.kind = i % 4 == 3 ? MT_TRACE : MT_DRAM;
		add(built, &place, (100 - i) * MB);
	}
	built->faults[built->view.fault_count++] =
		(struct view_fault){.type = MT_DOUBLE_FREE,
	                            .device = 1,
	                            .tag_first = hostile_words[0],
	                            .site_first = hostile_words[3],
	                            .tag_second = hostile_words[4],
	                            .site_second = hostile_words[1],
	                            .last_ns = FIXTURE_NOW_NS - 5 * SECOND_NS,
	                            .count = 1};
	built->view.fault_total = built->view.faults_by_type[MT_DOUBLE_FREE] = 1;
	return summed(built);
}
