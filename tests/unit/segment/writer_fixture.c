/* SPDX-License-Identifier: Apache-2.0 */
#include "writer_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

const struct writer_call fixture_call = {.thread = 7};

static bool every_handle(uint32_t handle)
{
	return handle < 1000;
}

void fixture_open(struct writer *w, const struct writer_options *options)
{
	int error;

	setenv("MESHTALLY_DIR", test_dir(), 1);
	error = writer_open(w, options);
	if (error)
		fprintf(stderr, "writer_open: %s\n", strerror(-error));
	CHECK(!error);
	w->known = every_handle;
}

void fixture_device(struct writer *w, uint32_t handle, uint64_t unique_id, int32_t ordinal)
{
	const struct mt_memory memories[2] = {
		{.kind = MT_DRAM, .banks = FIXTURE_BANKS, .bank_bytes = 1ull << 40},
		{.kind = MT_L1, .banks = FIXTURE_BANKS, .bank_bytes = 1ull << 40}};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .ordinal = ordinal,
	                                 .unique_id = unique_id,
	                                 .arch = "wormhole_b0",
	                                 .memories = memories,
	                                 .memory_count = 2};

	CHECK(writer_open_device(w, handle, &device, 0) == MT_OK);
}

void fixture_mesh(struct writer *w, uint32_t handle, uint32_t columns, const uint32_t *devices)
{
	const struct mt_mesh mesh = {.struct_size = sizeof mesh,
	                             .rows = 1,
	                             .columns = columns,
	                             .devices = devices,
	                             .name = "mesh"};

	CHECK(writer_open_mesh(w, handle, &mesh, 0) == MT_OK);
}

mt_result fixture_alloc(struct writer *w, uint32_t space, uint64_t id, uint64_t bytes)
{
	const struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                                 .space = space,
	                                 .id = id,
	                                 .address = id,
	                                 .bytes = bytes,
	                                 .kind = MT_DRAM,
	                                 .site = "add"};

	writer_tend(w);
	return writer_alloc(w, &buffer, &fixture_call);
}

mt_result fixture_free(struct writer *w, uint32_t space, uint64_t id)
{
	return writer_free(w, space, id, &fixture_call);
}

struct segment_view *fixture_view_of(const char *path, enum view_depth depth)
{
	struct segment_reject why = {.reason = ""};
	struct segment_view *view = NULL;

	if (segment_view_load(path, getuid(), depth, &view, &why) != 0) {
		fprintf(stderr, "%s: %s\n", why.path, why.reason);
		abort();
	}
	return view;
}

struct segment_view *fixture_view(const struct writer *w, enum view_depth depth)
{
	return fixture_view_of(w->file.path, depth);
}

uint64_t fixture_faults(const struct writer *w, uint32_t type)
{
	return w->header->faults_by_type[type];
}

uint64_t fixture_file_bytes(const struct writer *w)
{
	struct stat st;

	CHECK(stat(w->file.path, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}
