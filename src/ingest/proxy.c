/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_LIMIT (1ull << 48)

static const char kernel_kind_name[] = "KERNEL";

_Static_assert(1 + TT_DEVICE_LIMIT * USE_LIMIT <= SEGMENT_MAX_SPACES, "handles are entries");

/* Handles that come up here are those of this file: all of them are known. */
static bool handle_known(uint32_t handle)
{
	return handle < 1 + TT_DEVICE_LIMIT * USE_LIMIT;
}

/* --- birth and end ----------------------------------------------------------------------- */

static uint32_t find_kernel_kind(struct proxy *proxy)
{
	struct segment_header *header = proxy->writer.header;
	uint32_t kind = FIRST_OWN_KIND;

	while (kind < header->kind_count &&
	       strncmp(header->kind_names[kind], kernel_kind_name, SEGMENT_KIND_NAME) != 0)
		kind++;
	if (kind == SEGMENT_MAX_KINDS)
		return MT_HOST; /* only in a segment that is not of this file's making */
	if (kind == header->kind_count)
		writer_kind_name(&proxy->writer, kind, kernel_kind_name);
	return kind;
}

void proxy_name_kernels(struct proxy *proxy)
{
	proxy->kernel_kind = find_kernel_kind(proxy);
}

int proxy_begin(struct proxy **ret_proxy, const struct subject *subject,
                const struct proxy_options *options, uint64_t identity)
{
	const struct writer_options writer_options = {
		.cap_bytes = options->cap_bytes ? options->cap_bytes : PROXY_CAP_BYTES,
		.repeats = options->repeats,
		.subject = &subject->who,
		.identity = identity};
	/* Of its own: most of it is never touched, and the heap would take its time over it. */
	struct proxy *proxy = private_map(sizeof *proxy);
	int error = proxy == NULL ? -ENOMEM : subject_copy(subject, &proxy->subject);

	if (error) {
		private_unmap(proxy, sizeof *proxy);
		return error;
	}
	proxy->devices = options->devices;
	error = writer_open(&proxy->writer, &writer_options);
	if (error) {
		proxy_free(proxy);
		return error;
	}
	proxy->writer.known = handle_known;
	proxy->call.thread = (uint32_t)subject->who.process.pid;
	*ret_proxy = proxy;
	return 0;
}

int proxy_open(struct proxy **ret_proxy, const struct subject *subject,
               const struct proxy_options *options)
{
	struct proxy *proxy;
	int error = proxy_begin(&proxy, subject, options, 0);

	if (error)
		return error;
	proxy_name_kernels(proxy);
	*ret_proxy = proxy;
	return 0;
}

void proxy_free(struct proxy *proxy)
{
	subject_finish(&proxy->subject);
	private_unmap(proxy, sizeof *proxy);
}

void proxy_mark_end(struct proxy *proxy, const struct segment_end *end, bool *ret_kept)
{
	bool spotless = writer_is_spotless(&proxy->writer);

	if (spotless)
		segment_file_unlink(&proxy->writer.file);
	else
		writer_capture_peaks(&proxy->writer);
	writer_mark_end(&proxy->writer, end);
	if (ret_kept != NULL)
		*ret_kept = !spotless;
}

bool proxy_bury(struct proxy *proxy)
{
	if (writer_release(&proxy->writer, &proxy->releasing))
		return true;
	proxy_free(proxy);
	return false;
}

void proxy_end(struct proxy *proxy, const struct segment_end *end, bool *ret_kept)
{
	proxy_mark_end(proxy, end, ret_kept);
	while (proxy_bury(proxy))
		;
}

void proxy_leave(struct proxy *proxy)
{
	writer_close(&proxy->writer, 0);
	proxy_free(proxy);
}

/* --- spaces ------------------------------------------------------------------------------ */

/* What is known of a device of this number. Under a mask the number says nothing of which device of
 * the machine it is. */
