/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors of bfloat16 with four dimensions, sharded on a mesh (the first over its rows, the second
 * over its columns), and two operations that compute on every device from what is in its memory.
 * They allocate their result; the caller frees it. One thread per mesh.
 */
#ifndef RUNTIME_MESH_OPS_H
#define RUNTIME_MESH_OPS_H

#include "mesh_buffer.h"

struct mesh_tensor {
	uint32_t shape[4];
	uint32_t shard[4]; /* of one device */
	struct mesh_buffer *buffer;
};

/* A value of a tensor by its index in the whole tensor; kept to what bfloat16 holds exactly. */
typedef float (*tensor_value)(uint64_t index, const void *arg);

/* -EINVAL: the shape does not divide by the mesh. */
int mesh_tensor_create(struct mesh_device *mesh, const uint32_t shape[4], const char *site,
		       struct mesh_tensor *ret_tensor);
void mesh_tensor_destroy(struct mesh_tensor *tensor);
uint64_t mesh_tensor_bytes(const uint32_t shape[4]);

/* Distributes host values over the devices. */
int mesh_tensor_fill(struct mesh_tensor *tensor, tensor_value value, const void *arg);

/* Gathers and compares with the host's values, rounded as a device rounds. -EILSEQ: one differs. */
int mesh_tensor_check(const struct mesh_tensor *tensor, tensor_value value, const void *arg);

/* Shapes must be equal. */
int mesh_op_add(const struct mesh_tensor *a, const struct mesh_tensor *b,
		struct mesh_tensor *ret_sum);

/* The last two dimensions are matrices, the first two count them. */
int mesh_op_matmul(const struct mesh_tensor *a, const struct mesh_tensor *b,
		   struct mesh_tensor *ret_product);

#endif
