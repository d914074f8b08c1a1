/* SPDX-License-Identifier: Apache-2.0 */
#include "units.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const unit_names[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};

/* The unit in which two decimals are enough: 1,023.996 KB is 1.00 MB, not 1024.00 KB. */
static unsigned unit_of(uint64_t bytes, double *ret_value)
{
	double value = (double)bytes;
	unsigned unit = 0;

	while (unit < 6 && value >= (unit == 0 ? 1024.0 : 1023.995)) {
		value /= 1024.0;
		unit++;
	}
	*ret_value = value;
	return unit;
}

const char *units_bytes(char (*buffer)[UNITS_SIZE], uint64_t bytes, bool exact)
{
	double value;
	unsigned unit = unit_of(bytes, &value);
	const char *mark = exact ? "" : "~";

	if (unit == 0)
		snprintf(*buffer, UNITS_SIZE, "%s%" PRIu64 "  B", mark, bytes);
	else
		snprintf(*buffer, UNITS_SIZE, "%s%.2f %s", mark, value, unit_names[unit]);
	return *buffer;
}

const char *units_bytes_short(char (*buffer)[UNITS_SIZE], uint64_t bytes)
{
	double value;
	unsigned unit = unit_of(bytes, &value);
	char *end;

	snprintf(*buffer, UNITS_SIZE, "%.2f", value);
	end = *buffer + strlen(*buffer) - 3;
	if (strcmp(end, ".00") == 0)
		*end = '\0';
	end = *buffer + strlen(*buffer);
	snprintf(end, (size_t)(*buffer + UNITS_SIZE - end), " %s", unit_names[unit]);
	return *buffer;
}

const char *units_change(char (*buffer)[UNITS_SIZE], uint64_t before, uint64_t after)
{
	char figure[UNITS_SIZE];

	units_bytes_short(&figure, after >= before ? after - before : before - after);
	snprintf(*buffer, UNITS_SIZE, "%c%.30s", after >= before ? '+' : '-', figure);
	return *buffer;
}

const char *units_count(char (*buffer)[UNITS_SIZE], uint64_t count)
{
	char digits[UNITS_SIZE];
	size_t length, out = 0;

	snprintf(digits, sizeof(digits), "%" PRIu64, count);
	length = strlen(digits);
	for (size_t i = 0; i < length; i++) {
		if (i != 0 && (length - i) % 3 == 0)
			(*buffer)[out++] = ',';
		(*buffer)[out++] = digits[i];
	}
	(*buffer)[out] = '\0';
	return *buffer;
}

const char *units_age(char (*buffer)[UNITS_SIZE], uint64_t ns)
{
	uint64_t s = ns / 1000000000u;

	if (s < 10)
		snprintf(*buffer, UNITS_SIZE, "%.1f s", (double)ns / 1e9);
	else if (s < 60)
		snprintf(*buffer, UNITS_SIZE, "%" PRIu64 " s", s);
	else if (s < 3600)
		snprintf(*buffer, UNITS_SIZE, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(*buffer, UNITS_SIZE, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(*buffer, UNITS_SIZE, "%" PRIu64 "d%02" PRIu64 "h", s / 86400,
		         s / 3600 % 24);
	return *buffer;
}

const char *units_time(char (*buffer)[UNITS_SIZE], uint64_t realtime_ns)
{
	time_t seconds = (time_t)(realtime_ns / 1000000000u);
	struct tm parts;

	if (realtime_ns == 0 || localtime_r(&seconds, &parts) == NULL ||
	    strftime(*buffer, UNITS_SIZE, "%Y-%m-%d %H:%M:%S", &parts) == 0)
		snprintf(*buffer, UNITS_SIZE, "-");
	return *buffer;
}

const char *units_percent(char (*buffer)[UNITS_SIZE], uint64_t part, uint64_t of)
{
	double percent = of != 0 ? 100.0 * (double)part / (double)of : 0;

	if (of == 0)
		snprintf(*buffer, UNITS_SIZE, "-");
	else if (percent > 0 && percent < 0.1)
		snprintf(*buffer, UNITS_SIZE, "<0.1 %%");
	else
		snprintf(*buffer, UNITS_SIZE, "%.1f %%", percent);
	return *buffer;
}

void units_ranges(struct text *text, const uint32_t *numbers, size_t count)
{
	for (size_t i = 0; i < count;) {
		size_t end = i;

		while (end + 1 < count && numbers[end + 1] == numbers[end] + 1)
			end++;
		text_addf(text, "%s%" PRIu32, i != 0 ? "," : "", numbers[i]);
		if (end > i)
			text_addf(text, "%s%" PRIu32, end == i + 1 ? "," : "-", numbers[end]);
		i = end + 1;
	}
}

uint64_t units_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
