/* SPDX-License-Identifier: Apache-2.0 */
#include "build_segment.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RING_EVENTS = 1024, BLOCK_COUNT = 4096, STRING_BYTES = 65536, ROW_COUNT = 512 };

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static uint64_t clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void regions_place(struct build *b, uint32_t slot_count)
{
	const uint32_t rooms[REGION_LIMIT] = {
		[REGION_DEVICES] = 64,
		[REGION_SPACES] = 64,
		[REGION_STRINGS] = STRING_BYTES,
		[REGION_TAGS] = 512,
		[REGION_ROWS] = ROW_COUNT,
		[REGION_COUNTERS] = 8,
		[REGION_FAULTS] = 64,
		[REGION_FRAMES] = 8,
		[REGION_FAILURES] = 8,
		[REGION_MARKS] = 256,
		[REGION_PROGRAMS] = 64,
		[REGION_BLOCKS] = BLOCK_COUNT,
		[REGION_RING] = RING_EVENTS,
		[REGION_BITMAP] = slot_count / 64,
		[REGION_SLOTS] = slot_count,
		[REGION_DETAILS] = slot_count,
	};
	struct segment_region regions[REGION_LIMIT];
	uint64_t at = 4096;

	memset(regions, 0, sizeof regions);
	for (uint32_t i = 0; i < REGION_LIMIT; i++) {
		regions[i].offset = at;
		regions[i].element_bytes = segment_element_bytes[i];
		regions[i].capacity_bytes =
			((uint64_t)rooms[i] * segment_element_bytes[i] + 4095) & ~4095ull;
		at += regions[i].capacity_bytes;
	}
	b->size = at;
	b->bytes = calloc(1, at);
	CHECK(b->bytes);
	b->header = (struct segment_header *)(void *)b->bytes;
	memcpy(b->header->regions, regions, sizeof regions);
}

static void header_fill(struct segment_header *header)
{
	header->magic = SEGMENT_MAGIC;
	header->version = SEGMENT_VERSION;
	header->header_bytes = sizeof *header;
	header->identity = 0x1122334455667788u;
	header->rank = 3;
	header->clock = SEGMENT_CLOCK_MONOTONIC_NS;
	header->birth_time = header->birth_monotonic_ns = clock_of(CLOCK_MONOTONIC);
	header->birth_realtime_ns = clock_of(CLOCK_REALTIME);
	header->writer.pid = header->subject.pid = getpid();
	header->writer.uid = header->subject.uid = getuid();
	strcpy(header->comm, "build");
	strcpy(header->command_line, "build --by hand");
	header->region_count = REGION_LIMIT;
	header->kind_count = 6;
	strcpy(header->kind_names[0], "DRAM");
	strcpy(header->kind_names[1], "L1");
	strcpy(header->kind_names[2], "HOST");
	strcpy(header->kind_names[3], "L1_SMALL");
	strcpy(header->kind_names[4], "TRACE");
	strcpy(header->kind_names[5], "CB");
}

void build_init(struct build *b, uint32_t slot_count)
{
	memset(b, 0, sizeof *b);
	regions_place(b, slot_count);
	header_fill(b->header);
	b->next_space = 1;
	b->next_block = 1;
	b->header->regions[REGION_STRINGS].count = 8;
	b->header->regions[REGION_TAGS].count = 1;
	b->header->regions[REGION_COUNTERS].count = 6;
	b->header->regions[REGION_BLOCKS].count = 1;
	b->header->regions[REGION_RING].count = RING_EVENTS;
	b->header->regions[REGION_BITMAP].count = slot_count / 64;
	b->header->regions[REGION_SLOTS].count = slot_count;
	b->header->regions[REGION_DETAILS].count = slot_count;
}

void build_finish(struct build *b)
{
	free(b->bytes);
}

void *build_region(struct build *b, enum segment_region_id id)
{
	return b->bytes + b->header->regions[id].offset;
}

void *build_element(struct build *b, enum segment_region_id id, uint32_t index)
{
	struct segment_region *region = &b->header->regions[id];

	CHECK((uint64_t)(index + 1) * region->element_bytes <= region->capacity_bytes);
	if (region->count <= index)
		region->count = index + 1;
	return (uint8_t *)build_region(b, id) + (size_t)index * region->element_bytes;
}

