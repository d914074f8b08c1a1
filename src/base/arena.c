/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	ARENA_ALIGN = 16,
	ARENA_FIRST = 16 << 10,
	ARENA_CHUNK_MAX = 1 << 20,
	ARENA_OWN = 256 << 10, /* from here on a mapping of its own */
	HUGE = 2 << 20
};

struct chunk {
	struct chunk *next;
	size_t mapped; /* 0: from calloc */
};

struct arena {
	struct chunk *chunks;
	char *at, *end;
	size_t next_bytes;
};

struct arena *
arena_create(void)
{
	struct arena *arena = calloc(1, sizeof *arena);

	if (arena)
		arena->next_bytes = ARENA_FIRST;
	return arena;
}

void
arena_destroy(struct arena *arena)
{
	struct chunk *chunk, *next;

	if (!arena)
		return;
	for (chunk = arena->chunks; chunk; chunk = next) {
		next = chunk->next;
		if (chunk->mapped)
			munmap(chunk, chunk->mapped);
		else
			free(chunk);
	}
	free(arena);
}

static void *
chunk_add(struct arena *arena, struct chunk *chunk, size_t mapped)
{
	chunk->mapped = mapped;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return (char *)chunk + ARENA_ALIGN;
}

/* The mapping begins on a huge page where it is large enough to have one. */
static void *
take_own(struct arena *arena, size_t bytes)
{
	size_t size = bytes + ARENA_ALIGN, room = size >= HUGE ? size + HUGE : size;
	char *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		return NULL;
	if (room > size) {
		skip = (HUGE - ((uintptr_t)p & (HUGE - 1))) & (HUGE - 1);
		if (skip)
			munmap(p, skip);
		p += skip;
		room -= skip;
		madvise(p, room, MADV_HUGEPAGE);
	}
	return chunk_add(arena, (struct chunk *)(void *)p, room);
}

void *
arena_take(struct arena *arena, size_t count, size_t size)
{
	struct chunk *chunk;
	size_t bytes;
	void *result;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (bytes >= ARENA_OWN)
		return take_own(arena, bytes);
	if (!arena->at || (size_t)(arena->end - arena->at) < bytes) {
		while (arena->next_bytes < bytes + ARENA_ALIGN)
			arena->next_bytes *= 2;
		chunk = calloc(1, arena->next_bytes);
		if (!chunk)
			return NULL;
		arena->at = chunk_add(arena, chunk, 0);
		arena->end = (char *)chunk + arena->next_bytes;
		if (arena->next_bytes < ARENA_CHUNK_MAX)
			arena->next_bytes *= 2;
	}
	result = arena->at;
	arena->at += bytes;
	return result;
}

char *
arena_string(struct arena *arena, const char *bytes, size_t length)
{
	char *string = arena_take(arena, length + 1, 1);

	if (string)
		memcpy(string, bytes, length);
	return string;
}
