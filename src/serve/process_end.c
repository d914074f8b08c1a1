/* SPDX-License-Identifier: Apache-2.0 */
#include "process_end.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As in linux/pidfd.h, which may be older than the kernel. */
struct pidfd_info_exit {
	uint64_t mask;
	uint64_t cgroupid;
	uint32_t pid, tgid, ppid;
	uint32_t ids[8];
	int32_t exit_code;
};
_Static_assert(sizeof(struct pidfd_info_exit) == 64, "PIDFD_INFO_SIZE_VER0");

#define INFO_IOCTL _IOWR(0xff, 11, struct pidfd_info_exit)
enum { INFO_EXIT = 1 << 3 };

enum { STAT_START = 22, STAT_EXIT_CODE = 52 };

static ssize_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, size - 1);
	n = n < 0 ? -errno : n;
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

/* Field `number` of proc(5) of a stat line; fields 1 and 2 are not asked for.
 */
static const char *stat_field(const char *text, int number)
{
	const char *at = strrchr(text, ')');

	for (int field = 2; at != NULL && field < number; field++)
		at = strchr(at + 1, ' ');
	return at != NULL ? at + 1 : "";
}

static int read_stat(int32_t pid, char *text, size_t size)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	n = read_text(path, text, size);
	return n > 0 ? 0 : n < 0 ? (int)n : -ENOENT;
}

static int pidfd_open_process(int32_t pid)
{
	long fd = syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : (int)fd;
}

bool process_end_started(int32_t pid, uint64_t start_ticks)
{
	char text[1024];

	return read_stat(pid, text, sizeof text) == 0 &&
	       (start_ticks == 0 ||
	        strtoull(stat_field(text, STAT_START), NULL, 10) == start_ticks);
}

static bool is_over(int pidfd)
{
	struct pollfd look = {.fd = pidfd, .events = POLLIN};

	return poll(&look, 1, 0) > 0;
}

int process_end_open(int32_t pid, uint64_t start_ticks)
{
	char text[1024];
	int fd, error;

	if (pid <= 0)
		return -ESRCH;
	fd = pidfd_open_process(pid);
	if (fd < 0 || start_ticks == 0)
		return fd;
	/* After it was opened: what is read now is of this process, or of a later
	 * one. */
	error = read_stat(pid, text, sizeof text);
	if (error == 0 && strtoull(stat_field(text, STAT_START), NULL, 10) == start_ticks)
		return fd;
	/* Hidden from us, but there. */
	error = error != 0 && !is_over(fd) ? -EACCES : -ESRCH;
	close(fd);
	return error;
}

int32_t process_end_pid(int pidfd)
{
	char path[64], text[1024];
	const char *line;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
	if (read_text(path, text, sizeof text) <= 0)
		return 0;
	line = strstr(text, "\nPid:");
	return line != NULL && atoi(line + 5) > 0 ? atoi(line + 5) : 0;
}

static void decode(int status, struct segment_end *ret_end)
{
	int number = status & 0x7f;

	ret_end->how = number != 0 ? END_SIGNAL : END_EXIT;
	ret_end->code = number != 0 ? number : (status >> 8) & 0xff;
}

/* Without the right to look into a process, the kernel shows 0 for its status.
 */
static bool may_look_into(int32_t pid)
{
	char path[64], target[64];

	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
	return readlink(path, target, sizeof target) >= 0 ||
	       (errno != EACCES && errno != EPERM && errno != ENOENT);
}

/* Of a zombie. */
static int read_zombie(int pidfd, int32_t pid, struct segment_end *ret_end)
{
	char text[1024];
	int status;

	if (pid <= 0 || !may_look_into(pid) || read_stat(pid, text, sizeof text) != 0 ||
	    *stat_field(text, 3) != 'Z')
		return -EAGAIN;
	status = atoi(stat_field(text, STAT_EXIT_CODE));
	/* The pid is that of our process only as long as that is there. */
	if (process_end_pid(pidfd) != pid)
		return -EAGAIN;
	decode(status, ret_end);
	return 0;
}

/* What the kernel keeps of one whose status was taken. */
static bool read_info(int pidfd, struct segment_end *ret_end)
{
	struct pidfd_info_exit info = {.mask = INFO_EXIT};

	if (ioctl(pidfd, INFO_IOCTL, &info) != 0 || (info.mask & INFO_EXIT) == 0)
		return false;
	decode(info.exit_code, ret_end);
	return true;
}

int process_end_read(int pidfd, int32_t pid, struct segment_end *ret_end)
{
	if (read_info(pidfd, ret_end) || read_zombie(pidfd, pid, ret_end) == 0)
		return 0;
	if (process_end_pid(pidfd) != 0)
		return -EAGAIN;
	/* Its status was taken just now, or this kernel does not keep it. */
	return read_info(pidfd, ret_end) ? 0 : -ENODATA;
}
