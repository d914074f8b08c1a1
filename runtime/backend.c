/* SPDX-License-Identifier: Apache-2.0 */
#include "backend.h"

#include <string.h>

const struct backend *const backends[] = {&host_backend, &opencl_backend};
const size_t backend_count = sizeof backends / sizeof backends[0];

const struct backend *backend_find(const char *name)
{
	for (size_t i = 0; i < backend_count; i++) {
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	}
	return NULL;
}
