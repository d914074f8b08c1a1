/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket protocol of tt-metal's proof of concept: bytes to messages, answers to bytes. Pure:
 * no descriptor, no clock, no allocation. docs/tt-protocol.md is the same in words and is
 * normative.
 *
 * Every frame of a connection has one size, 72, 112, 128 or 144 bytes, which nothing in it tells.
 * The first 40 bytes are the same in all; what follows them is for answers, and zero in what a
 * client sends. So the size is where the second frame begins: the first byte beyond 40 that is not
 * zero is its type. Byte by byte, a candidate is
 *   struck out where a reserved byte (1 to 3, 17 to 19) of a frame is not zero, where one of its
 *     bytes from 40 on is not zero, or where its first 40 bytes are all zero;
 *   doubtful from where the type of a frame is 0 (such a frame may have been sent by mistake).
 * One candidate is chosen as soon as it is the only one without doubt and its second frame has a
 * type, or the only one left. Where only the first frame has come it may still be the beginning of
 * a larger one: the caller waits until nothing came for TT_QUIET_MS and then calls
 * tt_decoder_decide(), which chooses the candidate that what has come is whole frames of. If zeros
 * follow that, the sender was only slow, and the choice is corrected to the larger size.
 *
 * Whatever the chunks that the bytes come in, the messages are the same, given the same moments of
 * quiet.
 */
#ifndef MESHTALLY_INGEST_TT_PROTOCOL_H
#define MESHTALLY_INGEST_TT_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TT_SOCKET_PATH "/tmp/tt_allocation_server.sock"

enum { TT_QUIET_MS = 20, TT_FRAME_MAX = 144, TT_HEAD_BYTES = 40, TT_DEVICE_LIMIT = 1024 };

enum tt_type {
	TT_ALLOC = 1,
	TT_FREE,
	TT_QUERY,
	TT_RESPONSE,
	TT_DUMP_REMAINING,
	TT_DEVICE_INFO_QUERY,
	TT_DEVICE_INFO_RESPONSE,
	TT_CB_ALLOC,
	TT_CB_FREE,
	TT_KERNEL_LOAD,
	TT_KERNEL_UNLOAD,
	TT_TYPE_LIMIT
};

/* One frame, as it came: nothing in it was checked. */
struct tt_message {
	uint64_t bytes;
	uint64_t id; /* the device address */
	uint64_t time_ns;
	int32_t device;
	int32_t pid;
	uint8_t type;        /* enum tt_type, or anything else */
	uint8_t buffer_type; /* 0 DRAM, 1 L1, 2 HOST, 3 L1_SMALL, 4 TRACE; or of a kernel */
};

/* Whether so many bytes are a size of the protocol. */
bool tt_frame_is_valid(size_t frame_bytes);

enum { TT_DECODER_HELD = 448 };

struct tt_decoder {
	uint32_t frame_bytes; /* 0: not known yet */
	bool lost;            /* the bytes make no sense: close the connection */
	bool provisional;     /* chosen for quiet: what follows may correct it */
	uint8_t sound, left;  /* a bit per candidate: without doubt; not struck out */
	uint8_t zero_heads;   /* a bit per candidate: only zeros so far in its current frame */
	uint32_t held_count;  /* bytes of a frame, or of several, that are not decoded yet */
	uint8_t held[TT_DECODER_HELD];
};

/* frame_bytes: 0 to find it out from the bytes, or a valid size. */
void tt_decoder_init(struct tt_decoder *decoder, size_t frame_bytes);

/*
 * Feeds bytes and takes up to `limit` messages, at least one. Returns how many there are;
 * *ret_used: how much of the bytes was taken. All of them, unless `limit` was returned (call again
 * with the rest, even if that is nothing, until less is) or decoder->lost is set.
 */
size_t tt_decoder_feed(struct tt_decoder *decoder, const void *bytes, size_t size,
                       struct tt_message *messages, size_t limit, size_t *ret_used);

/* Whether the caller should call tt_decoder_decide() if nothing comes for TT_QUIET_MS. */
bool tt_decoder_is_waiting(const struct tt_decoder *decoder);

/* Nothing came for TT_QUIET_MS, or the peer hung up. Returns whether the size is known after it:
 * then tt_decoder_feed(decoder, NULL, 0, ...) gives the messages that have come. */
bool tt_decoder_decide(struct tt_decoder *decoder);

/* Bytes of a message that was begun and is not complete: at hang-up they are lost. */
size_t tt_decoder_pending(const struct tt_decoder *decoder);

/* An answer. What is not known is 0. */
struct tt_answer {
	uint8_t type; /* TT_RESPONSE or TT_DEVICE_INFO_RESPONSE */
	int32_t device;
	int32_t pid;
	/* RESPONSE: bytes live on the device. */
	uint64_t dram, l1, l1_small, trace, cb, kernel;
	/* DEVICE_INFO_RESPONSE, and RESPONSE where known. */
	uint64_t total_dram_bytes, total_l1_bytes;
	uint64_t dram_channel_bytes, l1_core_bytes; /* 0 in the answer where 32 bits are too few */
	uint32_t arch_type;                         /* 0 invalid, 1 Grayskull, 2 Wormhole_B0, ... */
	uint32_t dram_channels;
	uint32_t available; /* is_available */
	uint32_t num_devices;
};

/* Writes an answer of frame_bytes, which must be valid, to `out` of at least as many. */
size_t tt_encode(const struct tt_answer *answer, size_t frame_bytes, void *out);

/* Writes a message as a client of this size sends it. For tests and examples. */
size_t tt_encode_message(const struct tt_message *message, size_t frame_bytes, void *out);

/* "ALLOC" for TT_ALLOC; NULL: no such type. */
const char *tt_type_name(uint8_t type);

/* The protocol's number of an architecture name such as "wormhole_b0"; 0 unknown. */
uint32_t tt_arch_type(const char *arch);

#endif
