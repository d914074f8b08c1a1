/* SPDX-License-Identifier: Apache-2.0 */
#include "lookup.h"

#include "memory.h"

#include <stdlib.h>
#include <string.h>

uint64_t hash_number(uint64_t hash, uint64_t number)
{
	hash = (hash ^ number) * 0x9e3779b97f4a7c15ull;
	return hash ^ hash >> 29;
}

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *at = bytes;
	uint64_t word = 0;

	for (; length >= 8; length -= 8, at += 8) {
		memcpy(&word, at, 8);
		hash = hash_number(hash, word);
	}
	word = 0;
	if (length != 0) /* of nothing `bytes` may be NULL */
		memcpy(&word, at, length);
	return hash_number(hash, word ^ (uint64_t)length << 56);
}

uint64_t hash_string(uint64_t hash, const char *string)
{
	return hash_bytes(hash, string, strlen(string));
}

static void grow(struct lookup *lookup)
{
	size_t capacity = lookup->capacity != 0 ? lookup->capacity * 2 : 64;
	struct lookup_slot *slots = mem_calloc(capacity, sizeof(*slots));

	for (size_t i = 0; i < lookup->capacity; i++) {
		size_t at = lookup->slots[i].hash & (capacity - 1);

		if (lookup->slots[i].position == 0)
			continue;
		while (slots[at].position != 0)
			at = (at + 1) & (capacity - 1);
		slots[at] = lookup->slots[i];
	}
	free(lookup->slots);
	lookup->slots = slots;
	lookup->capacity = capacity;
}

/* The slot of the key, or the free one where it belongs. */
static struct lookup_slot *seek(const struct lookup *lookup, const void *elements, const void *key,
                                uint64_t hash)
{
	size_t at = hash & (lookup->capacity - 1);

	while (lookup->slots[at].position != 0) {
		if (lookup->slots[at].hash == hash &&
		    lookup->same(elements, lookup->slots[at].position - 1, key))
			break;
		at = (at + 1) & (lookup->capacity - 1);
	}
	return &lookup->slots[at];
}

size_t lookup_find(const struct lookup *lookup, const void *elements, const void *key,
                   uint64_t hash)
{
	return lookup->capacity != 0 ? seek(lookup, elements, key, hash)->position - 1 : SIZE_MAX;
}

size_t lookup_place(struct lookup *lookup, const void *elements, const void *key, uint64_t hash,
                    size_t next)
{
	struct lookup_slot *slot;

	if (lookup->count * 2 >= lookup->capacity)
		grow(lookup);
	slot = seek(lookup, elements, key, hash);
	if (slot->position == 0) {
		*slot = (struct lookup_slot){hash, next + 1};
		lookup->count++;
	}
	return slot->position - 1;
}

void lookup_finish(struct lookup *lookup)
{
	free(lookup->slots);
	lookup->slots = NULL;
	lookup->capacity = lookup->count = 0;
}
