/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A space is a list of ordinals. An opening is nothing to the protocol, so the same devices have
 * the same number when they are opened again. Opening belongs to one thread while no other reports:
 * the table needs no lock.
 */
#include "socket_reports.h"

#include "tt_socket_client.h"

#include <string.h>

enum { SPACES_MAX = 256, MEMBERS_MAX = 64 };

struct space {
	int32_t ordinals[MEMBERS_MAX];
	uint32_t count;
};

static struct space spaces[SPACES_MAX];
static mt_space last_space;
static bool backing_alone; /* its device-local buffers are reported as well */

static const struct {
	const char *name;
	uint32_t kind;
	enum tt_socket_kind number;
} kinds[] = {
	{"DRAM", MT_DRAM, TT_SOCKET_DRAM},
	{"L1", MT_L1, TT_SOCKET_L1},
	{"L1_SMALL", MT_L1_SMALL, TT_SOCKET_L1_SMALL},
	{"TRACE", MT_TRACE, TT_SOCKET_TRACE},
};

bool socket_reports_knows(const char *kind)
{
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i].name, kind) == 0)
			return true;
	}
	return false;
}

/* 0: no room. */
static mt_space number_of(const struct space *wanted)
{
	for (mt_space i = 1; i <= last_space; i++) {
		if (memcmp(&spaces[i], wanted, sizeof *wanted) == 0)
			return i;
	}
	if (last_space + 1 >= SPACES_MAX)
		return 0;
	spaces[++last_space] = *wanted;
	return last_space;
}

static mt_space open_device(const struct mt_device *device)
{
	return number_of(&(struct space){{device->ordinal}, 1});
}

static mt_space open_mesh(const struct mt_mesh *mesh)
{
	struct space space = {{0}, 0};

	if (mesh->rows * mesh->columns > MEMBERS_MAX)
		return 0;
	for (uint32_t i = 0; i < mesh->rows * mesh->columns; i++) {
		if (mesh->devices[i] != 0)
			space.ordinals[space.count++] = spaces[mesh->devices[i]].ordinals[0];
	}
	return number_of(&space);
}

/* A backing buffer's free names the mesh, like its allocation. */
static uint32_t messages_of(mt_space space)
{
	if (space == 0 || space > last_space)
		return 0;
	return backing_alone && spaces[space].count > 1 ? 1 : spaces[space].count;
}

static mt_result report_alloc(const struct mt_buffer *buffer)
{
	enum tt_socket_kind number = TT_SOCKET_DRAM;
	mt_result result = MT_OK;

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		if (kinds[i].kind == buffer->kind)
			number = kinds[i].number;
	}
	for (uint32_t i = 0; i < messages_of(buffer->space); i++) {
		if (!tt_socket_client_alloc(spaces[buffer->space].ordinals[i], buffer->id,
		                            buffer->bytes, number))
			result = MT_OFF;
	}
	return result;
}

static mt_result report_free(mt_space space, uint64_t id)
{
	mt_result result = MT_OK;

	for (uint32_t i = 0; i < messages_of(space); i++) {
		if (!tt_socket_client_free(spaces[space].ordinals[i], id))
			result = MT_OFF;
	}
	return result;
}

static mt_result say_nothing_of_ready(mt_space space)
{
	(void)space;
	return MT_OK;
}

static mt_result say_nothing_of_close(mt_space space, int lost)
{
	(void)space;
	(void)lost;
	return MT_OK;
}

static mt_result say_nothing_of_failure(const struct mt_failure *failure)
{
	(void)failure;
	return MT_OK;
}

static mt_result say_nothing_of_dispatch(mt_program *program, mt_space space)
{
	(void)program;
	(void)space;
	return MT_OK;
}

static mt_result say_nothing_of_clash(mt_program *program, mt_space space, uint64_t cb_end,
                                      uint64_t lowest_buffer)
{
	(void)program;
	(void)space;
	(void)cb_end;
	(void)lowest_buffer;
	return MT_OK;
}

const struct report_functions *socket_reports(const char *path, const struct hooks_mode *mode)
{
	static const struct report_functions functions = {
		.device_open = open_device,
		.mesh_open = open_mesh,
		.ready = say_nothing_of_ready,
		.close = say_nothing_of_close,
		.alloc = report_alloc,
		.free = report_free,
		.alloc_failed = say_nothing_of_failure,
		.program_dispatch = say_nothing_of_dispatch,
		.program_clash = say_nothing_of_clash,
		.bare_addresses = true,
	};

	tt_socket_client_init(path);
	backing_alone = mode->backing == BACKING_ON_MESH && mode->locals;
	return &functions;
}
