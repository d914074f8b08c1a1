/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions: check what is passed, go in, do it, go out. See include/meshtally.h. */
#define MT_NO_INLINE_GATE
#include "client.h"

#include "registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	PROGRAM_STAMPS = 32,
	STRUCT_SIZE_LIMIT = 4096 /* larger than any struct will ever be */
};
#define PROGRAM_MAGIC 0x6d745f70u

/* The space of a stamp is one that the program is resident in; another of the same place drives it
 * out, which costs a dispatch in full and no more. Zeroed in a forked child. */
struct mt_program {
	uint32_t magic;
	uint32_t index;
	uint32_t stamps[PROGRAM_STAMPS];
};
_Static_assert(sizeof(struct mt_program) == MT_PROGRAM_BYTES, "client.h maps room for them");

/*
 * Brings a struct that the caller's header may know in an older or a newer version into ours: what
 * is missing is zero, and what we do not know must be.
 */
static bool adopt(void *ours, size_t size, const void *theirs)
{
	uint32_t their_size;

	if (!theirs)
		return false;
	memcpy(&their_size, theirs, sizeof their_size);
	if (their_size < sizeof their_size || their_size > STRUCT_SIZE_LIMIT)
		return false;
	memset(ours, 0, size);
	memcpy(ours, theirs, their_size < size ? their_size : size);
	for (size_t i = size; i < their_size; i++) {
		if (((const uint8_t *)theirs)[i])
			return false;
	}
	return true;
}

static bool is_on(void)
{
	return __atomic_load_n(mt_gate, __ATOMIC_RELAXED) != GATE_OFF;
}

MT_API uint32_t mt_abi_version(void)
{
	return MT_ABI_MAJOR << 16 | MT_ABI_MINOR;
}

MT_API const char *mt_result_name(mt_result result)
{
	static const char *const names[] = {
		[MT_OK] = "MT_OK",
		[MT_OFF] = "MT_OFF",
		[MT_VIRTUAL_ONLY] = "MT_VIRTUAL_ONLY",
		[MT_LATE] = "MT_LATE",
		[MT_INHERITED] = "MT_INHERITED",
		[MT_BEFORE] = "MT_BEFORE",
		[MT_NO_DETAIL] = "MT_NO_DETAIL",
		[MT_DUPLICATE] = "MT_DUPLICATE",
		[MT_REPLACED] = "MT_REPLACED",
		[MT_UNKNOWN_FREE] = "MT_UNKNOWN_FREE",
		[MT_DOUBLE_FREE] = "MT_DOUBLE_FREE",
		[MT_OUT_OF_RANGE] = "MT_OUT_OF_RANGE",
		[MT_OVER_CAPACITY] = "MT_OVER_CAPACITY",
		[MT_DRIFT] = "MT_DRIFT",
		[MT_CLASH] = "MT_CLASH",
		[MT_UNKNOWN_SPACE] = "MT_UNKNOWN_SPACE",
		[MT_WRONG_SPACE] = "MT_WRONG_SPACE",
		[MT_ALLOC_FAILED] = "MT_ALLOC_FAILED",
		[MT_LOST_EVENTS] = "MT_LOST_EVENTS",
		[MT_WRONG_PROCESS] = "MT_WRONG_PROCESS",
		[MT_MALFORMED] = "MT_MALFORMED",
		[MT_BAD_ARGUMENT] = "MT_BAD_ARGUMENT",
		[MT_FULL] = "MT_FULL",
		[MT_BUSY] = "MT_BUSY",
	};
	const char *name = NULL;

	if ((unsigned)result < sizeof names / sizeof *names)
		name = names[result];
	return name ? name : "MT_?";
}

MT_API mt_result mt_enable(int on, void (*report_live)(void *), void *arg)
{
	mt_result result = MT_OK;
	bool began = false;

	if (!on) {
		return client_stop();
	}
	if (is_on())
		return MT_OK;
	result = client_start_late(&began);
	if (began && report_live) {
		client_thread.reporting = true;
		report_live(arg);
		client_thread.reporting = false;
	}
	return result;
}

