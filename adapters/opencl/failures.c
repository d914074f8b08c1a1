/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* What says that memory was short, or that no device takes an object of this size. */
static const char *name_of(cl_int error)
{
	switch (error) {
	case CL_MEM_OBJECT_ALLOCATION_FAILURE:
		return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
	case CL_OUT_OF_RESOURCES:
		return "CL_OUT_OF_RESOURCES";
	case CL_OUT_OF_HOST_MEMORY:
		return "CL_OUT_OF_HOST_MEMORY";
	case CL_INVALID_BUFFER_SIZE:
		return "CL_INVALID_BUFFER_SIZE";
	case CL_INVALID_IMAGE_SIZE:
		return "CL_INVALID_IMAGE_SIZE";
	default:
		return NULL;
	}
}

/* Bytes that this process could still have there: of the device, and within the budget. */
static uint64_t free_on(const struct context *context, uint32_t index)
{
	const struct device *device = context->devices[index];
	struct mt_usage usage = {.struct_size = sizeof usage};
	uint64_t budget = budget_bytes(), left = device->capacity;

	if (context->spaces[index] &&
	    mt_device_usage(context->spaces[index], device->kind, &usage) == MT_OK)
		left = usage.held < left ? left - usage.held : 0;
	if (budget == UINT64_MAX)
		return 0;
	if (budget) {
		uint64_t within = device->budget_used < budget ? budget - device->budget_used : 0;

		left = left < within ? left : within;
	}
	return left;
}

/* The device that came closest to taking it. Lock held. */
static uint32_t roomiest(const struct context *context, uint64_t *ret_free)
{
	uint32_t best = 0;

	*ret_free = free_on(context, 0);
	for (uint32_t i = 1; i < context->device_count; i++) {
		uint64_t left = free_on(context, i);

		if (left > *ret_free) {
			*ret_free = left;
			best = i;
		}
	}
	return best;
}

/* Lock held. `device` NULL: of all of them none took it. */
static void report(struct context *context, const struct device *device, uint64_t bytes,
                   const char *reason)
{
	uint32_t index = device ? context_device(context, device) : UINT32_MAX;
	uint64_t left;

	if (index == UINT32_MAX)
		index = roomiest(context, &left);
	else
		left = free_on(context, index);
	device = context->devices[index];
	const struct mt_failure failure = {
		.struct_size = sizeof failure,
		.space = context_space(context, index),
		.kind = device->kind,
		.bytes = bytes,
		.free_span = left,
		.largest_span = UINT64_MAX, /* no driver tells of its holes */
		.reason = reason,
	};
	mt_alloc_failed(&failure);
}

/* The largest object that a device of the context takes; 0: not known. */
static uint64_t largest_object(const struct context *context)
{
	uint64_t largest = 0;

	for (uint32_t i = 0; i < context->device_count; i++) {
		if (context->devices[i]->largest > largest)
			largest = context->devices[i]->largest;
	}
	return largest;
}

void record_failed(cl_context context, uint64_t bytes, const char *site, cl_int error)
{
	const char *name = name_of(error);
	struct context *found;
	uint64_t largest;
	char reason[160];
	int saved = errno;

	if (!name || bytes == 0 || !MT_IS_ON() || context_make(context))
		return;
	if (layer_enter()) {
		found = context_find(context);
		largest = found ? largest_object(found) : 0;
		snprintf(reason, sizeof reason, "%s by %s", name, site);
		if (largest && bytes > largest)
			snprintf(reason, sizeof reason,
			         "%s by %s: an object has at most %" PRIu64 " bytes there", name,
			         site, largest);
		if (found)
			report(found, NULL, bytes, reason);
		layer_leave();
	}
	errno = saved;
}

void failure_of_budget(struct context *context, const struct device *device, uint64_t bytes,
                       const char *site)
{
	uint64_t budget = budget_bytes();
	char reason[256];

	if (budget == UINT64_MAX)
		snprintf(
			reason, sizeof reason,
			"CL_MEM_OBJECT_ALLOCATION_FAILURE by %s: MESHTALLY_OPENCL_DEVICE_MEMORY is "
			"not a number of bytes, so nothing is allowed",
			site);
	else
		snprintf(reason, sizeof reason,
		         "CL_MEM_OBJECT_ALLOCATION_FAILURE by %s: over the budget "
		         "MESHTALLY_OPENCL_DEVICE_MEMORY=%" PRIu64,
		         site, budget);
	report(context, device, bytes, reason);
}
