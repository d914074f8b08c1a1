/* SPDX-License-Identifier: Apache-2.0 */
/* The table of families, and how each is written. */
#include "metrics.h"

#include "metrics_internal.h"
#include "words.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const double metrics_bounds[METRICS_BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025,
                                                0.05,  0.1,    0.25,  1};

/* As OpenMetrics writes them. */
static const char *const metrics_bound_words[METRICS_BUCKETS] = {
	"0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "1.0"};

void metrics_observe(struct metrics_reads *reads, double seconds)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && seconds > metrics_bounds[i])
		i++;
	reads->buckets[i]++;
	reads->count++;
	reads->seconds += seconds;
}

enum family_type { GAUGE, COUNTER, HISTOGRAM, INFO };

/* Names as in OpenMetrics, without "_total" and "_info". */
struct family {
	const char *name;
	enum family_type type;
	const char *unit; /* NULL none */
	const char *help;
	void (*write)(struct metrics *m, const struct family *family);
	size_t offset; /* of a number, where write says so */
};

/* labels "": none */
static void sample(struct metrics *m, const struct family *family, const char *labels,
                   uint64_t value)
{
	static const char *const suffixes[] = {"", "_total", "", "_info"};
	struct text *out = m->out;
	char number[24];

	text_add(out, family->name);
	text_add(out, suffixes[family->type]);
	if (labels[0] != '\0') {
		text_add(out, "{");
		text_add(out, labels);
		text_add(out, "}");
	}
	text_bytes(out, number, (size_t)snprintf(number, sizeof(number), " %" PRIu64 "\n", value));
}

static void sample_with(struct metrics *m, const struct family *family, const char *labels,
                        const char *name, const char *value, uint64_t amount)
{
	struct text all = {0};

	text_add(&all, labels);
	if (all.length != 0)
		text_add(&all, ",");
	metrics_label(&all, name, value);
	sample(m, family, text_string(&all), amount);
	text_finish(&all);
}

static void write_live_bytes(struct metrics *m, const struct family *family)
{
	const struct metrics_line *line;

	vec_for (line, &m->lines) {
		for (int i = 0; i < CLASS_COUNTED_LIMIT; i++)
			sample_with(m, family, line->labels, "class", class_words[i],
			            line->figure.bytes[i]);
		if (line->figure.unclassified_bytes != 0)
			sample_with(m, family, line->labels, "class", "unclassified",
			            line->figure.unclassified_bytes);
	}
}

static void write_live_buffers(struct metrics *m, const struct family *family)
{
	const struct metrics_line *line;

	vec_for (line, &m->lines)
		for (int i = 0; i < CLASS_COUNTED_LIMIT; i++)
			sample_with(m, family, line->labels, "class", class_words[i],
			            line->figure.buffers[i]);
}

static void write_held(struct metrics *m, const struct family *family)
{
	const struct metrics_line *line;

	vec_for (line, &m->lines)
		sample(m, family, line->labels, line->figure.held);
}

static void write_peak(struct metrics *m, const struct family *family)
{
	const struct metrics_line *line;

	vec_for (line, &m->lines)
		if (line->figure.present && line->figure.peak_known)
			sample(m, family, line->labels, line->figure.peak);
}

static void write_capacity(struct metrics *m, const struct family *family)
{
	const struct metrics_line *line;

	vec_for (line, &m->lines)
		if (line->figure.capacity != 0)
			sample(m, family, line->labels, line->figure.capacity);
}

static void write_allocs(struct metrics *m, const struct family *family)
{
	for (size_t i = 0; i < m->lines.count; i++)
		sample(m, family, m->lines.items[i].labels,
		       m->input->totals->lines.items[i].allocs);
}

static void write_frees(struct metrics *m, const struct family *family)
{
	for (size_t i = 0; i < m->lines.count; i++)
		sample(m, family, m->lines.items[i].labels, m->input->totals->lines.items[i].frees);
}

static void write_process_bytes(struct metrics *m, const struct family *family)
{
	const struct metrics_process *line;

	vec_for (line, &m->processes)
		sample(m, family, line->labels, line->bytes);
}

static void write_process_buffers(struct metrics *m, const struct family *family)
{
	const struct metrics_process *line;

	vec_for (line, &m->processes)
		sample(m, family, line->labels, line->buffers);
}

static void write_states(struct metrics *m, const struct family *family)
{
	for (size_t i = 0; metrics_states[i] != NULL; i++)
		sample_with(m, family, "", "state", metrics_states[i], m->by_state[i]);
}

