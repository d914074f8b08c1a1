/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of a segment: the accounting itself. One struct writer per segment; its calls
 * are not thread-safe and are serialised by the owner (client/: a lock; a server: its one thread).
 * Everything private of it lies in memory that a forked child finds zeroed.
 *
 * Calls return an mt_result; what a fault is, is decided here and recorded in the fault table.
 */
#ifndef MESHTALLY_SEGMENT_WRITER_H
#define MESHTALLY_SEGMENT_WRITER_H

#include "index.h"
#include "layout.h"
#include "meshtally.h"
#include "segment_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WRITER_PENDING = 16,
	WRITER_NO_SLOT = UINT32_MAX,
	WRITER_PAGE_SLOTS = 64,   /* a page of slots has one word of the bitmap */
	WRITER_GROW_SLOTS = 4096, /* 256 KiB of slots at a time */
	WRITER_SLOTS_AHEAD = 1024 /* growth begins when fewer are left */
};

struct writer_run {
	uint32_t start, length; /* device indices */
};

/* What a space knows of a kind of memory: that of its members where they are alike. */
struct writer_kind {
	uint64_t base;
	uint64_t bank_bytes; /* 0 unknown */
	uint32_t banks;
	bool alike;
};

struct writer_space {
	uint32_t handle; /* 0 unused */
	uint8_t type, state;
	uint16_t flags;
	uint32_t member_count;
	uint32_t run_count;
	struct writer_run one;
	struct writer_run *runs; /* of local members, ascending; &one or private memory */
	const uint32_t *members; /* device indices in member order; &one.start for a device */
	uint64_t salt;           /* of its keys */
	uint64_t last_op;        /* of what happened last to it once closed */
	uint32_t specials;       /* records with shares, and LOCAL ones */
	uint64_t row_key;        /* the row last used, by kind, class and tag */
	uint32_t row;
	uint32_t first_row; /* list of its rows by writer.row_next; 0 none (row + 1) */
	struct writer_kind kinds[SEGMENT_MAX_KINDS];
};

/* One more free of the same key is absorbed: a mirrored one, a late one. MIRRORED: gone_absorbed is
 * in use. From GONE_REPEAT on: so many times it, so many frees of repeats are absorbed, too. */
enum { GONE_ABSORB = 1, GONE_CREDIT = 2, GONE_MIRRORED = 4, GONE_REPEAT = 1 << 8 };

/* A freed record, remembered while its slot is in quarantine. */
struct writer_gone {
	uint64_t hash;
	uint32_t slot;
	uint32_t flags;
};

struct writer_pending {
	uint32_t kind, device;
	uint64_t id, address, bytes;
	uint32_t space, tag, site, thread;
};

/* A trim under way: see writer_trim.c. */
enum writer_trim_step {
	TRIM_NONE,
	TRIM_QUEUE,
	TRIM_PAGES,
	TRIM_DETAILS,
	TRIM_PHANTOMS,
	TRIM_INDEXES
};

struct writer_trimming {
	enum writer_trim_step step;
	uint64_t begun_op;
	uint64_t seen[2];  /* TRIM_QUEUE: what was so when it began */
	uint64_t *leaving; /* pages whose memory is to be given back: parked, or soon to be */
	uint32_t *queue;   /* the new one, and after that the old one; NULL */
	uint32_t queued;   /* in the new one */
	uint32_t at;       /* how far the step has come */
	uint32_t phantoms; /* of which there may be memory, from the first on */
};

/* What the same id again means, while it is live with the same bytes and kind. (With others it is
 * always MT_REPLACED.) */
enum writer_repeats {
	REPEATS_ARE_FAULTS, /* MT_DUPLICATE */
	/* Counted once, no fault. The first free ends it; as many frees as there were repeats are
	 * absorbed, each of them within the next SEGMENT_QUARANTINE frees. */
	REPEATS_COLLAPSE,
	REPEATS_COUNT /* counted once, no fault; it takes as many frees as there were allocs */
};

/* Of a proxy: whose memory it is. */
struct writer_subject {
	struct segment_process process; /* as the pid namespace of this process names it */
	/* As it names itself, where that is another pid namespace; 0: it is not, or not known. */
	int32_t inner_pid;
	uint64_t inner_pid_ns;
	int32_t rank; /* -1 unknown */
	char comm[16];
	char command_line[512]; /* arguments separated by one space, cut */
};

