/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a segment (time stamp counter, or CLOCK_MONOTONIC) to CLOCK_REALTIME. */
#include "reader_copy.h"

#include <time.h>

/* By so much a clock may have been adjusted. */
#define ADJUSTED_NS 60000000000ll

enum { CLOCK_TRIES = 8, CLOCK_GOOD_NS = 2000 };

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts = {0};

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Whether the segment was born since this machine was started. CLOCK_MONOTONIC does not run while
 * the machine sleeps. */
static bool is_of_this_boot(const struct segment_header *header, const struct reader_clock *now)
{
	__int128 by_monotonic = (__int128)now->monotonic_ns - header->birth_monotonic_ns;
	__int128 by_realtime = (__int128)now->realtime_ns - header->birth_realtime_ns;
	__int128 asleep = (__int128)clock_ns(CLOCK_BOOTTIME) - now->monotonic_ns;

	return by_monotonic >= 0 && by_realtime - by_monotonic <= asleep + ADJUSTED_NS &&
	       by_monotonic - by_realtime <= ADJUSTED_NS;
}

/* The clocks at one moment. Returns how long reading them took: no more than that is it wrong. */
static uint64_t clocks_read(const struct segment_header *header, struct reader_clock *ret)
{
	uint64_t before = clock_ns(CLOCK_MONOTONIC), after;

	ret->time = 0;
#if defined(__x86_64__)
	if (header->clock == SEGMENT_CLOCK_TSC)
		ret->time = __builtin_ia32_rdtsc();
#endif
	ret->realtime_ns = clock_ns(CLOCK_REALTIME);
	after = clock_ns(CLOCK_MONOTONIC);
	ret->monotonic_ns = before + (after - before) / 2;
	if (header->clock != SEGMENT_CLOCK_TSC)
		ret->time = ret->monotonic_ns;
	return after - before;
}

/* Of a few readings the shortest, in which this thread was hardly interrupted. */
struct reader_clock clock_now(const struct segment_header *header)
{
	struct reader_clock now = {0}, again;
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < CLOCK_TRIES && shortest > CLOCK_GOOD_NS; i++) {
		uint64_t took = clocks_read(header, &again);

		if (took < shortest) {
			shortest = took;
			now = again;
		}
	}
	if (!is_of_this_boot(header, &now) || (header->clock == SEGMENT_CLOCK_TSC && now.time == 0))
		now.realtime_ns = 0;
	return now;
}

struct reader_scale clock_scale(const struct segment_header *header, const struct reader_clock *now)
{
	struct reader_scale scale = {header->birth_time, header->birth_realtime_ns, 0};
	double ticks = (double)(int64_t)(now->time - header->birth_time);

	if (header->clock == SEGMENT_CLOCK_MONOTONIC_NS)
		scale.ns_per_tick = 1;
	else if (header->clock == SEGMENT_CLOCK_TSC && now->realtime_ns && ticks > 0)
		scale.ns_per_tick =
			(double)(int64_t)(now->monotonic_ns - header->birth_monotonic_ns) / ticks;
	return scale;
}

uint64_t clock_realtime_ns(const struct reader_scale *scale, uint64_t time)
{
	double since = (double)(int64_t)(time - scale->birth_time) * scale->ns_per_tick;
	int64_t ns;

	if (time == 0 || !(scale->ns_per_tick > 0) || !(since > -4e18 && since < 4e18) ||
	    scale->birth_realtime_ns > INT64_MAX / 2)
		return 0;
	ns = (int64_t)scale->birth_realtime_ns + (int64_t)since;
	return ns > 0 ? (uint64_t)ns : 0;
}
