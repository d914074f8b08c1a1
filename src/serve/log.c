/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "safe.h"
#include "units.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 2048 }; /* a pipe that can be written takes as much at once */

const char *const log_level_names[] = {"error", "warning", "info", "debug", NULL};

static struct {
	enum log_level level;
	bool journal;
	atomic_ulong lost;
	pthread_mutex_t gates;
} state = {.level = LOG_LEVEL_INFO, .gates = PTHREAD_MUTEX_INITIALIZER};

/* Whether standard error is the stream that the journal reads: $JOURNAL_STREAM is its
 * device:inode. */
static bool is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_start(enum log_level level)
{
	state.level = level;
	state.journal = is_journal();
}

/* Levels as the journal numbers them. */
static void line_start(struct text *line, enum log_level level)
{
	static const char priorities[] = {'3', '4', '6', '7'};
	char now[UNITS_SIZE];

	if (state.journal)
		text_addf(line, "<%c>", priorities[level]);
	else
		text_addf(line, "%s %s: ", units_time(&now, units_now_ns()),
		          log_level_names[level]);
}

static void line_write(struct text *line)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
	unsigned long lost = atomic_load(&state.lost);

	if (line->length > LINE_BYTES - 64) {
		line->length = LINE_BYTES - 64;
		text_add(line, "...");
	}
	if (lost != 0)
		text_addf(line, " (%lu lines before this one could not be written)", lost);
	text_add(line, "\n");
	if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0 &&
	    write(STDERR_FILENO, line->bytes, line->length) > 0)
		atomic_fetch_sub(&state.lost, lost);
	else
		atomic_fetch_add(&state.lost, 1);
}

static void line_emit(enum log_level level, const char *format, va_list arguments,
                      uint64_t left_out)
{
	int saved = errno;
	struct text raw = {0}, line = {0};

	text_vaddf(&raw, format, arguments);
	line_start(&line, level);
	safe_terminal(&line, text_string(&raw));
	if (left_out != 0)
		text_addf(&line, " (and %llu more like it)", (unsigned long long)left_out);
	line_write(&line);
	text_finish(&raw);
	text_finish(&line);
	errno = saved;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list arguments;

	if (level > state.level)
		return;
	va_start(arguments, format);
	line_emit(level, format, arguments, 0);
	va_end(arguments);
}

static bool gate_open(struct log_gate *gate, uint64_t *ret_left_out)
{
	struct timespec now;
	uint64_t now_ns;
	bool open;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	pthread_mutex_lock(&state.gates);
	if (now_ns >= gate->end_ns) {
		gate->end_ns = now_ns + 1000000000u;
		gate->count = 0;
	}
	open = gate->count < (gate->burst != 0 ? gate->burst : 1);
	if (open) {
		*ret_left_out = gate->left_out;
		gate->left_out = 0;
		gate->count++;
	} else {
		gate->left_out++;
	}
	pthread_mutex_unlock(&state.gates);
	return open;
}

void log_gated(struct log_gate *gate, enum log_level level, const char *format, ...)
{
	uint64_t left_out = 0;
	va_list arguments;

	if (level > state.level || !gate_open(gate, &left_out))
		return;
	va_start(arguments, format);
	line_emit(level, format, arguments, left_out);
	va_end(arguments);
}
