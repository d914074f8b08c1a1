/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 1024, LOCK_TRIES = 100 };

static int address_of(const char *path, struct sockaddr_un *ret, struct text *error)
{
	size_t length = strlen(path);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (length == 0 || length >= sizeof(ret->sun_path)) {
		text_addf(
			error,
			"the path of a socket has 1 to %zu bytes, not %zu; take a shorter one: %s",
			sizeof(ret->sun_path) - 1, length, path);
		return -ENAMETOOLONG;
	}
	memcpy(ret->sun_path, path, length);
	return 0;
}

/* Two servers that start at once must not take each other's new socket for a stale one. The lock
 * is on the directory, so that nothing is left lying there; whoever cannot have it goes on. */
static int directory_lock(const char *path)
{
	char directory[sizeof(((struct listener *)0)->path)];
	char *slash;
	int fd;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash == NULL)
		snprintf(directory, sizeof(directory), ".");
	else
		slash[slash == directory] = '\0';
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	return fd;
}

/* What is at the path: 0 nothing or a stale socket, which is removed. */
static int clear_path(const char *path, const struct sockaddr_un *address, struct text *error)
{
	struct stat st;
	int fd, reason;

	if (lstat(path, &st) != 0)
		return 0; /* if there is more to it, bind() says so */
	if (!S_ISSOCK(st.st_mode)) {
		text_addf(error,
		          "%s is there and not a socket; it stays untouched: remove it, or "
		          "take another path",
		          path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	reason = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ? 0 : errno;
	close(fd);
	if (reason == ENOENT)
		return 0;
	if (reason == ECONNREFUSED) {
		if (unlink(path) == 0 || errno == ENOENT)
			return 0;
		reason = errno;
		text_addf(error, "%s was left by a server that is gone, and cannot be removed: %s",
		          path, strerror(reason));
		return -reason;
	}
	if (reason == EACCES || reason == EPERM) {
		text_addf(error, "the socket %s belongs to another user; take another path", path);
		return -reason;
	}
	return -EADDRINUSE; /* EAGAIN: somebody listens, and is busy */
}

/* Of the socket itself, whatever has been put in its place by then. */
static int set_mode(const char *path, mode_t mode)
{
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC), error;
	struct stat st;
	char same[32];

	if (fd < 0)
		return -errno;
	snprintf(same, sizeof(same), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid())
		error = chmod(same, mode) != 0 ? -errno : 0;
	else
		error = -EPERM;
	close(fd);
	return error;
}

static int bind_listen(struct listener *listener, const struct sockaddr_un *address, mode_t mode)
{
	mode_t mask = umask(0777);
	struct stat st;
	int error = 0;

	if (bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		error = -errno;
	umask(mask);
	if (error != 0)
		return error;
	if (lstat(listener->path, &st) != 0)
		return -errno;
	listener->device = st.st_dev;
	listener->inode = st.st_ino;
	/* Nobody connects before both are done. */
	if (listen(listener->fd, BACKLOG) != 0)
		return -errno;
	return set_mode(listener->path, mode);
}

int listener_open(struct listener *ret, const char *path, mode_t mode, struct text *error)
{
	struct listener listener = {.fd = -1};
	struct sockaddr_un address;
	int lock, result = address_of(path, &address, error);

	if (result != 0)
		return result;
	snprintf(listener.path, sizeof(listener.path), "%s", path);
	listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener.fd < 0)
		return -errno;
	lock = directory_lock(path);
	result = clear_path(path, &address, error);
	if (result == 0)
		result = bind_listen(&listener, &address, mode);
	if (lock >= 0)
		close(lock);
	if (result == 0) {
		*ret = listener;
		return 0;
	}
	if (error->length == 0 && result == -EADDRINUSE)
		text_addf(error, "another server listens on %s", path);
	else if (error->length == 0)
		text_addf(error, "cannot make the socket %s: %s", path, strerror(-result));
	listener_close(&listener);
	return result;
}

void listener_close(struct listener *listener)
{
	struct stat st;

	if (listener->inode != 0 && lstat(listener->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_dev == listener->device && st.st_ino == listener->inode)
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
	*listener = (struct listener){.fd = -1};
}
