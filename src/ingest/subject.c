/* SPDX-License-Identifier: Apache-2.0 */
#include "subject.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

enum {
	DEPTH_LIMIT = 64,    /* generations between a peer and who it speaks for */
	FAMILY_LIMIT = 1024, /* processes looked at below a peer in another pid namespace */
	FIRST_LOOKS = 1024,  /* of a peer, unless it is told otherwise */
	ENVIRONMENT_LIMIT = 2 << 20,
	STATUS_BYTES = 8192
};

/* Fields of /proc/PID/stat. */
struct stat_fields {
	char state;
	int32_t parent;
	uint64_t start_ticks;
};

static ssize_t read_proc(int32_t pid, const char *name, char *bytes, size_t size)
{
	char path[64];
	ssize_t got, length = 0;
	int fd;

	snprintf(path, sizeof path, "/proc/%" PRId32 "/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((size_t)length < size - 1 &&
	       (got = read(fd, bytes + length, size - 1 - (size_t)length)) > 0)
		length += got;
	close(fd);
	bytes[length] = '\0';
	return length;
}

static int read_stat(int32_t pid, struct stat_fields *ret_fields)
{
	char text[1024], *at;
	ssize_t length = read_proc(pid, "stat", text, sizeof text);

	if (length < 0)
		return length == -ENOENT ? -ESRCH : (int)length;
	at = length > 0 ? strrchr(text, ')') : NULL; /* the name before it may hold anything */
	if (at == NULL ||
	    sscanf(at + 1,
	           " %c %" SCNd32 " %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
	           "%*d %*d %*d %" SCNu64,
	           &ret_fields->state, &ret_fields->parent, &ret_fields->start_ticks) != 3)
		return -ESRCH;
	return 0;
}

/* The last number of NSpid: what a process has for its own pid. 0: not known. */
static int32_t own_pid(int32_t pid)
{
	char text[STATUS_BYTES];
	ssize_t length = read_proc(pid, "status", text, sizeof text);
	char *line = length > 0 ? strstr(text, "\nNSpid:") : NULL, *end, *last;

	if (line == NULL)
		return 0;
	end = strchr(line + 1, '\n');
	if (end != NULL)
		*end = '\0';
	last = strrchr(line + 1, '\t');
	return last != NULL ? (int32_t)strtol(last + 1, NULL, 10) : 0;
}

static bool real_uid(int32_t pid, uint32_t *ret_uid)
{
	char text[STATUS_BYTES];
	ssize_t length = read_proc(pid, "status", text, sizeof text);
	char *line = length > 0 ? strstr(text, "\nUid:") : NULL;

	return line != NULL && sscanf(line + 5, "%" SCNu32, ret_uid) == 1;
}

