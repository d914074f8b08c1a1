/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum {
	NAME_BYTES = 16 << 20,
	TAG_HASH = 1 << 17,
	KEPT_NAME = 64,
	FIRST_OWN_KIND = MT_CB + 1,
	HANDLE_GENERATIONS = 1 << 19
};

enum { KEPT_NOTHING, KEPT_DEVICE, KEPT_MESH };

struct kept_space {
	uint32_t what;
	uint32_t handle;
	uint32_t flags;
	uint32_t rows, columns, parent;
	int32_t ordinal;
	uint32_t memory_count;
	uint64_t unique_id;
	char name[KEPT_NAME]; /* of a mesh; architecture of a device */
	char bus[KEPT_NAME];
	bool has_name, has_bus;
	struct mt_memory memories[SEGMENT_MAX_MEMORIES];
	mt_space devices[SEGMENT_MAX_MEMBERS];
};

static struct {
	uint32_t generations[SEGMENT_MAX_SPACES]; /* last one given out, by entry */
	struct kept_space *spaces;
	uint32_t *tag_parents;
	uint32_t *tag_names; /* offset in names */
	uint32_t *tag_hash;
	char *names;
	uint32_t names_used;
	uint32_t tag_count;
	uint32_t kind_count;
	char kinds[SEGMENT_MAX_KINDS][SEGMENT_KIND_NAME];
} registry = {
	.kind_count = FIRST_OWN_KIND,
	.kinds = {"DRAM", "L1", "HOST", "L1_SMALL", "TRACE", "CB"},
};

static void *ordinary_map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

int registry_init(void)
{
	if (registry.spaces)
		return 0;
	registry.tag_parents = ordinary_map(SEGMENT_MAX_TAGS * sizeof(uint32_t));
	registry.tag_names = ordinary_map(SEGMENT_MAX_TAGS * sizeof(uint32_t));
	registry.tag_hash = ordinary_map(TAG_HASH * sizeof(uint32_t));
	registry.names = ordinary_map(NAME_BYTES);
	if (!registry.tag_parents || !registry.tag_names || !registry.tag_hash || !registry.names)
		return -ENOMEM;
	registry.names_used = 1;
	registry.tag_count = 1;
	registry.spaces = ordinary_map(SEGMENT_MAX_SPACES * sizeof *registry.spaces);
	return registry.spaces ? 0 : -ENOMEM;
}

/* --- kinds ------------------------------------------------------------------------------- */

uint32_t registry_kind_count(void)
{
	return registry.kind_count;
}

const char *registry_kind_name(uint32_t kind)
{
	return registry.kinds[kind];
}

uint32_t registry_kind(const char *name, bool *ret_new)
{
	*ret_new = false;
	for (uint32_t kind = 0; kind < registry.kind_count; kind++) {
		if (strcmp(registry.kinds[kind], name) == 0)
			return kind;
	}
	if (registry.kind_count == SEGMENT_MAX_KINDS)
		return UINT32_MAX;
	snprintf(registry.kinds[registry.kind_count], SEGMENT_KIND_NAME, "%s", name);
	*ret_new = true;
	return __atomic_fetch_add(&registry.kind_count, 1, __ATOMIC_RELEASE);
}

/* --- tags -------------------------------------------------------------------------------- */

static uint32_t tag_slot(mt_tag parent, const char *name, size_t length)
{
	uint64_t x = (parent + length * 0x10001ull) * 0x9e3779b97f4a7c15ull, word;

	for (; length >= 8; name += 8, length -= 8) {
		memcpy(&word, name, 8);
		x = (x ^ word) * 0xc2b2ae3d27d4eb4full;
		x ^= x >> 29;
	}
	word = 0;
	memcpy(&word, name, length);
	x = (x ^ word) * 0xc2b2ae3d27d4eb4full;
	return (uint32_t)(x >> 40) % TAG_HASH;
}

mt_tag registry_tag(mt_tag parent, const char *name, bool *ret_new)
{
	size_t length = strnlen(name, SEGMENT_STRING_MAX);
	uint32_t at = tag_slot(parent, name, length), tag;
	char *kept;

	*ret_new = false;
	for (; (tag = registry.tag_hash[at]); at = (at + 1) % TAG_HASH) {
		kept = registry.names + registry.tag_names[tag];
		if (tag < registry.tag_count && registry.tag_parents[tag] == parent &&
		    strncmp(kept, name, length) == 0 && !kept[length])
			return tag;
	}
	tag = registry.tag_count;
	if (tag == SEGMENT_MAX_TAGS || registry.names_used + length + 1 > NAME_BYTES)
		return 0;
	memcpy(registry.names + registry.names_used, name, length);
	registry.names[registry.names_used + length] = 0;
	registry.tag_parents[tag] = parent;
	registry.tag_names[tag] = registry.names_used;
	registry.names_used += (uint32_t)length + 1;
	registry.tag_hash[at] = tag;
	__atomic_store_n(&registry.tag_count, tag + 1, __ATOMIC_RELEASE);
	*ret_new = true;
	return tag;
}

bool registry_tag_known(mt_tag tag)
{
	return tag < __atomic_load_n(&registry.tag_count, __ATOMIC_ACQUIRE);
}

mt_tag registry_tag_parent(mt_tag tag)
{
	return registry_tag_known(tag) ? registry.tag_parents[tag] : 0;
}

/* --- spaces ------------------------------------------------------------------------------ */

static uint32_t handle_take(const struct writer *w, bool unique)
{
	for (uint32_t at = 1; at < SEGMENT_MAX_SPACES; at++) {
		uint32_t generation = registry.generations[at] + 1;

		if (generation == HANDLE_GENERATIONS || !writer_space_is_reusable(w, at))
			continue;
		registry.generations[at] = generation;
		return at | generation << 12 | (unique ? SPACE_HANDLE_UNIQUE : 0);
	}
	return 0;
}