uint32_t build_string(struct build *b, const char *text)
{
	uint32_t at = b->header->regions[REGION_STRINGS].count;
	uint16_t length = (uint16_t)strlen(text);
	uint32_t end = (at + 2u + length + 7u) & ~7u;
	char *to = build_element(b, REGION_STRINGS, end - 1);

	to = (char *)build_region(b, REGION_STRINGS) + at;
	memcpy(to, &length, 2);
	memcpy(to + 2, text, length);
	return at / 8;
}

uint32_t build_tag(struct build *b, uint32_t parent, const char *name)
{
	uint32_t index = b->header->regions[REGION_TAGS].count;
	struct segment_tag *tag = build_element(b, REGION_TAGS, index);

	tag->parent = parent;
	tag->name = build_string(b, name);
	return index;
}

uint32_t build_block(struct build *b, const void *bytes, size_t size)
{
	uint32_t block = b->next_block, units = (uint32_t)((size + 63) / 64);

	b->next_block += units;
	build_element(b, REGION_BLOCKS, b->next_block - 1);
	memcpy((uint8_t *)build_region(b, REGION_BLOCKS) + block * 64ul, bytes, size);
	return block;
}

uint32_t build_device(struct build *b, uint64_t unique_id, uint32_t banks)
{
	uint32_t index = b->header->regions[REGION_DEVICES].count;
	struct segment_device *device = build_element(b, REGION_DEVICES, index);

	device->unique_id = unique_id;
	device->ordinal = (int32_t)index;
	device->arch = build_string(b, "wormhole_b0");
	device->bus = build_string(b, "0000:81:00.0");
	device->memory_count = 2;
	device->memories[0] = (struct segment_memory){BUILD_DRAM, banks, 0, 1ull << 30, 32};
	device->memories[1] = (struct segment_memory){BUILD_L1, 64, 0, 1u << 20, 16};
	return index;
}

uint64_t build_event(struct build *b, uint32_t type, uint64_t id, uint64_t place, uint32_t held)
{
	struct segment_event *event;

	b->op++;
	event = (struct segment_event *)build_region(b, REGION_RING) + b->op % RING_EVENTS;
	event->time = b->header->birth_time + b->op;
	event->id = id;
	event->place = place;
	event->type_op = (uint64_t)type | (uint64_t)held << 8 | b->op << 32;
	b->header->reserve = b->header->commit = b->op;
	return b->op;
}

struct segment_space *build_space(struct build *b, uint32_t handle)
{
	return build_element(b, REGION_SPACES, handle % SEGMENT_MAX_SPACES);
}

static struct segment_space *space_new(struct build *b, uint8_t type)
{
	uint32_t handle = b->next_space++;
	struct segment_space *space = build_space(b, handle);

	space->handle = handle;
	space->type = type;
	space->state = SPACE_OPEN;
	space->open_op = build_event(b, EVENT_OPEN, handle, EVENT_NO_SLOT, 0);
	return space;
}

uint32_t build_open_device(struct build *b, uint32_t device)
{
	struct segment_space *space = space_new(b, SPACE_DEVICE);

	space->rows = space->columns = 1;
	space->member_count = 1;
	space->device = device;
	return space->handle;
}

uint32_t build_open_mesh(struct build *b, uint32_t rows, uint32_t columns, const uint32_t *members)
{
	struct segment_space *space = space_new(b, SPACE_MESH);

	space->rows = (uint16_t)rows;
	space->columns = (uint16_t)columns;
	space->member_count = rows * columns;
	space->members_block = build_block(b, members, rows * columns * sizeof *members);
	space->name = build_string(b, "mesh");
	return space->handle;
}

uint32_t build_row(struct build *b, uint32_t space, uint32_t kind, uint32_t class, uint32_t tag)
{
	uint32_t index = b->header->regions[REGION_ROWS].count;
	struct segment_row *row = build_element(b, REGION_ROWS, index);

	row->space = space;
	row->member = ROW_ALL_MEMBERS;
	row->kind = (uint8_t)kind;
	row->class_now = row->class_before = (uint8_t) class;
	row->tag = tag;
	return index;
}

static uint32_t member_device(struct build *b, const struct segment_space *space, uint32_t member)
{
	const uint8_t *blocks = build_region(b, REGION_BLOCKS);
	uint32_t device;

	if (space->type == SPACE_DEVICE)
		return space->device;
	memcpy(&device, blocks + space->members_block * 64ul + member * 4ul, 4);
	return device;
}