/* All that there can be, so that the first one is an increase from 0. */
static void write_faults(struct metrics *m, const struct family *family)
{
	const struct totals *totals = m->input->totals;
	uint64_t unknown = 0;

	for (uint32_t type = 0; type < SEGMENT_FAULT_TYPES; type++) {
		if (fault_is_known(type))
			sample_with(m, family, "", "type", fault_words(type), totals->faults[type]);
		else
			unknown += totals->faults[type];
	}
	sample_with(m, family, "", "type", "other", unknown);
}

static void write_leaked(struct metrics *m, const struct family *family)
{
	for (int i = 0; i < VERDICT_LIMIT; i++)
		sample_with(m, family, "", "verdict", verdict_words[i], m->leaked_bytes[i]);
}

static void write_left(struct metrics *m, const struct family *family)
{
	for (int i = 0; i < VERDICT_LIMIT; i++)
		sample_with(m, family, "", "verdict", verdict_words[i],
		            m->input->totals->left_bytes[i]);
}

static void write_reads(struct metrics *m, const struct family *family)
{
	const struct metrics_reads *reads = m->input->reads;
	uint64_t sum = 0;

	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		sum += reads->buckets[i];
		text_addf(m->out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", family->name,
		          metrics_bound_words[i], sum);
	}
	text_addf(m->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", family->name, reads->count);
	text_addf(m->out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", family->name, reads->seconds,
	          family->name, reads->count);
}

static void write_build(struct metrics *m, const struct family *family)
{
	struct text labels = {0};

	metrics_label(&labels, "version", MESHTALLY_VERSION);
	text_addf(&labels, ",segment_version=\"%u\"", SEGMENT_VERSION);
	sample(m, family, text_string(&labels), 1);
	text_finish(&labels);
}

static void write_start(struct metrics *m, const struct family *family)
{
	text_addf(m->out, "%s %.3f\n", family->name,
	          (double)m->input->server.serve.start_realtime_ns / 1e9);
}

static void write_segments(struct metrics *m, const struct family *family)
{
	sample(m, family, "", m->input->scene->views.count);
}

/* A number in the input. */
static void write_number(struct metrics *m, const struct family *family)
{
	uint64_t value;

	memcpy(&value, (const char *)m->input + family->offset, sizeof(value));
	sample(m, family, "", value);
}

static void write_ends(struct metrics *m, const struct family *family)
{
	sample(m, family, "", m->input->totals->ended);
}

static void write_messages(struct metrics *m, const struct family *family)
{
	const struct serve_stats *stats = &m->input->server.serve;
	const struct {
		const char *why;
		uint64_t count;
	} lines[] = {{"malformed", stats->messages_malformed},
	             {"foreign", stats->messages_foreign},
	             {"gone", stats->messages_gone},
	             {"guessed", stats->messages_guessed},
	             {"repeated", stats->messages_repeated},
	             {"unrecorded", stats->messages_unrecorded}};

	for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
		sample_with(m, family, "", "why", lines[i].why, lines[i].count);
}

static void write_requests(struct metrics *m, const struct family *family)
{
	for (size_t i = 2; i < ARRAY_COUNT(m->input->server.http.requests); i++) {
		char code[8];

		snprintf(code, sizeof(code), "%zuxx", i);
		sample_with(m, family, "", "code", code, m->input->server.http.requests[i]);
	}
}

#define AT(field) __builtin_offsetof(struct metrics_input, field)

