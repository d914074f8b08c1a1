/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds the contents of device memory and computes on them: a table of functions over one
 * arena per chip, in which the chip's memories lie one behind another. The allocator decides where
 * things lie and never asks a back end; a back end stores and computes and never decides. Ranges
 * are opened and closed from any thread; what is done with one comes from one thread at a time.
 */
#ifndef RUNTIME_BACKEND_H
#define RUNTIME_BACKEND_H

#include "arch_table.h"

#include <meshtally.h>

/* Why a back end cannot be had, and what to do about it: a sentence for the user. */
struct backend_problem {
	char text[640];
};

/* `matrices` products of matrices that lie one behind another. */
struct matmul_shape {
	uint32_t rows, inner, columns;
	uint64_t matrices;
};

struct backend {
	const char *name, *about;
	/* Takes an arena per chip, together the memories of all, or with less per bank of the main
	 * memory where a device has less: bank_bytes is then what it really has. May raise
	 * alignments. The problem is filled on failure only. */
	int (*open)(uint32_t chips, struct mt_memory memories[MEMORY_ROLES],
	            struct backend_problem *ret_problem, void **ret_state);
	void (*close)(void *state); /* when all ranges are closed; takes NULL */
	/* What the memory is made of, in words. NULL: nothing worth saying. */
	const char *(*describe)(const void *state);

	/* Part of a chip's arena, for one buffer: what the functions below work on. */
	int (*range_open)(void *state, uint32_t chip, uint64_t position, uint64_t bytes,
	                  void **ret_range);
	void (*range_close)(void *range); /* takes NULL */
	int (*write)(void *range, uint64_t offset, const void *data, size_t bytes);
	int (*read)(void *range, uint64_t offset, void *data, size_t bytes);

	/* On bfloat16, computed in float and rounded once; matmul adds up in the order of `inner`.
	 * May return before it is done: reads and writes of the same chip wait for it. */
	int (*add)(void *a, void *b, void *sum, uint64_t count);
	int (*matmul)(void *a, void *b, void *product, const struct matmul_shape *shape);
	int (*finish)(void *state); /* waits for all chips. NULL: nothing is ever under way */
};

/* Memory of this process, reserved as address space and filled by the pages that are written. */
extern const struct backend host_backend;

/* Each chip is an OpenCL device, all of one platform; a range is a sub-buffer. */
extern const struct backend opencl_backend;

extern const struct backend *const backends[];
extern const size_t backend_count;

/* NULL: no such back end. */
const struct backend *backend_find(const char *name);

#endif
