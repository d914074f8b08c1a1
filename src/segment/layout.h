/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a segment, the shared-memory file of one process. docs/segment-format.md is the
 * same in words and is normative. Little-endian, fixed widths, no padding that is not named.
 *
 * One writer changes it; readers copy it with pread and trust nothing. Everything written here is
 * bounded by a region of the region table in the header.
 */
#ifndef MESHTALLY_SEGMENT_LAYOUT_H
#define MESHTALLY_SEGMENT_LAYOUT_H

#include <stdint.h>

#define SEGMENT_MAGIC   0x31594c544853454dULL /* "MESHTLY1" */
#define SEGMENT_VERSION 1u
#define SEGMENT_SUFFIX  ".seg"

/* Readers refuse an incompat flag that they do not know, and ignore unknown compat flags. */
enum { SEGMENT_COMPAT_PROXY = 1 /* written by another process than the subject */ };
enum { SEGMENT_INCOMPAT_NONE = 0 };

/* header.state */
enum {
	SEGMENT_STATE_INEXACT = 1,  /* an operation could not be recorded since header.inexact_op */
	SEGMENT_STATE_EXITING = 2,  /* the program ran to its end (static destructors may follow) */
	SEGMENT_STATE_STOPPED = 4,  /* tracking was turned off by a call */
	SEGMENT_STATE_DEGRADED = 8, /* some live buffers have no slot: header.no_detail_buffers */
	SEGMENT_STATE_LATE = 16,    /* tracking began by a call, after the program had started */
	SEGMENT_STATE_DEAD = 32 /* the subject has ended: header.end tells how, as far as known */
};

/* segment_end.how */
enum { END_UNKNOWN, END_EXIT, END_SIGNAL };

/* How a subject ended, told by who watched it: its proxy, or whoever kept an image of it. All zero
 * in what programs themselves have written. */
struct segment_end {
	uint32_t how;
	int32_t code;         /* exit status, or number of the signal */
	uint64_t realtime_ns; /* when it was noticed; 0: nothing is known of an end */
};

/* header.clock */
enum { SEGMENT_CLOCK_MONOTONIC_NS = 0, SEGMENT_CLOCK_TSC = 1 };

enum {
	SEGMENT_MAX_DEVICES = 1024,
	SEGMENT_MAX_MEMBERS = 1024,
	SEGMENT_MAX_MEMORIES = 8,
	SEGMENT_MAX_KINDS = 32,
	SEGMENT_MAX_SPACES = 4096, /* table entries; entry 0 is never used */
	SEGMENT_MAX_ROWS = 65535,
	SEGMENT_MAX_TAGS = 65536, /* tag 0: none */
	SEGMENT_MAX_FAULTS = 1024,
	SEGMENT_MAX_FRAMES = 64,
	SEGMENT_MAX_FAILURES = 8,
	SEGMENT_MAX_MARKS = 256,
	SEGMENT_MAX_PROGRAMS = 65536,
	SEGMENT_MAX_RESIDENTS = 64, /* per space */
	SEGMENT_MAX_SLOTS = 1 << 24,
	SEGMENT_QUARANTINE = 1024, /* freed slots are not reused before as many others were freed */
	SEGMENT_FAULT_TYPES = 64,
	SEGMENT_KIND_NAME = 16,
	SEGMENT_STRING_MAX = 255
};

/* A table in the file. `count` elements are in use and readable; it never falls. */
struct segment_region {
	uint64_t offset; /* in the file, a multiple of 4,096 */
	uint64_t capacity_bytes;
	uint32_t element_bytes;
	uint32_t count; /* stored with release after the element is complete */
	uint64_t reserved;
};

