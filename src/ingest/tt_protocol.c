/* SPDX-License-Identifier: Apache-2.0 */
#include "tt_protocol.h"

#include <string.h>

enum { CANDIDATES = 4, ALL_CANDIDATES = (1 << CANDIDATES) - 1 };
static const uint32_t sizes[CANDIDATES] = {72, 112, 128, 144};

static const char *const type_names[TT_TYPE_LIMIT] = {
	[TT_ALLOC] = "ALLOC",
	[TT_FREE] = "FREE",
	[TT_QUERY] = "QUERY",
	[TT_RESPONSE] = "RESPONSE",
	[TT_DUMP_REMAINING] = "DUMP_REMAINING",
	[TT_DEVICE_INFO_QUERY] = "DEVICE_INFO_QUERY",
	[TT_DEVICE_INFO_RESPONSE] = "DEVICE_INFO_RESPONSE",
	[TT_CB_ALLOC] = "CB_ALLOC",
	[TT_CB_FREE] = "CB_FREE",
	[TT_KERNEL_LOAD] = "KERNEL_LOAD",
	[TT_KERNEL_UNLOAD] = "KERNEL_UNLOAD",
};

const char *tt_type_name(uint8_t type)
{
	return type < TT_TYPE_LIMIT ? type_names[type] : NULL;
}

bool tt_frame_is_valid(size_t frame_bytes)
{
	for (size_t i = 0; i < CANDIDATES; i++) {
		if (sizes[i] == frame_bytes)
			return true;
	}
	return false;
}

void tt_decoder_init(struct tt_decoder *decoder, size_t frame_bytes)
{
	memset(decoder, 0, sizeof *decoder);
	decoder->sound = ALL_CANDIDATES;
	decoder->left = ALL_CANDIDATES;
	if (tt_frame_is_valid(frame_bytes))
		decoder->frame_bytes = (uint32_t)frame_bytes;
}

/* --- how large a frame is ---------------------------------------------------------------- */

/* What byte number `at` of the stream says of a candidate. */
static void weigh(struct tt_decoder *decoder, uint32_t candidate, uint32_t at, uint8_t byte)
{
	uint32_t position = at % sizes[candidate];
	uint8_t bit = (uint8_t)(1u << candidate);
	bool reserved = (position >= 1 && position <= 3) || (position >= 17 && position <= 19) ||
	                position >= TT_HEAD_BYTES;

	if (position == 0) {
		decoder->zero_heads |= bit;
		if (byte == 0)
			decoder->sound &= (uint8_t)~bit;
	}
	if (byte != 0)
		decoder->zero_heads &= (uint8_t)~bit;
	if ((reserved && byte != 0) ||
	    (position == TT_HEAD_BYTES - 1 && decoder->zero_heads & bit)) {
		decoder->sound &= (uint8_t)~bit;
		decoder->left &= (uint8_t)~bit;
	}
}

static bool is_single(uint8_t mask)
{
	return mask != 0 && (mask & (mask - 1)) == 0;
}

static uint32_t size_of(uint8_t mask)
{
	return sizes[__builtin_ctz(mask)];
}

/* Takes one byte of a stream of which the size is not known, and chooses it if that can be done. */
static void detect(struct tt_decoder *decoder, uint8_t byte)
{
	uint32_t at = decoder->held_count;

	for (uint32_t i = 0; i < CANDIDATES; i++) {
		if (decoder->left & 1u << i)
			weigh(decoder, i, at, byte);
	}
	decoder->held[decoder->held_count++] = byte;
	if (decoder->left == 0)
		decoder->lost = true;
	else if (is_single(decoder->sound) && at >= size_of(decoder->sound))
		decoder->frame_bytes = size_of(decoder->sound);
	else if (is_single(decoder->left))
		decoder->frame_bytes = size_of(decoder->left);
	else if (decoder->held_count == TT_DECODER_HELD)
		decoder->frame_bytes = size_of(decoder->sound ? decoder->sound : decoder->left);
}

bool tt_decoder_is_waiting(const struct tt_decoder *decoder)
{
	return !decoder->lost && decoder->frame_bytes == 0 && decoder->held_count >= sizes[0];
}

