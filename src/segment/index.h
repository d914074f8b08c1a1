/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer's private index from a key's hash to where its record is: open addressing, entries in
 * the order of their hashes (position = hash * capacity / 2^64), linear probing, backward-shift
 * deletion. It grows by 1.3 step by step: old entries move in hash order, so that one comparison
 * with the cursor says which table a key is in, and both tables are touched at one place only.
 *
 * Not thread-safe. Hashes are to be spread evenly and to identify the key but for one in 2^64.
 */
#ifndef MESHTALLY_SEGMENT_INDEX_H
#define MESHTALLY_SEGMENT_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index_entry {
	uint64_t hash;  /* 0: empty */
	uint64_t place; /* the user's */
};

struct index_table {
	struct index_entry *entries; /* capacity + INDEX_SLACK */
	uint64_t capacity;
	uint64_t ready;    /* entries whose pages were populated ahead */
	uint64_t released; /* entries from the front whose pages were given back */
};

struct index {
	struct index_table now;  /* holds hashes beyond the cursor while growing, else all */
	struct index_table next; /* entries NULL unless growing */
	uint64_t cursor;         /* hashes up to it are in `next` */
	uint64_t moved;          /* positions of `now` before it are void */
	uint64_t append;         /* first position of `next` behind all that was moved */
	uint64_t count;
	uint32_t patience; /* calls until memory for growth is asked for again */
};

int index_init(struct index *index, uint64_t capacity);
void index_finish(struct index *index);

/* Whether index_tend() may be due: cheap, and true a little too often. */
static inline bool index_may_want_tending(const struct index *index)
{
	return __builtin_expect(index->next.entries || index->count * 3 > index->now.capacity * 2,
	                        0);
}

/* Whether index_tend() is due. */
bool index_wants_tending(const struct index *index);
/* Maps and populates what growth will need next, gives back what it left. Needs no lock against
 * readers of other fields, but one against every other call on this index. */
int index_tend(struct index *index);

/* Gives memory back after many erasures, down to a capacity of `floor`: moves so many positions,
 * and returns whether there is more to do. Anything may happen between two calls. */
bool index_shrink(struct index *index, uint64_t floor, uint64_t positions);

static inline uint64_t index_home(const struct index_table *table, uint64_t hash)
{
	return (uint64_t)((unsigned __int128)hash * table->capacity >> 64);
}

/* Where a search for a hash begins while the index grows. */
struct index_entry *index_start_growing(struct index *index, uint64_t hash);
/* Moves a few entries on while the index grows. Before every insert; entries found before are void.
 */
void index_step(struct index *index);

/* The entry of this hash; if there is none, where it would be inserted: then its hash is another.
 * Valid until the next insert, erase or step. */
static inline struct index_entry *index_locate(struct index *index, uint64_t hash)
{
	struct index_entry *entry = index->now.entries + index_home(&index->now, hash);

	if (__builtin_expect(index->next.entries != NULL, 0))
		entry = index_start_growing(index, hash);
	while (entry->hash && entry->hash < hash)
		entry++;
	return entry;
}

/* The entry of this hash, or NULL. Valid as above. */
static inline struct index_entry *index_find(struct index *index, uint64_t hash)
{
	struct index_entry *entry = index_locate(index, hash);

	return entry->hash == hash ? entry : NULL;
}

/* The next one of the same hash after `entry`, or NULL. */
static inline struct index_entry *index_find_next(struct index_entry *entry)
{
	return entry[1].hash == entry->hash ? entry + 1 : NULL;
}

/* The general cases: neighbours to shift, or growing. */
int index_insert_crowded(struct index *index, struct index_entry *entry, uint64_t hash,
                         uint64_t place);
void index_erase_crowded(struct index *index, struct index_entry *entry);

/* Inserts where index_locate() said, behind entries of the same hash. -ENOSPC: no room, nothing
 * changed. */
static inline int index_insert_at(struct index *index, struct index_entry *entry, uint64_t hash,
                                  uint64_t place)
{
	/* Alone at its place, as most are, and not among the last entries, which stay empty. */
	if (__builtin_expect(entry->hash || index->next.entries ||
	                             entry >= index->now.entries + index->now.capacity,
	                     0))
		return index_insert_crowded(index, entry, hash, place);
	entry->hash = hash;
	entry->place = place;
	index->count++;
	return 0;
}

/* Steps, locates and inserts. */
int index_insert(struct index *index, uint64_t hash, uint64_t place);

static inline void index_erase(struct index *index, struct index_entry *entry)
{
	if (__builtin_expect(entry[1].hash || index->next.entries, 0)) {
		index_erase_crowded(index, entry);
		return;
	}
	entry->hash = 0;
	index->count--;
}

/* Brings the line of a hash near. Needs no lock: what it reads may be of two moments, and then the
 * wrong line comes, which is harmless. */
static inline void index_prefetch(const struct index *index, uint64_t hash)
{
	const struct index_entry *entries = __atomic_load_n(&index->now.entries, __ATOMIC_RELAXED);
	uint64_t capacity = __atomic_load_n(&index->now.capacity, __ATOMIC_RELAXED);

	__builtin_prefetch((const void *)((uintptr_t)entries +
	                                  (uint64_t)((unsigned __int128)hash * capacity >> 64) *
	                                          sizeof *entries));
}

#endif