struct writer_options {
	uint64_t run_id;
	uint64_t cap_bytes;
	uint32_t late; /* SEGMENT_STATE_LATE */
	enum writer_repeats repeats;
	const struct writer_subject *subject; /* NULL: this process */
	/* 0: a new one, published at once. Else that of the segment of the same subject that this
	 * one is to replace, in one step, when writer_publish() is called. */
	uint64_t identity;
};

struct writer {
	struct segment_file file;
	struct segment_header *header;
	struct segment_device *devices;
	struct segment_space *spaces_out;
	struct segment_row *rows;
	struct segment_counters *counters;
	struct segment_event *ring;
	uint64_t *bitmap;
	struct segment_slot *slots;
	struct segment_detail *details;
	uint8_t *blocks;
	uint64_t ring_mask;
	uint64_t op;
	bool tsc;
	bool avx2;

	/* Slots: [0, slot_limit) are populated, but for parked pages; from slot_base on they are
	 * phantoms in private memory, counted but not seen by readers. */
	uint32_t slot_high, slot_limit, slot_base;
	uint32_t phantom_high;
	uint64_t phantom_retry_op; /* no memory for more of them before it */
	uint64_t grow_retry_op;    /* no attempt to grow before it */
	struct segment_slot *phantoms;
	/* Pages of slots below slot_limit that were given back (a bit per WRITER_PAGE_SLOTS), and
	 * slots of such a page that was taken back and are not used yet. */
	uint64_t *parked;
	uint32_t parked_count, fresh_from, fresh_to;
	uint64_t trim_op; /* of the last trim */
	struct writer_trimming trimming;
	uint32_t *free_queue; /* of freed slots, in the order of their freeing */
	uint32_t free_mask;   /* its size - 1: at least as many as there are slots */
	uint32_t free_head, free_count;
	uint32_t *phantom_next; /* free list of phantoms: links + 1, by number from slot_base */
	uint32_t phantom_head;  /* + 1 */
	uint64_t details_ready[SEGMENT_MAX_SLOTS / 1024 / 64]; /* a bit per 1,024 details */

	struct index index;  /* key hash -> slot 24 | row 16 | bytes code 24 */
	struct index locals; /* {parent, device} -> slot of the LOCAL record */
	/* Key hash -> how many frees belong to views of the same id, or to its repeats. */
	struct index views;

	enum writer_repeats repeats;
	uint64_t repeated; /* repeats that were collapsed or counted */

	uint32_t device_count;
	uint32_t kinds_ready; /* bit per kind: counters populated for up to 512 devices */
	uint32_t kinds_ready_wide;
	uint64_t *capacity; /* [kind * SEGMENT_MAX_DEVICES + device]; 0 unknown */
	struct writer_space *spaces;
	uint32_t *row_next; /* row + 1 */
	uint32_t *row_hash; /* row + 1; open addressing */
	uint32_t row_high;
	uint32_t row_reusable; /* rows of closed spaces, perhaps */

	uint32_t risen;     /* bit per kind: a peak grew since the last free */
	uint32_t overflown; /* bit per kind: some device held more than it has, once */
	bool forked;        /* a child: frees of what it does not know are its parent's */
	bool (*known)(uint32_t handle);    /* whether a handle was ever given out */
	void (*on_peak)(struct writer *w); /* NULL, or called before a free that ends a peak */
	uint16_t frame_user_count[SEGMENT_MAX_FRAMES];

	uint32_t failure_members[SEGMENT_MAX_FAILURES]; /* sizes of their device blocks */

	struct writer_pending pending[WRITER_PENDING];
	uint32_t pending_count;

	struct writer_gone gone[SEGMENT_QUARANTINE];
	uint32_t gone_at;
	struct segment_slot *gone_slots; /* of those of `gone` whose page was given back */
	uint64_t gone_absorbed[SEGMENT_QUARANTINE][SEGMENT_MAX_MEMBERS / 64];

