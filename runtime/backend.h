/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds the contents of device memory: a table of functions over arenas, one arena per chip
 * and memory, addressed by bank and offset. The allocator decides where things lie and never asks
 * a back end; a back end stores bytes and never decides. Arenas are made at the first write.
 */
#ifndef RUNTIME_BACKEND_H
#define RUNTIME_BACKEND_H

#include <stddef.h>
#include <stdint.h>

struct backend {
	const char *name;
	int (*arena_create)(uint32_t banks, uint64_t bank_bytes, void **ret_arena);
	void (*arena_destroy)(void *arena);
	void (*write)(void *arena, uint32_t bank, uint64_t offset, const void *data, size_t bytes);
	void (*read)(void *arena, uint32_t bank, uint64_t offset, void *data, size_t bytes);
};

/* Memory of this process, reserved as address space and filled by the pages that are written. */
extern const struct backend host_backend;

#endif