uint32_t registry_handle(struct writer *w, bool unique)
{
	uint32_t handle = handle_take(w, unique);

	for (uint32_t at = 1; !handle && at < SEGMENT_MAX_SPACES; at++) {
		if (!writer_space_is_empty(w, at))
			continue;
		writer_age(w); /* it waits for nothing but the ring */
		handle = handle_take(w, unique);
	}
	return handle;
}

bool registry_handle_known(uint32_t handle)
{
	uint32_t generation = (handle & ~SPACE_HANDLE_UNIQUE) >> 12;

	return generation && generation <= registry.generations[handle % SEGMENT_MAX_SPACES];
}

static struct kept_space *kept_begin(uint32_t handle)
{
	struct kept_space *kept = &registry.spaces[handle % SEGMENT_MAX_SPACES];

	__atomic_store_n(&kept->what, KEPT_NOTHING, __ATOMIC_RELEASE);
	kept->handle = handle;
	return kept;
}

void registry_keep_device(uint32_t handle, const struct mt_device *device)
{
	struct kept_space *kept = kept_begin(handle);

	kept->flags = device->flags;
	kept->ordinal = device->ordinal;
	kept->unique_id = device->unique_id;
	kept->has_name = device->arch;
	kept->has_bus = device->bus;
	snprintf(kept->name, sizeof kept->name, "%s", device->arch ? device->arch : "");
	snprintf(kept->bus, sizeof kept->bus, "%s", device->bus ? device->bus : "");
	kept->memory_count = device->memory_count;
	for (uint32_t i = 0; i < device->memory_count; i++)
		kept->memories[i] = device->memories[i];
	__atomic_store_n(&kept->what, KEPT_DEVICE, __ATOMIC_RELEASE);
}

void registry_keep_mesh(uint32_t handle, const struct mt_mesh *mesh)
{
	struct kept_space *kept = kept_begin(handle);

	kept->flags = mesh->flags;
	kept->rows = mesh->rows;
	kept->columns = mesh->columns;
	kept->parent = mesh->parent;
	kept->has_name = mesh->name;
	snprintf(kept->name, sizeof kept->name, "%s", mesh->name ? mesh->name : "");
	memcpy(kept->devices, mesh->devices, mesh->rows * mesh->columns * sizeof(mt_space));
	__atomic_store_n(&kept->what, KEPT_MESH, __ATOMIC_RELEASE);
}

void registry_forget(uint32_t handle)
{
	struct kept_space *kept = &registry.spaces[handle % SEGMENT_MAX_SPACES];

	if (kept->handle == handle)
		__atomic_store_n(&kept->what, KEPT_NOTHING, __ATOMIC_RELEASE);
}

void registry_forget_all(void)
{
	for (uint32_t at = 0; registry.spaces && at < SEGMENT_MAX_SPACES; at++) {
		if (registry.generations[at])
			__atomic_store_n(&registry.spaces[at].what, KEPT_NOTHING, __ATOMIC_RELEASE);
	}
}

/* --- replay ------------------------------------------------------------------------------ */

static void replay_device(struct writer *w, const struct kept_space *kept, uint16_t flags)
{
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .ordinal = kept->ordinal,
	                                 .unique_id = kept->unique_id,
	                                 .arch = kept->has_name ? kept->name : NULL,
	                                 .bus = kept->has_bus ? kept->bus : NULL,
	                                 .memories = kept->memories,
	                                 .memory_count = kept->memory_count,
	                                 .flags = kept->flags};
	uint16_t space_flags = (uint16_t)(flags | (kept->flags & MT_UNIQUE_IDS));

	if (writer_open_device(w, kept->handle, &device, space_flags) == MT_OK)
		writer_ready(w, kept->handle, NULL);
}

static void replay_mesh(struct writer *w, const struct kept_space *kept, uint16_t flags)
{
	const struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                             .rows = kept->rows,
	                             .columns = kept->columns,
	                             .parent = kept->parent,
	                             .devices = kept->devices,
	                             .name = kept->has_name ? kept->name : NULL};

	if (writer_open_mesh(w, kept->handle, &mesh, (uint16_t)(flags | kept->flags)) == MT_OK)
		writer_ready(w, kept->handle, NULL);
}

/* The hash table is made anew: the fork may have come while an entry was being added. */
void registry_replay_names(struct writer *w)
{
	memset(registry.tag_hash, 0, TAG_HASH * sizeof *registry.tag_hash);
	for (mt_tag tag = 1; tag < registry.tag_count; tag++) {
		const char *name = registry.names + registry.tag_names[tag];
		uint32_t at = tag_slot(registry.tag_parents[tag], name, strlen(name));

		while (registry.tag_hash[at])
			at = (at + 1) % TAG_HASH;
		registry.tag_hash[at] = tag;
		writer_tag(w, tag, registry.tag_parents[tag], name);
	}
	for (uint32_t kind = FIRST_OWN_KIND; kind < registry.kind_count; kind++)
		writer_kind_name(w, kind, registry.kinds[kind]);
}

void registry_replay(struct writer *w, uint16_t flags)
{
	registry_replay_names(w);
	for (uint32_t what = KEPT_DEVICE; what <= KEPT_MESH; what++) {
		for (uint32_t at = 1; at < SEGMENT_MAX_SPACES; at++) {
			const struct kept_space *kept = &registry.spaces[at];

			if (!registry.generations[at] || kept->what != what)
				continue;
			if (what == KEPT_DEVICE)
				replay_device(w, kept, flags);
			else
				replay_mesh(w, kept, flags);
		}
	}
}