MT_API uint32_t mt_kind(const char *name)
{
	struct writer_call call;
	uint32_t kind;
	bool is_new;

	if (!name || !*name || strlen(name) >= SEGMENT_KIND_NAME)
		return UINT32_MAX;
	if (!client_lock_names())
		return UINT32_MAX;
	kind = registry_kind(name, &is_new);
	client_unlock_names();
	if (is_new && is_on() && client_enter(&call) == MT_OK) {
		writer_kind_name(&CLIENT->writer, kind, name);
		client_leave();
	}
	return kind;
}

/* --- spaces ------------------------------------------------------------------------------ */

static uint16_t space_flags(uint32_t flags)
{
	return (uint16_t)((flags & MT_UNIQUE_IDS) |
	                  (client_thread.reporting ? SPACE_FLAG_EXISTING : 0));
}

MT_API mt_space mt_device_open(const struct mt_device *device)
{
	struct mt_device ours;
	struct writer_call call;
	uint32_t handle;

	if (!is_on() || !adopt(&ours, sizeof ours, device) || client_enter(&call) != MT_OK)
		return 0;
	handle = registry_handle(&CLIENT->writer, ours.flags & MT_UNIQUE_IDS);
	if (handle &&
	    writer_open_device(&CLIENT->writer, handle, &ours, space_flags(ours.flags)) != MT_OK)
		handle = 0;
	else if (!handle)
		writer_unrecorded(&CLIENT->writer);
	if (handle)
		registry_keep_device(handle, &ours);
	client_leave();
	return handle;
}

MT_API mt_space mt_mesh_open(const struct mt_mesh *mesh)
{
	struct mt_mesh ours;
	struct writer_call call;
	uint32_t handle;

	if (!is_on() || !adopt(&ours, sizeof ours, mesh) || client_enter(&call) != MT_OK)
		return 0;
	handle = registry_handle(&CLIENT->writer, ours.flags & MT_UNIQUE_IDS);
	if (handle &&
	    writer_open_mesh(&CLIENT->writer, handle, &ours, space_flags(ours.flags)) != MT_OK)
		handle = 0;
	else if (!handle)
		writer_unrecorded(&CLIENT->writer);
	if (handle)
		registry_keep_mesh(handle, &ours);
	client_leave();
	return handle;
}

MT_API mt_result mt_ready(mt_space space)
{
	struct writer_call call;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;

	if (result != MT_OK)
		return result;
	result = writer_ready(&CLIENT->writer, space, &call);
	client_leave();
	return result;
}

static void program_evicted(void *arg, uint32_t index, uint32_t space)
{
	uint32_t *stamp = &CLIENT->programs[index].stamps[space % PROGRAM_STAMPS];

	(void)arg;
	if (*stamp == space)
		__atomic_store_n(stamp, 0, __ATOMIC_RELAXED);
}

MT_API mt_result mt_close(mt_space space, int lost)
{
	struct writer_call call;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;

	if (result != MT_OK)
		return result;
	writer_program_evict_all(&CLIENT->writer, space, program_evicted, NULL);
	result = writer_close_space(&CLIENT->writer, space, lost != 0, &call);
	registry_forget(space);
	client_leave();
	return result;
}

/* --- buffers ----------------------------------------------------------------------------- */

