/* SPDX-License-Identifier: Apache-2.0 */
#include "layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of extensions, by their numbers: headers of some years lack them. */
enum {
	DEVICE_UUID_KHR = 0x106A,
	DEVICE_PCI_BUS_INFO_KHR = 0x410F,
	DEVICE_PCI_BUS_ID_NV = 0x4008,
	DEVICE_PCI_SLOT_ID_NV = 0x4009,
	DEVICE_PCI_DOMAIN_ID_NV = 0x400A,
	DEVICE_TOPOLOGY_AMD = 0x4037,
	TOPOLOGY_TYPE_PCIE_AMD = 1
};
enum { UUID_BYTES = 16, DEVICES_MAX = 1024, PLATFORMS_MAX = 64 };

struct pci_bus_info_khr {
	cl_uint domain, bus, device, function;
};
struct topology_amd {
	cl_uint type;
	uint8_t unused[17];
	uint8_t bus, device, function;
};

/* One device of a platform while it is looked at, with what tells it from others. */
struct candidate {
	struct device device;
	uint8_t uuid[UUID_BYTES];
	bool has_uuid, has_bus; /* has_bus: one that is its alone */
};

/* The list of this process. Written with the lock held; ordinary memory, void in another epoch. */
static struct {
	uint32_t epoch;
	cl_uint platforms; /* so many of the loader's, from the first on, were looked at */
	int32_t count;
	struct device *devices[DEVICES_MAX];
} list;

/* --- what makes a device what it is ------------------------------------------------------- */

static bool ask(cl_device_id device, cl_device_info what, void *value, size_t size)
{
	size_t got = 0;

	memset(value, 0, size);
	return target.clGetDeviceInfo(device, what, size, value, &got) == CL_SUCCESS && got > 0;
}

