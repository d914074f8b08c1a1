/* SPDX-License-Identifier: Apache-2.0 */
/* Birth, growth and end of a segment. See writer.h and docs/segment-format.md, 1.2. */
#include "writer_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_EVENTS = 8192,
	RING_EVENTS_SMALL = 512,
	FIRST_SLOTS = 1024,
	STRINGS_BYTES = 8 << 20,
	BLOCKS_BYTES = 64 << 20,
	BIRTH_TRIES = 8,
	BIRTH_GOOD_NS = 2000
};

uint64_t writer_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	n = n < 0 ? 0 : n;
	text[n] = 0;
	return (size_t)n;
}

/* The time stamp counter orders times only where the kernel itself trusts it. */
static bool clock_is_tsc(void)
{
#if defined(__x86_64__)
	char text[32];

	read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource", text,
	          sizeof text);
	return strncmp(text, "tsc", 3) == 0;
#else
	return false;
#endif
}

static void describe_process(struct segment_process *process)
{
	char text[1024], *after;
	struct stat st;

	process->pid = getpid();
	process->uid = getuid();
	if (stat("/proc/self/ns/pid", &st) == 0)
		process->pid_ns = st.st_ino;
	read_file("/proc/self/stat", text, sizeof text);
	after = strrchr(text, ')'); /* the name may hold anything */
	for (int field = 2; after && field < 21; field++)
		after = strchr(after + 1, ' ');
	if (after)
		after = strchr(after + 1, ' ');
	if (after)
		process->start_ticks = strtoull(after, NULL, 10);
}

static int32_t rank_of_process(void)
{
	static const char *const names[] = {"RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const char *text = getenv(names[i]);

		if (text && *text >= '0' && *text <= '9')
			return atoi(text);
	}
	return -1;
}

/* The process itself, as its kernel names it. */
static void describe_self(struct segment_header *header)
{
	size_t length;

	header->rank = rank_of_process();
	header->subject = header->writer;
	length = read_file("/proc/self/comm", header->comm, sizeof header->comm);
	if (length && header->comm[length - 1] == '\n')
		header->comm[length - 1] = 0;
	length = read_file("/proc/self/cmdline", header->command_line, sizeof header->command_line);
	for (size_t i = 0; i + 1 < length; i++) {
		if (!header->command_line[i])
			header->command_line[i] = ' ';
	}
}

static void describe_subject(struct segment_header *header, const struct writer_subject *subject)
{
	header->compat |= SEGMENT_COMPAT_PROXY;
	header->rank = subject->rank;
	header->subject = subject->process;
	header->inner_pid = subject->inner_pid;
	header->inner_pid_ns = subject->inner_pid_ns;
	memcpy(header->comm, subject->comm, sizeof header->comm);
	header->comm[sizeof header->comm - 1] = 0;
	memcpy(header->command_line, subject->command_line, sizeof header->command_line);
	header->command_line[sizeof header->command_line - 1] = 0;
}

static void describe(struct segment_header *header, const struct writer_options *options, bool tsc)
{
	header->version = SEGMENT_VERSION;
	header->header_bytes = sizeof *header;
	header->run_id = options->run_id;
	header->clock = tsc ? SEGMENT_CLOCK_TSC : SEGMENT_CLOCK_MONOTONIC_NS;
	header->region_count = REGION_LIMIT;
	header->cap_bytes = options->cap_bytes;
	header->state = options->late;
	describe_process(&header->writer);
	if (options->subject)
		describe_subject(header, options->subject);
	else
		describe_self(header);
}

/* One moment on all clocks: of a few readings the shortest, in which hardly anything came between.
 */
static void describe_birth(struct writer *w)
{
	struct segment_header *header = w->header;
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < BIRTH_TRIES && shortest > BIRTH_GOOD_NS; i++) {
		uint64_t before = writer_clock_ns(), time = writer_now(w), took;
		struct timespec real;

		clock_gettime(CLOCK_REALTIME, &real);
		took = writer_clock_ns() - before;
		if (took >= shortest)
			continue;
		shortest = took;
		header->birth_time = time;
		header->birth_monotonic_ns = w->tsc ? before + took / 2 : time;
		header->birth_realtime_ns =
			(uint64_t)real.tv_sec * 1000000000u + (uint64_t)real.tv_nsec;
	}
}

