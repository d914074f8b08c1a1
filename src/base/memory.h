/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for the command and what it is made of: allocation that does not fail, and vectors. When
 * there is no memory the process says so and ends, because a monitor without memory has nothing
 * else to say. Never linked into the client library, which runs inside other people's programs.
 */
#ifndef MESHTALLY_BASE_MEMORY_H
#define MESHTALLY_BASE_MEMORY_H

#include <stddef.h>

void *mem_calloc(size_t count, size_t size);
void *mem_resize(void *bytes, size_t count, size_t size);
char *mem_strdup(const char *string);

/* A vector: struct { VEC_FIELDS(type) } or VEC(type). Zeroed is empty. */
#define VEC_FIELDS(type)                                                                           \
	type *items;                                                                               \
	size_t count, capacity;
#define VEC(type)                                                                                  \
	struct {                                                                                   \
		VEC_FIELDS(type)                                                                   \
	}

/* Points to a new, zeroed element at the end. */
#define vec_add(v)                                                                                 \
	((v)->items = vec_room((v)->items, (v)->count, &(v)->capacity, sizeof(*(v)->items)),       \
	 &(v)->items[(v)->count++])
#define vec_finish(v)                                                                              \
	(vec_release((v)->items), (v)->items = NULL, (v)->count = 0, (v)->capacity = 0)
#define vec_for(item, v)                                                                           \
	for ((item) = (v)->items; (item) != NULL && (item) < (v)->items + (v)->count; (item)++)

void *vec_room(void *items, size_t count, size_t *capacity, size_t size);
void vec_release(void *items);

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

#endif
