/* SPDX-License-Identifier: Apache-2.0 */
/* The decoder: every size, however the bytes come; what is not the protocol; answers. */
#include "cmocka_all.h"
#include "tt_protocol.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SIZES = 4, MANY = 64 };
static const size_t sizes[SIZES] = {72, 112, 128, 144};

struct stream {
	uint8_t bytes[MANY * TT_FRAME_MAX];
	size_t size;
};

static struct tt_message message_of(uint8_t type, int32_t device, uint64_t bytes, uint64_t id)
{
	return (struct tt_message){
		.type = type, .device = device, .bytes = bytes, .id = id, .pid = 4711};
}

static void put(struct stream *stream, struct tt_message message, size_t frame_bytes)
{
	stream->size += tt_encode_message(&message, frame_bytes, stream->bytes + stream->size);
}

/* Feeds all, in chunks of a size. Returns how many messages came. */
static size_t feed(struct tt_decoder *decoder, const uint8_t *bytes, size_t size, size_t chunk,
                   struct tt_message *messages, size_t limit)
{
	size_t count = 0;

	while (size > 0 && !decoder->lost) {
		size_t length = size < chunk ? size : chunk, used = 0, at = 0, got;

		do {
			got = tt_decoder_feed(decoder, bytes + at, length - at, messages + count,
			                      limit - count, &used);
			at += used;
			count += got;
		} while (got != 0 && count < limit && !decoder->lost);
		bytes += length;
		size -= length;
	}
	return count;
}

static void assert_same(const struct tt_message *a, const struct tt_message *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->device, b->device);
	assert_int_equal(a->pid, b->pid);
	assert_int_equal(a->bytes, b->bytes);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->time_ns, b->time_ns);
	assert_int_equal(a->buffer_type, b->buffer_type);
}

/* A stream as a client sends it, with all that may confuse: zeros, highest values, all types. */
static size_t sample(struct stream *stream, struct tt_message *messages, size_t frame_bytes)
{
	static const uint8_t types[] = {TT_ALLOC, TT_FREE,     TT_QUERY,       TT_DUMP_REMAINING,
	                                TT_ALLOC, TT_CB_ALLOC, TT_KERNEL_LOAD, TT_CB_FREE};
	size_t count = sizeof types;

	stream->size = 0;
	for (size_t i = 0; i < count; i++) {
		messages[i] = message_of(types[i], (int32_t)i - 1, i % 3 ? 1ull << (i * 7) : 0,
		                         i % 2 ? UINT64_MAX : 0);
		messages[i].time_ns = i % 2 ? 0 : 1234567890123456789u;
		messages[i].buffer_type = (uint8_t)(i % 5);
		messages[i].pid = i == 2 ? 0 : 4711;
		put(stream, messages[i], frame_bytes);
	}
	return count;
}

static void test_every_size_in_chunks_of_every_size(void **state)
{
	static struct stream stream;
	struct tt_message sent[MANY], got[MANY];
	struct tt_decoder decoder;

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		size_t count = sample(&stream, sent, sizes[s]);

		for (size_t chunk = 1; chunk <= stream.size; chunk++) {
			tt_decoder_init(&decoder, 0);
			assert_int_equal(
				feed(&decoder, stream.bytes, stream.size, chunk, got, MANY), count);
			assert_int_equal(decoder.frame_bytes, sizes[s]);
			assert_int_equal(tt_decoder_pending(&decoder), 0);
			for (size_t i = 0; i < count; i++)
				assert_same(&got[i], &sent[i]);
		}
	}
}

static void test_every_split_in_two(void **state)
{
	static struct stream stream;
	struct tt_message sent[MANY], got[MANY];
	struct tt_decoder decoder;

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		size_t count = sample(&stream, sent, sizes[s]), used;

		for (size_t split = 0; split <= stream.size; split++) {
			size_t n;

			tt_decoder_init(&decoder, 0);
			n = tt_decoder_feed(&decoder, stream.bytes, split, got, MANY, &used);
			assert_int_equal(used, split);
			n += tt_decoder_feed(&decoder, stream.bytes + split, stream.size - split,
			                     got + n, MANY - n, &used);
			assert_int_equal(n, count);
			for (size_t i = 0; i < count; i++)
				assert_same(&got[i], &sent[i]);
		}
	}
}

