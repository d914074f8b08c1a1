/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the library given as argument by dlopen, twice, and closes it in between: tracking and its
 * segment live on. */
#include "meshtally.h"

#include <dlfcn.h>
#include <stdio.h>

struct calls {
	void *library;
	mt_space (*device_open)(const struct mt_device *device);
	mt_result (*alloc)(const struct mt_buffer *buffer);
	mt_result (*free)(mt_space space, uint64_t id);
	mt_result (*usage)(mt_space device, uint32_t kind, struct mt_usage *ret_usage);
};

static int calls_load(struct calls *calls, const char *path)
{
	calls->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!calls->library) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	*(void **)&calls->device_open = dlsym(calls->library, "mt_device_open");
	*(void **)&calls->alloc = dlsym(calls->library, "mt_alloc");
	*(void **)&calls->free = dlsym(calls->library, "mt_free");
	*(void **)&calls->usage = dlsym(calls->library, "mt_device_usage");
	return !calls->device_open || !calls->alloc || !calls->free || !calls->usage;
}

int main(int argc, char **argv)
{
	const struct mt_device device = {.struct_size = sizeof device, .unique_id = 0x100};
	struct mt_buffer buffer = {.struct_size = sizeof buffer, .id = 1, .bytes = 10};
	struct mt_usage usage = {.struct_size = sizeof usage};
	struct calls first, second;

	if (argc != 2 || calls_load(&first, argv[1]))
		return 1;
	buffer.space = first.device_open(&device);
	if (!buffer.space || first.alloc(&buffer) != MT_OK)
		return 2;
	dlclose(first.library);
	if (calls_load(&second, argv[1]))
		return 3;
	buffer.id = 2;
	if (second.alloc(&buffer) != MT_OK ||
	    second.usage(buffer.space, MT_DRAM, &usage) != MT_OK || usage.bytes != 20)
		return 4;
	if (second.free(buffer.space, 1) != MT_OK)
		return 5;
	dlclose(second.library);
	return 0;
}