enum segment_region_id {
	REGION_DEVICES,  /* struct segment_device, by device index */
	REGION_SPACES,   /* struct segment_space, by space handle % SEGMENT_MAX_SPACES */
	REGION_STRINGS,  /* bytes: see segment_string; count is in bytes */
	REGION_TAGS,     /* struct segment_tag, by tag */
	REGION_ROWS,     /* struct segment_row */
	REGION_COUNTERS, /* struct segment_counters, by kind */
	REGION_FAULTS,   /* struct segment_fault */
	REGION_FRAMES,   /* struct segment_frame */
	REGION_FAILURES, /* struct segment_failure: first four, then the last four in turn */
	REGION_MARKS,    /* struct segment_mark, mark n at n % SEGMENT_MAX_MARKS */
	REGION_PROGRAMS, /* struct segment_program */
	REGION_BLOCKS,   /* 64-byte units: lists that belong to other records */
	REGION_RING,     /* struct segment_event, op n at n % elements */
	REGION_BITMAP,   /* uint64_t words: bit n % 64 of word n / 64: slot n is live */
	REGION_SLOTS,    /* struct segment_slot */
	REGION_DETAILS,  /* struct segment_detail, by slot; only where slot.aux says so */
	REGION_LIMIT
};

/* Who a process is. For display and cross-checks: identity is header.identity. */
struct segment_process {
	int32_t pid;          /* in its own pid namespace */
	uint32_t uid;         /* real */
	uint64_t pid_ns;      /* inode of /proc/self/ns/pid; 0 unknown */
	uint64_t start_ticks; /* field 22 of /proc/self/stat; 0 unknown */
};

struct segment_header {
	uint64_t magic;
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct segment_header) */
	uint64_t compat;
	uint64_t incompat;
	uint64_t identity; /* random; the same as in the file's name */
	uint64_t run_id;   /* MESHTALLY_RUN of the environment; 0 none */
	uint32_t clock;
	int32_t rank; /* -1 unknown */
	/* One moment on three clocks; times in the file are of `clock`. */
	uint64_t birth_time;
	uint64_t birth_monotonic_ns;
	uint64_t birth_realtime_ns;
	struct segment_process writer;  /* holds the lock */
	struct segment_process subject; /* whose memory it is; the same but for proxies */
	char comm[16];
	char command_line[512]; /* arguments separated by one space, cut */
	uint32_t region_count;  /* REGION_LIMIT */
	uint32_t reserved0;
	/* Of a proxy whose subject is in another pid namespace than its writer: what it is there.
	 * 0: in the same, or not known. */
	uint64_t inner_pid_ns; /* at 664 */
	int32_t inner_pid;
	uint32_t reserved6;
	uint8_t reserved1[1024 - 680];
	struct segment_region regions[REGION_LIMIT]; /* at 1024 */
	uint8_t reserved2[2048 - 1024 - REGION_LIMIT * 32];

	/* The two words of the commit protocol, at 2048. */
	uint64_t reserve; /* highest op number given out */
	uint64_t commit;  /* highest op number complete */
	uint8_t reserved3[48];

	/* Changed now and then, at 2112. */
	uint32_t state;
	uint32_t kind_count;
	uint64_t inexact_op;
	uint64_t exit_op;
	uint64_t no_detail_buffers; /* live, counted, without a slot */
	uint64_t refused;           /* calls that returned MT_BUSY */
	uint64_t unrecorded;        /* operations that could not be recorded at all */
	uint64_t fault_total;
	uint64_t mark_count;
	uint64_t failure_count;
	uint64_t cap_bytes;       /* limit on populated bytes */
	uint64_t populated_bytes; /* memory in use by this file */
	struct segment_end end;   /* at 2200 */
	uint64_t reserved4[3];
	uint64_t faults_by_type[SEGMENT_FAULT_TYPES]; /* at 2240 */
	char kind_names[SEGMENT_MAX_KINDS][SEGMENT_KIND_NAME];
	uint8_t reserved5[4096 - 2240 - 512 - 512];
};

struct segment_memory {
	uint32_t kind;
	uint32_t banks;
	uint64_t base;
	uint64_t bank_bytes; /* 0 unknown */
	uint64_t align;
};