MT_API mt_result mt_alloc(const struct mt_buffer *buffer)
{
	struct mt_buffer ours;
	struct writer_call call;
	mt_result result;
	bool grows;

	if (!is_on())
		return MT_OFF;
	if (__builtin_expect(!buffer || buffer->struct_size != sizeof ours, 0)) {
		if (!adopt(&ours, sizeof ours, buffer))
			return MT_BAD_ARGUMENT;
		buffer = &ours;
	}
	writer_prefetch(&CLIENT->writer, buffer->space, buffer->id);
	result = client_enter(&call);
	if (__builtin_expect(result != MT_OK, 0))
		return result;
	result = writer_alloc(&CLIENT->writer, buffer, &call);
	grows = writer_wants_growth(&CLIENT->writer);
	client_leave();
	if (__builtin_expect(grows, 0))
		client_grow();
	return result;
}

MT_API mt_result mt_free(mt_space space, uint64_t id)
{
	struct writer_call call;
	mt_result result;

	if (!is_on())
		return MT_OFF;
	writer_prefetch(&CLIENT->writer, space, id);
	result = client_enter(&call);
	if (__builtin_expect(result != MT_OK, 0))
		return result;
	result = writer_free(&CLIENT->writer, space, id, &call);
	client_leave();
	return result;
}

MT_API mt_result mt_free_on(mt_space space, uint64_t id, mt_space device)
{
	struct writer_call call;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;

	if (result != MT_OK)
		return result;
	result = writer_free_on(&CLIENT->writer, space, id, device, &call);
	client_leave();
	return result;
}

MT_API mt_result mt_move(mt_space space, uint64_t id, mt_space to, mt_tag tag)
{
	struct writer_call call;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;
	bool grows;

	if (result != MT_OK)
		return result;
	result = writer_move(&CLIENT->writer, space, id, to, tag);
	grows = writer_wants_growth(&CLIENT->writer);
	client_leave();
	if (grows)
		client_grow();
	return result;
}

MT_API mt_result mt_alloc_failed(const struct mt_failure *failure)
{
	struct mt_failure ours;
	struct writer_call call;
	mt_result result = is_on() ? MT_OK : MT_OFF;

	if (result == MT_OK && !adopt(&ours, sizeof ours, failure))
		result = MT_BAD_ARGUMENT;
	if (result == MT_OK)
		result = client_enter(&call);
	if (result != MT_OK)
		return result;
	result = writer_failure(&CLIENT->writer, &ours, &call);
	if (CLIENT->keep_at_failure)
		client_keep();
	client_leave();
	return result;
}

MT_API mt_result mt_check(mt_space space, uint32_t kind, uint64_t held)
{
	struct writer_call call;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;

	if (result != MT_OK)
		return result;
	result = writer_check(&CLIENT->writer, space, kind, held, &call);
	client_leave();
	return result;
}

MT_API mt_result mt_device_usage(mt_space device, uint32_t kind, struct mt_usage *ret_usage)
{
	struct writer_call call;
	struct mt_usage usage;
	mt_result result = is_on() ? client_enter(&call) : MT_OFF;

	if (result != MT_OK)
		return result;
	result = ret_usage && ret_usage->struct_size >= sizeof(uint32_t) &&
	                         ret_usage->struct_size <= STRUCT_SIZE_LIMIT
	                 ? writer_usage(&CLIENT->writer, device, kind, &usage)
	                 : MT_BAD_ARGUMENT;
	client_leave();
	if (result == MT_OK) {
		uint32_t size = ret_usage->struct_size;

		usage.struct_size = size;
		if (size > sizeof usage)
			memset((uint8_t *)ret_usage + sizeof usage, 0, size - sizeof usage);
		memcpy(ret_usage, &usage, size < sizeof usage ? size : sizeof usage);
	}
	return result;
}

/* --- programs ---------------------------------------------------------------------------- */

MT_API mt_program *mt_program_define(uint64_t id, const struct mt_cb *cbs, uint32_t count,
                                     mt_tag tag)
{
	struct mt_program *program = NULL;
	struct writer_call call;
	uint32_t index;

	if (!is_on() || client_enter(&call) != MT_OK)
		return NULL;
	index = client_programs() ? writer_program_define(&CLIENT->writer, id, cbs, count,
	                                                  tag ? tag : call.tag)
	                          : UINT32_MAX;
	if (index != UINT32_MAX) {
		program = &CLIENT->programs[index];
		memset(program, 0, sizeof *program);
		program->index = index;
		__atomic_store_n(&program->magic, PROGRAM_MAGIC, __ATOMIC_RELEASE);
	}
	client_leave();
	return program;
}

