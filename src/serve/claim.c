/* SPDX-License-Identifier: Apache-2.0 */
#include "claim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The pid that the holder wrote; 0: none yet. */
static int holder(int fd)
{
	char text[16] = "";
	ssize_t length = pread(fd, text, sizeof(text) - 1, 0);

	return length > 0 ? atoi(text) : 0;
}

static int claim(int fd, const char *directory, struct text *error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		int reason = errno, pid = holder(fd);

		if (reason != EAGAIN && reason != EACCES)
			return -reason;
		text_addf(error,
		          "another server (pid %d) serves %s; stop it, or choose another "
		          "directory with MESHTALLY_DIR",
		          pid, directory);
		return -EAGAIN;
	}
	/* For the sentence above; nothing depends on it. */
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)length, 0) != length)
		return 0;
	return 0;
}

int claim_directory(const char *directory, struct text *error)
{
	char path[PATH_MAX];
	int fd, result;

	snprintf(path, sizeof(path), "%s/.server.lock", directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	result = fd < 0 ? -errno : claim(fd, directory, error);
	if (result == 0)
		return fd;
	if (error->length == 0)
		text_addf(error, "cannot lock %s: %s", path, strerror(-result));
	if (fd >= 0)
		close(fd);
	return result;
}