	uint32_t *string_hash; /* reference; open addressing */
	uint32_t string_count;
	uint32_t *fault_hash;
	uint32_t block_free[20];                 /* by order, in units */
	uint32_t program_free;                   /* + 1 */
	uint16_t dispatched[SEGMENT_MAX_SPACES]; /* entries of spaces that list residents */
	uint32_t dispatched_count;

	uint64_t populated[REGION_LIMIT]; /* bytes from the start of each region */
};

static inline uint64_t writer_now(const struct writer *w)
{
	uint64_t writer_clock_ns(void);

#if defined(__x86_64__)
	if (w->tsc)
		return __builtin_ia32_rdtsc();
#endif
	return writer_clock_ns();
}

/* Makes and publishes a segment. */
int writer_open(struct writer *w, const struct writer_options *options);
int writer_publish(struct writer *w);
/* Instead of writer_publish(): as if it had never been. */
void writer_abandon(struct writer *w);
/* Ends it; state: what to set in header.state (SEGMENT_STATE_STOPPED, ...). */
void writer_close(struct writer *w, uint32_t state);
/* Of a proxy: its subject has ended. Then as writer_close(). */
void writer_end(struct writer *w, const struct segment_end *end);
/* The same in parts: says so, after which nothing but writer_release() may come; gives memory back,
 * some of it at a time, and returns whether there is more. If not, it is closed. */
struct writer_releasing {
	uint32_t area;
	uint64_t at;
};
void writer_mark_end(struct writer *w, const struct segment_end *end);
bool writer_release(struct writer *w, struct writer_releasing *how_far);
/* Gives memory back after frees: pages of slots and details in which nothing is live, and what the
 * index has too much. To be called when there is nothing else to do, and again while it returns
 * true: a call takes a part of a millisecond, and no time if nothing has happened since the last
 * one; allocations and frees may come between two of them. Readers may lose sight of the address
 * and site of what was freed while they looked. Not beside a growth. */
bool writer_trim(struct writer *w);
/* Nothing is live, nothing was leaked, no fault, no failure: nobody needs the file. */
bool writer_is_spotless(const struct writer *w);

#define HASH_MULTIPLIER 0x9e3779b97f4a7c15ull

/* Keys of a space are told from those of others by it; 0 where ids are unique by themselves. */
static inline uint64_t space_salt(uint32_t handle)
{
	return handle & SPACE_HANDLE_UNIQUE ? 0 : handle * 0xd6e8feb86659fd93ull;
}

static inline uint64_t key_hash(uint64_t salt, uint64_t id)
{
	uint64_t hash = (id ^ salt) * HASH_MULTIPLIER;

	return hash ? hash : 1;
}

/* Brings near what the call with this key will look at first. Needs no lock. */
static inline void writer_prefetch(const struct writer *w, uint32_t space, uint64_t id)
{
	index_prefetch(&w->index, key_hash(space_salt(space), id));
}

/*
 * Growth, in three steps, of which the one with the system call needs no lock: when
 * writer_wants_growth(), plan with the lock, prepare without it, grow with it. Only one thread may
 * be at it at a time, except that a writer that runs out of slots grows by itself.
 */
struct writer_growth {
	uint32_t from, to; /* slots */
	int error;
};

static inline bool writer_wants_slots(const struct writer *w)
{
	return w->slot_limit - w->slot_high < WRITER_SLOTS_AHEAD && w->slot_limit < w->slot_base &&
	       w->free_count <= SEGMENT_QUARANTINE + 64 && w->op >= w->grow_retry_op &&
	       !w->parked_count;
}

static inline bool writer_wants_growth(const struct writer *w)
{
	return __builtin_expect(writer_wants_slots(w), 0) || index_may_want_tending(&w->index);
}

void writer_growth_plan(const struct writer *w, struct writer_growth *ret);
void writer_growth_prepare(struct writer *w, struct writer_growth *growth);
void writer_grow(struct writer *w, const struct writer_growth *growth);
/* After it, by the one thread that is at it, with the lock: gives back what a failed growth got. */
void writer_growth_abandon(struct writer *w, const struct writer_growth *growth);

/* All of it, for a writer of one thread: after each call, or before. Without it events become slow,
 * and then do not fit any more. */
