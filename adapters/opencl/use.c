/* SPDX-License-Identifier: Apache-2.0 */
#include "use.h"

/* Ids of shares and copies: the record's, with the device in the bits above. Records are fewer. */
enum { SHARE_SHIFT = 44 };

static uint64_t share_id(const struct record *record, uint32_t index)
{
	return record->id | (uint64_t)(index + 1) << SHARE_SHIFT;
}

/* Host memory and imports stay where they are. */
static bool has_places(const struct record *record)
{
	return record->kind != MT_HOST && !(record->flags & MT_IMPORT);
}

static bool has_bytes(const struct record *record)
{
	return has_places(record) && !(record->flags & MT_VIEW);
}

static bool was_told(mt_result result)
{
	return result != MT_OFF && result < MT_BAD_ARGUMENT;
}

/* With all else a record is where it was, or is none. */
static bool was_moved(mt_result result)
{
	return result == MT_OK || result == MT_VIRTUAL_ONLY || result == MT_NO_DETAIL ||
	       result == MT_OUT_OF_RANGE || result == MT_OVER_CAPACITY;
}

static mt_tag label_tag(struct label *label)
{
	if (!label->tag) {
		mt_tag path = mt_tag_swap(0);

		label->tag = mt_tag_push(label->name);
		mt_tag_swap(path);
	}
	return label->tag;
}

/* The device's number in the record's context. UINT32_MAX: the context is another one, which the
 * driver refuses, or has too many devices. */
static uint32_t queue_index(struct queue *queue, const struct context *context)
{
	if (queue->context_id == context->id)
		return queue->index;
	if (queue->context != context->handle)
		return UINT32_MAX;
	queue->index = context_device(context, queue->device);
	queue->context_id = context->id;
	return queue->index;
}

static struct record *record_at(const struct command *command, size_t i)
{
	const void *handle = command->svm ? svm_base(command->handles[i]) : command->handles[i];
	struct record *record = table_find(table_of_memory(), handle);

	return record && command->ids && record->id != command->ids[i] ? NULL : record;
}

static struct record *owner_of(const struct record *record)
{
	struct record *owner =
		record->owner ? table_find(table_of_memory(), record->owner_handle) : NULL;

	return owner && owner->id == record->owner ? owner : NULL;
}

/* Devices whose memory is the host's have one copy among them. */
static bool shares_bytes(const struct record *record, uint32_t index)
{
	struct device *const *devices = record->context->devices;

	if (!has_bytes(record))
		return true;
	for (uint32_t i = 0; devices[index]->unified && i < record->context->device_count; i++) {
		if (record->copies >> i & 1 && devices[i]->unified)
			return true;
	}
	return false;
}

/* --- admit ---------------------------------------------------------------------------------- */

/* The record whose bytes this object would bring to the device, or NULL. */
static struct record *brings(struct queue *queue, const struct command *command, size_t i)
{
	struct record *record = record_at(command, i);
	uint32_t index;

	for (struct record *owner = record; owner; owner = owner_of(owner))
		record = owner;
	if (!record || (index = queue_index(queue, record->context)) == UINT32_MAX ||
	    record->places >> index & 1 || record->space == record->context->spaces[index] ||
	    shares_bytes(record, index))
		return NULL;
	return record;
}

uint64_t uses_missing(struct queue *queue, const struct command *command)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < command->count; i++) {
		const struct record *record = brings(queue, command, i);
		size_t before = 0;

		while (record && before < i && brings(queue, command, before) != record)
			before++;
		if (record && before == i)
			bytes += record->bytes;
	}
	return bytes;
}

cl_int uses_admit(struct queue *queue, const struct command *command)
{
	uint64_t bytes = budget_bytes() ? uses_missing(queue, command) : 0;
	struct context *context;

	if (!bytes)
		return CL_SUCCESS;
	if (budget_take(queue->device, bytes)) {
		budget_give(queue->device, bytes);
		return CL_SUCCESS;
	}
	context = context_find(queue->context);
	if (context)
		failure_of_budget(context, queue->device, bytes, command->site);
	return CL_MEM_OBJECT_ALLOCATION_FAILURE;
}

