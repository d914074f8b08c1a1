/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TABLE_FIRST_SLOTS = 64 };

struct slot {
	const void *handle; /* NULL: empty */
	void *value;
};

struct table {
	struct slot *slots;
	size_t mask; /* number of slots - 1 */
	size_t count;
};

/* All that a forked child must not find: in pages that it gets zeroed, so that neither a lock that
 * another thread of the parent held nor a table that it was changing comes along. */
struct state {
	pthread_mutex_t lock; /* zero: not held */
	uint32_t epoch;       /* 0: not begun in this process */
	bool stale;           /* tracking was off meanwhile: what is in the tables is void */
	struct table memory, contexts, queues, kernels;
};

/* Whole pages of its own. A variable, and no mapping of its own: leak checkers of the program then
 * see what the tables lead to. */
enum { STATE_PAGE = 4096 };
static union {
	struct state state;
	uint8_t pages[(sizeof(struct state) + STATE_PAGE - 1) / STATE_PAGE * STATE_PAGE];
} pages __attribute__((aligned(STATE_PAGE)));
static struct state *const state = &pages.state;

static uint32_t epochs;      /* ordinary memory: a child goes on where its parent was */
static __thread bool inside; /* holds the lock: a signal handler must not wait for it */
static __thread uint32_t calls;

/* --- state ------------------------------------------------------------------------------ */

/* Where pages cannot be wiped: kernels before 4.14, or with larger pages. */
static void forked(void)
{
	memset(&pages, 0, sizeof pages);
}

static __attribute__((constructor)) void begin(void)
{
	int saved = errno;

	if (madvise(&pages, sizeof pages, MADV_WIPEONFORK) != 0)
		pthread_atfork(NULL, NULL, forked);
	errno = saved;
}

static void drop(struct table *table, bool values)
{
	for (size_t i = 0; values && table->slots && i <= table->mask; i++)
		free(table->slots[i].value);
	free(table->slots);
	memset(table, 0, sizeof *table);
}

/* Spaces of before mean nothing to a new segment. What other files keep behind a record, queue or
 * kernel is lost with it: tracking is turned off and on again by few programs, a few times. */
static void begin_anew(void)
{
	drop(&state->memory, true);
	drop(&state->contexts, true);
	drop(&state->queues, false);
	drop(&state->kernels, false);
	__atomic_store_n(&state->stale, false, __ATOMIC_RELAXED);
	__atomic_store_n(&state->epoch, 0, __ATOMIC_RELAXED);
}

/* Whether tracking is on. Off, what the tables have is void when it is on again. */
static bool is_on(void)
{
	if (MT_IS_ON())
		return true;
	if (__atomic_load_n(&state->epoch, __ATOMIC_RELAXED) &&
	    !__atomic_load_n(&state->stale, __ATOMIC_RELAXED))
		__atomic_store_n(&state->stale, true, __ATOMIC_RELAXED);
	return false;
}

bool layer_enter(void)
{
	if (!is_on() || inside)
		return false;
	inside = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	pthread_mutex_lock(&state->lock);
	if (__atomic_load_n(&state->stale, __ATOMIC_RELAXED))
		begin_anew();
	if (!state->epoch)
		__atomic_store_n(&state->epoch, ++epochs, __ATOMIC_RELAXED);
	return true;
}

void layer_leave(void)
{
	pthread_mutex_unlock(&state->lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	inside = false;
}

bool layer_is_void(mt_space space)
{
	struct mt_usage usage = {.struct_size = sizeof usage};

	/* No kind has this number: only whether the space is known is answered. */
	if (!space || mt_device_usage(space, UINT32_MAX, &usage) != MT_UNKNOWN_SPACE)
		return false;
	__atomic_store_n(&state->stale, true, __ATOMIC_RELAXED);
	return true;
}

bool layer_call_enter(void)
{
	if (!is_on() || calls)
		return false;
	calls = 1;
	return true;
}

void layer_call_leave(void)
{
	calls = 0;
}

uint32_t layer_epoch(void)
{
	return state->epoch;
}

struct table *table_of_memory(void)
{
	return &state->memory;
}

struct table *table_of_contexts(void)
{
	return &state->contexts;
}

struct table *table_of_queues(void)
{
	return &state->queues;
}

struct table *table_of_kernels(void)
{
	return &state->kernels;
}

/* --- tables ----------------------------------------------------------------------------- */

static size_t home_of(const struct table *table, const void *handle)
{
	uint64_t hash = (uint64_t)(uintptr_t)handle * 0x9e3779b97f4a7c15u;

	return (size_t)(hash >> 24) & table->mask;
}

/* Of the handle, or the empty one where it would go. There is always an empty one; only in a table
 * that the program has overwritten there may be none, and then a walk ends all the same. */
static struct slot *slot_of(const struct table *table, const void *handle)
{
	size_t at = home_of(table, handle);

	for (size_t steps = 0; steps < table->mask; steps++) {
		if (!table->slots[at].handle || table->slots[at].handle == handle)
			break;
		at = (at + 1) & table->mask;
	}
	return &table->slots[at];
}

void *table_find(const struct table *table, const void *handle)
{
	const struct slot *slot = handle && table->slots ? slot_of(table, handle) : NULL;

	return slot && slot->handle == handle ? slot->value : NULL;
}

static int table_grow(struct table *table)
{
	size_t slots = table->slots ? (table->mask + 1) * 2 : (size_t)TABLE_FIRST_SLOTS;
	struct table grown = {.mask = slots - 1, .count = table->count};
	int saved = errno;

	grown.slots = calloc(slots, sizeof *grown.slots);
	errno = saved;
	if (!grown.slots)
		return -ENOMEM;
	for (size_t i = 0; table->slots && i <= table->mask; i++) {
		if (table->slots[i].handle)
			*slot_of(&grown, table->slots[i].handle) = table->slots[i];
	}
	free(table->slots);
	*table = grown;
	return 0;
}

int table_put(struct table *table, const void *handle, void *value)
{
	struct slot *slot;

	/* At most three quarters are in use, so that walks are short. */
	if ((!table->slots || (table->count + 1) * 4 > (table->mask + 1) * 3) && table_grow(table))
		return -ENOMEM;
	slot = slot_of(table, handle);
	table->count += !slot->handle;
	slot->handle = handle;
	slot->value = value;
	return 0;
}

void *table_take(struct table *table, const void *handle)
{
	struct slot *slot;
	size_t hole, at;
	void *value;

	if (!handle || !table->slots || (slot = slot_of(table, handle))->handle != handle)
		return NULL;
	value = slot->value;
	/* What comes behind moves up into the hole where its walk would end there. */
	hole = at = (size_t)(slot - table->slots);
	for (size_t steps = 0; steps < table->mask; steps++) {
		at = (at + 1) & table->mask;
		if (!table->slots[at].handle)
			break;
		size_t home = home_of(table, table->slots[at].handle);
		if (((at - home) & table->mask) >= ((at - hole) & table->mask)) {
			table->slots[hole] = table->slots[at];
			hole = at;
		}
	}
	table->slots[hole] = (struct slot){0};
	table->count--;
	return value;
}

void *table_next(const struct table *table, size_t *at)
{
	while (table->slots && *at <= table->mask) {
		const struct slot *slot = &table->slots[(*at)++];

		if (slot->handle)
			return slot->value;
	}
	return NULL;
}
