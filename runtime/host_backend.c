/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end that is always there: one sparse private mapping per arena. Eight devices of 12 GiB
 * are address space only; the kernel gives a page when it is first written.
 */
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct host_arena {
	unsigned char *bytes;
	uint64_t bank_bytes;
	size_t mapped_bytes;
};

static int host_arena_create(uint32_t banks, uint64_t bank_bytes, void **ret_arena)
{
	struct host_arena *arena;

	if (bank_bytes == 0 || banks == 0 || bank_bytes > SIZE_MAX / banks)
		return -EINVAL;
	arena = malloc(sizeof *arena);
	if (!arena)
		return -ENOMEM;
	arena->bank_bytes = bank_bytes;
	arena->mapped_bytes = (size_t)bank_bytes * banks;
	arena->bytes = mmap(NULL, arena->mapped_bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena->bytes == MAP_FAILED) {
		free(arena);
		return -ENOMEM;
	}
	*ret_arena = arena;
	return 0;
}

static void host_arena_destroy(void *arena)
{
	struct host_arena *host = arena;

	if (!host)
		return;
	munmap(host->bytes, host->mapped_bytes);
	free(host);
}

static void host_write(void *arena, uint32_t bank, uint64_t offset, const void *data, size_t bytes)
{
	const struct host_arena *host = arena;

	memcpy(host->bytes + bank * host->bank_bytes + offset, data, bytes);
}

static void host_read(void *arena, uint32_t bank, uint64_t offset, void *data, size_t bytes)
{
	const struct host_arena *host = arena;

	memcpy(data, host->bytes + bank * host->bank_bytes + offset, bytes);
}

const struct backend host_backend = {"host", host_arena_create, host_arena_destroy, host_write,
				     host_read};