struct segment_device {
	uint64_t unique_id; /* 0 unknown */
	int32_t ordinal;
	uint32_t arch; /* string */
	uint32_t bus;  /* string */
	uint32_t memory_count;
	uint64_t first_op; /* of its first opening */
	struct segment_memory memories[SEGMENT_MAX_MEMORIES];
	uint64_t ordinals; /* hash of the visibility mask that `ordinal` counts by; 0 unknown */
	uint32_t flags;    /* SEGMENT_DEVICE_UNPLACED */
	uint32_t reserved0;
	uint8_t reserved[80];
};
/* No chip: the place of what is allocated, but on no chip yet (MT_UNPLACED). */
enum { SEGMENT_DEVICE_UNPLACED = 2 };

/* segment_space.state */
enum { SPACE_FREE, SPACE_OPEN, SPACE_READY, SPACE_CLOSED, SPACE_LOST };
enum { SPACE_DEVICE = 1, SPACE_MESH = 2 };
#define SPACE_REMOTE UINT32_MAX /* a member on another host */

/* One opening. A handle is entry index | generation << 12, with SPACE_HANDLE_UNIQUE if ids in it
 * are unique (MT_UNIQUE_IDS). */
#define SPACE_HANDLE_UNIQUE 0x80000000u
struct segment_space {
	uint32_t handle;
	uint8_t type;
	uint8_t state;
	uint16_t flags; /* MT_UNIQUE_IDS, SPACE_EXISTING, SPACE_INHERITED */
	uint16_t rows, columns;
	uint32_t member_count;  /* 1 for a device */
	uint32_t device;        /* SPACE_DEVICE: device index */
	uint32_t members_block; /* SPACE_MESH: device index or SPACE_REMOTE, uint32_t each */
	uint32_t parent;        /* handle */
	uint32_t name;          /* string */
	uint64_t open_op;
	uint64_t ready_op;       /* 0 not yet */
	uint64_t close_op;       /* 0 not yet */
	uint32_t resident_block; /* struct segment_resident each; 0 none */
	uint32_t resident_count;
	uint64_t reserved[8];
};
enum { SPACE_FLAG_EXISTING = 0x100, SPACE_FLAG_INHERITED = 0x200 };

/* A string: uint16_t length, then the bytes, padded to 8. A reference is offset / 8; 0 is none. */
struct segment_string {
	uint16_t length;
	uint8_t bytes[6]; /* and on */
};

struct segment_tag {
	uint32_t parent; /* tag; 0: a root */
	uint32_t name;   /* string */
};

/* Classes. Those below CLASS_COUNTED_LIMIT are counted. */
enum {
	CLASS_USER,
	CLASS_SYSTEM,
	CLASS_CACHE,
	CLASS_COUNTED_LIMIT,
	CLASS_VIEW = CLASS_COUNTED_LIMIT,
	CLASS_SUB,
	CLASS_IMPORT,
	CLASS_VIRTUAL,
	CLASS_LIMIT
};
#define ROW_ALL_MEMBERS 0xffffu

/*
 * The unit of accounting: what is live of one {space, member, kind, class, tag}. With
 * ROW_ALL_MEMBERS each figure holds for every member of the space. After the space was closed: what
 * was live then, less late frees.
 */
struct segment_row {
	uint32_t space; /* handle; 0: unused */
	uint16_t member;
	uint8_t kind;
	uint8_t class_now;
	uint32_t tag;
	uint8_t class_before; /* until ready_op */
	uint8_t reserved[3];
	uint64_t ready_op; /* class changed to CLASS_SYSTEM by mt_ready; 0 no */
	uint64_t bytes;
	uint64_t held;
	uint64_t buffers;
	uint64_t allocs;
	uint64_t frees;
};

/* Per kind, arrays over the device index. Bytes held, counted classes only. */
struct segment_counters {
	uint64_t held[SEGMENT_MAX_DEVICES];
	uint64_t peak[SEGMENT_MAX_DEVICES];      /* since the last mark */
	uint64_t peak_base[SEGMENT_MAX_DEVICES]; /* before it: the peak is the larger */
	uint64_t frame_peak[SEGMENT_MAX_DEVICES];
	uint32_t frame[SEGMENT_MAX_DEVICES]; /* frame + 1 of that peak's composition; 0 none */
};

