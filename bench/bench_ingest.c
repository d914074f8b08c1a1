/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What taking in a message of the socket protocol costs, without the socket: bytes in memory are
 * copied to a read buffer, decoded and applied to a proxy. Beside it, in turns: the copy of the
 * same bytes alone, decoding alone, and a writer that is told the same operations without any
 * message. With an argument: the number of live buffers instead of the usual ones.
 */
#include "bench.h"
#include "proxy.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { DEVICES = 8, FRAME = 112, CHUNK = 64 << 10, BATCH = 256, AHEAD = 8, EVENTS = 1 << 19 };

struct work {
	uint8_t *stream;
	struct tt_message *messages;
	size_t count;
};

static uint8_t chunk[CHUNK];
static struct writer_call call;
static struct writer writer;
static struct proxy *proxy;

/* A stream that ends with nothing live, so that it can be repeated. */
static void make_work(struct work *work, size_t live)
{
	uint64_t random = 88172645463325252ull, next = 1;
	uint64_t *ids = calloc(live, sizeof *ids);
	size_t limit = EVENTS + 2 * live, n = 0;

	work->messages = calloc(limit, sizeof *work->messages);
	work->stream = malloc(limit * FRAME);
	for (size_t i = 0; n < limit; i++) {
		size_t at = i < live ? i : bench_random(&random) % live;
		bool ending = limit - n <= live;
		struct tt_message message = {.type = TT_FREE, .pid = 1};

		if (ending)
			at = limit - n - 1;
		message.id = ids[at];
		message.device = (int32_t)(ids[at] % DEVICES);
		if (ids[at] != 0)
			work->messages[n++] = message;
		if (ending)
			continue;
		ids[at] = next++;
		message = (struct tt_message){.type = TT_ALLOC,
		                              .pid = 1,
		                              .id = ids[at],
		                              .device = (int32_t)(ids[at] % DEVICES),
		                              .bytes = 4096};
		work->messages[n++] = message;
	}
	work->count = n;
	for (size_t i = 0; i < n; i++)
		tt_encode_message(&work->messages[i], FRAME, work->stream + i * FRAME);
	free(ids);
}

static void run_copy(const struct work *work)
{
	for (size_t at = 0; at < work->count * FRAME; at += CHUNK) {
		size_t left = work->count * FRAME - at;

		memcpy(chunk, work->stream + at, left < CHUNK ? left : CHUNK);
		__asm__ volatile("" : : "r"(chunk) : "memory");
	}
}

static void take(const struct work *work, bool apply)
{
	struct tt_message messages[BATCH];
	struct tt_decoder decoder;

	tt_decoder_init(&decoder, 0);
	for (size_t at = 0; at < work->count * FRAME; at += CHUNK) {
		size_t left = work->count * FRAME - at, size = left < CHUNK ? left : CHUNK;
		size_t from = 0, used, count;

		memcpy(chunk, work->stream + at, size);
		do {
			count = tt_decoder_feed(&decoder, chunk + from, size - from, messages,
			                        BATCH, &used);
			from += used;
			for (size_t i = 0; apply && i < count; i++) {
				if (i + AHEAD < count)
					proxy_prefetch(proxy, &messages[i + AHEAD]);
				proxy_apply(proxy, &messages[i]);
			}
			__asm__ volatile("" : : "r"(messages) : "memory");
		} while (count == BATCH);
	}
}

static void run_decode(const struct work *work)
{
	take(work, false);
}

static void run_proxy(const struct work *work)
{
	take(work, true);
}

static void grow(void)
{
	struct writer_growth growth;

	writer_growth_plan(&writer, &growth);
	writer_growth_prepare(&writer, &growth);
	writer_grow(&writer, &growth);
	writer_growth_abandon(&writer, &growth);
}

static void run_writer(const struct work *work)
{
	for (size_t i = 0; i < work->count; i++) {
		const struct tt_message *message = &work->messages[i];
		const struct mt_buffer buffer = {.struct_size = sizeof buffer,
		                                 .space = 1 + (uint32_t)message->device,
		                                 .id = message->id,
		                                 .address = message->id,
		                                 .bytes = message->bytes,
		                                 .kind = MT_DRAM};

		if (i + AHEAD < work->count)
			writer_prefetch(&writer, 1 + (uint32_t)message[AHEAD].device,
			                message[AHEAD].id);
		if (message->type == TT_ALLOC)
			writer_alloc(&writer, &buffer, &call);
		else
			writer_free(&writer, buffer.space, buffer.id, &call);
		if (writer_wants_growth(&writer))
			grow();
	}
}

static double time_of(void (*run)(const struct work *), const struct work *work)
{
	double start = bench_now_ns();

	run(work);
	return (bench_now_ns() - start) / (double)work->count;
}

enum { COPY, DECODE, WRITER, PROXY, RUNS };

static void measure(size_t live)
{
	static const struct {
		const char *name;
		void (*run)(const struct work *);
	} runs[RUNS] = {{"copy of the bytes", run_copy},
	                {"copied and decoded", run_decode},
	                {"a writer told the same", run_writer},
	                {"copied, decoded, applied", run_proxy}};
	double times[RUNS][BENCH_TURNS], ratios[RUNS][BENCH_TURNS];
	struct work work;

	make_work(&work, live);
	for (size_t i = 0; i < RUNS; i++)
		runs[i].run(&work); /* memory is there */
	for (size_t turn = 0; turn < BENCH_TURNS; turn++) {
		for (size_t i = 0; i < RUNS; i++)
			times[i][turn] = time_of(runs[i].run, &work);
		for (size_t i = 0; i < RUNS; i++)
			ratios[i][turn] = times[PROXY][turn] / times[i][turn];
	}
	printf("%zu live buffers on %d devices, %zu messages of %d bytes\n", live, DEVICES,
	       work.count, FRAME);
	printf("  %-26s %10s %14s %22s\n", "", "ns/message", "million/s", "applied is ... times");
	for (size_t i = 0; i < RUNS; i++)
		printf("  %-26s %10.1f %14.1f %22.2f\n", runs[i].name,
		       bench_median(times[i], BENCH_TURNS),
		       1e3 / bench_median(times[i], BENCH_TURNS),
		       bench_median(ratios[i], BENCH_TURNS));
	free(work.stream);
	free(work.messages);
}

static void open_both(void)
{
	const struct proxy_options proxy_options = {.repeats = REPEATS_COLLAPSE};
	const struct writer_options options = {.cap_bytes = PROXY_CAP_BYTES};
	struct subject subject = {.pidfd = -1, .connection_only = true};

	subject.who.process.pid = getpid();
	if (proxy_open(&proxy, &subject, &proxy_options) || writer_open(&writer, &options))
		abort();
	for (int32_t device = 0; device < DEVICES; device++) {
		const struct mt_device description = {.struct_size = sizeof description,
		                                      .ordinal = device};

		writer_open_device(&writer, 1 + (uint32_t)device, &description, 0);
		writer_ready(&writer, 1 + (uint32_t)device, &call);
	}
}

int main(int argc, char **argv)
{
	char directory[] = "/dev/shm/meshtally-bench-XXXXXX";

	if (mkdtemp(directory) == NULL)
		return 1;
	setenv("MESHTALLY_DIR", directory, 1);
	open_both();
	if (argc > 1) {
		measure(strtoull(argv[1], NULL, 10));
	} else {
		measure(1000);
		measure(100000);
	}
	unlink(proxy_path(proxy));
	proxy_leave(proxy);
	unlink(writer.file.path);
	writer_close(&writer, 0);
	rmdir(directory);
	return 0;
}
