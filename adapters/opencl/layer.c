/* SPDX-License-Identifier: Apache-2.0 */
/* The two functions that a loader looks for, and the table that it gets. */
#include "layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LAYER_EXPORT __attribute__((visibility("default")))

cl_icd_dispatch target;

enum { KNOWN_ENTRIES = sizeof(cl_icd_dispatch) / sizeof(void *) };

LAYER_EXPORT cl_int CL_API_CALL clGetLayerInfo(cl_layer_info param_name, size_t param_value_size,
                                               void *param_value, size_t *param_value_size_ret)
{
	static const char name[] = "meshtally";
	const cl_layer_api_version version = CL_LAYER_API_VERSION_100;
	const void *value = NULL;
	size_t size = 0;

	if (param_name == CL_LAYER_API_VERSION) {
		value = &version;
		size = sizeof version;
	} else if (param_name == CL_LAYER_NAME) {
		value = name;
		size = sizeof name;
	} else {
		return CL_INVALID_VALUE;
	}
	if (param_value && param_value_size < size)
		return CL_INVALID_VALUE;
	if (param_value)
		memcpy(param_value, value, size);
	if (param_value_size_ret)
		*param_value_size_ret = size;
	return CL_SUCCESS;
}

static void hook_all(cl_icd_dispatch *table)
{
	contexts_hook(table);
	memory_hook(table);
	images_hook(table);
	queues_hook(table);
	kernels_hook(table);
	svm_hook(table);
	extensions_hook(table);
}

/* The loader's table may be shorter than ours (an older one) or longer: what is beyond our header
 * goes through as it is. A second call (the layer is listed twice, or a second loader is in the
 * process) gets a table without hooks: hooks that call themselves would never end, and what passes
 * twice would be counted twice. */
LAYER_EXPORT cl_int CL_API_CALL clInitLayer(cl_uint num_entries,
                                            const cl_icd_dispatch *target_dispatch,
                                            cl_uint *num_entries_ret,
                                            const cl_icd_dispatch **layer_dispatch_ret)
{
	static uint32_t begun;
	cl_uint entries = num_entries > KNOWN_ENTRIES ? num_entries : (cl_uint)KNOWN_ENTRIES;
	size_t known = num_entries < KNOWN_ENTRIES ? num_entries : (size_t)KNOWN_ENTRIES;
	int saved = errno;
	void *table;

	if (!target_dispatch || !num_entries_ret || !layer_dispatch_ret)
		return CL_INVALID_VALUE;
	table = calloc(entries, sizeof(void *));
	errno = saved;
	if (!table)
		return CL_OUT_OF_HOST_MEMORY;
	memcpy(table, target_dispatch, num_entries * sizeof(void *));
	if (!__atomic_exchange_n(&begun, 1, __ATOMIC_ACQ_REL)) {
		memcpy(&target, target_dispatch, known * sizeof(void *));
		hook_all(table);
	}
	*num_entries_ret = entries;
	*layer_dispatch_ret = table;
	return CL_SUCCESS;
}
