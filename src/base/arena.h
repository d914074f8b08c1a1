/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: many allocations that end together. Used for results that are made once and read, such
 * as a view of a segment; not thread-safe. Memory from it is zeroed and aligned to 16 bytes. Large
 * allocations get huge pages where the system gives them, and are not touched before they are used.
 */
#ifndef MESHTALLY_BASE_ARENA_H
#define MESHTALLY_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* NULL: no memory. */
struct arena *arena_create(void);
void arena_destroy(struct arena *arena);

/* Zeroed memory for count elements, never NULL for 0 of them; NULL: no memory. */
void *arena_take(struct arena *arena, size_t count, size_t size);

/* The same, but what is in it is anything: for what is written at once. */
void *arena_take_raw(struct arena *arena, size_t count, size_t size);

/* A copy of the bytes with a NUL after them. */
char *arena_string(struct arena *arena, const char *bytes, size_t length);

#endif
