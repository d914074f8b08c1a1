/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings kept once each. Equal strings are the same pointer, which lives as long as the arena.
 */
#ifndef MESHTALLY_ANALYZE_STRING_POOL_H
#define MESHTALLY_ANALYZE_STRING_POOL_H

#include "arena.h"
#include "lookup.h"
#include "memory.h"

struct string_pool {
	struct arena *arena;
	struct lookup lookup;
	VEC(const char *) strings;
	size_t bytes; /* in all of them */
};

void string_pool_init(struct string_pool *pool);
/* "" is not in the pool, so that it is the same in all. */
const char *string_pool_keep(struct string_pool *pool, const char *string);
/* Ends the pool, but for the arena with the strings. */
struct arena *string_pool_leave(struct string_pool *pool);
void string_pool_finish(struct string_pool *pool);

#endif