static uint64_t hash_add(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t hash_add_text(uint64_t hash, const char *text)
{
	return hash_add(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* Which devices a program sees under which index depends on these: under equal ones an index is the
 * same device in all programs, under different ones it may not be. */
static uint64_t hash_add_masks(uint64_t hash)
{
	static const char *const masks[] = {
		"POCL_DEVICES",        "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES",
		"HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL",   "ZE_AFFINITY_MASK",
	};

	for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
		const char *mask = getenv(masks[i]);

		hash = hash_add(hash, mask ? "=" : "-", 1);
		hash = hash_add_text(hash, mask);
	}
	return hash;
}

/* 0 stands for unknown. */
static uint64_t hash_end(uint64_t hash)
{
	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9u;
	hash ^= hash >> 32;
	return hash ? hash : 1;
}

static const uint64_t hash_begin = 0xcbf29ce484222325u;

static void find_bus(cl_device_id handle, char ret_bus[32])
{
	struct pci_bus_info_khr khr;
	struct topology_amd amd;
	cl_uint bus, slot, domain;

	if (ask(handle, DEVICE_PCI_BUS_INFO_KHR, &khr, sizeof khr)) {
		snprintf(ret_bus, 32, "%04x:%02x:%02x.%x", khr.domain, khr.bus, khr.device,
		         khr.function);
	} else if (ask(handle, DEVICE_PCI_BUS_ID_NV, &bus, sizeof bus) &&
	           ask(handle, DEVICE_PCI_SLOT_ID_NV, &slot, sizeof slot)) {
		if (!ask(handle, DEVICE_PCI_DOMAIN_ID_NV, &domain, sizeof domain))
			domain = 0;
		/* The slot is device << 3 | function. */
		snprintf(ret_bus, 32, "%04x:%02x:%02x.%x", domain, bus, slot >> 3, slot & 7);
	} else if (ask(handle, DEVICE_TOPOLOGY_AMD, &amd, sizeof amd) &&
	           amd.type == TOPOLOGY_TYPE_PCIE_AMD) {
		snprintf(ret_bus, 32, "0000:%02x:%02x.%x", amd.bus, amd.device, amd.function);
	}
}

static void find_uuid(struct candidate *candidate)
{
	static const uint8_t none[UUID_BYTES];

	candidate->has_uuid = ask(candidate->device.handle, DEVICE_UUID_KHR, candidate->uuid,
	                          sizeof candidate->uuid) &&
	                      memcmp(candidate->uuid, none, sizeof none) != 0;
}

static void find_memory(struct device *device)
{
	cl_device_type type = 0;
	cl_bool unified = CL_FALSE;
	cl_ulong bytes;

	ask(device->handle, CL_DEVICE_TYPE, &type, sizeof type);
	if (!ask(device->handle, CL_DEVICE_HOST_UNIFIED_MEMORY, &unified, sizeof unified))
		unified = type & CL_DEVICE_TYPE_CPU ? CL_TRUE : CL_FALSE;
	device->unified = unified != CL_FALSE;
	device->kind = mt_kind(device->unified ? "GLOBAL" : "VRAM");
	if (ask(device->handle, CL_DEVICE_GLOBAL_MEM_SIZE, &bytes, sizeof bytes))
		device->capacity = bytes;
	if (ask(device->handle, CL_DEVICE_MAX_MEM_ALLOC_SIZE, &bytes, sizeof bytes))
		device->largest = bytes;
}

/* --- platforms ---------------------------------------------------------------------------- */

static uint32_t version_of(cl_platform_id platform)
{
	char text[128] = "";
	unsigned major = 1, minor = 0;

	if (target.clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof text, text, NULL) ==
	    CL_SUCCESS)
		sscanf(text, "OpenCL %u.%u", &major, &minor);
	return major * 100 + minor * 10;
}

/* Which of the platforms of this name it is: what the loader finds beside them may differ from
 * program to program. */
static uint64_t hash_of_platform(const cl_platform_id *platforms, cl_uint at)
{
	char name[256] = "", other[256];
	uint32_t before = 0;

	target.clGetPlatformInfo(platforms[at], CL_PLATFORM_NAME, sizeof name - 1, name, NULL);
	for (cl_uint i = 0; i < at; i++) {
		memset(other, 0, sizeof other);
		target.clGetPlatformInfo(platforms[i], CL_PLATFORM_NAME, sizeof other - 1, other,
		                         NULL);
		before += strcmp(name, other) == 0;
	}
	return hash_add(hash_add_text(hash_begin, name), &before, sizeof before);
}

static bool bus_is_shared(const struct candidate *all, cl_uint count, cl_uint at)
{
	for (cl_uint i = 0; i < count; i++) {
		if (i != at && strcmp(all[i].device.bus, all[at].device.bus) == 0)
			return true;
	}
	return false;
}

static bool uuid_is_shared(const struct candidate *all, cl_uint count, cl_uint at)
{
	for (cl_uint i = 0; i < count; i++) {
		if (i != at && all[i].has_uuid &&
		    memcmp(all[i].uuid, all[at].uuid, UUID_BYTES) == 0)
			return true;
	}
	return false;
}

/* A bus address is what other runtimes know a chip by, too, and a UUID is the chip's own. Neither
 * tells apart what several devices of a platform share (the parts of a chip; copies of a CPU). */
static void identify(struct candidate *all, cl_uint count, cl_uint at, uint64_t platform)
{
	struct device *device = &all[at].device;
	cl_uint vendor = 0;
	uint64_t hash;

	if (all[at].has_bus)
		return;
	device->bus[0] = '\0';
	if (all[at].has_uuid && !uuid_is_shared(all, count, at)) {
		device->unique_id = hash_end(hash_add(hash_begin, all[at].uuid, UUID_BYTES));
		return;
	}
	ask(device->handle, CL_DEVICE_VENDOR_ID, &vendor, sizeof vendor);
	hash = hash_add(platform, &at, sizeof at);
	hash = hash_add(hash, &vendor, sizeof vendor);
	hash = hash_add_text(hash, device->name);
	device->unique_id = hash_end(hash_add_masks(hash));
}

static void examine(struct candidate *candidate, cl_device_id handle, uint32_t version)
{
	struct device *device = &candidate->device;

	device->handle = handle;
	device->version = version;
	ask(handle, CL_DEVICE_NAME, device->name, sizeof device->name);
	device->name[sizeof device->name - 1] = '\0';
	find_memory(device);
	find_bus(handle, device->bus);
	find_uuid(candidate);
}

/* The devices of a platform; NULL, *ret_count 0: none, or no memory. `also`: of a kind that is not
 * listed (custom devices), or NULL. */
static struct candidate *examine_platform(const cl_platform_id *platforms, cl_uint at,
                                          cl_device_id also, cl_uint *ret_count)
{
	cl_device_id handles[DEVICES_MAX];
	struct candidate *all;
	cl_uint count = 0;
	uint64_t hash = hash_of_platform(platforms, at);
	uint32_t version = version_of(platforms[at]);

	*ret_count = 0;
	if (target.clGetDeviceIDs(platforms[at], CL_DEVICE_TYPE_ALL, DEVICES_MAX - 1, handles,
	                          &count) != CL_SUCCESS)
		count = 0;
	if (count > DEVICES_MAX - 1)
		count = DEVICES_MAX - 1;
	if (also)
		handles[count++] = also;
	all = calloc(count ? count : 1, sizeof *all);
	if (!all)
		return NULL;
	for (cl_uint i = 0; i < count; i++)
		examine(&all[i], handles[i], version);
	for (cl_uint i = 0; i < count; i++)
		all[i].has_bus = all[i].device.bus[0] && !bus_is_shared(all, count, i);
	for (cl_uint i = 0; i < count; i++)
		identify(all, count, i, hash);
	*ret_count = count;
	return all;
}

/* --- the list ----------------------------------------------------------------------------- */

/* Lock held. */
static struct device *listed(cl_device_id handle)
{
	if (list.epoch != layer_epoch()) {
		memset(&list, 0, sizeof list);
		list.epoch = layer_epoch();
	}
	for (int32_t i = 0; i < list.count; i++) {
		if (list.devices[i]->handle == handle)
			return list.devices[i];
	}
	return NULL;
}

/* Lock held. */
static void append(const struct candidate *candidate)
{
	struct device *device;

	if (listed(candidate->device.handle) || list.count == DEVICES_MAX)
		return;
	device = malloc(sizeof *device);
	if (!device)
		return;
	*device = candidate->device;
	device->ordinal = list.count;
	list.devices[list.count++] = device;
}

/* Platforms are looked at in the loader's order, and not further than is needed: to ask a driver
 * for its devices may wake it. */
static struct device *find(cl_device_id root)
{
	cl_platform_id platforms[PLATFORMS_MAX], own = NULL;
	struct device *device;
	struct candidate *all;
	cl_uint count = 0, found, at = 0;

	ask(root, CL_DEVICE_PLATFORM, &own, sizeof own);
	if (target.clGetPlatformIDs(PLATFORMS_MAX, platforms, &count) != CL_SUCCESS)
		return NULL;
	if (count > PLATFORMS_MAX)
		count = PLATFORMS_MAX;
	for (;;) {
		if (!layer_enter())
			return NULL;
		device = listed(root);
		at = list.platforms;
		layer_leave();
		if (device || at >= count)
			break;
		all = examine_platform(platforms, at, NULL, &found);
		if (!layer_enter())
			found = 0;
		else {
			listed(NULL);
			for (cl_uint i = 0; list.platforms == at && i < found; i++)
				append(&all[i]);
			if (list.platforms == at)
				list.platforms++;
			layer_leave();
		}
		free(all);
	}
	for (at = 0; !device && at < count; at++) {
		if (platforms[at] != own)
			continue;
		all = examine_platform(platforms, at, root, &found);
		if (found && layer_enter()) {
			append(&all[found - 1]);
			device = listed(root);
			layer_leave();
		}
		free(all);
	}
	return device;
}

static cl_device_id root_of(cl_device_id handle)
{
	cl_device_id parent;

	while (ask(handle, CL_DEVICE_PARENT_DEVICE, &parent, sizeof parent) && parent)
		handle = parent;
	return handle;
}

struct device *device_of(cl_device_id handle)
{
	struct device *device;
	int saved = errno;

	if (!handle || !layer_enter())
		return NULL;
	device = listed(handle);
	layer_leave();
	if (!device)
		device = find(root_of(handle));
	errno = saved;
	return device;
}
