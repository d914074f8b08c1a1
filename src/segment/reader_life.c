/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Liveness. The lock says whether the writer's address space is there; a look at the pid, in the
 * same pid namespace only, may turn "alive" into "dead" and never the other way round. See
 * docs/segment-format.md 1.2.
 */
#include "reader_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum pid_state { PID_UNKNOWN, PID_ALIVE, PID_DEAD };

enum { STATES_OF_AN_END = SEGMENT_STATE_STOPPED | SEGMENT_STATE_EXITING | SEGMENT_STATE_DEAD };

enum { EXITING_FLAG = 4 /* PF_EXITING of the kernel */ };

/* Fields of /proc/<pid>/stat, by their numbers in proc(5). */
struct pid_stat {
	char state;                       /* 3 */
	unsigned long flags;              /* 9 */
	long threads;                     /* 20 */
	unsigned long long start;         /* 22 */
	unsigned long long address_bytes; /* 23 */
};

static bool lock_is_held(int fd)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

static uint64_t own_pid_ns(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* Fields after the name, which ends with the last ')'. */
static int pid_stat_parse(const char *text, struct pid_stat *ret)
{
	const char *at = strrchr(text, ')');

	if (!at)
		return -EINVAL;
	if (sscanf(at + 1,
	           " %c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d "
	           "%llu %llu",
	           &ret->state, &ret->flags, &ret->threads, &ret->start, &ret->address_bytes) != 5)
		return -EINVAL;
	return 0;
}

static int pid_stat_read(int32_t pid, struct pid_stat *ret)
{
	char path[64], text[1024];
	ssize_t n;
	int fd, error;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof text - 1);
	error = n < 0 ? -errno : 0;
	close(fd);
	if (error)
		return error;
	text[n] = 0;
	return pid_stat_parse(text, ret);
}

/* A zombie with threads is a process whose first thread has ended and which runs on. */
static enum pid_state pid_look(const struct segment_process *process, struct pid_stat *ret_stat)
{
	int error;

	if (process->pid <= 0 || process->pid_ns == 0 || process->pid_ns != own_pid_ns())
		return PID_UNKNOWN;
	error = pid_stat_read(process->pid, ret_stat);
	/* /proc may hide those of other users, or not be there at all. */
	if (error == -ENOENT || error == -ESRCH)
		return kill(process->pid, 0) < 0 && errno == ESRCH ? PID_DEAD : PID_UNKNOWN;
	if (error)
		return PID_UNKNOWN;
	if (process->start_ticks && ret_stat->start != process->start_ticks)
		return PID_DEAD;
	if ((ret_stat->state == 'Z' || ret_stat->state == 'X') && ret_stat->threads <= 1)
		return PID_DEAD;
	return PID_ALIVE;
}

/* Of a subject whose end was seen by whoever watched it. What the program said itself comes first.
 */
enum view_life life_of_ended(const struct segment_header *header)
{
	if (header->state & SEGMENT_STATE_STOPPED)
		return LIFE_STOPPED;
	if (header->state & SEGMENT_STATE_EXITING || header->end.how == END_EXIT)
		return LIFE_ENDED;
	return LIFE_KILLED;
}

static enum view_life life_of_dead(const struct segment_header *header, enum pid_state pid,
                                   const struct pid_stat *stat)
{
	if (header->state & STATES_OF_AN_END)
		return life_of_ended(header);
	/* A process on its way out has no memory before it is seen as dead. */
	if (pid == PID_ALIVE && header->subject.start_ticks && stat->state != 'Z' &&
	    stat->address_bytes && !(stat->flags & EXITING_FLAG))
		return LIFE_EXEC;
	return LIFE_KILLED;
}

/* Of a segment that another process writes on behalf of its subject, the lock says nothing about
 * the subject. */
static enum view_life life_of_proxy(const struct segment_header *header, enum pid_state pid)
{
	if (header->state & STATES_OF_AN_END)
		return life_of_ended(header);
	return pid == PID_DEAD ? LIFE_KILLED : LIFE_ALIVE;
}

static enum view_life life_decide(const struct segment_header *header, bool locked,
                                  bool *ret_writer_gone)
{
	struct pid_stat stat = {0};
	enum pid_state pid = pid_look(&header->subject, &stat);

	*ret_writer_gone = !locked;
	if (header->compat & SEGMENT_COMPAT_PROXY)
		return life_of_proxy(header, pid);
	if (locked && pid != PID_DEAD)
		return LIFE_ALIVE;
	*ret_writer_gone = true;
	return life_of_dead(header, pid, &stat);
}

static enum view_life life_of_kept(const struct segment_header *header)
{
	return header->state & STATES_OF_AN_END ? life_of_ended(header) : LIFE_IMAGE;
}

/* The lock first: the marks that the writer left are final once it is free. */
void life_of_copy(struct reader_copy *copy, bool kept)
{
	bool locked = lock_is_held(copy->fd);

	source_read(copy->fd, &copy->header, 0, sizeof copy->header);
	copy->writer_gone = true;
	if (kept && !locked)
		copy->life = life_of_kept(&copy->header);
	else
		copy->life = life_decide(&copy->header, locked, &copy->writer_gone);
}

int segment_life(const char *path, enum view_life *ret_life, struct segment_process *ret_subject)
{
	struct segment_header header;
	bool locked, writer_gone;
	int error, fd = source_open(path, (uid_t)-1, NULL);

	if (fd < 0)
		return fd;
	locked = lock_is_held(fd);
	source_read(fd, &header, 0, sizeof header);
	error = header_check(&header, source_bytes(fd), path, NULL);
	if (!error) {
		*ret_life = life_decide(&header, locked, &writer_gone);
		if (ret_subject)
			*ret_subject = header.subject;
	}
	close(fd);
	return error;
}