static void test_a_limit_of_one_message(void **state)
{
	static struct stream stream;
	struct tt_message sent[MANY], got;
	struct tt_decoder decoder;

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		size_t count = sample(&stream, sent, sizes[s]), at = 0, used;

		tt_decoder_init(&decoder, 0);
		for (size_t i = 0; i < count; i++) {
			assert_int_equal(tt_decoder_feed(&decoder, stream.bytes + at,
			                                 stream.size - at, &got, 1, &used),
			                 1);
			at += used;
			assert_same(&got, &sent[i]);
		}
		assert_int_equal(tt_decoder_feed(&decoder, stream.bytes + at, stream.size - at,
		                                 &got, 1, &used),
		                 0);
		assert_int_equal(at + used, stream.size);
	}
}

/* Whatever comes first: the size is found from the second message. */
static void test_every_pair_of_types(void **state)
{
	struct tt_message got[4];
	struct tt_decoder decoder;
	struct stream stream;
	size_t used;

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		for (int first = 1; first <= 255; first++) {
			for (int second = 1; second <= 255; second += 7) {
				stream.size = 0;
				put(&stream, message_of((uint8_t)first, -1, UINT64_MAX, 0),
				    sizes[s]);
				put(&stream, message_of((uint8_t)second, 0, 0, 0), sizes[s]);
				tt_decoder_init(&decoder, 0);
				assert_int_equal(tt_decoder_feed(&decoder, stream.bytes,
				                                 stream.size, got, 4, &used),
				                 2);
				assert_int_equal(got[0].type, first);
				assert_int_equal(got[1].type, second);
			}
		}
	}
}

static void test_a_lone_message_waits_for_quiet(void **state)
{
	struct tt_message query = message_of(TT_QUERY, 3, 0, 0), got[2];
	struct tt_decoder decoder;
	struct stream stream;
	size_t used;

	(void)state;
	query.pid = 0;
	for (size_t s = 0; s < SIZES; s++) {
		stream.size = 0;
		put(&stream, query, sizes[s]);
		tt_decoder_init(&decoder, 0);
		assert_int_equal(
			tt_decoder_feed(&decoder, stream.bytes, stream.size, got, 2, &used), 0);
		assert_int_equal(used, sizes[s]);
		assert_true(tt_decoder_is_waiting(&decoder));
		assert_true(tt_decoder_decide(&decoder));
		assert_false(tt_decoder_is_waiting(&decoder));
		assert_int_equal(decoder.frame_bytes, sizes[s]);
		assert_int_equal(tt_decoder_feed(&decoder, NULL, 0, got, 2, &used), 1);
		assert_same(&got[0], &query);
		assert_int_equal(tt_decoder_pending(&decoder), 0);
		assert_int_equal(
			tt_decoder_feed(&decoder, stream.bytes, stream.size, got, 2, &used), 1);
		assert_same(&got[0], &query);
		assert_int_equal(decoder.frame_bytes, sizes[s]);
	}
}

static void test_half_a_message_is_not_decided(void **state)
{
	struct tt_message got[2];
	struct tt_decoder decoder;
	struct stream stream = {.size = 0};
	size_t used;

	(void)state;
	put(&stream, message_of(TT_ALLOC, 1, 64, 64), 144);
	for (size_t size = 0; size < 144; size++) {
		if (size == 72 || size == 112 || size == 128)
			continue;
		tt_decoder_init(&decoder, 0);
		assert_int_equal(tt_decoder_feed(&decoder, stream.bytes, size, got, 2, &used), 0);
		assert_int_equal(used, size);
		assert_false(tt_decoder_decide(&decoder));
		assert_int_equal(tt_decoder_pending(&decoder), size);
	}
}