static void counters_add(struct build *b, const struct segment_row *row, int64_t held)
{
	const struct segment_space *space = build_space(b, row->space);
	struct segment_counters *counters = build_element(b, REGION_COUNTERS, row->kind);

	if (row->class_now >= CLASS_COUNTED_LIMIT || space->close_op)
		return;
	for (uint32_t i = 0; i < space->member_count; i++) {
		uint32_t device = member_device(b, space, i);

		if (device == SPACE_REMOTE)
			continue;
		counters->held[device] += (uint64_t)held;
		if (counters->peak[device] < counters->held[device])
			counters->peak[device] = counters->held[device];
	}
}

struct segment_slot *build_slot(struct build *b, uint32_t slot)
{
	return build_element(b, REGION_SLOTS, slot);
}

void build_seal(struct build *b, uint32_t slot)
{
	build_slot(b, slot)->check = slot_check(build_slot(b, slot));
}

static void shares_make(struct build *b, const struct build_record *record,
                        struct segment_detail *detail)
{
	uint32_t words = (record->members + 63) / 64;
	uint64_t bytes[2 + 16 + 1024] = {0};
	struct segment_shares *shares = (struct segment_shares *)(void *)bytes;

	shares->op = detail->op;
	shares->members = record->members;
	shares->uneven = record->uneven != NULL;
	if (record->uneven)
		memcpy(shares->words + words, record->uneven, record->members * 8ul);
	detail->shares_block = build_block(b, bytes, 16 + 8ul * (words + record->members));
}

static uint64_t slot_held(struct build *b, const struct segment_slot *slot)
{
	const struct segment_row *row = build_element(b, REGION_ROWS, slot->row);
	const struct segment_space *space = build_space(b, row->space);
	const struct segment_device *device =
		build_element(b, REGION_DEVICES, member_device(b, space, 0));

	return slot->aux & SLOT_ONE_BANK ? slot->span
	                                 : slot->span * device->memories[row->kind].banks;
}

uint32_t build_alloc(struct build *b, const struct build_record *record)
{
	uint32_t number = b->next_slot++;
	struct segment_slot *slot = build_slot(b, number);
	struct segment_row *row = build_element(b, REGION_ROWS, record->row);
	struct segment_detail *detail = build_element(b, REGION_DETAILS, number);
	uint64_t *bitmap = build_region(b, REGION_BITMAP), held, place;

	slot->id = record->id;
	slot->address = record->address;
	slot->bytes = record->bytes;
	slot->span = record->span ? record->span : record->bytes;
	slot->aux = record->span ? 0 : SLOT_ONE_BANK;
	held = slot_held(b, slot);
	place = number | (uint64_t)record->row << 24 | (uint64_t)size_code(record->bytes) << 40;
	build_event(b, EVENT_ALLOC, record->id, place, size_code(held));
	slot->op_low = (uint32_t)b->op;
	slot->op_high = (uint16_t)(b->op >> 32);
	slot->time = b->header->birth_time + b->op;
	slot->row = (uint16_t)record->row;
	slot->flags = (uint16_t)record->flags;
	slot->thread = 77;
	slot->site = record->site;
	if (record->parent || record->region || record->members) {
		detail->parent = record->parent;
		detail->region = record->region;
		detail->op = b->op;
		detail->check = detail_check(detail);
		slot->aux |= SLOT_HAS_DETAIL;
	}
	if (record->members) {
		shares_make(b, record, detail);
		slot->aux |= SLOT_HAS_SHARES;
	}
	build_seal(b, number);
	bitmap[number / 64] |= 1ull << number % 64;
	held = slot_held(b, slot);
	row->bytes += record->bytes;
	row->held += held;
	row->buffers++;
	row->allocs++;
	counters_add(b, row, (int64_t)held);
	return number;
}

void build_free(struct build *b, uint32_t number)
{
	struct segment_slot *slot = build_slot(b, number);
	struct segment_row *row = build_element(b, REGION_ROWS, slot->row);
	uint64_t *bitmap = build_region(b, REGION_BITMAP), held = slot_held(b, slot);

	build_event(b, EVENT_FREE, slot->id,
	            number | (uint64_t)slot->row << 24 | (uint64_t)size_code(slot->bytes) << 40,
	            size_code(held));
	bitmap[number / 64] &= ~(1ull << number % 64);
	row->bytes -= slot->bytes;
	row->held -= held;
	row->buffers--;
	row->frees++;
	counters_add(b, row, -(int64_t)held);
}

struct segment_shares *build_shares(struct build *b, uint32_t slot)
{
	const struct segment_detail *detail = build_element(b, REGION_DETAILS, slot);

