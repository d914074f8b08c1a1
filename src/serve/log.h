/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's log: one line per event of interest, never one per allocation. To standard error, or
 * to the journal where standard error leads there. Any thread may call; a reader that does not read
 * costs lines, never time: what cannot be written at once is counted and left out.
 */
#ifndef MESHTALLY_SERVE_LOG_H
#define MESHTALLY_SERVE_LOG_H

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern const char *const log_level_names[]; /* ends with NULL */

void log_start(enum log_level level);

/* A line. Foreign text in it comes out made safe, as a whole. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For what others can make happen as often as they like: at most `burst` lines (0: one) per gate
 * and second, with the number of those that were left out. One static gate per kind of event. */
struct log_gate {
	unsigned burst;
	unsigned count; /* in the second that ends at: */
	uint64_t end_ns, left_out;
};
void log_gated(struct log_gate *gate, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