static inline void writer_tend(struct writer *w)
{
	struct writer_growth growth;

	if (!writer_wants_growth(w))
		return;
	writer_growth_plan(w, &growth);
	writer_growth_prepare(w, &growth);
	writer_grow(w, &growth);
	writer_growth_abandon(w, &growth);
}

/* Who calls: for records and faults. */
struct writer_call {
	uint32_t thread;
	uint32_t tag;
};

/* Spaces. The handle is given by the owner: see struct segment_space. */
mt_result writer_open_device(struct writer *w, uint32_t handle, const struct mt_device *device,
                             uint16_t flags);
mt_result writer_open_mesh(struct writer *w, uint32_t handle, const struct mt_mesh *mesh,
                           uint16_t flags);
mt_result writer_ready(struct writer *w, uint32_t handle, const struct writer_call *call);
mt_result writer_close_space(struct writer *w, uint32_t handle, bool lost,
                             const struct writer_call *call);
/* By which visibility mask the ordinal of a device's space counts: its hash. */
void writer_device_ordinals(struct writer *w, uint32_t handle, uint64_t ordinals);
/* Whether the table entry of this handle may be given to another. */
bool writer_space_is_reusable(const struct writer *w, uint32_t handle);
/* Whether it is closed and empty, and only the ring still remembers it. */
bool writer_space_is_empty(const struct writer *w, uint32_t handle);

mt_result writer_alloc(struct writer *w, const struct mt_buffer *buffer,
                       const struct writer_call *call);
mt_result writer_free(struct writer *w, uint32_t space, uint64_t id,
                      const struct writer_call *call);
/* As mt_move(). */
mt_result writer_move(struct writer *w, uint32_t space, uint64_t id, uint32_t to, uint32_t tag);
/* For whoever must guess which space a free is for: whether this id is live in it; whether a free
 * of it, not live, would be absorbed as one of a repeat or a replaced one. */
bool writer_is_live(const struct writer *w, uint32_t space, uint64_t id);
bool writer_would_absorb(const struct writer *w, uint32_t space, uint64_t id);
mt_result writer_free_on(struct writer *w, uint32_t space, uint64_t id, uint32_t device,
                         const struct writer_call *call);
mt_result writer_failure(struct writer *w, const struct mt_failure *failure,
                         const struct writer_call *call);
mt_result writer_check(struct writer *w, uint32_t space, uint32_t kind, uint64_t held,
                       const struct writer_call *call);
mt_result writer_usage(struct writer *w, uint32_t space, uint32_t kind, struct mt_usage *ret_usage);
/* Freezes the composition of peaks that were reached since the last free. */
void writer_capture_peaks(struct writer *w);
void writer_mark(struct writer *w, const char *name, uint64_t n);

/* Names. */
uint32_t writer_string(struct writer *w, const char *text);
void writer_tag(struct writer *w, uint32_t tag, uint32_t parent, const char *name);
void writer_kind_name(struct writer *w, uint32_t kind, const char *name);

/* Programs, by index; UINT32_MAX: none. */
uint32_t writer_program_define(struct writer *w, uint64_t id, const struct mt_cb *cbs,
                               uint32_t count, uint32_t tag);
mt_result writer_program_dispatch(struct writer *w, uint32_t program, uint32_t space,
                                  void (*evicted)(void *arg, uint32_t program, uint32_t space),
                                  void *arg, const struct writer_call *call);
/* Tells of all that is resident in a space that is about to be closed. */
void writer_program_evict_all(struct writer *w, uint32_t handle,
                              void (*evicted)(void *arg, uint32_t program, uint32_t space),
                              void *arg);
mt_result writer_program_clash(struct writer *w, uint32_t program, uint32_t space, uint64_t cb_end,
                               uint64_t lowest_buffer, const struct writer_call *call);
void writer_program_drop(struct writer *w, uint32_t program);

/* Lets the ring turn once: no event in it refers to anything earlier. */
void writer_age(struct writer *w);

/* Counts a call that could not be recorded. */
void writer_unrecorded(struct writer *w);

/* A fault that whoever feeds the writer has found. space 0, kind UINT32_MAX, site NULL: unknown. */
void writer_note_fault(struct writer *w, uint32_t type, uint32_t space, uint32_t kind, uint64_t id,
                       uint64_t bytes, const char *site);

#endif
