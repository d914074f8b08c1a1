/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a segment or a snapshot: views of them, and a streamed pass, as of a writer that is
 * gone and of one that is there. With libFuzzer (-DMESHTALLY_FUZZ=ON, clang) the fuzzer makes the
 * bytes; otherwise the arguments name files, or directories of them, that are tried.
 */
#include "reader.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* No region of a segment that is not refused ends later. */
#define WHOLE_BYTES (1ll << 62)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct pass {
	const struct segment_view *view;
	size_t seen;
};

static int begin(const struct segment_view *view, void *arg)
{
	((struct pass *)arg)->view = view;
	return 0;
}

/* Looks at all that a buffer refers to. */
static int found(const struct view_buffer *buffer, void *arg)
{
	struct pass *pass = arg;
	const struct view_space *space = &pass->view->spaces[buffer->space];

	pass->seen += strlen(buffer->site) + strlen(pass->view->tags[buffer->tag].path) +
	              strlen(pass->view->kind_names[buffer->kind]);
	for (uint32_t i = 0; buffer->member_bytes != NULL && i < space->member_count; i++)
		pass->seen += buffer->member_bytes[i] != 0;
	return 0;
}

static void stream(int fd)
{
	struct pass pass = {0};
	const struct segment_stream to = {begin, found, &pass};
	struct segment_reject why;
	uint64_t off_by;

	segment_stream_fd(fd, "fuzz", &to, &off_by, &why);
}

/* Takes the lock of a living writer; -1: could not. */
static int lock(int fd)
{
	struct flock held = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[64];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDWR | O_CLOEXEC);
	if (own >= 0)
		fcntl(own, F_OFD_SETLK, &held);
	return own;
}

static void stream_bytes(const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("segment", MFD_CLOEXEC), own;

	if (fd < 0)
		return;
	if (write(fd, bytes, size) == (ssize_t)size &&
	    (size < 8 || memcmp(bytes, "MESHTLY1", 8) != 0 || ftruncate(fd, WHOLE_BYTES) == 0)) {
		stream(fd);
		own = lock(fd);
		stream(fd);
		if (own >= 0)
			close(own);
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const enum view_depth depths[] = {VIEW_TOTALS, VIEW_BUFFERS};
	struct segment_reject why;

	for (int i = 0; i < 2; i++) {
		struct segment_view *view;

		if (segment_view_parse(bytes, size, depths[i], &view, &why) == 0)
			segment_view_destroy(view);
	}
	stream_bytes(bytes, size);
	return 0;
}
