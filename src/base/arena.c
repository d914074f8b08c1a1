/* SPDX-License-Identifier: Apache-2.0 */
#include "arena.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	ARENA_ALIGN = 16,
	ARENA_FIRST = 16 << 10,
	ARENA_CHUNK_MAX = 256 << 10,
	ARENA_OWN = 64 << 10,   /* from here on a chunk of its own, */
	ARENA_MAPPED = 1 << 20, /* and from here on a mapping */
	HUGE = 2 << 20
};

struct chunk {
	struct chunk *next;
	size_t mapped; /* 0: from malloc */
};

struct arena {
	struct chunk *chunks;
	char *at, *end;
	size_t next_bytes;
};

struct arena *arena_create(void)
{
	struct arena *arena = calloc(1, sizeof *arena);

	if (arena)
		arena->next_bytes = ARENA_FIRST;
	return arena;
}

void arena_destroy(struct arena *arena)
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

static void *chunk_add(struct arena *arena, struct chunk *chunk, size_t mapped)
{
	chunk->mapped = mapped;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return (char *)chunk + ARENA_ALIGN;
}

/* Whole huge pages, where the system gives them; zeroed, and not there before it is touched. */
static void *take_mapped(struct arena *arena, size_t bytes)
{
	size_t size = (bytes + ARENA_ALIGN + HUGE - 1) & ~(size_t)(HUGE - 1), room = size + HUGE;
	char *p = mmap(NULL, room, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t skip;

	if (p == MAP_FAILED)
		return NULL;
	skip = (HUGE - ((uintptr_t)p & (HUGE - 1))) & (HUGE - 1);
	if (skip)
		munmap(p, skip);
	if (room - skip > size)
		munmap(p + skip + size, room - skip - size);
	p += skip;
	madvise(p, size, MADV_HUGEPAGE);
	return chunk_add(arena, (struct chunk *)(void *)p, size);
}

static void *take(struct arena *arena, size_t count, size_t size, bool zeroed)
{
	struct chunk *chunk;
	size_t bytes;
	void *result;

	if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
		return NULL;
	bytes = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (bytes >= ARENA_MAPPED)
		return take_mapped(arena, bytes);
	if (bytes >= ARENA_OWN) {
		chunk = zeroed ? calloc(1, bytes + ARENA_ALIGN) : malloc(bytes + ARENA_ALIGN);
		return chunk ? chunk_add(arena, chunk, 0) : NULL;
	}
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

void *arena_take(struct arena *arena, size_t count, size_t size)
{
	return take(arena, count, size, true);
}

void *arena_take_raw(struct arena *arena, size_t count, size_t size)
{
	return take(arena, count, size, false);
}

char *arena_string(struct arena *arena, const char *bytes, size_t length)
{
	char *string = arena_take(arena, length + 1, 1);

	if (string)
		memcpy(string, bytes, length);
	return string;
}
