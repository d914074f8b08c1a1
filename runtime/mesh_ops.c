/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors go to the devices and come back in pieces; the back end computes where the data lies.
 */
#include "mesh_ops.h"

#include "bfloat16.h"
#include "graph_tracker.h"
#include "program_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32768 }; /* values moved at once */

static const struct program_spec add_program = {"add", 12288, 3, {4096, 4096, 4096}};
static const struct program_spec matmul_program = {"matmul", 24576, 3, {65536, 65536, 131072}};

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

/* What an operation does on one device: a, b and the result as the back end has them there. */
typedef int (*compute_fn)(const struct mesh_tensor *result, const struct backend *backend, void *a,
                          void *b, void *out, uint32_t inner);

/* Begins on all devices before it waits for any. */
static int on_every_device(const struct mesh_tensor *a, const struct mesh_tensor *b,
                           const struct mesh_tensor *result, compute_fn compute)
{
	const struct mesh_device *mesh = result->buffer->mesh;
	const struct backend *backend = mesh->machine->backend;
	int error = 0, finished = 0;

	for (uint32_t i = 0; !error && i < mesh_device_members(mesh); i++) {
		if (!mesh->devices[i])
			continue;
		error = mesh_buffer_check(a->buffer, i, 0, 0);
		if (!error)
			error = mesh_buffer_check(b->buffer, i, 0, 0);
		if (!error)
			error = compute(result, backend, a->buffer->locals[i].range,
			                b->buffer->locals[i].range, result->buffer->locals[i].range,
			                a->shape[3]);
	}
	if (backend->finish)
		finished = backend->finish(mesh->machine->backend_state);
	return error ? error : finished;
}

static int add_on_device(const struct mesh_tensor *sum, const struct backend *backend, void *a,
                         void *b, void *out, uint32_t inner)
{
	(void)inner;
	return backend->add(a, b, out, count_of(sum->shard));
}

int mesh_op_add(const struct mesh_tensor *a, const struct mesh_tensor *b,
		struct mesh_tensor *ret_sum)
{
	struct mesh_tensor sum;
	int error;

	if (a->buffer->mesh != b->buffer->mesh || memcmp(a->shape, b->shape, sizeof a->shape) != 0)
		return -EINVAL;
	error = op_begin(&add_program, a->buffer->mesh, a->shape, &sum);
	if (error)
		return error;
	error = on_every_device(a, b, &sum, add_on_device);
	if (error)
		mesh_tensor_destroy(&sum);
	else
		*ret_sum = sum;
	return error;
}

static int multiply_on_device(const struct mesh_tensor *product, const struct backend *backend,
                              void *a, void *b, void *out, uint32_t inner)
{
	const struct matmul_shape shape = {product->shard[2], inner, product->shard[3],
	                                   (uint64_t)product->shard[0] * product->shard[1]};

	return backend->matmul(a, b, out, &shape);
}

int mesh_op_matmul(const struct mesh_tensor *a, const struct mesh_tensor *b,
		   struct mesh_tensor *ret_product)
{
	uint32_t shape[4] = {a->shape[0], a->shape[1], a->shape[2], b->shape[3]};
	struct mesh_tensor product;
	int error;

	if (a->buffer->mesh != b->buffer->mesh || a->shape[0] != b->shape[0] ||
	    a->shape[1] != b->shape[1] || a->shape[3] != b->shape[2])
		return -EINVAL;
	error = op_begin(&matmul_program, a->buffer->mesh, shape, &product);
	if (error)
		return error;
	error = on_every_device(a, b, &product, multiply_on_device);
	if (error)
		mesh_tensor_destroy(&product);
	else
		*ret_product = product;
	return error;
}
