/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of the scenario's tensors, and what must come of them: the host's side of the story.
 * Called by mesh_scenario.c only.
 */
#ifndef EXAMPLES_MESH_VALUES_H
#define EXAMPLES_MESH_VALUES_H

#include "mesh_ops.h"

enum tensor_name { A, B, SUM, X, Y, PRODUCT, TENSORS };

struct mesh_input {
	const char *site;
	uint32_t shape[4], seed;
};

extern const struct mesh_input mesh_inputs[TENSORS]; /* SUM and PRODUCT: empty */

int mesh_input_fill(struct mesh_tensor *tensor, size_t name);

/* 0 where it is what the host has. -EILSEQ: a value differs. */
int mesh_sum_check(const struct mesh_tensor *sum);
int mesh_product_check(const struct mesh_tensor *product);

#endif
