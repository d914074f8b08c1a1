/* SPDX-License-Identifier: Apache-2.0 */
#include "string_pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_string(const void *elements, size_t position, const void *key)
{
	return strcmp(((const char *const *)elements)[position], key) == 0;
}

static void *or_end(void *memory)
{
	if (memory == NULL) {
		fputs("meshtally: out of memory\n", stderr);
		abort();
	}
	return memory;
}

void string_pool_init(struct string_pool *pool)
{
	*pool = (struct string_pool){.arena = or_end(arena_create()), .lookup.same = same_string};
}

const char *string_pool_keep(struct string_pool *pool, const char *string)
{
	size_t length = strlen(string), at;

	if (length == 0)
		return "";
	at = lookup_place(&pool->lookup, pool->strings.items, string, hash_bytes(0, string, length),
	                  pool->strings.count);
	if (at == pool->strings.count) {
		*vec_add(&pool->strings) = or_end(arena_string(pool->arena, string, length));
		pool->bytes += length + 1;
	}
	return pool->strings.items[at];
}

struct arena *string_pool_leave(struct string_pool *pool)
{
	struct arena *arena = pool->arena;

	pool->arena = NULL;
	string_pool_finish(pool);
	return arena;
}

void string_pool_finish(struct string_pool *pool)
{
	arena_destroy(pool->arena);
	pool->arena = NULL;
	vec_finish(&pool->strings);
	lookup_finish(&pool->lookup);
}
