/* SPDX-License-Identifier: Apache-2.0 */
#include "index.h"

#include "segment_file.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum {
	INDEX_SLACK = 1024,      /* entries behind the end: clusters do not wrap around */
	INDEX_STEP = 8,          /* positions moved per insert while growing, */
	INDEX_STEP_BACK = 64,    /* and while shrinking, */
	INDEX_SHRINK = 32,       /* which is by that at most: half of it is for such inserts */
	INDEX_AHEAD = 65536,     /* entries populated at once: 1 MiB */
	INDEX_RELEASE = 1 << 16, /* entries given back at once: 1 MiB */
	INDEX_PATIENCE = 1024,
	INDEX_ROOM = INDEX_SLACK / 4
};

static uint64_t table_entries(const struct index_table *table)
{
	return table->capacity + INDEX_SLACK;
}

static int table_init(struct index_table *table, uint64_t capacity)
{
	memset(table, 0, sizeof *table);
	table->capacity = capacity;
	table->entries = private_map((capacity + INDEX_SLACK) * sizeof *table->entries);
	return table->entries ? 0 : -ENOMEM;
}

static void table_finish(struct index_table *table)
{
	private_unmap(table->entries, table_entries(table) * sizeof *table->entries);
	memset(table, 0, sizeof *table);
}

/* Populates the next stretch, so that no insert faults. Failing that, pages come by faults. */
static void table_ready(struct index_table *table)
{
	uint64_t end = table->ready + INDEX_AHEAD;

	if (end > table_entries(table))
		end = table_entries(table);
	madvise(table->entries + table->ready, (end - table->ready) * sizeof *table->entries,
	        MADV_POPULATE_WRITE);
	table->ready = end;
}

int index_init(struct index *index, uint64_t capacity)
{
	memset(index, 0, sizeof *index);
	return table_init(&index->now, capacity);
}

void index_finish(struct index *index)
{
	if (index->now.entries)
		table_finish(&index->now);
	if (index->next.entries)
		table_finish(&index->next);
}

/* The load at which growth begins: 0.67. */
static bool is_loaded(const struct index *index)
{
	return index->count * 3 > index->now.capacity * 2;
}

static bool wants_ready(const struct index *index)
{
	const struct index_table *next = &index->next;

	return next->entries && next->ready < table_entries(next) &&
	       index->append + INDEX_AHEAD / 2 > next->ready;
}

static bool wants_release(const struct index *index)
{
	return index->next.entries && index->moved > index->now.released + INDEX_RELEASE;
}

bool index_wants_tending(const struct index *index)
{
	return index->next.entries ? wants_ready(index) || wants_release(index) : is_loaded(index);
}

static int growth_begin(struct index *index)
{
	uint64_t capacity = index->now.capacity * 13 / 10 + 64;
	int error;

	if (index->patience) {
		index->patience--;
		return -ENOMEM;
	}
	error = segment_memory_allows(capacity * sizeof(struct index_entry))
	                ? table_init(&index->next, capacity)
	                : -ENOMEM;
	if (error) {
		index->patience = INDEX_PATIENCE;
		memset(&index->next, 0, sizeof index->next);
		return error;
	}
	index->cursor = 0;
	index->moved = 0;
	index->append = 0;
	return 0;
}

static void release(struct index_table *now)
{
	madvise(now->entries + now->released, INDEX_RELEASE * sizeof *now->entries, MADV_DONTNEED);
	now->released += INDEX_RELEASE;
}

int index_tend(struct index *index)
{
	struct index_table *now = &index->now;

	if (!index->next.entries) {
		int error = is_loaded(index) ? growth_begin(index) : 0;

		if (error || !index->next.entries)
			return error;
	}
	if (wants_ready(index))
		table_ready(&index->next);
	if (wants_release(index))
		release(now);
	return 0;
}

