/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmarks share: time, random victims, medians. Each benchmark measures the thing and
 * what it is compared with in turns in one run; ratios are medians over the turns, because absolute
 * times drift.
 */
#ifndef MESHTALLY_BENCH_H
#define MESHTALLY_BENCH_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BENCH_TURNS = 5 };

static inline double
bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static inline uint64_t
bench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline int
bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline double
bench_median(const double *values, size_t count)
{
	double sorted[64];

	memcpy(sorted, values, count * sizeof *values);
	qsort(sorted, count, sizeof *sorted, bench_compare);
	return sorted[count / 2];
}

#endif
