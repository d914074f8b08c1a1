/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels of the OpenCL back end, in OpenCL C 1.0: the same arithmetic in the same order as the
 * host back end's, so that results are equal to the bit. Only opencl_backend.c includes this.
 */
#ifndef RUNTIME_OPENCL_KERNELS_H
#define RUNTIME_OPENCL_KERNELS_H

static const char opencl_kernels[] =
	"#pragma OPENCL FP_CONTRACT OFF\n"
	"\n"
	"float widen(ushort bits)\n"
	"{\n"
	"	return as_float((uint)bits << 16);\n"
	"}\n"
	"\n"
	"ushort narrow(float value)\n"
	"{\n"
	"	uint bits = as_uint(value);\n"
	"\n"
	"	if ((bits & 0x7fffffff) > 0x7f800000)\n"
	"		return (ushort)(bits >> 16 | 0x40);\n"
	"	return (ushort)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);\n"
	"}\n"
	"\n"
	"__kernel void mesh_add(__global const ushort *a, __global const ushort *b,\n"
	"                       __global ushort *sum)\n"
	"{\n"
	"	size_t i = get_global_id(0);\n"
	"\n"
	"	sum[i] = narrow(widen(a[i]) + widen(b[i]));\n"
	"}\n"
	"\n"
	"/* One value per work-item: of column 0, row 1 and matrix 2. */\n"
	"__kernel void mesh_matmul(__global const ushort *a, __global const ushort *b,\n"
	"                          __global ushort *product, uint inner)\n"
	"{\n"
	"	size_t columns = get_global_size(0), rows = get_global_size(1);\n"
	"	size_t column = get_global_id(0), row = get_global_id(1);\n"
	"	size_t matrix = get_global_id(2);\n"
	"	__global const ushort *left = a + (matrix * rows + row) * inner;\n"
	"	__global const ushort *right = b + matrix * inner * columns + column;\n"
	"	float sum = 0;\n"
	"\n"
	"	for (uint k = 0; k < inner; k++)\n"
	"		sum += widen(left[k]) * widen(right[k * columns]);\n"
	"	product[(matrix * rows + row) * columns + column] = narrow(sum);\n"
	"}\n";

#endif