/* A program of this process and of this segment; else why not. */
static mt_result program_enter(const mt_program *program, struct writer_call *call)
{
	mt_result result;

	if (!is_on() || !program)
		return MT_OFF;
	result = client_enter(call);
	if (result == MT_OK && program->magic != PROGRAM_MAGIC) {
		client_leave();
		result = CLIENT->writer.forked ? MT_INHERITED : MT_BAD_ARGUMENT;
	}
	return result;
}

MT_API mt_result mt_program_dispatch(mt_program *program, mt_space space)
{
	struct writer_call call;
	mt_result result;

	if (!is_on() || !program)
		return MT_OFF;
	if (__atomic_load_n(&program->stamps[space % PROGRAM_STAMPS], __ATOMIC_RELAXED) == space &&
	    space)
		return MT_OK;
	result = program_enter(program, &call);
	if (result != MT_OK)
		return result;
	result = writer_program_dispatch(&CLIENT->writer, program->index, space, program_evicted,
	                                 NULL, &call);
	if (result == MT_OK)
		__atomic_store_n(&program->stamps[space % PROGRAM_STAMPS], space, __ATOMIC_RELAXED);
	client_leave();
	return result;
}

MT_API mt_result mt_program_clash(mt_program *program, mt_space space, uint64_t cb_end,
                                  uint64_t lowest_buffer)
{
	struct writer_call call;
	mt_result result = program_enter(program, &call);

	if (result != MT_OK)
		return result;
	result = writer_program_clash(&CLIENT->writer, program->index, space, cb_end, lowest_buffer,
	                              &call);
	client_leave();
	return result;
}

MT_API void mt_program_drop(mt_program *program)
{
	struct writer_call call;

	if (program_enter(program, &call) != MT_OK)
		return;
	program->magic = 0;
	memset(program->stamps, 0, sizeof program->stamps);
	writer_program_drop(&CLIENT->writer, program->index);
	client_leave();
}

/* --- tags and marks ---------------------------------------------------------------------- */

MT_API mt_tag mt_tag_push(const char *name)
{
	struct client_thread *thread = &client_thread;
	struct writer_call call;
	bool is_new;
	mt_tag tag;

	if (!is_on() || client_enter(&call) != MT_OK)
		return 0;
	tag = name && !thread->unnamed ? registry_tag(thread->tag, name, &is_new) : 0;
	if (!tag)
		thread->unnamed++;
	else if (is_new)
		writer_tag(&CLIENT->writer, tag, thread->tag, name);
	if (tag)
		thread->tag = tag;
	client_leave();
	return thread->tag;
}

MT_API void mt_tag_pop(void)
{
	struct client_thread *thread = &client_thread;

	if (thread->inside) /* as a push is refused there */
		return;
	if (thread->unnamed)
		thread->unnamed--;
	else
		thread->tag = registry_tag_parent(thread->tag);
}

MT_API mt_tag mt_tag_swap(mt_tag tag)
{
	struct client_thread *thread = &client_thread;
	mt_tag old = thread->tag;

	thread->tag = registry_tag_known(tag) ? tag : 0;
	thread->unnamed = 0;
	return old;
}

MT_API void mt_mark(const char *name, uint64_t n)
{
	struct client *c = CLIENT;
	struct writer_call call;

	if (!is_on() || client_enter(&call) != MT_OK)
		return;
	writer_mark(&c->writer, name, n);
	if (c->keep_mark[0] && n == c->keep_mark_n && name && strcmp(name, c->keep_mark) == 0)
		client_keep();
	client_leave();
}
