/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bfloat16 as its bits: the upper half of a float, rounded to nearest, ties to even. NaNs stay
 * NaNs. opencl_kernels.h says the same in OpenCL C.
 */
#ifndef RUNTIME_BFLOAT16_H
#define RUNTIME_BFLOAT16_H

#include <stdint.h>
#include <string.h>

static inline uint16_t bfloat16_from_float(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof bits);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float bfloat16_to_float(uint16_t bits)
{
	uint32_t wide = (uint32_t)bits << 16;
	float value;

	memcpy(&value, &wide, sizeof value);
	return value;
}

#endif
