/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash index over a vector of the caller: from a key to the position of the element. The caller
 * says by a function whether an element has a key. Zeroed is empty.
 */
#ifndef MESHTALLY_BASE_LOOKUP_H
#define MESHTALLY_BASE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup_slot {
	uint64_t hash;
	size_t position; /* + 1; 0 free */
};

struct lookup {
	struct lookup_slot *slots;
	size_t capacity, count;
	/* Whether elements[position] has the key. */
	bool (*same)(const void *elements, size_t position, const void *key);
};

/* The position of the key, or, where it is not there yet, `next`, which it then has. */
size_t lookup_place(struct lookup *lookup, const void *elements, const void *key, uint64_t hash,
                    size_t next);

/* SIZE_MAX: not there. */
size_t lookup_find(const struct lookup *lookup, const void *elements, const void *key,
                   uint64_t hash);
void lookup_finish(struct lookup *lookup);

uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length);
uint64_t hash_string(uint64_t hash, const char *string);
uint64_t hash_number(uint64_t hash, uint64_t number);

#endif