/* Sizes of all regions for a number of slots; the total is returned. */
static uint64_t regions_lay_out(struct segment_region *regions, uint32_t slots, uint32_t events)
{
	const uint64_t elements[REGION_LIMIT] = {
		[REGION_DEVICES] = SEGMENT_MAX_DEVICES,
		[REGION_SPACES] = SEGMENT_MAX_SPACES,
		[REGION_STRINGS] = STRINGS_BYTES,
		[REGION_TAGS] = SEGMENT_MAX_TAGS,
		[REGION_ROWS] = SEGMENT_MAX_ROWS + 1,
		[REGION_COUNTERS] = SEGMENT_MAX_KINDS,
		[REGION_FAULTS] = SEGMENT_MAX_FAULTS,
		[REGION_FRAMES] = SEGMENT_MAX_FRAMES,
		[REGION_FAILURES] = SEGMENT_MAX_FAILURES,
		[REGION_MARKS] = SEGMENT_MAX_MARKS,
		[REGION_PROGRAMS] = SEGMENT_MAX_PROGRAMS,
		[REGION_BLOCKS] = BLOCKS_BYTES / 64,
		[REGION_RING] = events,
		[REGION_BITMAP] = slots / 64,
		[REGION_SLOTS] = slots,
		[REGION_DETAILS] = slots,
	};
	uint64_t at = sizeof(struct segment_header);

	for (uint32_t i = 0; i < REGION_LIMIT; i++) {
		regions[i].offset = at;
		regions[i].element_bytes = segment_element_bytes[i];
		regions[i].capacity_bytes =
			(elements[i] * segment_element_bytes[i] + 4095) / 4096 * 4096;
		at += regions[i].capacity_bytes;
	}
	regions[REGION_RING].count = events;
	regions[REGION_COUNTERS].count = SEGMENT_MAX_KINDS;
	regions[REGION_STRINGS].count = 8; /* reference 0 is none */
	return at;
}

static void point(struct writer *w)
{
	struct segment_region *regions = w->header->regions;
	uint8_t *base = w->file.base;

	w->devices = (void *)(base + regions[REGION_DEVICES].offset);
	w->spaces_out = (void *)(base + regions[REGION_SPACES].offset);
	w->rows = (void *)(base + regions[REGION_ROWS].offset);
	w->counters = (void *)(base + regions[REGION_COUNTERS].offset);
	w->ring = (void *)(base + regions[REGION_RING].offset);
	w->bitmap = (void *)(base + regions[REGION_BITMAP].offset);
	w->slots = (void *)(base + regions[REGION_SLOTS].offset);
	w->details = (void *)(base + regions[REGION_DETAILS].offset);
	w->blocks = base + regions[REGION_BLOCKS].offset;
}

static int private_tables(struct writer *w)
{
	w->free_queue = private_map((size_t)SEGMENT_MAX_SLOTS * sizeof *w->free_queue);
	w->free_mask = WRITER_FIRST_QUEUE - 1;
	w->capacity = private_map(SEGMENT_MAX_KINDS * SEGMENT_MAX_DEVICES * sizeof *w->capacity);
	w->spaces = private_map(SEGMENT_MAX_SPACES * sizeof *w->spaces);
	w->row_next = private_map((SEGMENT_MAX_ROWS + 1) * sizeof *w->row_next);
	w->row_hash = private_map((1 << 17) * sizeof *w->row_hash);
	w->string_hash = private_map((1 << 17) * sizeof *w->string_hash);
	w->fault_hash = private_map(4096 * sizeof *w->fault_hash);
	if (!w->free_queue || !w->capacity || !w->spaces || !w->row_next || !w->row_hash ||
	    !w->string_hash || !w->fault_hash || index_init(&w->index, WRITER_FIRST_INDEX) ||
	    index_init(&w->locals, WRITER_FIRST_LOCALS) ||
	    index_init(&w->views, WRITER_FIRST_VIEWS))
		return -ENOMEM;
	return 0;
}

static void private_finish(struct writer *w)
{
	private_unmap(w->free_queue, (size_t)SEGMENT_MAX_SLOTS * sizeof *w->free_queue);
	private_unmap(w->phantom_next, (size_t)SEGMENT_MAX_SLOTS * sizeof *w->phantom_next);
	private_unmap(w->parked, SEGMENT_MAX_SLOTS / WRITER_PAGE_SLOTS / 8);
	private_unmap(w->trimming.leaving, SEGMENT_MAX_SLOTS / WRITER_PAGE_SLOTS / 8);
	private_unmap(w->trimming.queue, (size_t)SEGMENT_MAX_SLOTS * sizeof *w->trimming.queue);
	private_unmap(w->gone_slots, SEGMENT_QUARANTINE * sizeof *w->gone_slots);
	private_unmap(w->capacity, SEGMENT_MAX_KINDS * SEGMENT_MAX_DEVICES * sizeof *w->capacity);
	private_unmap(w->spaces, SEGMENT_MAX_SPACES * sizeof *w->spaces);
	private_unmap(w->row_next, (SEGMENT_MAX_ROWS + 1) * sizeof *w->row_next);
	private_unmap(w->row_hash, (1 << 17) * sizeof *w->row_hash);
	private_unmap(w->string_hash, (1 << 17) * sizeof *w->string_hash);
	private_unmap(w->fault_hash, 4096 * sizeof *w->fault_hash);
	private_unmap(w->phantoms, (size_t)SEGMENT_MAX_SLOTS * sizeof *w->phantoms);
	index_finish(&w->index);
	index_finish(&w->locals);
	index_finish(&w->views);
}