static const struct tt_device_entry *find_entry(const struct proxy *proxy, uint32_t device,
                                                bool *ret_identified)
{
	uint64_t ordinals = proxy->subject.ordinals;

	*ret_identified = ordinals == SUBJECT_ORDINALS_ALL;
	if (proxy->devices == NULL)
		return NULL;
	if (ordinals != SUBJECT_ORDINALS_ALL && ordinals != 0)
		return proxy->devices->alike ? &proxy->devices->entries[0] : NULL;
	return tt_devices_find(proxy->devices, (int32_t)device);
}

static void table_banks(struct proxy_device *entry, const struct mt_device *device)
{
	for (uint32_t kind = 0; kind < KINDS_OF_BUFFERS; kind++)
		entry->banks[kind] = 1;
	for (uint32_t i = 0; i < device->memory_count; i++)
		entry->banks[device->memories[i].kind] = (uint16_t)device->memories[i].banks;
}

/* Opens a space at its first use. False: there is no memory for it. */
static __attribute__((noinline)) bool open_space(struct proxy *proxy, uint32_t device,
                                                 enum space_use use)
{
	bool identified;
	const struct tt_device_entry *entry = find_entry(proxy, device, &identified);
	struct mt_device description = {.struct_size = sizeof description,
	                                .ordinal = (int32_t)device};
	uint32_t handle = handle_of(device, use);

	if (entry != NULL) {
		description.arch = *entry->arch ? entry->arch : NULL;
		description.memories = entry->memories;
		description.memory_count = entry->memory_count;
		if (identified) {
			description.unique_id = entry->unique_id;
			description.bus = *entry->bus ? entry->bus : NULL;
		}
	}
	if (writer_open_device(&proxy->writer, handle, &description, 0) != MT_OK)
		return false;
	writer_ready(&proxy->writer, handle, &proxy->call);
	writer_device_ordinals(&proxy->writer, handle, proxy->subject.ordinals);
	table_banks(&proxy->table[device], &description);
	proxy->table[device].open |= (uint8_t)(1u << use);
	if (device >= proxy->device_limit)
		proxy->device_limit = device + 1;
	return true;
}

static inline bool is_open(const struct proxy *proxy, uint32_t device, enum space_use use)
{
	return proxy->table[device].open & 1u << use;
}

/* --- messages ---------------------------------------------------------------------------- */

static __attribute__((noinline)) void malformed(struct proxy *proxy,
                                                const struct tt_message *message, const char *what)
{
	proxy->stats.malformed++;
	writer_note_fault(&proxy->writer, MT_MALFORMED, 0, UINT32_MAX, message->id, message->bytes,
	                  what);
}

void proxy_fault(struct proxy *proxy, uint32_t type, const struct tt_message *message)
{
	if (type == MT_MALFORMED)
		proxy->stats.malformed++;
	writer_note_fault(&proxy->writer, type, 0, UINT32_MAX, message->id, message->bytes,
	                  tt_type_name(message->type));
}

static __attribute__((noinline)) void grow(struct writer *w)
{
	struct writer_growth growth;

	writer_growth_plan(w, &growth);
	writer_growth_prepare(w, &growth);
	writer_grow(w, &growth);
	writer_growth_abandon(w, &growth);
}

static inline void alloc(struct proxy *proxy, const struct tt_message *message, enum space_use use,
                         uint32_t kind, uint32_t flags, uint64_t span)
{
	struct writer *w = &proxy->writer;
	uint32_t device = (uint32_t)message->device;
	const struct mt_buffer buffer = {.struct_size = sizeof buffer,
	                                 .space = handle_of(device, use),
	                                 .id = message->id,
	                                 .address = message->id,
	                                 .bytes = message->bytes,
	                                 .span = span,
	                                 .kind = kind,
	                                 .flags = flags};
	mt_result result;

	if (__builtin_expect(!is_open(proxy, device, use), 0) && !open_space(proxy, device, use)) {
		proxy->stats.refused++;
		writer_unrecorded(w);
		return;
	}
	result = writer_alloc(w, &buffer, &proxy->call);
	if (__builtin_expect(result >= MT_BAD_ARGUMENT, 0))
		proxy->stats.refused++;
	if (writer_wants_growth(w))
		grow(w);
}