/* The candidate of the mask that the bytes held are whole frames of; 0: none. */
static uint32_t whole_frames(const struct tt_decoder *decoder, uint8_t mask)
{
	for (uint32_t i = 0; i < CANDIDATES; i++) {
		if (mask & 1u << i && decoder->held_count % sizes[i] == 0)
			return sizes[i];
	}
	return 0;
}

bool tt_decoder_decide(struct tt_decoder *decoder)
{
	uint32_t size;

	if (!tt_decoder_is_waiting(decoder))
		return decoder->frame_bytes != 0;
	size = whole_frames(decoder, decoder->sound);
	if (size == 0)
		size = whole_frames(decoder, decoder->left);
	decoder->frame_bytes = size;
	decoder->provisional = size != 0 && decoder->held_count == size;
	return size != 0;
}

/* The frame that was taken for complete goes on: zeros up to a larger size. Returns how many of the
 * bytes were looked at and held; with them the choice is corrected, or known to be right. */
static size_t confirm(struct tt_decoder *decoder, const uint8_t *bytes, size_t size)
{
	size_t used = 0;

	while (decoder->provisional && used < size) {
		uint32_t next = 0;

		for (uint32_t i = 0; i < CANDIDATES && next == 0; i++)
			next = sizes[i] > decoder->frame_bytes ? sizes[i] : 0;
		if (next == 0 || bytes[used] != 0) {
			decoder->provisional = false;
			break;
		}
		decoder->held[decoder->held_count++] = bytes[used++];
		if (decoder->held_count == next - decoder->frame_bytes) {
			decoder->frame_bytes = next;
			decoder->held_count = 0;
		}
	}
	return used;
}

/* --- frames to messages ------------------------------------------------------------------ */

static inline uint32_t get32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

static inline uint64_t get64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof value);
	return value;
}

/* False: this cannot be the beginning of a frame. */
static inline bool decode(const uint8_t *frame, struct tt_message *message)
{
	uint32_t type = get32(frame), buffer_type = get32(frame + 16);

	if (__builtin_expect((type | buffer_type) > UINT8_MAX, 0))
		return false;
	message->type = (uint8_t)type;
	message->device = (int32_t)get32(frame + 4);
	message->bytes = get64(frame + 8);
	message->buffer_type = (uint8_t)buffer_type;
	message->pid = (int32_t)get32(frame + 20);
	message->id = get64(frame + 24);
	message->time_ns = get64(frame + 32);
	return true;
}

/* Whole frames in memory; sets decoder->lost. Returns the number of messages. */
static size_t decode_frames(struct tt_decoder *decoder, const uint8_t *bytes, size_t size,
                            struct tt_message *messages, size_t limit)
{
	size_t frame_bytes = decoder->frame_bytes, count = 0;

	for (; count < limit && size >= frame_bytes; count++) {
		if (!decode(bytes, &messages[count])) {
			decoder->lost = true;
			break;
		}
		bytes += frame_bytes;
		size -= frame_bytes;
	}
	return count;
}

/* What is held; an incomplete frame is completed by the bytes that follow, *ret_used of them. */
static size_t decode_held(struct tt_decoder *decoder, const uint8_t *bytes, size_t size,
                          struct tt_message *messages, size_t limit, size_t *ret_used)
{
	size_t missing, count;

	*ret_used = 0;
	if (decoder->held_count != 0 && decoder->held_count < decoder->frame_bytes && size != 0) {
		missing = decoder->frame_bytes - decoder->held_count;
		*ret_used = size < missing ? size : missing;
		memcpy(decoder->held + decoder->held_count, bytes, *ret_used);
		decoder->held_count += (uint32_t)*ret_used;
	}
	count = decode_frames(decoder, decoder->held, decoder->held_count, messages, limit);
	decoder->held_count -= (uint32_t)count * decoder->frame_bytes;
	memmove(decoder->held, decoder->held + count * decoder->frame_bytes, decoder->held_count);
	return count;
}

/* Straight from the bytes; what is less than a frame at their end is held. */
static size_t decode_rest(struct tt_decoder *decoder, const uint8_t *bytes, size_t size,
                          struct tt_message *messages, size_t limit, size_t *ret_used)
{
	size_t count = decode_frames(decoder, bytes, size, messages, limit);
	size_t used = count * decoder->frame_bytes;

	if (count < limit && !decoder->lost) {
		decoder->held_count = (uint32_t)(size - used);
		memcpy(decoder->held, bytes + used, decoder->held_count);
		used = size;
	}
	*ret_used = used;
	return count;
}