/* Moves a few positions, in hash order; the last step swaps the tables. */
static void move_some(struct index *index)
{
	struct index_table *now = &index->now, *next = &index->next;
	uint64_t end =
		index->moved + (next->capacity < now->capacity ? INDEX_STEP_BACK : INDEX_STEP);

	if (end > table_entries(now))
		end = table_entries(now);
	/* Never stop between two entries of one hash. */
	for (; index->moved < end || (index->moved < table_entries(now) && index->cursor &&
	                              now->entries[index->moved].hash == index->cursor);
	     index->moved++) {
		struct index_entry *entry = &now->entries[index->moved];
		uint64_t at;

		if (!entry->hash)
			continue;
		at = index_home(next, entry->hash);
		if (at < index->append)
			at = index->append;
		if (at >= table_entries(next)) /* more than slack can take: leave it for later */
			return;
		next->entries[at] = *entry;
		index->append = at + 1;
		index->cursor = entry->hash;
	}
	if (index->moved == table_entries(now)) {
		private_unmap(now->entries + now->released,
		              (table_entries(now) - now->released) * sizeof *now->entries);
		if (now->released)
			private_unmap(now->entries, now->released * sizeof *now->entries);
		/* Prefetches read these two without the lock. */
		__atomic_store_n(&now->entries, next->entries, __ATOMIC_RELAXED);
		__atomic_store_n(&now->capacity, next->capacity, __ATOMIC_RELAXED);
		now->ready = next->ready;
		now->released = next->released;
		memset(next, 0, sizeof *next);
	}
}

struct index_entry *index_start_growing(struct index *index, uint64_t hash)
{
	struct index_table *table = hash <= index->cursor ? &index->next : &index->now;
	uint64_t at = index_home(table, hash);

	if (table == &index->now && at < index->moved)
		at = index->moved;
	return table->entries + at;
}

void index_step(struct index *index)
{
	if (index->next.entries)
		move_some(index);
}

static int insert_shifting(struct index *index, struct index_entry *entry, uint64_t hash,
                           uint64_t place)
{
	struct index_table *table =
		index->next.entries && hash <= index->cursor ? &index->next : &index->now;
	struct index_entry *end;
	uint64_t last;

	while (entry->hash == hash)
		entry++;
	for (end = entry; end->hash; end++)
		;
	last = (uint64_t)(end - table->entries);
	/* The last entries stay empty: they end every search. */
	if (end >= table->entries + table_entries(table) - INDEX_ROOM)
		return -ENOSPC;
	for (; end > entry; end--)
		*end = end[-1];
	entry->hash = hash;
	entry->place = place;
	index->count++;
	if (table == &index->next && last >= index->append)
		index->append = last + 1;
	return 0;
}

/* Growth in one go: whose turn it was to tend the index did not come to it in time. */
static int growth_finish(struct index *index)
{
	int error = index->next.entries ? 0 : growth_begin(index);

	while (!error && index->next.entries) {
		uint64_t moved = index->moved;

		move_some(index);
		if (index->next.entries && index->moved == moved)
			error = -ENOSPC;
	}
	return error;
}

static bool shrink_begin(struct index *index, uint64_t floor)
{
	uint64_t capacity = index->count * 2 + index->now.capacity / INDEX_SHRINK;

	if (capacity < floor)
		capacity = floor;
	if (index->now.capacity < capacity * 2 || table_init(&index->next, capacity)) {
		memset(&index->next, 0, sizeof index->next);
		return false;
	}
	index->cursor = 0;
	index->moved = 0;
	index->append = 0;
	return true;
}

bool index_shrink(struct index *index, uint64_t floor, uint64_t positions)
{
	uint64_t end, before;

	if (!index->next.entries && !shrink_begin(index, floor))
		return false;
	for (end = index->moved + positions; index->next.entries && index->moved < end;) {
		before = index->moved;
		move_some(index);
		if (index->next.entries && index->moved == before)
			return false; /* no room: it stays as it is until something is erased */
		if (wants_release(index))
			release(&index->now);
	}
	return true;
}

int index_insert_crowded(struct index *index, struct index_entry *entry, uint64_t hash,
                         uint64_t place)
{
	int error = insert_shifting(index, entry, hash, place);

	if (error != -ENOSPC)
		return error;
	error = growth_finish(index);
	return error ? error : insert_shifting(index, index_locate(index, hash), hash, place);
}

int index_insert(struct index *index, uint64_t hash, uint64_t place)
{
	index_step(index);
	return index_insert_at(index, index_locate(index, hash), hash, place);
}

void index_erase_crowded(struct index *index, struct index_entry *entry)
{
	struct index_table *table = &index->now;
	struct index_entry *next = entry + 1;
	bool in_next = false;

	if (index->next.entries && entry >= index->next.entries &&
	    entry < index->next.entries + table_entries(&index->next)) {
		table = &index->next;
		in_next = true;
	}
	while (next->hash && index_home(table, next->hash) < (uint64_t)(next - table->entries)) {
		next[-1] = *next;
		next++;
	}
	next[-1].hash = 0;
	index->count--;
	if (in_next && (uint64_t)(next - table->entries) == index->append)
		index->append--;
}