/* The device that is meant by a FREE with device 0 of an id that is not live there: an early client
 * sent it so whatever the device. */
static __attribute__((noinline)) uint32_t guess_device(struct proxy *proxy, uint64_t id)
{
	const struct writer *w = &proxy->writer;

	if (writer_would_absorb(w, handle_of(0, USE_BUFFERS), id))
		return 0;
	for (uint32_t device = 1; device < proxy->device_limit; device++) {
		if (is_open(proxy, device, USE_BUFFERS) &&
		    writer_is_live(w, handle_of(device, USE_BUFFERS), id)) {
			proxy->stats.guessed++;
			return device;
		}
	}
	return 0;
}

static inline void release(struct proxy *proxy, const struct tt_message *message,
                           enum space_use use)
{
	struct writer *w = &proxy->writer;
	uint32_t device = (uint32_t)message->device;

	if (device == 0 && use == USE_BUFFERS &&
	    __builtin_expect(!writer_is_live(w, handle_of(0, use), message->id), 0))
		device = guess_device(proxy, message->id);
	if (__builtin_expect(!is_open(proxy, device, use), 0)) {
		writer_note_fault(w, MT_UNKNOWN_FREE, 0, UINT32_MAX, message->id, 0,
		                  "a device with nothing on it");
		return;
	}
	writer_free(w, handle_of(device, use), message->id, &proxy->call);
	if (writer_wants_growth(w))
		grow(w);
}

static inline bool device_is_valid(const struct tt_message *message)
{
	return (uint32_t)message->device < TT_DEVICE_LIMIT;
}

static inline void apply_alloc(struct proxy *proxy, const struct tt_message *message)
{
	uint32_t kind = message->buffer_type, banks = 1;
	uint64_t span = 0;

	if (__builtin_expect(kind >= KINDS_OF_BUFFERS, 0)) {
		malformed(proxy, message, "buffer type");
		return;
	}
	if (is_open(proxy, (uint32_t)message->device, USE_BUFFERS) ||
	    open_space(proxy, (uint32_t)message->device, USE_BUFFERS))
		banks = proxy->table[message->device].banks[kind];
	if (banks > 1) /* what it takes at least: pages are not known */
		span = (message->bytes + banks - 1) / banks;
	alloc(proxy, message, USE_BUFFERS, kind, 0, span);
}

static void apply_kernel(struct proxy *proxy, const struct tt_message *message)
{
	enum { KERNEL_APPLICATION, KERNEL_TYPES = 3 };
	uint32_t type = message->buffer_type;

	if (type >= KERNEL_TYPES)
		malformed(proxy, message, "kernel type");
	else
		alloc(proxy, message, USE_KERNELS, proxy->kernel_kind,
		      type == KERNEL_APPLICATION ? MT_CACHE : MT_SYSTEM, 0);
}

static bool is_alloc(uint8_t type)
{
	return type == TT_ALLOC || type == TT_CB_ALLOC || type == TT_KERNEL_LOAD;
}

static bool is_free(uint8_t type)
{
	return type == TT_FREE || type == TT_CB_FREE || type == TT_KERNEL_UNLOAD;
}

/* The types that only ask are not for a proxy. */
static bool is_question(uint8_t type)
{
	return type == TT_QUERY || type == TT_DUMP_REMAINING || type == TT_DEVICE_INFO_QUERY;
}

/* What is wrong with a message; NULL: nothing, for as much as can be said of all types. */
static const char *find_fault(const struct tt_message *message)
{
	if (is_question(message->type))
		return NULL;
	if (!is_alloc(message->type) && !is_free(message->type))
		return tt_type_name(message->type) != NULL ? tt_type_name(message->type)
		                                           : "message type";
	if (!device_is_valid(message))
		return "device";
	if (is_alloc(message->type) && message->bytes - 1 >= SIZE_LIMIT - 1)
		return "size";
	return NULL;
}