/* Decided for quiet after 72 of 144 bytes: the rest shows that it was too early. */
static void test_a_slow_first_message_corrects_the_choice(void **state)
{
	for (size_t larger = 1; larger < SIZES; larger++) {
		for (size_t smaller = 0; smaller < larger; smaller++) {
			struct tt_message sent[2] = {message_of(TT_ALLOC, 1, 64, 64),
			                             message_of(TT_FREE, 1, 0, 64)};
			struct tt_decoder decoder;
			struct tt_message got[4];
			struct stream stream = {.size = 0};
			size_t used, n;

			(void)state;
			put(&stream, sent[0], sizes[larger]);
			put(&stream, sent[1], sizes[larger]);
			tt_decoder_init(&decoder, 0);
			tt_decoder_feed(&decoder, stream.bytes, sizes[smaller], got, 4, &used);
			assert_true(tt_decoder_decide(&decoder));
			assert_int_equal(decoder.frame_bytes, sizes[smaller]);
			n = tt_decoder_feed(&decoder, stream.bytes + sizes[smaller],
			                    stream.size - sizes[smaller], got, 4, &used);
			assert_int_equal(n, 2);
			assert_int_equal(decoder.frame_bytes, sizes[larger]);
			assert_same(&got[0], &sent[0]);
			assert_same(&got[1], &sent[1]);
		}
	}
}

static void test_a_type_that_does_not_exist_is_passed_on(void **state)
{
	static const uint8_t types[] = {0, 12, 13, 127, 255};

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		for (size_t t = 0; t < sizeof types; t++) {
			for (size_t at = 0; at < 3; at++) {
				struct tt_message got[4];
				struct tt_decoder decoder;
				struct stream stream = {.size = 0};
				size_t used, n;

				for (size_t i = 0; i < 3; i++)
					put(&stream,
					    message_of(i == at ? types[t] : TT_ALLOC, 1, 64, 64),
					    sizes[s]);
				tt_decoder_init(&decoder, 0);
				n = tt_decoder_feed(&decoder, stream.bytes, stream.size, got, 4,
				                    &used);
				if (tt_decoder_is_waiting(&decoder)) {
					assert_true(tt_decoder_decide(&decoder));
					n = tt_decoder_feed(&decoder, NULL, 0, got, 4, &used);
				}
				assert_int_equal(n, 3);
				assert_int_equal(decoder.frame_bytes, sizes[s]);
				assert_int_equal(got[at].type, types[t]);
				assert_false(decoder.lost);
			}
		}
	}
}

static void test_reserved_bytes_lose_the_framing(void **state)
{
	static const size_t reserved[] = {1, 2, 3, 17, 18, 19};

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		for (size_t r = 0; r < 6; r++) {
			for (size_t frame = 0; frame < 4; frame++) {
				struct tt_message got[8];
				struct tt_decoder decoder;
				struct stream stream = {.size = 0};
				size_t used;

				for (int i = 0; i < 4; i++)
					put(&stream, message_of(TT_ALLOC, 1, 64, 64), sizes[s]);
				stream.bytes[frame * sizes[s] + reserved[r]] = 1;
				tt_decoder_init(&decoder, frame < 2 ? sizes[s] : 0);
				assert_int_equal(tt_decoder_feed(&decoder, stream.bytes,
				                                 stream.size, got, 8, &used),
				                 frame);
				assert_true(decoder.lost);
				assert_int_equal(
					tt_decoder_feed(&decoder, stream.bytes, 72, got, 8, &used),
					0);
			}
		}
	}
}

static void test_other_protocols_are_lost_at_once(void **state)
{
	static const char *const others[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello",
	                                     "{\"type\": 1}"};
	struct tt_decoder decoder;
	struct tt_message got;
	uint8_t zeros[512] = {0};
	size_t used;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		tt_decoder_init(&decoder, 0);
		assert_int_equal(
			tt_decoder_feed(&decoder, others[i], strlen(others[i]), &got, 1, &used), 0);
		assert_true(decoder.lost);
	}
	tt_decoder_init(&decoder, 0);
	assert_int_equal(tt_decoder_feed(&decoder, zeros, sizeof zeros, &got, 1, &used), 0);
	assert_true(decoder.lost);
}