	return (struct segment_shares *)(void *)((uint8_t *)build_region(b, REGION_BLOCKS) +
	                                         detail->shares_block * 64ul);
}

void build_share_gone(struct build *b, uint32_t slot, uint32_t member)
{
	build_event(b, EVENT_SHARE, build_slot(b, slot)->id,
	            slot | (uint64_t)build_slot(b, slot)->row << 24, member);
	build_shares(b, slot)->words[member / 64] |= 1ull << member % 64;
}

void build_close(struct build *b, uint32_t handle, uint32_t state)
{
	struct segment_space *space = build_space(b, handle);

	for (uint32_t i = 0; i < b->header->regions[REGION_ROWS].count; i++) {
		const struct segment_row *row = build_element(b, REGION_ROWS, i);

		if (row->space == handle)
			counters_add(b, row, -(int64_t)row->held);
	}
	space->close_op = build_event(b, EVENT_CLOSE, handle, EVENT_NO_SLOT, 0);
	space->state = (uint8_t)state;
}

void build_ready(struct build *b, uint32_t handle)
{
	struct segment_space *space = build_space(b, handle);

	space->ready_op = build_event(b, EVENT_READY, handle, EVENT_NO_SLOT, 0);
	space->state = SPACE_READY;
	for (uint32_t i = 0; i < b->header->regions[REGION_ROWS].count; i++) {
		struct segment_row *row = build_element(b, REGION_ROWS, i);

		if (row->space == handle && row->class_now == CLASS_USER) {
			row->class_now = CLASS_SYSTEM;
			row->ready_op = b->op;
		}
	}
}

void build_write(const struct build *b, const char *path)
{
	static const uint8_t zero[4096];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0 && ftruncate(fd, (off_t)b->size) == 0);
	for (size_t at = 0; at < b->size; at += 4096) {
		size_t n = b->size - at < 4096 ? b->size - at : 4096;

		if (memcmp(b->bytes + at, zero, n) != 0)
			CHECK(pwrite(fd, b->bytes + at, n, (off_t)at) == (ssize_t)n);
	}
	close(fd);
}

int build_lock(const char *path)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0);
	return fd;
}

void build_sample(struct build *b)
{
	const uint32_t members[4] = {0, 1, SPACE_REMOTE, 2};
	const uint64_t uneven[4] = {1000, 2000, 0, 3000};
	uint32_t device, mesh, tag, row;

	build_init(b, 1024);
	for (uint32_t i = 0; i < 3; i++)
		build_device(b, 100 + i, BUILD_BANKS);
	device = build_open_device(b, 0);
	mesh = build_open_mesh(b, 2, 2, members);
	tag = build_tag(b, build_tag(b, 0, "model"), "layer");
	row = build_row(b, device, BUILD_DRAM, CLASS_USER, tag);
	build_alloc(b, &(struct build_record){.id = 1,
	                                      .address = 4096,
	                                      .bytes = 24000,
	                                      .span = 2048,
	                                      .row = row,
	                                      .site = build_string(b, "add")});
	build_free(b, build_alloc(b, &(struct build_record){.id = 2, .bytes = 512, .row = row}));
	row = build_row(b, mesh, BUILD_DRAM, CLASS_USER, tag);
	build_alloc(b, &(struct build_record){.id = 3, .bytes = 4096, .span = 4096, .row = row});
	build_alloc(b, &(struct build_record){
			       .id = 4, .bytes = 3000, .row = row, .members = 4, .uneven = uneven});
	build_share_gone(
		b,
		build_alloc(
			b, &(struct build_record){.id = 5, .bytes = 640, .row = row, .members = 4}),
		1);
	row = build_row(b, mesh, BUILD_L1, CLASS_VIEW, 0);
	build_alloc(b, &(struct build_record){.id = 6, .bytes = 64, .row = row, .parent = 3});
}

/* --- directories ---------------------------------------------------------------------------- */

static char directory[64];

const char *test_dir(void)
{
	if (!directory[0]) {
		strcpy(directory, "/dev/shm/meshtally-test-XXXXXX");
		CHECK(mkdtemp(directory));
	}
	return directory;
}

const char *test_path(const char *name)
{
	static char paths[8][256];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof *paths, "%s/%s", test_dir(), name);
	return path;
}

void test_dir_remove(void)
{
	DIR *dir = opendir(test_dir());
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(directory);
	directory[0] = 0;
}
