/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The back end that is always there: one sparse private mapping. Eight chips of 12 GiB are address
 * space only; the kernel gives a page when it is first written. A range is a pointer into it.
 */
#include "backend.h"
#include "bfloat16.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct host_machine {
	unsigned char *bytes;
	uint64_t arena_bytes;
	size_t mapped_bytes;
};

static int map_arenas(struct host_machine *host, uint32_t chips)
{
	if (host->arena_bytes == 0 || host->arena_bytes > SIZE_MAX / chips)
		return -EINVAL;
	host->mapped_bytes = (size_t)host->arena_bytes * chips;
	host->bytes = mmap(NULL, host->mapped_bytes, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return host->bytes == MAP_FAILED ? -ENOMEM : 0;
}

static int host_open(uint32_t chips, struct mt_memory memories[MEMORY_ROLES],
                     struct backend_problem *ret_problem, void **ret_state)
{
	struct host_machine *host = calloc(1, sizeof *host);
	int error;

	if (!host)
		return -ENOMEM;
	for (size_t role = 0; role < MEMORY_ROLES; role++)
		host->arena_bytes += memories[role].banks * memories[role].bank_bytes;
	error = map_arenas(host, chips);
	if (error) {
		snprintf(ret_problem->text, sizeof ret_problem->text,
		         "no address space for %u chips: is it limited (ulimit -v)?",
		         (unsigned)chips);
		free(host);
		return error;
	}
	*ret_state = host;
	return 0;
}

static void host_close(void *state)
{
	struct host_machine *host = state;

	if (!host)
		return;
	munmap(host->bytes, host->mapped_bytes);
	free(host);
}

static int host_range_open(void *state, uint32_t chip, uint64_t position, uint64_t bytes,
                           void **ret_range)
{
	const struct host_machine *host = state;

	if (position > host->arena_bytes || bytes > host->arena_bytes - position)
		return -ERANGE;
	*ret_range = host->bytes + chip * host->arena_bytes + position;
	return 0;
}

static void host_range_close(void *range)
{
	(void)range;
}

static int host_write(void *range, uint64_t offset, const void *data, size_t bytes)
{
	memcpy((unsigned char *)range + offset, data, bytes);
	return 0;
}

static int host_read(void *range, uint64_t offset, void *data, size_t bytes)
{
	memcpy(data, (const unsigned char *)range + offset, bytes);
	return 0;
}

static int host_add(void *a, void *b, void *sum, uint64_t count)
{
	const uint16_t *left = a, *right = b;
	uint16_t *out = sum;

	for (uint64_t i = 0; i < count; i++) {
		out[i] = bfloat16_from_float(bfloat16_to_float(left[i]) +
		                             bfloat16_to_float(right[i]));
	}
	return 0;
}

static void widen(const uint16_t *bits, size_t count, float *ret_values)
{
	for (size_t i = 0; i < count; i++)
		ret_values[i] = bfloat16_to_float(bits[i]);
}

static void multiply_row(const float *restrict row, const float *restrict b, uint32_t inner,
                         uint32_t columns, float *restrict ret_sums)
{
	memset(ret_sums, 0, columns * sizeof *ret_sums);
	for (uint32_t k = 0; k < inner; k++) {
		const float *b_row = b + (size_t)k * columns;
		float factor = row[k];

		for (uint32_t j = 0; j < columns; j++)
			ret_sums[j] += factor * b_row[j];
	}
}

/* One product. The scratch memory, for b, a row of a and a row of sums, stands for the circular
 * buffers in L1. */
static void multiply(const uint16_t *a, const uint16_t *b, uint16_t *product,
                     const struct matmul_shape *shape, float *scratch)
{
	float *row = scratch + (size_t)shape->inner * shape->columns, *sums = row + shape->inner;

	widen(b, (size_t)shape->inner * shape->columns, scratch);
	for (uint32_t i = 0; i < shape->rows; i++) {
		widen(a + (size_t)i * shape->inner, shape->inner, row);
		multiply_row(row, scratch, shape->inner, shape->columns, sums);
		for (uint32_t j = 0; j < shape->columns; j++)
			product[(size_t)i * shape->columns + j] = bfloat16_from_float(sums[j]);
	}
}

static int host_matmul(void *a, void *b, void *product, const struct matmul_shape *shape)
{
	size_t rows = shape->rows, inner = shape->inner, columns = shape->columns;
	float *scratch = malloc((inner * columns + inner + columns) * sizeof *scratch);

	if (!scratch)
		return -ENOMEM;
	for (uint64_t i = 0; i < shape->matrices; i++) {
		multiply((const uint16_t *)a + i * rows * inner,
		         (const uint16_t *)b + i * inner * columns,
		         (uint16_t *)product + i * rows * columns, shape, scratch);
	}
	free(scratch);
	return 0;
}

const struct backend host_backend = {
	.name = "host",
	.about = "memory and loops of this process",
	.open = host_open,
	.close = host_close,
	.range_open = host_range_open,
	.range_close = host_range_close,
	.write = host_write,
	.read = host_read,
	.add = host_add,
	.matmul = host_matmul,
};
