/* SPDX-License-Identifier: Apache-2.0 */
#include "process_alive.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* 2001-09-09 in ns: what is less is not of CLOCK_REALTIME. */
#define REALTIME_LEAST_NS 1000000000000000000u
#define SLACK_NS          2000000000u

/* State letter and start time, in ticks since boot, of /proc/PID/stat. */
static bool read_stat(int32_t pid, char *ret_state, uint64_t *ret_start_ticks)
{
	char path[64], bytes[1024];
	ssize_t size;
	char *at;
	int fd;

	snprintf(path, sizeof(path), "/proc/%" PRId32 "/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	size = read(fd, bytes, sizeof(bytes) - 1);
	close(fd);
	if (size <= 0)
		return false;
	bytes[size] = '\0';
	at = strrchr(bytes, ')'); /* the name before it may hold anything */
	if (at == NULL || at[1] != ' ')
		return false;
	at += 2;
	*ret_state = *at;
	for (int field = 3; field < 22 && at != NULL; field++) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	*ret_start_ticks = at != NULL ? strtoull(at, NULL, 10) : 0;
	return at != NULL;
}

static uint64_t boot_realtime_ns(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return (uint64_t)(real.tv_sec - boot.tv_sec) * 1000000000u + (uint64_t)real.tv_nsec -
	       (uint64_t)boot.tv_nsec;
}

bool process_alive(int32_t pid, uint64_t last_seen_ns)
{
	uint64_t start_ticks = 0, start_ns;
	char state = '?';

	if (kill(pid, 0) != 0 && errno == ESRCH)
		return false;
	if (!read_stat(pid, &state, &start_ticks))
		return true;
	if (state == 'Z' || state == 'X')
		return false;
	if (last_seen_ns < REALTIME_LEAST_NS)
		return true;
	start_ns =
		boot_realtime_ns() + start_ticks * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
	return start_ns <= last_seen_ns + SLACK_NS;
}