static __attribute__((noinline)) void apply_other(struct proxy *proxy,
                                                  const struct tt_message *message)
{
	const char *fault = find_fault(message);

	if (fault != NULL) {
		malformed(proxy, message, fault);
		return;
	}
	switch (message->type) {
	case TT_CB_ALLOC:
		alloc(proxy, message, USE_CBS, MT_CB, 0, 0);
		break;
	case TT_CB_FREE:
		release(proxy, message, USE_CBS);
		break;
	case TT_KERNEL_LOAD:
		apply_kernel(proxy, message);
		break;
	case TT_KERNEL_UNLOAD:
		release(proxy, message, USE_KERNELS);
		break;
	default:
		break;
	}
}

void proxy_apply(struct proxy *proxy, const struct tt_message *message)
{
	proxy->stats.messages++;
	if (__builtin_expect(!device_is_valid(message), 0))
		apply_other(proxy, message);
	else if (message->type == TT_ALLOC && message->bytes - 1 < SIZE_LIMIT - 1)
		apply_alloc(proxy, message);
	else if (message->type == TT_FREE)
		release(proxy, message, USE_BUFFERS);
	else
		apply_other(proxy, message);
}

void proxy_prefetch(const struct proxy *proxy, const struct tt_message *message)
{
	if (device_is_valid(message))
		writer_prefetch(&proxy->writer, handle_of((uint32_t)message->device, USE_BUFFERS),
		                message->id);
}

/* --- asking ------------------------------------------------------------------------------ */

/* Bytes of a kind in a space, of the counted classes. */
static void add_rows(const struct proxy *proxy, uint32_t handle, uint64_t *bytes, uint64_t *buffers)
{
	const struct writer *w = &proxy->writer;
	uint32_t row = w->spaces[handle % SEGMENT_MAX_SPACES].first_row;

	for (; row != 0; row = w->row_next[row - 1]) {
		const struct segment_row *r = &w->rows[row - 1];

		if (r->class_now >= CLASS_COUNTED_LIMIT)
			continue;
		bytes[r->kind] += r->bytes;
		*buffers += r->buffers;
	}
}

bool proxy_usage(const struct proxy *proxy, int32_t device, struct proxy_usage *ret_usage)
{
	uint64_t bytes[SEGMENT_MAX_KINDS] = {0}, buffers = 0;

	if ((uint32_t)device >= TT_DEVICE_LIMIT || proxy->table[device].open == 0)
		return false;
	for (uint32_t use = 0; use < USE_LIMIT; use++) {
		if (is_open(proxy, (uint32_t)device, (enum space_use)use))
			add_rows(proxy, handle_of((uint32_t)device, (enum space_use)use), bytes,
			         &buffers);
	}
	*ret_usage = (struct proxy_usage){.dram = bytes[MT_DRAM],
	                                  .l1 = bytes[MT_L1],
	                                  .host = bytes[MT_HOST],
	                                  .l1_small = bytes[MT_L1_SMALL],
	                                  .trace = bytes[MT_TRACE],
	                                  .cb = bytes[MT_CB],
	                                  .kernel = bytes[proxy->kernel_kind],
	                                  .buffers = buffers};
	return true;
}

uint32_t proxy_device_limit(const struct proxy *proxy)
{
	return proxy->device_limit;
}

uint64_t proxy_live(const struct proxy *proxy)
{
	return proxy->writer.index.count;
}

bool proxy_trim(struct proxy *proxy)
{
	return writer_trim(&proxy->writer);
}

const struct subject *proxy_subject(const struct proxy *proxy)
{
	return &proxy->subject;
}

const char *proxy_path(const struct proxy *proxy)
{
	return proxy->writer.file.path;
}

struct proxy_stats proxy_stats(const struct proxy *proxy)
{
	struct proxy_stats stats = proxy->stats;

	stats.repeated = proxy->writer.repeated;
	return stats;
}
