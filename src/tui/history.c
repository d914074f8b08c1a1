/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include "lookup.h"

#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull

static const uint64_t step_ns[HISTORY_SPANS] = {SECOND, 10 * SECOND, 60 * SECOND};

/* A quiet screen shows what was up to a minute ago: what came before that must still be there. */
enum { KEPT = 2 * HISTORY_VALUES };

/* Values lie at {time / step} modulo their number. */
struct ring {
	uint64_t slot; /* the newest */
	uint64_t values[KEPT];
};

struct series {
	uint64_t key; /* of device and kind */
	uint64_t last_bytes;
	struct ring rings[HISTORY_SPANS];
};

struct history {
	uint64_t last_ns;                /* of the newest reading; 0 none */
	uint64_t interval_ns;            /* between readings, where nothing held them up */
	struct ring seen[HISTORY_SPANS]; /* 1: there was a reading */
	VEC(struct series) series;
	struct lookup by_key;
};

static bool same_key(const void *elements, size_t position, const void *key)
{
	return ((const struct series *)elements)[position].key == *(const uint64_t *)key;
}

struct history *history_create(void)
{
	struct history *history = mem_calloc(1, sizeof(*history));

	history->by_key.same = same_key;
	return history;
}

void history_destroy(struct history *history)
{
	if (history == NULL)
		return;
	vec_finish(&history->series);
	lookup_finish(&history->by_key);
	free(history);
}

/* Those that have neither id nor address are told apart by their order among their likes. */
static uint64_t device_key(const struct machine *machine, uint32_t row)
{
	const struct machine_device *device = &machine->devices.items[row];
	uint64_t before = 0;

	if (device->unique_id != 0)
		return hash_number(1, device->unique_id);
	if (device->bus[0] != '\0')
		return hash_number(hash_string(2, device->bus), (uint64_t)(int64_t)device->ordinal);
	for (uint32_t i = 0; i < row; i++) {
		const struct machine_device *other = &machine->devices.items[i];

		before += other->unique_id == 0 && other->bus[0] == '\0' &&
		          other->ordinal == device->ordinal;
	}
	return hash_number(hash_number(3, (uint64_t)(int64_t)device->ordinal), before);
}

static uint64_t series_key(const struct machine *machine, uint64_t device, uint32_t kind)
{
	return hash_string(device, machine->kind_names[kind]);
}

/* What is between two readings is as it was at the first of them, unless they are so far apart that
 * the monitor was paused or stopped meanwhile. */
static bool goes_on(const struct history *history, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns - history->last_ns;

	return history->last_ns != 0 && now_ns >= history->last_ns &&
	       (passed_ns <= 2 * SECOND || passed_ns <= 3 * history->interval_ns);
}

/* Goes on to a slot; those that are passed over get `between`. */
static void ring_advance(struct ring *ring, uint64_t slot, uint64_t between)
{
	uint64_t at = ring->slot + 1;

	if (slot <= ring->slot)
		return;
	if (slot - ring->slot > KEPT)
		at = slot - KEPT + 1;
	for (; at < slot; at++)
		ring->values[at % KEPT] = between;
	ring->values[slot % KEPT] = 0;
	ring->slot = slot;
}

static bool ring_has(const struct ring *ring, uint64_t slot)
{
	return slot <= ring->slot && slot + KEPT > ring->slot;
}

/* NULL: there is none, and nothing that would need one. */
static struct series *find_series(struct history *history, uint64_t key, uint64_t bytes)
{
	struct series *series;
	size_t at;

	if (bytes == 0) {
		at = lookup_find(&history->by_key, history->series.items, &key, key);
		return at != SIZE_MAX ? &history->series.items[at] : NULL;
	}
	at = lookup_place(&history->by_key, history->series.items, &key, key,
	                  history->series.count);
	if (at < history->series.count)
		return &history->series.items[at];
	series = vec_add(&history->series);
	series->key = key;
	return series;
}

static void series_add(const struct history *history, struct series *series, uint64_t now_ns,
                       uint64_t bytes, bool carry)
{
	for (unsigned span = 0; span < HISTORY_SPANS; span++) {
		struct ring *ring = &series->rings[span];
		uint64_t slot = now_ns / step_ns[span];
		/* It was in the reading before: what it held then, it held since. */
		bool was_there = ring->slot == history->last_ns / step_ns[span];

		ring_advance(ring, slot, carry && was_there ? series->last_bytes : 0);
		if (bytes > ring->values[slot % KEPT])
			ring->values[slot % KEPT] = bytes;
	}
	series->last_bytes = bytes;
}

static void add_device(struct history *history, const struct reading *reading, uint32_t row,
                       bool carry)
{
	const struct machine *machine = &reading->scene.machine;
	const struct machine_device *device = &machine->devices.items[row];
	uint64_t key = device_key(machine, row);

	for (uint32_t kind = 0; kind < machine->kind_count; kind++) {
		uint64_t bytes = device->figures[kind].held;
		struct series *series =
			device->figures[kind].present
				? find_series(history, series_key(machine, key, kind), bytes)
				: NULL;

		if (series != NULL)
			series_add(history, series, reading->monotonic_ns, bytes, carry);
	}
}

void history_add(struct history *history, const struct reading *reading)
{
	uint64_t now_ns = reading->monotonic_ns;
	bool carry = goes_on(history, now_ns);

	/* Readings may come out of order by a hair where one replaced another. */
	if (now_ns < history->last_ns)
		return;
	for (uint32_t row = 0; row < reading->scene.machine.devices.count; row++)
		add_device(history, reading, row, carry);
	for (unsigned span = 0; span < HISTORY_SPANS; span++) {
		struct ring *seen = &history->seen[span];

		ring_advance(seen, now_ns / step_ns[span], carry);
		seen->values[seen->slot % KEPT] = 1;
	}
	if (carry || history->interval_ns == 0)
		history->interval_ns = history->last_ns != 0 ? now_ns - history->last_ns : 0;
	history->last_ns = now_ns;
}

static uint64_t value_at(const struct history *history, const struct series *series, unsigned span,
                         uint64_t slot)
{
	const struct ring *seen = &history->seen[span], *ring = &series->rings[span];

	if (!ring_has(seen, slot) || seen->values[slot % KEPT] == 0)
		return UINT64_MAX;
	return ring_has(ring, slot) ? ring->values[slot % KEPT] : 0;
}

bool history_series(const struct history *history, const struct machine *machine, uint32_t row,
                    uint32_t kind, enum history_span span, uint64_t now_ns,
                    uint64_t (*ret_values)[HISTORY_VALUES])
{
	uint64_t last = now_ns / step_ns[span], newest = history->seen[span].slot, key;
	bool go_on = goes_on(history, now_ns);
	size_t at;

	if (row >= machine->devices.count || kind >= machine->kind_count)
		return false;
	key = series_key(machine, device_key(machine, row), kind);
	at = lookup_find(&history->by_key, history->series.items, &key, key);
	if (at == SIZE_MAX)
		return false;
	for (uint64_t i = 0; i < HISTORY_VALUES; i++) {
		uint64_t back = HISTORY_VALUES - 1 - i;
		uint64_t slot = last >= back ? last - back : UINT64_MAX;

		/* Until the next reading comes. */
		if (slot > newest && slot != UINT64_MAX && go_on)
			slot = newest;
		(*ret_values)[i] = value_at(history, &history->series.items[at], span, slot);
	}
	return true;
}