/* The address in a fault, or of a buffer in a failure, where it is not known (MT_NO_ADDRESS). A slot
 * says so by its flags. */
#define SEGMENT_NO_ADDRESS UINT64_MAX

/* segment_slot.aux. From SLOT_REPEATS_SHIFT on: how many more frees than one belong to the record,
 * up to SLOT_REPEATS_MAX, which stands for as many or more. Only proxies write that. */
enum {
	SLOT_HAS_DETAIL = 1,
	SLOT_HAS_SHARES = 2,
	SLOT_ONE_BANK = 4,
	SLOT_REPEATS_SHIFT = 8,
	SLOT_REPEATS_MAX = 255
};

/* One buffer: what was true at its allocation. The bit in the bitmap says whether it is live; in a
 * closed space, a bit that is still set is what was not given back. */
struct segment_slot {
	uint64_t id;
	uint64_t address;
	uint64_t bytes; /* per device; the largest where uneven */
	uint64_t span;
	uint32_t op_low;
	uint16_t op_high;
	uint16_t aux; /* not covered by check: changed while live */
	uint64_t time;
	uint16_t row;   /* its {space, kind, class, tag}, always the ROW_ALL_MEMBERS one */
	uint16_t flags; /* MT_SYSTEM ... MT_VIRTUAL as passed */
	uint32_t thread;
	uint32_t site; /* string */
	uint32_t check;
};

struct segment_detail {
	uint64_t parent;
	uint64_t op; /* of the slot it belongs to */
	uint32_t region;
	uint32_t check;        /* over parent, op, region */
	uint32_t shares_block; /* struct segment_shares */
	uint32_t reserved0;
	uint64_t reserved[4];
};

/* Where the shares of a record are not all alike: words[0 .. (members + 63) / 64) are a bitmap of
 * the members whose share is gone, then, if uneven, the bytes of each member. */
struct segment_shares {
	uint64_t op; /* of the slot it belongs to */
	uint32_t members;
	uint16_t uneven; /* 1: bytes of each member follow the bitmap */
	uint16_t locals; /* live LOCAL records that name this one as their parent */
	uint64_t words[];
};

enum segment_event_type {
	EVENT_NONE,
	EVENT_ALLOC,
	EVENT_FREE,
	EVENT_SIZES, /* id, place: bytes and held of the event that follows */
	EVENT_SHARE, /* a share went: the member is in the field of the held code */
	EVENT_OPEN,  /* id: space handle; likewise the next two */
	EVENT_READY,
	EVENT_CLOSE,
	EVENT_MARK,     /* id: mark number */
	EVENT_DISPATCH, /* id: space handle; a program became resident */
	EVENT_FAILURE,
	EVENT_FAULT /* id: fault type */
};

/* place: slot 24 | row 16 << 24 | bytes code << 40. type_op: type 8 | held code << 8 | op << 32.
 * A size code is mantissa 19 << 5 | shift 5; SIZE_CODE_NONE: in the EVENT_SIZES before. A slot of
 * EVENT_NO_SLOT is a buffer without one. */
struct segment_event {
	uint64_t time;
	uint64_t id;
	uint64_t place;
	uint64_t type_op;
};
#define SIZE_CODE_NONE 0xffffffu
#define EVENT_NO_SLOT  0xffffffu

/* Faults are kept per {type, space, both sites, both tags}; once the table is half full, tags no
 * longer tell them apart. 0 where unknown. */
struct segment_fault {
	uint32_t type; /* mt_result */
	uint32_t space;
	uint32_t kind;   /* UINT32_MAX unknown */
	uint32_t device; /* device index; UINT32_MAX unknown */
	uint64_t id;     /* of the first */
	uint64_t address;
	uint64_t bytes_first;  /* of the earlier record (DRIFT: ours) */
	uint64_t bytes_second; /* of the later one (DRIFT: the allocator's) */
	uint32_t tag_first, site_first, thread_first;
	uint32_t tag_second, site_second, thread_second;
	uint64_t first_op, last_op;
	uint64_t first_time, last_time;
	uint64_t count;
	uint64_t reserved[2];
};