/* Creates the file for as many slots as limits allow. */
static int create(struct writer *w, const struct writer_options *options, uint64_t identity,
                  struct segment_region *regions)
{
	pid_t pid = options->subject ? options->subject->process.pid : getpid();
	uint64_t slots = options->cap_bytes / sizeof(struct segment_slot) / 4096 * 4096;
	int error;

	slots = slots < 4096 ? 4096 : slots;
	slots = slots > SEGMENT_MAX_SLOTS - 65536 ? SEGMENT_MAX_SLOTS - 65536 : slots;
	do {
		uint64_t bytes;

		memset(regions, 0, REGION_LIMIT * sizeof *regions);
		bytes = regions_lay_out(regions, (uint32_t)slots, RING_EVENTS);
		error = segment_file_create(&w->file, pid, identity, bytes, options->cap_bytes);
		w->slot_base = (uint32_t)slots;
		slots /= 2;
	} while ((error == -EFBIG || error == -ENOMEM) && slots >= 4096);
	return error;
}

/* Populates what a program with few buffers needs, with a small ring if memory is very short. */
static int populate_first(struct writer *w)
{
	static const enum segment_region_id first[] = {REGION_DEVICES, REGION_SPACES,
	                                               REGION_STRINGS, REGION_TAGS,
	                                               REGION_ROWS,    REGION_BLOCKS};
	struct segment_region *regions = w->header->regions;
	uint32_t events = RING_EVENTS;
	int error = 0;

	for (size_t i = 0; !error && i < sizeof first / sizeof *first; i++)
		error = region_need(w, first[i], 1);
	if (error)
		return error;
	if (region_need(w, REGION_RING, events * sizeof(struct segment_event))) {
		segment_file_release(&w->file, regions[REGION_RING].offset,
		                     events * sizeof(struct segment_event));
		events = RING_EVENTS_SMALL;
		error = region_need(w, REGION_RING, events * sizeof(struct segment_event));
		regions[REGION_RING].count = events;
	}
	w->ring_mask = events - 1;
	if (!error)
		error = segment_file_populate(&w->file, regions[REGION_SLOTS].offset,
		                              FIRST_SLOTS * sizeof(struct segment_slot));
	if (!error)
		error = region_need(w, REGION_BITMAP, 1);
	if (!error)
		w->slot_limit = FIRST_SLOTS;
	return error;
}

static void publish_slots(struct writer *w)
{
	region_count(w, REGION_BITMAP, w->slot_limit / 64);
	region_count(w, REGION_SLOTS, w->slot_limit);
	w->header->populated_bytes = __atomic_load_n(&w->file.populated_bytes, __ATOMIC_RELAXED);
}

static int fill_in(struct writer *w, const struct writer_options *options, uint64_t identity,
                   const struct segment_region *regions)
{
	static const char *const kinds[] = {"DRAM", "L1", "HOST", "L1_SMALL", "TRACE", "CB"};
	int error = segment_file_populate(&w->file, 0, sizeof *w->header);

	if (error)
		return error;
	w->header = (void *)w->file.base;
	memcpy(w->header->regions, regions, REGION_LIMIT * sizeof *regions);
	point(w);
	w->tsc = clock_is_tsc();
	describe(w->header, options, w->tsc);
	w->header->identity = identity;
	describe_birth(w);
	for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		writer_kind_name(w, i, kinds[i]);
	error = private_tables(w);
	if (!error)
		error = populate_first(w);
	if (error)
		return error;
	writer_tag(w, 0, 0, "");
	publish_slots(w);
	w->header->magic = SEGMENT_MAGIC;
	return options->identity ? 0 : segment_file_publish(&w->file);
}