static uint64_t own_pid_ns(void)
{
	struct stat status;

	return stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

/* 0: not for us to see. */
static uint64_t pid_ns_of(int32_t pid)
{
	struct stat status;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/ns/pid", (int)pid);
	return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* Whether the process still runs; a zombie does not, though threads beside its first may. */
static bool pidfd_runs(int pidfd)
{
	struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
	int got;

	do {
		got = poll(&poll_fd, 1, 0);
	} while (got < 0 && errno == EINTR);
	return got == 0;
}

static int open_pidfd(int32_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* --- descent ----------------------------------------------------------------------------- */

static bool may_look(struct subject_peer *peer)
{
	if (peer->looks == 0)
		return false;
	peer->looks--;
	return true;
}

/* Whether the peer is among the ancestors of pid, which began at start_ticks. A parent is older
 * than its child: what is younger only has a parent's number. */
static bool descends(struct subject_peer *peer, int32_t pid, uint64_t start_ticks)
{
	const struct segment_process *top = &peer->self.who.process;
	struct stat_fields fields;

	for (int depth = 0; depth < DEPTH_LIMIT; depth++) {
		if (pid == top->pid)
			return start_ticks == top->start_ticks;
		if (!may_look(peer) || read_stat(pid, &fields) != 0 ||
		    fields.start_ticks != start_ticks)
			return false;
		pid = fields.parent;
		if (pid <= 0 || read_stat(pid, &fields) != 0 || fields.start_ticks > start_ticks)
			return false;
		start_ticks = fields.start_ticks;
	}
	return false;
}

struct family {
	int32_t members[FAMILY_LIMIT];
	uint32_t count;
};

static void add_children(struct family *family, int32_t pid, const char *thread)
{
	char name[64], text[STATUS_BYTES], *at = text, *end;
	ssize_t length;

	snprintf(name, sizeof name, "task/%.20s/children", thread);
	length = read_proc(pid, name, text, sizeof text);
	while (length > 0 && family->count < FAMILY_LIMIT) {
		long child = strtol(at, &end, 10);

		if (end == at || *end == '\0')
			return; /* the end, or a number cut off */
		family->members[family->count++] = (int32_t)child;
		at = end;
	}
}

/* Adds the children of all threads of a process. */
static void add_family(struct family *family, int32_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof path, "/proc/%" PRId32 "/task", pid);
	dir = opendir(path);
	while (dir != NULL && family->count < FAMILY_LIMIT && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			add_children(family, pid, entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
}

/* Who below the peer calls itself by this number, in a pid namespace of its own; 0: nobody. */
static int32_t find_below(struct subject_peer *peer, int32_t number)
{
	struct family *family = calloc(1, sizeof *family);
	int32_t found = 0;

	if (family == NULL)
		return 0;
	family->members[family->count++] = peer->pid;
	for (uint32_t i = 0; i < family->count && found == 0 && may_look(peer); i++) {
		if (own_pid(family->members[i]) == number)
			found = family->members[i];
		else
			add_family(family, family->members[i]);
	}
	free(family);
	return found;
}

/* The process that the peer means by a number: in our own pid namespace, as it seems from here,
 * or else in its own. 0: neither itself nor descended from it. */
static int32_t find_meant(struct subject_peer *peer, int32_t number, uint64_t *ret_start)
{
	struct stat_fields fields;
	int32_t pid = number;

	if (!may_look(peer) || read_stat(pid, &fields) != 0 || own_pid(pid) != number ||
	    !descends(peer, pid, fields.start_ticks)) {
		pid = find_below(peer, number);
		if (pid == 0 || read_stat(pid, &fields) != 0 ||
		    !descends(peer, pid, fields.start_ticks))
			return 0;
	}
	*ret_start = fields.start_ticks;
	return pid;
}

/* --- what is known of it ----------------------------------------------------------------- */

static uint64_t hash_mask(uint64_t hash, const char *mask)
{
	for (; mask != NULL && *mask != '\0'; mask++) {
		if (*mask == ' ' || *mask == '\t')
			continue;
		hash = (hash ^ (uint8_t)*mask) * 0x100000001b3ull;
	}
	return (hash ^ 0x1ff) * 0x100000001b3ull;
}

uint64_t subject_ordinals(const char *visible_devices, const char *metal_visible_devices)
{
	bool all = (visible_devices == NULL || *visible_devices == '\0') &&
	           (metal_visible_devices == NULL || *metal_visible_devices == '\0');
	uint64_t hash =
		hash_mask(hash_mask(0xcbf29ce484222325ull, visible_devices), metal_visible_devices);

	if (all)
		return SUBJECT_ORDINALS_ALL;
	return hash != 0 && hash != SUBJECT_ORDINALS_ALL ? hash : 1;
}

static const char *variable(const char *environment, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	for (const char *at = environment; at < environment + length; at += strlen(at) + 1) {
		if (strncmp(at, name, name_length) == 0 && at[name_length] == '=')
			return at + name_length + 1;
	}
	return NULL;
}

/* In a container, ordinals count from what the container was given: equal masks mean the same only
 * inside of it. */
static uint64_t within_container(uint64_t ordinals, int32_t pid)
{
	uint64_t pid_ns = pid_ns_of(pid);

	if (pid_ns == 0 || pid_ns == own_pid_ns())
		return pid_ns == 0 ? 0 : ordinals;
	ordinals = (ordinals ^ pid_ns) * 0x100000001b3ull;
	return ordinals > SUBJECT_ORDINALS_ALL ? ordinals : ordinals + SUBJECT_ORDINALS_ALL + 1;
}

/* Readable only for processes that we may look into; as they were started, not as they changed it.
 */
static void describe_environment(struct subject *subject)
{
	static const char *const ranks[] = {"RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID"};
	char *text = calloc(1, ENVIRONMENT_LIMIT);
	ssize_t length = text != NULL ? read_proc(subject->who.process.pid, "environ", text,
	                                          ENVIRONMENT_LIMIT)
	                              : -ENOMEM;

	subject->who.rank = -1;
	/* Empty is also what the kernel's own threads and dying processes show. */
	if (length > 0 && length < ENVIRONMENT_LIMIT - 1) {
		size_t size = (size_t)length;

		subject->ordinals =
			subject_ordinals(variable(text, size, "TT_VISIBLE_DEVICES"),
		                         variable(text, size, "TT_METAL_VISIBLE_DEVICES"));
		subject->ordinals = within_container(subject->ordinals, subject->who.process.pid);
		for (size_t i = 0; i < sizeof ranks / sizeof *ranks && subject->who.rank < 0; i++) {
			const char *rank = variable(text, size, ranks[i]);

			if (rank != NULL && *rank >= '0' && *rank <= '9')
				subject->who.rank = atoi(rank);
		}
	}
	free(text);
}

static void describe_names(struct writer_subject *who)
{
	char comm[64] = ""; /* all of it: what follows the name is copied, too */
	ssize_t length = read_proc(who->process.pid, "comm", comm, sizeof comm);

	if (length > 0 && comm[length - 1] == '\n')
		comm[length - 1] = '\0';
	if (length > 0)
		memcpy(who->comm, comm, sizeof who->comm - 1);
	length =
		read_proc(who->process.pid, "cmdline", who->command_line, sizeof who->command_line);
	for (ssize_t i = 0; i + 1 < length; i++) {
		if (who->command_line[i] == '\0')
			who->command_line[i] = ' ';
	}
}

/* What it is for itself: a segment of its own has that for a name. */
static void describe_inside(struct writer_subject *who)
{
	uint64_t pid_ns = pid_ns_of(who->process.pid);

	if (pid_ns == 0 || pid_ns == who->process.pid_ns)
		return;
	who->inner_pid = own_pid(who->process.pid);
	who->inner_pid_ns = who->inner_pid > 0 ? pid_ns : 0;
}

/* Holds on to a process of this pid and start, and describes it. */
static int describe(int32_t pid, uint64_t start_ticks, struct subject *ret_subject)
{
	struct subject subject = {.pidfd = open_pidfd(pid)};
	struct segment_process *process = &subject.who.process;
	struct stat_fields fields;
	int error = subject.pidfd < 0 ? subject.pidfd : 0;

	if (error == -ENOSYS || error == -EPERM)
		error = 0; /* no such call here: do without */
	process->pid = pid;
	process->pid_ns = own_pid_ns();
	process->start_ticks = start_ticks;
	if (!error && !real_uid(pid, &process->uid))
		error = -ESRCH;
	if (!error) {
		describe_names(&subject.who);
		describe_inside(&subject.who);
		describe_environment(&subject);
		error = read_stat(pid, &fields);
	}
	/* All that was read is of one process; whether it has ended the pidfd says. */
	if (!error && fields.start_ticks != start_ticks)
		error = -ESRCH;
	if (error) {
		if (subject.pidfd >= 0)
			close(subject.pidfd);
		return error;
	}
	*ret_subject = subject;
	return 0;
}

/* --- the peer ---------------------------------------------------------------------------- */

/* A process that cannot be looked at: all that is known is its number. It ends for us with its
 * connection. */
static struct subject unseen(int32_t pid, uint32_t uid, uint64_t pid_ns)
{
	struct subject subject = {.pidfd = -1, .connection_only = true};

	subject.who.process = (struct segment_process){.pid = pid, .uid = uid, .pid_ns = pid_ns};
	subject.who.rank = -1;
	return subject;
}

/* Whether the process of this number is still the one that connected. */
static bool is_peer(int socket_fd, const struct subject *subject)
{
	socklen_t size = sizeof(int);
	bool same;
	int fd;

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) != 0)
		return errno != ESRCH &&
		       errno != EINVAL; /* or an older kernel, which cannot tell */
	same = pidfd_runs(fd) || (subject->pidfd >= 0 && !pidfd_runs(subject->pidfd));
	close(fd);
	return same;
}

int subject_peer_of(int socket_fd, struct subject_peer *ret_peer)
{
	struct subject_peer peer = {.looks = FIRST_LOOKS};
	struct stat_fields fields;
	struct ucred credentials;
	socklen_t size = sizeof credentials;
	int error = 0;

	if (getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return -errno;
	peer.pid = credentials.pid;
	peer.uid = credentials.uid;
	peer.self = unseen(peer.pid, peer.uid, peer.pid > 0 ? own_pid_ns() : 0);
	peer.own_pid = peer.pid;
	if (peer.pid > 0)
		error = read_stat(peer.pid, &fields);
	if (peer.pid > 0 && !error) {
		int32_t number = own_pid(peer.pid);

		error = describe(peer.pid, fields.start_ticks, &peer.self);
		peer.own_pid = number != 0 ? number : peer.pid;
		peer.elsewhere = peer.self.who.inner_pid_ns != 0 || peer.own_pid != peer.pid;
	}
	if (!error && !peer.self.connection_only && !is_peer(socket_fd, &peer.self)) {
		subject_finish(&peer.self);
		peer.self = unseen(peer.pid, peer.uid, own_pid_ns());
	}
	/* Not to be seen: it has ended, or /proc hides it. */
	if (error && error != -ESRCH && error != -EPERM && error != -EACCES)
		return error;
	*ret_peer = peer;
	return 0;
}

void subject_peer_finish(struct subject_peer *peer)
{
	subject_finish(&peer->self);
}

/* Of a number that means nobody who may be meant. In another pid namespace nothing but descent can
 * be seen, and who has ended is not the fault of who spoke for it. */
static int not_found(const struct subject_peer *peer, int32_t number)
{
	if (peer->looks == 0)
		return -EBUSY;
	if (peer->elsewhere || !subject_is_current(&peer->self))
		return -ESRCH;
	return kill(number, 0) != 0 && errno == ESRCH ? -ESRCH : -EPERM;
}

int subject_find(struct subject_peer *peer, int32_t message_pid, struct subject *ret_subject)
{
	uint64_t start_ticks = 0;
	int32_t pid;

	if (message_pid <= 0)
		return -EPERM;
	if (peer->pid <= 0) {
		*ret_subject = unseen(message_pid, peer->uid, 0);
		return 0;
	}
	if (message_pid == peer->own_pid)
		return subject_copy(&peer->self, ret_subject);
	if (peer->self.connection_only || !subject_is_current(&peer->self))
		return -ESRCH;
	pid = find_meant(peer, message_pid, &start_ticks);
	if (pid == 0)
		return not_found(peer, message_pid);
	return describe(pid, start_ticks, ret_subject);
}

int subject_of_process(const struct segment_process *process, struct subject *ret_subject)
{
	struct stat_fields fields;
	int error;

	if (process->pid <= 0 || process->pid_ns == 0 || process->pid_ns != own_pid_ns() ||
	    process->start_ticks == 0 || read_stat(process->pid, &fields) != 0 ||
	    fields.start_ticks != process->start_ticks)
		return -ESRCH;
	error = describe(process->pid, process->start_ticks, ret_subject);
	if (!error && !subject_is_current(ret_subject)) {
		subject_finish(ret_subject);
		error = -ESRCH;
	}
	return error;
}

int subject_copy(const struct subject *subject, struct subject *ret_copy)
{
	int fd = -1;

	if (subject->pidfd >= 0) {
		fd = fcntl(subject->pidfd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			return -errno;
	}
	*ret_copy = *subject;
	ret_copy->pidfd = fd;
	return 0;
}

void subject_finish(struct subject *subject)
{
	if (subject->pidfd >= 0)
		close(subject->pidfd);
	subject->pidfd = -1;
}

bool subject_is_current(const struct subject *subject)
{
	const struct segment_process *process = &subject->who.process;
	struct stat_fields fields;

	if (subject->connection_only)
		return true;
	if (subject->pidfd >= 0)
		return pidfd_runs(subject->pidfd);
	return read_stat(process->pid, &fields) == 0 &&
	       fields.start_ticks == process->start_ticks && fields.state != 'Z' &&
	       fields.state != 'X';
}

bool subject_same(const struct subject *a, const struct subject *b)
{
	const struct segment_process *x = &a->who.process, *y = &b->who.process;

	return !a->connection_only && !b->connection_only && x->pid == y->pid &&
	       x->pid_ns == y->pid_ns && x->start_ticks == y->start_ticks;
}