/* --- done ----------------------------------------------------------------------------------- */

/* The bytes of a record are on the device from now on. False: another thread was faster, and its
 * budget is used up. */
static bool bytes_take(struct record *record, uint32_t index)
{
	if (!budget_take(record->context->devices[index], record->bytes))
		return false;
	record->budgeted = true;
	record->copies |= UINT64_C(1) << index;
	return true;
}

static void bytes_give(struct record *record, uint32_t index)
{
	budget_give(record->context->devices[index], record->bytes);
	record->copies &= ~(UINT64_C(1) << index);
}

/* Its first place. */
static bool place(struct record *record, uint32_t index, mt_tag tag)
{
	mt_space to = context_space(record->context, index);

	if (!to || (has_bytes(record) && !bytes_take(record, index)))
		return false;
	if (!was_moved(mt_move(record->space, record->id, to, tag))) {
		if (has_bytes(record))
			bytes_give(record, index);
		return false;
	}
	record->space = to;
	return true;
}

/* One more place of what lies on another device. */
static bool share(struct record *record, uint32_t index, mt_tag tag)
{
	bool shared = shares_bytes(record, index);
	const struct mt_buffer buffer = {
		.struct_size = sizeof buffer,
		.space = context_space(record->context, index),
		.id = share_id(record, index),
		.bytes = record->bytes,
		.parent = shared ? record->id : 0,
		.kind = record->context->devices[index]->kind,
		.flags = (shared ? MT_VIEW : 0) | MT_NO_ADDRESS,
		.tag = tag,
		.site = shared ? "shared" : "copied",
	};

	if (!buffer.space || layer_is_void(buffer.space) || (!shared && !bytes_take(record, index)))
		return false;
	if (was_told(mt_alloc(&buffer))) {
		record->shares |= UINT64_C(1) << index;
		return true;
	}
	if (!shared)
		bytes_give(record, index);
	return false;
}

static bool name(struct record *record, struct label *label)
{
	if (record->tagged || !label)
		return true;
	record->tagged = was_moved(mt_move(record->space, record->id, 0, label_tag(label)));
	return record->tagged;
}

/* A record is used on the device. False: ask again. */
static bool use(struct record *record, uint32_t index, struct label *label)
{
	uint64_t bit = UINT64_C(1) << index;
	bool here = record->places & bit, owned = true;
	struct record *owner;
	mt_tag tag;

	if (here && (record->tagged || !label))
		return true;
	tag = label ? label_tag(label) : 0;
	if ((owner = owner_of(record)))
		owned = use(owner, index, label);
	if (here || !has_places(record) || record->space == record->context->spaces[index]) {
		here = true;
	} else if (record->space != record->context->unplaced) {
		here = share(record, index, tag);
	} else {
		here = place(record, index, record->tagged ? 0 : tag);
		record->tagged |= here && tag;
	}
	if (here)
		record->places |= bit;
	return name(record, label) && here && owned;
}

uint64_t uses_done(struct queue *queue, const struct command *command)
{
	uint64_t bit = 0;
	bool done = true;

	for (size_t i = 0; i < command->count; i++) {
		struct record *record = record_at(command, i);
		uint32_t index = record ? queue_index(queue, record->context) : UINT32_MAX;

		if (index == UINT32_MAX)
			continue;
		done &= use(record, index, command->label);
		bit = UINT64_C(1) << index;
	}
	return done ? bit : 0;
}

/* --- the rest ------------------------------------------------------------------------------- */

void use_end(struct record *record)
{
	for (uint32_t i = 0; record->shares; i++, record->shares >>= 1) {
		if (record->shares & 1)
			mt_free(record->context->spaces[i], share_id(record, i));
	}
}

cl_int use_objects(cl_command_queue queue, const void *const *handles, size_t count,
                   const char *kernel)
{
	struct label label = {.name = kernel};
	const struct command command = {
		.handles = handles,
		.count = count,
		.label = kernel ? &label : NULL,
		.site = kernel ? kernel : "use",
		.svm = true,
	};
	cl_int error = command_admit(queue, &command);

	return error ? error : command_done(queue, &command, CL_SUCCESS);
}
