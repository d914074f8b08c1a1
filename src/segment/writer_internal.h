/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared among the files of the writer (writer*.c), replay.c and nobody else: batches of
 * operations, rows, counters, blocks, faults, shares.
 */
#ifndef MESHTALLY_SEGMENT_WRITER_INTERNAL_H
#define MESHTALLY_SEGMENT_WRITER_INTERNAL_H

#include "writer.h"

#define likely(x)    __builtin_expect(!!(x), 1)
#define unlikely(x)  __builtin_expect(!!(x), 0)
#define HASH_INVERSE 0xf1de83e19937733dull /* modulo 2^64 */

/* The second word of an index entry, and of an event. */
#define PLACE_SLOT_AND_ROW 0xffffffffffull
static inline uint64_t place_pack(uint32_t slot, uint32_t row, uint32_t code)
{
	return (uint64_t)slot | (uint64_t)row << 24 | (uint64_t)code << 40;
}

static inline uint32_t place_slot(uint64_t place)
{
	return (uint32_t)place & 0xffffffu;
}

static inline uint32_t place_row(uint64_t place)
{
	return (uint32_t)(place >> 24) & 0xffffu;
}

static inline uint32_t place_code(uint64_t place)
{
	return (uint32_t)(place >> 40);
}

/* Begins a batch of n operations and returns the number of the first. The fence orders `reserve`
 * before everything of the batch; it pairs with the reader's step 3 of a snapshot. */