int writer_open(struct writer *w, const struct writer_options *options)
{
	struct segment_region regions[REGION_LIMIT];
	uint64_t identity = options->identity;
	int error;

	memset(w, 0, sizeof *w);
	w->repeats = options->repeats;
	if (!identity &&
	    (getrandom(&identity, sizeof identity, GRND_NONBLOCK) != sizeof identity || !identity))
		identity = writer_clock_ns() * HASH_MULTIPLIER ^ (uint64_t)getpid() << 32;
	error = create(w, options, identity, regions);
	if (error)
		return error;
#if defined(__x86_64__)
	w->avx2 = __builtin_cpu_supports("avx2") && !getenv("MESHTALLY_NO_AVX2");
#endif
	error = fill_in(w, options, identity, regions);
	if (error)
		writer_abandon(w);
	return error;
}

int writer_publish(struct writer *w)
{
	return segment_file_publish(&w->file);
}

void writer_abandon(struct writer *w)
{
	segment_file_abandon(&w->file);
	segment_file_unmap(&w->file);
	private_finish(w);
}

void writer_close(struct writer *w, uint32_t state)
{
	w->header->exit_op = w->op;
	__atomic_store_n(&w->header->state, w->header->state | state, __ATOMIC_RELEASE);
	segment_file_unmap(&w->file);
	private_finish(w);
}

bool writer_is_spotless(const struct writer *w)
{
	if (w->index.count || w->header->fault_total || w->header->failure_count ||
	    w->header->unrecorded || w->header->refused)
		return false;
	for (uint32_t i = 0; i < w->row_high; i++) {
		if (w->rows[i].space && w->rows[i].buffers)
			return false;
	}
	return true;
}

/* --- growth ------------------------------------------------------------------------------ */

/* By 256 KiB at first, later by a sixteenth, at most 2 MiB: few system calls, none of them long. */
static uint32_t next_slot_limit(const struct writer *w)
{
	uint32_t step = w->slot_limit / 16 / WRITER_GROW_SLOTS * WRITER_GROW_SLOTS, limit;

	if (step < WRITER_GROW_SLOTS)
		step = WRITER_GROW_SLOTS;
	if (step > 8 * WRITER_GROW_SLOTS)
		step = 8 * WRITER_GROW_SLOTS;
	limit = w->slot_limit < WRITER_GROW_SLOTS ? WRITER_GROW_SLOTS : w->slot_limit + step;
	return limit < w->slot_base ? limit : w->slot_base;
}

void writer_growth_plan(const struct writer *w, struct writer_growth *ret)
{
	*ret = (struct writer_growth){.from = w->slot_limit, .to = w->slot_limit};
	if (writer_wants_slots(w))
		ret->to = next_slot_limit(w);
}

void writer_growth_prepare(struct writer *w, struct writer_growth *growth)
{
	const struct segment_region *regions = w->header->regions;
	uint64_t from = growth->from, to = growth->to;
	uint64_t bit_from = (from / 8 + 4095) / 4096 * 4096, bit_to = (to / 8 + 4095) / 4096 * 4096;

	if (bit_to > bit_from)
		growth->error = segment_file_populate(
			&w->file, regions[REGION_BITMAP].offset + bit_from, bit_to - bit_from);
	if (to > from && !growth->error)
		growth->error = segment_file_populate(
			&w->file, regions[REGION_SLOTS].offset + from * sizeof(struct segment_slot),
			(to - from) * sizeof(struct segment_slot));
}

/* Doubles the queue of freed slots; what had wrapped around goes behind the rest. */
void queue_grow(struct writer *w)
{
	uint32_t size = w->free_mask + 1, head = w->free_head & w->free_mask;
	uint32_t wrapped = head + w->free_count > size ? head + w->free_count - size : 0;

	memcpy(w->free_queue + size, w->free_queue, wrapped * sizeof *w->free_queue);
	w->free_head = head;
	w->free_mask = size * 2 - 1;
}

void writer_growth_abandon(struct writer *w, const struct writer_growth *growth)
{
	uint64_t slot_bytes = sizeof(struct segment_slot);

	if (growth->error && w->slot_limit == growth->from)
		segment_file_release(&w->file,
		                     w->header->regions[REGION_SLOTS].offset +
		                             growth->from * slot_bytes,
		                     (growth->to - growth->from) * slot_bytes);
}

void writer_grow(struct writer *w, const struct writer_growth *growth)
{
	if (growth->error) {
		w->grow_retry_op = w->op + WRITER_GROW_RETRY_OPS;
	} else if (growth->to > w->slot_limit) {
		w->slot_limit = growth->to;
		while (w->free_mask + 1 < slots_ready(w))
			queue_grow(w);
		publish_slots(w);
	}
	if (index_wants_tending(&w->index))
		index_tend(&w->index);
	if (index_wants_tending(&w->locals))
		index_tend(&w->locals);
	if (index_wants_tending(&w->views))
		index_tend(&w->views);
}