static void test_a_fixed_size_needs_no_second_message(void **state)
{
	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		struct tt_message query = message_of(TT_QUERY, 3, 0, 0), got;
		struct tt_decoder decoder;
		struct stream stream = {.size = 0};
		size_t used;

		put(&stream, query, sizes[s]);
		memset(stream.bytes + TT_HEAD_BYTES, 0xff, sizes[s] - TT_HEAD_BYTES);
		tt_decoder_init(&decoder, sizes[s]);
		assert_int_equal(tt_decoder_feed(&decoder, stream.bytes, sizes[s], &got, 1, &used),
		                 1);
		assert_same(&got, &query);
	}
	assert_false(tt_frame_is_valid(0));
	assert_false(tt_frame_is_valid(100));
}

/* Offsets of the answer's fields, written out for each size. */
static void test_answers(void **state)
{
	static const struct {
		size_t size, cb, total, arch;
	} layouts[SIZES] = {
		{72, 0, 0, 0}, {112, 0, 72, 88}, {128, 72, 88, 104}, {144, 72, 88, 104}};
	const struct tt_answer answer = {.type = TT_DEVICE_INFO_RESPONSE,
	                                 .device = 5,
	                                 .pid = 77,
	                                 .dram = 1,
	                                 .l1 = 2,
	                                 .l1_small = 3,
	                                 .trace = 4,
	                                 .cb = 5,
	                                 .kernel = 6,
	                                 .total_dram_bytes = 12ull << 30,
	                                 .total_l1_bytes = 8,
	                                 .arch_type = 2,
	                                 .dram_channels = 12,
	                                 .dram_channel_bytes = 1 << 30,
	                                 .l1_core_bytes = (1ull << 32) + 5,
	                                 .available = 1,
	                                 .num_devices = 32};

	(void)state;
	for (size_t s = 0; s < SIZES; s++) {
		uint8_t out[TT_FRAME_MAX + 8];
		uint64_t words[18];
		uint32_t halves[36];

		memset(out, 0xee, sizeof out);
		assert_int_equal(tt_encode(&answer, layouts[s].size, out), layouts[s].size);
		assert_int_equal(out[layouts[s].size], 0xee);
		memcpy(words, out, sizeof words);
		memcpy(halves, out, sizeof halves);
		assert_int_equal(halves[0], TT_DEVICE_INFO_RESPONSE);
		assert_int_equal(halves[1], 5);
		assert_int_equal(halves[5], 77);
		assert_int_equal(words[5], 1);
		assert_int_equal(words[6], 2);
		assert_int_equal(words[7], 3);
		assert_int_equal(words[8], 4);
		if (layouts[s].cb != 0) {
			assert_int_equal(words[layouts[s].cb / 8], 5);
			assert_int_equal(words[layouts[s].cb / 8 + 1], 6);
		}
		if (layouts[s].total != 0) {
			assert_int_equal(words[layouts[s].total / 8], 12ull << 30);
			assert_int_equal(words[layouts[s].total / 8 + 1], 8);
			assert_int_equal(halves[layouts[s].arch / 4], 2);
			assert_int_equal(halves[layouts[s].arch / 4 + 1], 12);
			assert_int_equal(halves[layouts[s].arch / 4 + 2], 1 << 30);
			assert_int_equal(halves[layouts[s].arch / 4 + 3],
			                 0); /* more than 32 bits */
			assert_int_equal(halves[layouts[s].arch / 4 + 4], 1);
			assert_int_equal(halves[layouts[s].arch / 4 + 5], 32);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_size_in_chunks_of_every_size),
		cmocka_unit_test(test_every_split_in_two),
		cmocka_unit_test(test_a_limit_of_one_message),
		cmocka_unit_test(test_every_pair_of_types),
		cmocka_unit_test(test_a_lone_message_waits_for_quiet),
		cmocka_unit_test(test_half_a_message_is_not_decided),
		cmocka_unit_test(test_a_slow_first_message_corrects_the_choice),
		cmocka_unit_test(test_a_type_that_does_not_exist_is_passed_on),
		cmocka_unit_test(test_reserved_bytes_lose_the_framing),
		cmocka_unit_test(test_other_protocols_are_lost_at_once),
		cmocka_unit_test(test_a_fixed_size_needs_no_second_message),
		cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
