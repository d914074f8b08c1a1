/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attacks the socket protocol. The first bytes of an input say how the rest, a client's stream, is
 * cut into chunks and when it pauses; the messages must be the same whatever the chunks are. What
 * was decoded is applied to a proxy, which must count what is live as a simple model does.
 */
#include "proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { CONTROL_BYTES = 8, STREAM_LIMIT = 16384, MESSAGE_LIMIT = STREAM_LIMIT / 40, PAUSES = 2 };
enum { INPUTS_PER_PROXY = 2000 };

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct run {
	struct tt_decoder decoder;
	struct tt_message messages[MESSAGE_LIMIT];
	size_t count;
};

struct input {
	const uint8_t *control, *stream;
	size_t size;
	size_t frame_bytes;
	size_t pauses[PAUSES]; /* offsets in the stream, ascending */
};

static char directory[64];
static struct proxy *proxy;

static void take(struct run *run, const uint8_t *bytes, size_t size, size_t limit)
{
	size_t used, got;

	do {
		size_t room = MESSAGE_LIMIT - run->count;

		CHECK(room > 0);
		got = tt_decoder_feed(&run->decoder, bytes, size, run->messages + run->count,
		                      limit < room ? limit : room, &used);
		CHECK(used <= size);
		CHECK(got == limit || got == room || used == size || run->decoder.lost);
		run->count += got;
		bytes = used < size ? bytes + used : NULL;
		size -= used;
	} while (got != 0 && !run->decoder.lost);
	CHECK(run->decoder.held_count < TT_DECODER_HELD);
}

/* The chunk that begins at `at`, of a size that `how` chooses; never across a pause. */
static size_t chunk(const struct input *input, size_t at, unsigned how)
{
	size_t end = input->size, length;

	for (size_t i = PAUSES; i-- > 0;) {
		if (input->pauses[i] > at && input->pauses[i] < end)
			end = input->pauses[i];
	}
	if (how == 0)
		return end - at;
	length = how == 1 ? 1 : 1 + (size_t)input->control[at % CONTROL_BYTES] * how / 4;
	return length < end - at ? length : end - at;
}

static void run_through(struct run *run, const struct input *input, unsigned how)
{
	size_t at = 0;

	run->count = 0;
	tt_decoder_init(&run->decoder, input->frame_bytes);
	while (at < input->size && !run->decoder.lost) {
		size_t length = chunk(input, at, how);
		/* Memory of just this size: what is read beyond it is found. */
		uint8_t *copy = malloc(length);

		CHECK(copy != NULL);
		memcpy(copy, input->stream + at, length);
		take(run, copy, length, how == 2 ? 1 : MESSAGE_LIMIT);
		free(copy);
		at += length;
		for (size_t i = 0; i < PAUSES; i++) {
			if (input->pauses[i] == at && tt_decoder_is_waiting(&run->decoder) &&
			    tt_decoder_decide(&run->decoder))
				take(run, NULL, 0, how == 2 ? 1 : MESSAGE_LIMIT);
		}
	}
	if (tt_decoder_is_waiting(&run->decoder) && tt_decoder_decide(&run->decoder))
		take(run, NULL, 0, MESSAGE_LIMIT);
	if (run->decoder.frame_bytes != 0 && !run->decoder.lost)
		CHECK(tt_decoder_pending(&run->decoder) < run->decoder.frame_bytes);
}

static void compare(const struct run *a, const struct run *b)
{
	CHECK(a->decoder.lost == b->decoder.lost);
	CHECK(a->decoder.frame_bytes == b->decoder.frame_bytes);
	CHECK(a->count == b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct tt_message *x = &a->messages[i], *y = &b->messages[i];

		CHECK(x->type == y->type && x->device == y->device && x->pid == y->pid &&
		      x->bytes == y->bytes && x->id == y->id && x->time_ns == y->time_ns &&
		      x->buffer_type == y->buffer_type);
	}
	CHECK(a->decoder.lost ||
	      tt_decoder_pending(&a->decoder) == tt_decoder_pending(&b->decoder));
}

static void finish(void)
{
	const struct segment_end end = {.how = END_EXIT, .realtime_ns = 1};
	char path[320];

	snprintf(path, sizeof path, "%s", proxy_path(proxy));
	proxy_end(proxy, &end, NULL);
	proxy = NULL;
	unlink(path);
	rmdir(directory);
}

static void renew(void)
{
	struct subject subject = {.pidfd = -1, .connection_only = true};
	const struct proxy_options options = {.repeats = REPEATS_COLLAPSE, .cap_bytes = 64 << 20};

	if (proxy != NULL) {
		finish();
	} else {
		snprintf(directory, sizeof directory, "/tmp/meshtally-fuzz-%d", (int)getpid());
		setenv("MESHTALLY_DIR", directory, 1);
		atexit(finish);
	}
	subject.who.process.pid = getpid();
	CHECK(proxy_open(&proxy, &subject, &options) == 0);
}

/* Every answer is of the size asked for, and says what was put in. */
static void answer(const struct run *run)
{
	uint8_t out[TT_FRAME_MAX + 1] = {0};
	const struct tt_message *message = &run->messages[run->count - 1];
	struct proxy_usage usage = {0};
	struct tt_answer response = {.type = TT_RESPONSE, .device = message->device};

	proxy_usage(proxy, message->device, &usage);
	response.dram = usage.dram;
	out[run->decoder.frame_bytes] = 0xa5;
	CHECK(tt_encode(&response, run->decoder.frame_bytes, out) == run->decoder.frame_bytes);
	CHECK(out[run->decoder.frame_bytes] == 0xa5);
	CHECK(memcmp(out + 40, &usage.dram, 8) == 0);
}

static void apply(const struct run *run)
{
	static unsigned inputs;
	uint64_t live;

	if (inputs++ % INPUTS_PER_PROXY == 0)
		renew();
	live = proxy_live(proxy);
	for (size_t i = 0; i < run->count; i++) {
		uint64_t before = proxy_live(proxy);
		uint8_t type = run->messages[i].type;

		proxy_prefetch(proxy, &run->messages[i]);
		proxy_apply(proxy, &run->messages[i]);
		if (type == TT_ALLOC || type == TT_CB_ALLOC || type == TT_KERNEL_LOAD)
			CHECK(proxy_live(proxy) - before <= 1);
		else if (type == TT_FREE || type == TT_CB_FREE || type == TT_KERNEL_UNLOAD)
			CHECK(before - proxy_live(proxy) <= 1);
		else
			CHECK(before == proxy_live(proxy));
	}
	CHECK(proxy_live(proxy) <= live + run->count);
	if (run->count != 0)
		answer(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const size_t sizes[] = {0, 0, 0, 0, 72, 112, 128, 144};
	static struct run whole, cut;
	struct input input;

	if (size < CONTROL_BYTES)
		return 0;
	input = (struct input){.control = bytes,
	                       .stream = bytes + CONTROL_BYTES,
	                       .size = size - CONTROL_BYTES,
	                       .frame_bytes = sizes[bytes[0] % 8],
	                       .pauses = {bytes[1], bytes[1] + bytes[2]}};
	if (input.size > STREAM_LIMIT)
		input.size = STREAM_LIMIT;
	run_through(&whole, &input, 0);
	for (unsigned how = 1; how < 5; how++) {
		run_through(&cut, &input, how);
		compare(&whole, &cut);
	}
	apply(&whole);
	return 0;
}
