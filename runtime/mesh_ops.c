/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic. A device's part is read from its memory in pieces, computed as its cores would,
 * in float, and written back rounded; scratch memory here stands for the circular buffers in L1.
 */
#include "mesh_ops.h"

#include "graph_tracker.h"
#include "program_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32768 }; /* values moved at once */

static const struct program_spec add_program = {"add", 12288, 3, {4096, 4096, 4096}};
static const struct program_spec matmul_program = {"matmul", 24576, 3, {65536, 65536, 131072}};

uint16_t bfloat16_from_float(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float bfloat16_to_float(uint16_t bits)
{
	uint32_t wide = (uint32_t)bits << 16;
	float value;

	memcpy(&value, &wide, sizeof value);
	return value;
}

static uint64_t count_of(const uint32_t shape[4])
{
	return (uint64_t)shape[0] * shape[1] * shape[2] * shape[3];
}

uint64_t mesh_tensor_bytes(const uint32_t shape[4])
{
	return count_of(shape) * sizeof(uint16_t);
}

int mesh_tensor_create(struct mesh_device *mesh, const uint32_t shape[4], const char *site,
		       struct mesh_tensor *ret_tensor)
{
	struct mesh_tensor tensor = {0};
	struct buffer_spec spec = {.bytes = mesh_tensor_bytes(shape), .site = site};
	int error;

	if (shape[0] % mesh->rows != 0 || shape[1] % mesh->columns != 0)
		return -EINVAL;
	memcpy(tensor.shape, shape, sizeof tensor.shape);
	memcpy(tensor.shard, shape, sizeof tensor.shard);
	tensor.shard[0] /= mesh->rows;
	tensor.shard[1] /= mesh->columns;
	error = mesh_buffer_create(mesh, MESH_SHARDED, &spec, &tensor.buffer);
	if (!error)
		*ret_tensor = tensor;
	return error;
}

void mesh_tensor_destroy(struct mesh_tensor *tensor)
{
	mesh_buffer_destroy(tensor->buffer);
	tensor->buffer = NULL;
}

/* The index in the whole tensor of a value in the part of one member. */
static uint64_t global_index(const struct mesh_tensor *tensor, uint32_t member, uint64_t at)
{
	uint64_t matrix = (uint64_t)tensor->shape[2] * tensor->shape[3];
	uint64_t row = at / matrix / tensor->shard[1], column = at / matrix % tensor->shard[1];

	row += (uint64_t)member / tensor->buffer->mesh->columns * tensor->shard[0];
	column += (uint64_t)member % tensor->buffer->mesh->columns * tensor->shard[1];
	return (row * tensor->shape[1] + column) * matrix + at % matrix;
}

/* Does one thing to every chunk of every local device's part. */
typedef int (*chunk_fn)(const struct mesh_tensor *tensor, uint32_t member, uint64_t at,
			uint32_t count, const void *arg);

static int for_chunks(const struct mesh_tensor *tensor, chunk_fn each, const void *arg)
{
	const struct mesh_device *mesh = tensor->buffer->mesh;
	uint64_t total = count_of(tensor->shard);
	int error = 0;

	for (uint32_t member = 0; member < mesh_device_members(mesh); member++) {
		for (uint64_t at = 0; !error && mesh->devices[member] && at < total; at += CHUNK) {
			uint64_t rest = total - at;

			error = each(tensor, member, at, rest < CHUNK ? (uint32_t)rest : CHUNK,
				     arg);
		}
	}
	return error;
}

struct host_values {
	tensor_value value;
	const void *arg;
};

static void host_chunk(const struct mesh_tensor *tensor, uint32_t member, uint64_t at,
		       uint32_t count, const struct host_values *host, uint16_t *ret_values)
{
	uint64_t matrix = (uint64_t)tensor->shape[2] * tensor->shape[3];
	uint64_t index = 0;

	for (uint32_t i = 0; i < count; i++, index++) {
		if (i == 0 || (at + i) % matrix == 0)
			index = global_index(tensor, member, at + i);
		ret_values[i] = bfloat16_from_float(host->value(index, host->arg));
	}
}

static int fill_chunk(const struct mesh_tensor *tensor, uint32_t member, uint64_t at,
		      uint32_t count, const void *arg)
{
	uint16_t values[CHUNK];

	host_chunk(tensor, member, at, count, arg, values);
	return mesh_buffer_write(tensor->buffer, member, at * sizeof values[0], values,
				 count * sizeof values[0]);
}

static int check_chunk(const struct mesh_tensor *tensor, uint32_t member, uint64_t at,
		       uint32_t count, const void *arg)
{
	uint16_t expected[CHUNK], found[CHUNK];
	int error;

	host_chunk(tensor, member, at, count, arg, expected);
	error = mesh_buffer_read(tensor->buffer, member, at * sizeof found[0], found,
				 count * sizeof found[0]);
	if (!error && memcmp(expected, found, count * sizeof found[0]) != 0)
		error = -EILSEQ;
	return error;
}

int mesh_tensor_fill(struct mesh_tensor *tensor, tensor_value value, const void *arg)
{
	struct host_values host = {value, arg};

	return for_chunks(tensor, fill_chunk, &host);
}

int mesh_tensor_check(const struct mesh_tensor *tensor, tensor_value value, const void *arg)
{
	struct host_values host = {value, arg};

	return for_chunks(tensor, check_chunk, &host);
}

/* Tag, program, result, dispatch: what every operation does before its devices compute. */
static int op_begin(const struct program_spec *spec, struct mesh_device *mesh,
		    const uint32_t shape[4], struct mesh_tensor *ret_result)
{
	struct mesh_tensor result;
	struct program *program;
	int error;

	graph_tracker_function_start(spec->name);
	error = program_cache_get(mesh, spec, &program);
	if (!error)
		error = mesh_tensor_create(mesh, shape, spec->name, &result);
	if (!error) {
		error = program_dispatch(mesh, program);
		if (error)
			mesh_tensor_destroy(&result);
		else
			*ret_result = result;
	}
	graph_tracker_function_end();
	return error;
}

struct operands {
	const struct mesh_tensor *a, *b;
	float *scratch;
};

static int add_chunk(const struct mesh_tensor *sum, uint32_t member, uint64_t at, uint32_t count,
		     const void *arg)
{
	const struct operands *in = arg;
	uint16_t a[CHUNK], b[CHUNK];
	uint64_t offset = at * sizeof a[0];
	size_t bytes = count * sizeof a[0];
	int error = mesh_buffer_read(in->a->buffer, member, offset, a, bytes);

	if (!error)
		error = mesh_buffer_read(in->b->buffer, member, offset, b, bytes);
	if (error)
		return error;
	for (uint32_t i = 0; i < count; i++)
		a[i] = bfloat16_from_float(bfloat16_to_float(a[i]) + bfloat16_to_float(b[i]));
	return mesh_buffer_write(sum->buffer, member, offset, a, bytes);
}

int mesh_op_add(const struct mesh_tensor *a, const struct mesh_tensor *b,
		struct mesh_tensor *ret_sum)
{
	struct operands in = {a, b, NULL};
	struct mesh_tensor sum;
	int error;

	if (a->buffer->mesh != b->buffer->mesh || memcmp(a->shape, b->shape, sizeof a->shape) != 0)
		return -EINVAL;
	error = op_begin(&add_program, a->buffer->mesh, a->shape, &sum);
	if (error)
		return error;
	error = for_chunks(&sum, add_chunk, &in);
	if (error)
		mesh_tensor_destroy(&sum);
	else
		*ret_sum = sum;
	return error;
}

/* Reads matrix `index` of a member's part, as floats. The bits lie in the upper half of the result
 * until they are widened, first to last: a write never overtakes the reads. */
static int read_matrix(const struct mesh_tensor *tensor, uint32_t member, uint64_t index,
		       float *ret_values)
{
	size_t count = (size_t)tensor->shape[2] * tensor->shape[3];
	size_t bytes = count * sizeof(uint16_t);
	char *bits = (char *)ret_values + bytes;
	int error = mesh_buffer_read(tensor->buffer, member, index * bytes, bits, bytes);

	for (size_t i = 0; !error && i < count; i++) {
		uint16_t value;

		memcpy(&value, bits + i * sizeof value, sizeof value);
		ret_values[i] = bfloat16_to_float(value);
	}
	return error;
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

static int multiply_matrix(const struct mesh_tensor *product, uint32_t member, uint64_t index,
			   const struct operands *in)
{
	uint32_t rows = in->a->shape[2], inner = in->a->shape[3], columns = in->b->shape[3];
	float *a = in->scratch, *b = a + (size_t)rows * inner, *sums = b + (size_t)inner * columns;
	uint16_t *out = (uint16_t *)(void *)(sums + columns);
	int error = read_matrix(in->a, member, index, a);

	if (!error)
		error = read_matrix(in->b, member, index, b);
	for (uint32_t i = 0; !error && i < rows; i++) {
		uint64_t at = (index * rows + i) * columns;

		multiply_row(a + (size_t)i * inner, b, inner, columns, sums);
		for (uint32_t j = 0; j < columns; j++)
			out[j] = bfloat16_from_float(sums[j]);
		error = mesh_buffer_write(product->buffer, member, at * sizeof *out, out,
					  columns * sizeof *out);
	}
	return error;
}

static int multiply_all(const struct mesh_tensor *product, const struct operands *in)
{
	const struct mesh_device *mesh = product->buffer->mesh;
	uint64_t matrices = (uint64_t)product->shard[0] * product->shard[1];
	int error = 0;

	for (uint32_t member = 0; member < mesh_device_members(mesh); member++) {
		for (uint64_t i = 0; !error && mesh->devices[member] && i < matrices; i++)
			error = multiply_matrix(product, member, i, in);
	}
	return error;
}

int mesh_op_matmul(const struct mesh_tensor *a, const struct mesh_tensor *b,
		   struct mesh_tensor *ret_product)
{
	uint32_t shape[4] = {a->shape[0], a->shape[1], a->shape[2], b->shape[3]};
	size_t rows = shape[2], inner = a->shape[3], columns = shape[3];
	struct operands in = {a, b, NULL};
	struct mesh_tensor product;
	int error;

	if (a->buffer->mesh != b->buffer->mesh || a->shape[0] != b->shape[0] ||
	    a->shape[1] != b->shape[1] || a->shape[3] != b->shape[2])
		return -EINVAL;
	in.scratch = malloc((rows * inner + inner * columns + 2 * columns) * sizeof(float));
	if (!in.scratch)
		return -ENOMEM;
	error = op_begin(&matmul_program, a->buffer->mesh, shape, &product);
	if (!error) {
		error = multiply_all(&product, &in);
		if (error)
			mesh_tensor_destroy(&product);
		else
			*ret_product = product;
	}
	free(in.scratch);
	return error;
}
