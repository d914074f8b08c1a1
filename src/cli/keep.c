/* SPDX-License-Identifier: Apache-2.0 */
#include "keep.h"

#include "reader.h"
#include "safe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int keep_one(int fd, const char *path, size_t *kept)
{
	struct segment_reject reject = {.path = "", .reason = ""};
	struct segment_image *image;
	int error = segment_image_take(path, &image, &reject);

	if (error != 0)
		return 0; /* gone, or not readable: the others are still worth keeping */
	error = segment_image_write(image, fd);
	segment_image_destroy(image);
	*kept += error == 0;
	return error;
}

static void say(struct text *error, const char *what, const char *file, int number)
{
	text_addf(error, "%s '", what);
	safe_terminal(error, file);
	text_addf(error, "': %s", strerror(number));
}

int keep_segments(const char *file, char *const *paths, size_t count, size_t *ret_kept,
                  struct text *error)
{
	struct text beside = {0};
	size_t kept = 0;
	int result = 0, fd;

	text_addf(&beside, "%s.%ld", file, (long)getpid());
	fd = open(beside.bytes, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		result = -errno;
		say(error, "cannot write", beside.bytes, errno);
		text_finish(&beside);
		return result;
	}
	for (size_t i = 0; i < count && result == 0; i++)
		result = keep_one(fd, paths[i], &kept);
	if (close(fd) != 0 && result == 0)
		result = -errno;
	if (result == 0 && rename(beside.bytes, file) != 0)
		result = -errno;
	if (result != 0) {
		say(error, "cannot write", file, -result);
		unlink(beside.bytes);
	}
	text_finish(&beside);
	*ret_kept = kept;
	return result;
}