/* One line of a frozen picture. */
struct segment_share_of {
	uint32_t space;
	uint16_t member;
	uint8_t kind;
	uint8_t class_then;
	uint32_t tag;
	uint32_t buffers;
	uint64_t bytes;
	uint64_t held;
};

/* What was held of one kind at a peak: the largest rows, and the sum of the rest. */
struct segment_frame {
	uint64_t op;
	uint64_t time;
	uint32_t kind;
	uint32_t count; /* lines used; 0 while being written */
	uint64_t rest_bytes;
	uint64_t rest_buffers;
	uint64_t reserved[3];
	struct segment_share_of lines[126];
};

struct segment_failure_device {
	uint32_t device;
	uint32_t reserved;
	uint64_t held;
	uint64_t capacity; /* 0 unknown */
};

struct segment_failure_buffer {
	uint64_t id, address, bytes, span, time;
	uint32_t space, tag, site, thread;
	uint8_t class_then;
	uint8_t reserved[7];
};

/* A failed allocation, with what was there. The lists are blocks. */
struct segment_failure {
	uint64_t op;
	uint64_t time;
	uint64_t bytes, span, free_span, largest_span; /* in the runtime's words; spans per bank */
	uint32_t space, kind;
	uint32_t reason; /* string */
	uint32_t tag, thread;
	uint32_t devices_block, device_count; /* segment_failure_device */
	uint32_t lines_block, line_count;     /* segment_share_of, all of this kind there */
	uint32_t buffers_block,
		buffer_count;   /* segment_failure_buffer, by address, or the largest */
	uint32_t buffers_total; /* how many there were */
	uint32_t number;        /* counts from 1: which failure this is */
	uint32_t reserved0;
	uint8_t reserved[19 * 8];
};

struct segment_mark {
	uint64_t op;
	uint64_t time;
	uint64_t n;
	uint32_t name; /* string */
	uint32_t reserved;
};

struct segment_cb {
	uint16_t x0, y0, x1, y1;
	uint32_t flags;
	uint32_t reserved;
	uint64_t address, bytes;
};

struct segment_program {
	uint64_t id;
	uint32_t tag;
	uint32_t live; /* 0: dropped */
	uint32_t cb_block, cb_count;
	uint64_t op;
};

struct segment_resident {
	uint32_t program; /* index */
	uint32_t reserved;
	uint64_t op; /* of its last dispatch that changed anything */
};

_Static_assert(sizeof(struct segment_region) == 32, "format");
_Static_assert(sizeof(struct segment_process) == 24, "format");
_Static_assert(sizeof(struct segment_end) == 16, "format");
_Static_assert(sizeof(struct segment_header) == 4096, "format");
_Static_assert(__builtin_offsetof(struct segment_header, regions) == 1024, "format");
_Static_assert(__builtin_offsetof(struct segment_header, reserve) == 2048, "format");
_Static_assert(__builtin_offsetof(struct segment_header, state) == 2112, "format");
_Static_assert(__builtin_offsetof(struct segment_header, end) == 2200, "format");
_Static_assert(__builtin_offsetof(struct segment_header, faults_by_type) == 2240, "format");
_Static_assert(sizeof(struct segment_memory) == 32, "format");
_Static_assert(sizeof(struct segment_device) == 384, "format");
_Static_assert(sizeof(struct segment_space) == 128, "format");
_Static_assert(sizeof(struct segment_tag) == 8, "format");
_Static_assert(sizeof(struct segment_row) == 64, "format");
_Static_assert(sizeof(struct segment_counters) == 36864, "format");
_Static_assert(sizeof(struct segment_slot) == 64, "format");
_Static_assert(sizeof(struct segment_detail) == 64, "format");
_Static_assert(sizeof(struct segment_shares) == 16, "format");
_Static_assert(sizeof(struct segment_event) == 32, "format");
_Static_assert(sizeof(struct segment_fault) == 128, "format");
_Static_assert(sizeof(struct segment_share_of) == 32, "format");
_Static_assert(sizeof(struct segment_frame) == 4096, "format");
_Static_assert(sizeof(struct segment_failure_device) == 24, "format");
_Static_assert(sizeof(struct segment_failure_buffer) == 64, "format");
_Static_assert(sizeof(struct segment_failure) == 256, "format");
_Static_assert(sizeof(struct segment_mark) == 32, "format");
_Static_assert(sizeof(struct segment_cb) == 32, "format");
_Static_assert(sizeof(struct segment_program) == 32, "format");
_Static_assert(sizeof(struct segment_resident) == 16, "format");

