/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values are small multiples of 1/8: in float, and rounded to bfloat16, sums are exact, and dot
 * products are computed here in integers.
 */
#include "mesh_values.h"

#include <errno.h>
#include <stdlib.h>

const struct mesh_input mesh_inputs[TENSORS] = {
	[A] = {"a", {8, 8, 512, 512}, 1},
	[B] = {"b", {8, 8, 512, 512}, 77},
	[X] = {"x", {8, 8, 256, 128}, 1234},
	[Y] = {"y", {8, 8, 128, 256}, 99999},
};

/* Small multiples of 1/8, so that sums and dot products are exact whatever their order. */
static int host_eighths(uint64_t index, uint32_t seed)
{
	uint32_t mixed = ((uint32_t)index + seed) * 2654435761u;

	return (int)(mixed >> 28) - 8;
}

static float host_value(uint64_t index, const void *seed)
{
	return (float)host_eighths(index, *(const uint32_t *)seed) / 8;
}

int mesh_input_fill(struct mesh_tensor *tensor, size_t name)
{
	return mesh_tensor_fill(tensor, host_value, &mesh_inputs[name].seed);
}

static float sum_value(uint64_t index, const void *arg)
{
	(void)arg;
	return host_value(index, &mesh_inputs[A].seed) + host_value(index, &mesh_inputs[B].seed);
}

int mesh_sum_check(const struct mesh_tensor *sum)
{
	return mesh_tensor_check(sum, sum_value, NULL);
}

/* The factors as the host has them, y transposed: a product is a dot product of two rows. */
struct factors {
	int8_t *x, *y;
};

static float product_value(uint64_t index, const void *arg)
{
	const struct factors *factors = arg;
	uint64_t inner = mesh_inputs[X].shape[3], columns = mesh_inputs[Y].shape[3];
	uint64_t rows = mesh_inputs[X].shape[2];
	uint64_t matrix = index / (rows * columns);
	const int8_t *x = factors->x + index / columns * inner;
	const int8_t *y = factors->y + (matrix * columns + index % columns) * inner;
	int sum = 0;

	for (uint64_t k = 0; k < inner; k++)
		sum += x[k] * y[k];
	return (float)sum / 64;
}

int mesh_product_check(const struct mesh_tensor *product)
{
	size_t count = mesh_tensor_bytes(mesh_inputs[X].shape) / sizeof(uint16_t);
	struct factors factors = {malloc(count), malloc(count)};
	int error = factors.x && factors.y ? 0 : -ENOMEM;
	uint64_t inner = mesh_inputs[Y].shape[2], columns = mesh_inputs[Y].shape[3];

	for (uint64_t i = 0; !error && i < count; i++) {
		uint64_t matrix = i / (inner * columns), k = i / columns % inner;
		uint64_t transposed = (matrix * columns + i % columns) * inner + k;

		factors.x[i] = (int8_t)host_eighths(i, mesh_inputs[X].seed);
		factors.y[transposed] = (int8_t)host_eighths(i, mesh_inputs[Y].seed);
	}
	if (!error)
		error = mesh_tensor_check(product, product_value, &factors);
	free(factors.x);
	free(factors.y);
	return error;
}
