/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures for people. Bytes are in binary units (1 KB is 1,024 bytes) of a fixed width, so that
 * columns line up; times are short. Machines get plain numbers instead.
 */
#ifndef MESHTALLY_BASE_UNITS_H
#define MESHTALLY_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UNITS_SIZE 32

/* "14.07 MB"; with exact false "~14.07 MB". Always two decimals, but for bytes. */
const char *units_bytes(char (*buffer)[UNITS_SIZE], uint64_t bytes, bool exact);

/* For sentences: "36 KB", "14.07 MB", "0 B". */
const char *units_bytes_short(char (*buffer)[UNITS_SIZE], uint64_t bytes);

/* "+36 KB" or "-36 KB". */
const char *units_change(char (*buffer)[UNITS_SIZE], uint64_t before, uint64_t after);

/* "14,753,792" */
const char *units_count(char (*buffer)[UNITS_SIZE], uint64_t count);

/* "0.4 s", "12 s", "3m12s", "5h07m", "2d03h" */
const char *units_age(char (*buffer)[UNITS_SIZE], uint64_t ns);

/* "2026-11-22 10:41:07", local time; "-" for 0. */
const char *units_time(char (*buffer)[UNITS_SIZE], uint64_t realtime_ns);

/* "73 %", "0.4 %"; "-" when of is 0. */
const char *units_percent(char (*buffer)[UNITS_SIZE], uint64_t part, uint64_t of);

/* "0-3,5,7-9" of ascending numbers. */
struct text;
void units_ranges(struct text *text, const uint32_t *numbers, size_t count);

uint64_t units_now_ns(void); /* CLOCK_REALTIME */

#endif