/* Bytes of an element of each region. */
static const uint32_t segment_element_bytes[REGION_LIMIT] __attribute__((unused)) = {
	[REGION_DEVICES] = sizeof(struct segment_device),
	[REGION_SPACES] = sizeof(struct segment_space),
	[REGION_STRINGS] = 1,
	[REGION_TAGS] = sizeof(struct segment_tag),
	[REGION_ROWS] = sizeof(struct segment_row),
	[REGION_COUNTERS] = sizeof(struct segment_counters),
	[REGION_FAULTS] = sizeof(struct segment_fault),
	[REGION_FRAMES] = sizeof(struct segment_frame),
	[REGION_FAILURES] = sizeof(struct segment_failure),
	[REGION_MARKS] = sizeof(struct segment_mark),
	[REGION_PROGRAMS] = sizeof(struct segment_program),
	[REGION_BLOCKS] = 64,
	[REGION_RING] = sizeof(struct segment_event),
	[REGION_BITMAP] = sizeof(uint64_t),
	[REGION_SLOTS] = sizeof(struct segment_slot),
	[REGION_DETAILS] = sizeof(struct segment_detail),
};

static inline uint64_t slot_op(const struct segment_slot *slot)
{
	return (uint64_t)slot->op_high << 32 | slot->op_low;
}

/* Encodes a size; SIZE_CODE_NONE where it does not fit. */
static inline uint32_t size_code(uint64_t bytes)
{
	uint32_t shift = (uint32_t)__builtin_ctzll(bytes | 1ull << 31);
	uint64_t mantissa = bytes >> shift;
	uint32_t code = (uint32_t)mantissa << 5 | shift;

	return mantissa < 1u << 19 ? code : SIZE_CODE_NONE;
}

static inline uint64_t size_decode(uint32_t code)
{
	return (uint64_t)(code >> 5) << (code & 31);
}

static inline uint64_t segment_mix(uint64_t a, uint64_t b)
{
	return (a ^ b >> 31) * 0x9e3779b97f4a7c15ull + b;
}

static inline uint64_t slot_tail(uint32_t row, uint32_t flags, uint32_t thread)
{
	return (uint64_t)(uint16_t)row << 48 ^ (uint64_t)(uint16_t)flags << 32 ^ thread;
}

static inline uint32_t slot_check_of(uint64_t id, uint64_t address, uint64_t bytes, uint64_t span,
                                     uint64_t op, uint64_t time, uint64_t tail, uint32_t site)
{
	uint64_t a = (id ^ time) * 0x9e3779b97f4a7c15ull;
	uint64_t b = (address + (bytes << 1 | bytes >> 63)) * 0xc2b2ae3d27d4eb4full;
	uint64_t c = (span ^ op << 13) * 0x165667b19e3779f9ull;
	uint64_t x = a ^ (b << 21 | b >> 43) ^ (c << 42 | c >> 22);

	x = (x ^ tail ^ (uint64_t)site << 20) * 0x9e3779b97f4a7c15ull;
	return (uint32_t)(x >> 32);
}

/* Over all of the slot but aux and check itself. */
static inline uint32_t slot_check(const struct segment_slot *slot)
{
	return slot_check_of(slot->id, slot->address, slot->bytes, slot->span, slot_op(slot),
	                     slot->time, slot_tail(slot->row, slot->flags, slot->thread),
	                     slot->site);
}

static inline uint32_t detail_check(const struct segment_detail *detail)
{
	uint64_t x = segment_mix(segment_mix(detail->parent, detail->op), detail->region);

	return (uint32_t)(x >> 32) ^ 0x5eedu;
}

#endif
