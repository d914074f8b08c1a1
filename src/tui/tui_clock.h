/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks of the monitor's loop and thread; layout never looks at one. */
#ifndef MESHTALLY_TUI_CLOCK_H
#define MESHTALLY_TUI_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t tui_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline uint64_t tui_monotonic_ns(void)
{
	return tui_clock_ns(CLOCK_MONOTONIC);
}

/* Of the calling thread. */
static inline uint64_t tui_cpu_ns(void)
{
	return tui_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

#endif
