/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <stdlib.h>

static const char variable[] = "MESHTALLY_OPENCL_DEVICE_MEMORY";

/* Decimal digits alone. UINT64_MAX: it is something else, or more than there can be. */
static uint64_t parsed(const char *text)
{
	uint64_t bytes = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9' ||
		    __builtin_mul_overflow(bytes, (uint64_t)10, &bytes) ||
		    __builtin_add_overflow(bytes, (uint64_t)(*text - '0'), &bytes))
			return UINT64_MAX;
	}
	return bytes;
}

uint64_t budget_bytes(void)
{
	static uint64_t bytes;
	static uint32_t known;

	/* Two threads that ask first at the same time write the same. */
	if (!__atomic_load_n(&known, __ATOMIC_ACQUIRE)) {
		const char *text = getenv(variable);

		__atomic_store_n(&bytes, text ? parsed(text) : 0, __ATOMIC_RELAXED);
		__atomic_store_n(&known, 1, __ATOMIC_RELEASE);
	}
	return __atomic_load_n(&bytes, __ATOMIC_RELAXED);
}

static bool fits(const struct device *device, uint64_t bytes)
{
	uint64_t budget = budget_bytes();

	if (!budget)
		return true;
	return budget != UINT64_MAX && device->budget_used <= budget &&
	       bytes <= budget - device->budget_used;
}

bool budget_allows(const struct context *context, uint64_t bytes)
{
	for (uint32_t i = 0; i < context->device_count; i++) {
		if (fits(context->devices[i], bytes))
			return true;
	}
	return context->device_count == 0;
}

bool budget_take(struct device *device, uint64_t bytes)
{
	if (!fits(device, bytes))
		return false;
	device->budget_used += bytes;
	return true;
}

void budget_give(struct device *device, uint64_t bytes)
{
	device->budget_used -= bytes < device->budget_used ? bytes : device->budget_used;
}