static const struct family families[] = {
	{"meshtally_device_live_bytes", GAUGE, "bytes",
         "Bytes in live buffers on a device, as they were asked for", write_live_bytes, 0},
	{"meshtally_device_held_bytes", GAUGE, "bytes",
         "Bytes that live buffers take of a device's capacity: with padding, on all banks",
         write_held, 0},
	{"meshtally_device_peak_held_bytes", GAUGE, "bytes",
         "The most that was held, where one process alone has used the memory", write_peak, 0},
	{"meshtally_device_capacity_bytes", GAUGE, "bytes", "What a device has", write_capacity, 0},
	{"meshtally_device_live_buffers", GAUGE, NULL, "Live buffers on a device",
         write_live_buffers, 0},
	{"meshtally_device_allocations", COUNTER, NULL, "Allocations on a device", write_allocs, 0},
	{"meshtally_device_frees", COUNTER, NULL, "Frees on a device", write_frees, 0},
	{"meshtally_process_live_bytes", GAUGE, "bytes",
         "Bytes in live buffers of the processes that have most, over all devices; the others "
         "together are pid other",
         write_process_bytes, 0},
	{"meshtally_process_live_buffers", GAUGE, NULL,
         "Live buffers of the same processes, over all devices", write_process_buffers, 0},
	{"meshtally_processes", GAUGE, NULL, "Processes that are known, by how they stand",
         write_states, 0},
	{"meshtally_faults", COUNTER, NULL, "Wrong calls that programs have made", write_faults, 0},
	{"meshtally_leaked_bytes", GAUGE, "bytes",
         "Bytes that running processes had not given back when they closed their devices",
         write_leaked, 0},
	{"meshtally_left_bytes", COUNTER, "bytes",
         "Bytes that processes had not given back when they ended", write_left, 0},
	{"meshtally_process_ends", COUNTER, NULL, "Processes whose segment is gone", write_ends, 0},
	{"meshtally_postmortems_kept", COUNTER, NULL, "Post-mortems that were written",
         write_number, AT(server.postmortems.kept)},
	{"meshtally_postmortems_failed", COUNTER, NULL, "Post-mortems that could not be written",
         write_number, AT(server.postmortems.failed)},
	{"meshtally_segments", GAUGE, NULL, "Segments at the last reading", write_segments, 0},
	{"meshtally_segments_rejected", GAUGE, NULL,
         "Files that could not be read as segments at the last reading", write_number,
         AT(cache.rejected)},
	{"meshtally_segment_reads", COUNTER, NULL, "Segments that were read", write_number,
         AT(cache.read)},
	{"meshtally_segment_reads_saved", COUNTER, NULL,
         "Segments that had not changed and were not read again", write_number, AT(cache.reused)},
	{"meshtally_read_seconds", HISTOGRAM, "seconds", "Time to read all segments", write_reads,
         0},
	{"meshtally_socket_connections", GAUGE, NULL, "Clients of the socket protocol",
         write_number, AT(server.serve.connections)},
	{"meshtally_socket_connections_opened", COUNTER, NULL, "Clients that have connected",
         write_number, AT(server.serve.connections_total)},
	{"meshtally_socket_connections_refused", COUNTER, NULL, "Clients beyond a limit",
         write_number, AT(server.serve.connections_refused)},
	{"meshtally_socket_connections_dropped", COUNTER, NULL,
         "Clients that did not read their answers", write_number,
         AT(server.serve.connections_dropped)},
	{"meshtally_socket_messages", COUNTER, NULL, "Messages of the socket protocol",
         write_number, AT(server.serve.messages)},
	{"meshtally_socket_messages_odd", COUNTER, NULL,
         "Messages that were not simply counted, and why", write_messages, 0},
	{"meshtally_socket_processes", GAUGE, NULL,
         "Processes that are accounted on behalf of, as they report by socket", write_number,
         AT(server.serve.proxies)},
	{"meshtally_http_connections", GAUGE, NULL, "Clients of HTTP", write_number,
         AT(server.http.connections)},
	{"meshtally_http_connections_refused", COUNTER, NULL, "Clients of HTTP beyond the limit",
         write_number, AT(server.http.refused)},
	{"meshtally_http_requests", COUNTER, NULL, "Requests that were answered", write_requests,
         0},
	{"meshtally_build", INFO, NULL, "What runs", write_build, 0},
	{"meshtally_start_time_seconds", GAUGE, "seconds", "When the server was started",
         write_start, 0},
};

static void write_head(struct metrics *m, const struct family *family)
{
	static const char *const types[] = {"gauge", "counter", "histogram", "info"};
	static const char *const text_types[] = {"gauge", "counter", "histogram", "gauge"};
	static const char *const text_suffixes[] = {"", "_total", "", "_info"};
	const char *suffix = m->openmetrics ? "" : text_suffixes[family->type];

	text_addf(m->out, "# HELP %s%s %s\n", family->name, suffix, family->help);
	text_addf(m->out, "# TYPE %s%s %s\n", family->name, suffix,
	          (m->openmetrics ? types : text_types)[family->type]);
	if (m->openmetrics && family->unit != NULL)
		text_addf(m->out, "# UNIT %s %s\n", family->name, family->unit);
}

void metrics_write(struct text *out, const struct metrics_input *input, bool openmetrics)
{
	struct metrics m = {.input = input, .openmetrics = openmetrics, .out = out};

	metrics_collect(&m);
	for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
		write_head(&m, &families[i]);
		families[i].write(&m, &families[i]);
	}
	if (openmetrics)
		text_add(out, "# EOF\n");
	metrics_finish(&m);
}