static inline uint64_t batch_begin(struct writer *w, uint64_t n)
{
	uint64_t first = w->op + 1;

	w->op += n;
	__atomic_store_n(&w->header->reserve, w->op, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return first;
}

static inline void batch_end(struct writer *w)
{
	__atomic_store_n(&w->header->commit, w->op, __ATOMIC_RELEASE);
}

static inline void event_put(struct writer *w, uint64_t op, uint32_t type, uint32_t held_code,
                             uint64_t time, uint64_t id, uint64_t place)
{
	struct segment_event *event = &w->ring[op & w->ring_mask];

	event->time = time;
	event->id = id;
	event->place = place;
	/* Last: by it a reader knows that the rest is of this op. */
	__atomic_store_n(&event->type_op, (uint64_t)type | (uint64_t)held_code << 8 | op << 32,
	                 __ATOMIC_RELEASE);
}

/* A batch of a single event that changes no record. */
void writer_event(struct writer *w, uint32_t type, uint64_t id);

/* Beyond all slots and phantoms: copies of freed slots whose page was given back. */
#define SLOT_OF_GONE ((uint32_t)SEGMENT_MAX_SLOTS)

static inline struct segment_slot *slot_at(struct writer *w, uint32_t slot)
{
	if (likely(slot < w->slot_base))
		return &w->slots[slot];
	return slot < SLOT_OF_GONE ? &w->phantoms[slot - w->slot_base]
	                           : &w->gone_slots[slot - SLOT_OF_GONE];
}

static inline bool is_phantom(const struct writer *w, uint32_t slot)
{
	return unlikely(slot >= w->slot_base);
}

/* The commit point of a record. Phantoms have none. */
static inline void bit_set(struct writer *w, uint32_t slot)
{
	uint64_t *word = &w->bitmap[slot / 64];

	__atomic_store_n(word, *word | 1ull << slot % 64, __ATOMIC_RELEASE);
}

static inline void bit_clear(struct writer *w, uint32_t slot)
{
	uint64_t *word = &w->bitmap[slot / 64];

	__atomic_store_n(word, *word & ~(1ull << slot % 64), __ATOMIC_RELEASE);
}

static inline void region_count(struct writer *w, enum segment_region_id id, uint32_t count)
{
	__atomic_store_n(&w->header->regions[id].count, count, __ATOMIC_RELEASE);
}

/* Slots that are in memory: as many may be in the queue of freed ones. */
static inline uint32_t slots_ready(const struct writer *w)
{
	return w->slot_limit - w->parked_count * WRITER_PAGE_SLOTS;
}

/* writer_trim() with another measure of how much work a call does. */
bool writer_trim_slice(struct writer *w, uint32_t budget);

/* Takes parked pages back: their slots are [fresh_from, fresh_to). False: there is no memory. */
bool slots_unpark(struct writer *w);
void queue_grow(struct writer *w);
enum { WRITER_FIRST_QUEUE = 8192 /* a power of two, at least the slots after the first growth */ };
enum { WRITER_FIRST_INDEX = 2048, WRITER_FIRST_LOCALS = 256, WRITER_FIRST_VIEWS = 64 };
enum { WRITER_GROW_RETRY_OPS = 65536 };

/* Populates the first `bytes` of a region. -ENOSPC when that cannot be. */
int region_need(struct writer *w, enum segment_region_id id, uint64_t bytes);

/* Space of a handle that is (or was, while its entry is not reused) open; NULL. */
static inline struct writer_space *space_find(struct writer *w, uint32_t handle)
{
	struct writer_space *space = &w->spaces[handle % SEGMENT_MAX_SPACES];

	return handle && space->handle == handle ? space : NULL;
}

static inline bool space_is_open(const struct writer_space *space)
{
	return space->state == SPACE_OPEN || space->state == SPACE_READY;
}

/* No event in the ring refers to anything of this closed space any more. */
static inline bool space_is_past(const struct writer *w, const struct writer_space *space)
{
	return w->op >= space->last_op + w->ring_mask + 1;
}

/* The id of a key's hash: multiplication by an odd number can be undone. */
static inline uint64_t index_key(uint64_t hash, uint64_t salt)
{
	return unlikely(hash == 1) ? salt : hash * HASH_INVERSE ^ salt; /* 1 stands for 0 */
}

/* A call on a space that is not open: a fault, unless it was closed before. */
mt_result space_unknown(struct writer *w, uint32_t handle, const struct writer_call *call);

/* Position of a device among the members; UINT32_MAX. */
uint32_t space_member_of(const struct writer_space *space, uint32_t device);

/* Whether two spaces have a device in common. */
bool spaces_meet(const struct writer_space *a, const struct writer_space *b);

/* Rows. writer_row finds or makes the row of a key; UINT32_MAX when there is no room. */
uint32_t writer_row_slow(struct writer *w, const struct writer_space *space, uint32_t member,
                         uint32_t kind, uint32_t class, uint32_t tag);
void writer_row_cache_flush(struct writer *w);
void writer_rows_free(struct writer *w, struct writer_space *space);
void writer_rows_rekey(struct writer *w); /* after classes of rows have changed */

static inline uint32_t writer_row(struct writer *w, struct writer_space *space, uint32_t kind,
                                  uint32_t class, uint32_t tag)
{
	uint64_t key = ((uint64_t)tag << 8 | kind << 3 | class) + 1;

	if (unlikely(space->row_key != key)) {
		space->row = writer_row_slow(w, space, ROW_ALL_MEMBERS, kind, class, tag);
		space->row_key = space->row == UINT32_MAX ? 0 : key;
	}
	return space->row;
}

static inline void row_add(struct writer *w, uint32_t row, uint64_t bytes, uint64_t held)
{
	struct segment_row *r = &w->rows[row];

	r->bytes += bytes;
	r->held += held;
	r->buffers++;
	r->allocs++;
}

static inline void row_sub(struct writer *w, uint32_t row, uint64_t bytes, uint64_t held)
{
	struct segment_row *r = &w->rows[row];

	r->bytes -= bytes;
	r->held -= held;
	r->buffers--;
	r->frees++;
}

/* Counters of a run of devices. Add returns whether a peak rose. */
bool counters_add_wide(struct segment_counters *c, uint32_t start, uint32_t length, uint64_t held,
                       bool avx2);
void counters_sub_wide(struct segment_counters *c, uint32_t start, uint32_t length, uint64_t held,
                       bool avx2);

static inline bool counters_add(struct segment_counters *c, uint32_t start, uint32_t length,
                                uint64_t held, bool avx2)
{
	uint64_t now;

	if (length != 1)
		return counters_add_wide(c, start, length, held, avx2);
	now = c->held[start] + held;
	c->held[start] = now;
	if (likely(now <= c->peak[start]))
		return false;
	c->peak[start] = now;
	return true;
}

static inline void counters_sub(struct segment_counters *c, uint32_t start, uint32_t length,
                                uint64_t held, bool avx2)
{
	if (length == 1)
		c->held[start] -= held;
	else
		counters_sub_wide(c, start, length, held, avx2);
}

/* Off the counters of all devices of a space. */
static inline void counters_release(struct writer *w, const struct writer_space *space,
                                    uint32_t kind, uint64_t held)
{
	struct segment_counters *c = &w->counters[kind];

	if (likely(space->run_count == 1)) {
		counters_sub(c, space->one.start, space->one.length, held, w->avx2);
		return;
	}
	for (uint32_t i = 0; i < space->run_count; i++)
		counters_sub(c, space->runs[i].start, space->runs[i].length, held, w->avx2);
}

int counters_need(struct writer *w, uint32_t kind);

static inline bool class_is_counted(uint32_t class)
{
	return class < CLASS_COUNTED_LIMIT;
}

/* Blocks: bytes in the file for lists. A reference is in units of 64 bytes; 0: none. */
uint32_t block_alloc(struct writer *w, uint64_t bytes);
void block_free(struct writer *w, uint32_t block, uint64_t bytes);

static inline void *block_at(struct writer *w, uint32_t block)
{
	return w->blocks + (uint64_t)block * 64;
}

/* A fault, with what is known of the earlier and the later party. */
struct writer_fault {
	mt_result type;
	uint32_t space, kind, device;
	uint64_t id, address, bytes_first, bytes_second;
	uint32_t tag_first, site_first, thread_first;
	uint32_t tag_second, site_second, thread_second;
};
mt_result writer_fault(struct writer *w, const struct writer_fault *fault);

/* --- for replay.c: what is known already is put in as it was ------------------------------ */

struct writer_past {
	uint64_t first_op, last_op, first_time, last_time, count;
};
/* A fault that was counted elsewhere: the table's entry, not the totals. */
void writer_fault_again(struct writer *w, const struct writer_fault *fault,
                        const struct writer_past *past);
/* The next device of the table, whatever it is. Its index; UINT32_MAX: there is no room. */
uint32_t writer_device_add(struct writer *w, const struct mt_device *device);
/* Spaces over devices by their indices. */
mt_result writer_space_on_device(struct writer *w, uint32_t handle, uint32_t device,
                                 uint16_t flags);
mt_result writer_space_on_members(struct writer *w, uint32_t handle, const struct mt_mesh *mesh,
                                  const uint32_t *members, uint16_t flags);
/* So many frees more belong to a live record. Nothing where repeats are faults. */
void writer_repeats_put(struct writer *w, uint64_t hash, uint32_t space, uint32_t count);
/* The share of a member goes, if it has not. */
void writer_share_drop(struct writer *w, struct index_entry *entry, uint32_t member);

/* The address of a record as faults and pictures tell it. */
static inline uint64_t known_address(uint64_t address, uint32_t flags)
{
	return flags & MT_NO_ADDRESS ? SEGMENT_NO_ADDRESS : address;
}

/* What a slot says of a record, for a fault about it. */
void fault_from_slot(struct writer *w, struct writer_fault *fault, uint32_t slot, uint32_t row);

/* Programs: a space's table entry is about to be another's. */
void program_space_finish(struct writer *w, uint32_t entry);

/* Pictures. */
void writer_peak_capture(struct writer *w, uint32_t kind);

/* Capacity: notes what is over it, and decides at the device's next event. */
void pending_note(struct writer *w, const struct writer_space *space,
                  const struct mt_buffer *buffer, uint32_t tag, uint32_t site, uint32_t thread);
/* After an event on a space: is what was noted before it, on its devices, still so? `before`: how
 * many were pending when the event began. */
mt_result pending_check(struct writer *w, const struct writer_space *space, uint32_t before,
                        mt_result told);

/* Records whose members are not all alike (writer_share.c). `bytes` of a member, its held. */
uint64_t share_bytes(struct writer *w, const struct segment_slot *slot, uint32_t slot_number,
                     uint32_t member);
uint64_t share_held(struct writer *w, const struct writer_space *space,
                    const struct segment_slot *slot, uint32_t slot_number, uint32_t member,
                    uint32_t kind);
struct segment_shares *slot_shares(struct writer *w, const struct segment_slot *slot,
                                   uint32_t slot_number);
bool shares_gone(const struct segment_shares *shares, uint32_t member);
void shares_release(struct writer *w, uint32_t slot_number);

/* A record being made. */
struct record {
	const struct mt_buffer *buffer;
	const struct writer_call *call;
	struct writer_space *space;
	uint64_t hash, span, held, time;
	uint32_t class, tag, site, row;
	bool one_bank;
	mt_result told;
};

/* Puts in a record of which all is known but its row. */
mt_result writer_record_put(struct writer *w, struct record *record);

/* Allocations that need shares or know a parent. */
mt_result writer_alloc_special(struct writer *w, struct record *record);
/* Frees of records with shares, of LOCAL records, of backing ones with live LOCALs. */
void writer_free_special(struct writer *w, struct index_entry *entry, uint32_t flags);

/* A free in a device's space, by an address-like id that only a backing record of a mesh with this
 * device has: the share's. False: there is none. */
bool writer_free_of_share(struct writer *w, const struct writer_space *space, uint64_t id,
                          const struct writer_call *call, mt_result *ret_told);
/* Likewise, after the backing record itself was freed: its tombstone decides. */
bool writer_free_of_gone_share(struct writer *w, const struct writer_space *space, uint64_t id,
                               const struct writer_call *call, mt_result *ret_told);

/* The frees that belong to repeats of a live record, as flags for the quarantine; forgets them. */
uint32_t repeats_take(struct writer *w, uint64_t hash);
/* Says in the slot how many they are, for a successor. */
void repeats_show(struct writer *w, uint32_t slot, uint64_t count);

/* Pieces of writer.c for it. */
int detail_put(struct writer *w, uint32_t slot, uint64_t parent, uint32_t region);
/* Ends a record, whatever it is; flags for the quarantine. The entry is void after it. */
void record_end(struct writer *w, struct index_entry *entry, uint32_t flags);
struct index_entry *record_find(struct writer *w, uint64_t hash, uint32_t space);
/* Logs a fault of a record; of an earlier one as well, unless its slot is WRITER_NO_SLOT. */
mt_result record_fault(struct writer *w, const struct record *record, mt_result type,
                       uint32_t earlier_slot, uint32_t earlier_row);
/* Nothing of an id is live: MT_INHERITED or MT_BEFORE where there may be what was never recorded,
 * which is no fault; else MT_UNKNOWN_FREE. `space` NULL: wherever it was. */
mt_result record_absence(const struct writer *w, const struct writer_space *space);
uint32_t site_string(struct writer *w, const char *site);
void writer_inexact(struct writer *w);

#endif