/* Of a stream whose size is known. */
static size_t decode_all(struct tt_decoder *decoder, const uint8_t *bytes, size_t size,
                         struct tt_message *messages, size_t limit, size_t *ret_used)
{
	size_t used = 0, count = 0, taken;

	while (count < limit && !decoder->lost) {
		if (decoder->provisional && decoder->held_count < decoder->frame_bytes)
			used += confirm(decoder, bytes + used, size - used);
		if (decoder->provisional && decoder->held_count < decoder->frame_bytes)
			break;
		if (decoder->held_count == 0) {
			count += decode_rest(decoder, bytes + used, size - used, messages + count,
			                     limit - count, &taken);
			used += taken;
			break;
		}
		count += decode_held(decoder, bytes + used, size - used, messages + count,
		                     limit - count, &taken);
		used += taken;
		if (used == size && decoder->held_count < decoder->frame_bytes)
			break;
	}
	*ret_used = used;
	return count;
}

size_t tt_decoder_feed(struct tt_decoder *decoder, const void *bytes, size_t size,
                       struct tt_message *messages, size_t limit, size_t *ret_used)
{
	static const uint8_t nothing[1];
	const uint8_t *at = size != 0 ? bytes : nothing;
	size_t used = 0, taken = 0, count = 0;

	while (decoder->frame_bytes == 0 && !decoder->lost && used < size)
		detect(decoder, at[used++]);
	if (decoder->frame_bytes != 0 && !decoder->lost && limit != 0)
		count = decode_all(decoder, at + used, size - used, messages, limit, &taken);
	*ret_used = used + taken;
	return count;
}

size_t tt_decoder_pending(const struct tt_decoder *decoder)
{
	return decoder->provisional ? 0 : decoder->held_count;
}

/* --- answers ----------------------------------------------------------------------------- */

static uint8_t *put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof value);
	return at + sizeof value;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof value);
	return at + sizeof value;
}

/* What 32 bits are too few for is not known to the client. */
static uint32_t narrow(uint64_t value)
{
	return value <= UINT32_MAX ? (uint32_t)value : 0;
}

size_t tt_encode(const struct tt_answer *answer, size_t frame_bytes, void *out)
{
	uint8_t *at = out;

	if (!tt_frame_is_valid(frame_bytes))
		return 0;
	memset(at, 0, frame_bytes);
	at[0] = answer->type;
	put32(at + 4, (uint32_t)answer->device);
	put32(at + 20, (uint32_t)answer->pid);
	at = put64(at + TT_HEAD_BYTES, answer->dram);
	at = put64(at, answer->l1);
	at = put64(at, answer->l1_small);
	at = put64(at, answer->trace);
	if (frame_bytes == sizes[0])
		return frame_bytes;
	if (frame_bytes != sizes[1]) {
		at = put64(at, answer->cb);
		at = put64(at, answer->kernel);
	}
	at = put64(at, answer->total_dram_bytes);
	at = put64(at, answer->total_l1_bytes);
	at = put32(at, answer->arch_type);
	at = put32(at, answer->dram_channels);
	at = put32(at, narrow(answer->dram_channel_bytes));
	at = put32(at, narrow(answer->l1_core_bytes));
	at = put32(at, answer->available);
	put32(at, answer->num_devices);
	return frame_bytes;
}

size_t tt_encode_message(const struct tt_message *message, size_t frame_bytes, void *out)
{
	uint8_t *at = out;

	if (!tt_frame_is_valid(frame_bytes))
		return 0;
	memset(at, 0, frame_bytes);
	at[0] = message->type;
	put32(at + 4, (uint32_t)message->device);
	put64(at + 8, message->bytes);
	at[16] = message->buffer_type;
	put32(at + 20, (uint32_t)message->pid);
	put64(at + 24, message->id);
	put64(at + 32, message->time_ns);
	return frame_bytes;
}

uint32_t tt_arch_type(const char *arch)
{
	static const char *const names[] = {"invalid", "grayskull", "wormhole_b0", "blackhole",
	                                    "quasar"};

	for (uint32_t i = 1; i < sizeof names / sizeof *names; i++) {
		if (strcmp(names[i], arch) == 0)
			return i;
	}
	return 0;
}
