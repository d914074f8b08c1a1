/* SPDX-License-Identifier: Apache-2.0 */
/* Opening what may be anything, and reading from it what its header says may be there. */
#include "reader_copy.h"

#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* All counted data of one segment. */
#define BYTES_MAX (4ull << 30)

int reject(struct segment_reject *ret_reject, int error, const char *path, const char *format, ...)
{
	va_list arguments;

	if (!ret_reject)
		return error;
	snprintf(ret_reject->path, sizeof ret_reject->path, "%s", path);
	va_start(arguments, format);
	vsnprintf(ret_reject->reason, sizeof ret_reject->reason, format, arguments);
	va_end(arguments);
	return error;
}

static const char *file_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFDIR:
		return "a directory";
	case S_IFCHR:
	case S_IFBLK:
		return "a device node";
	case S_IFLNK:
		return "a symbolic link";
	}
	return "something else";
}

int source_open(const char *path, uid_t owner, struct segment_reject *ret_reject)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		int error = errno;

		if (error == ELOOP)
			return reject(ret_reject, -error, path, "a symbolic link, not a file");
		return reject(ret_reject, -error, path, "cannot be opened: %s", strerror(error));
	}
	if (fstat(fd, &st) < 0) {
		close(fd);
		return reject(ret_reject, -EIO, path, "cannot be examined");
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return reject(ret_reject, -EINVAL, path, "%s, not a file", file_type(st.st_mode));
	}
	if (owner != (uid_t)-1 && st.st_uid != owner) {
		close(fd);
		return reject(ret_reject, -EPERM, path, "belongs to uid %u, not to uid %u",
		              (unsigned)st.st_uid, (unsigned)owner);
	}
	return fd;
}

static size_t read_some(int fd, void *to, uint64_t offset, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		ssize_t n = pread(fd, (char *)to + done, bytes - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

void source_read(int fd, void *to, uint64_t offset, size_t bytes)
{
	size_t done = read_some(fd, to, offset, bytes);

	memset((char *)to + done, 0, bytes - done);
}

void source_read_sparse(int fd, void *to, uint64_t offset, uint64_t bytes)
{
	uint64_t at = offset, end = offset + bytes;

	while (at < end) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

		if (data < 0 && errno == ENXIO)
			return;
		if (data < 0)
			data = (off_t)at;
		if ((uint64_t)data >= end)
			return;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole <= data || (uint64_t)hole > end)
			hole = (off_t)end;
		if (read_some(fd, (char *)to + ((uint64_t)data - offset), (uint64_t)data,
		              (size_t)(hole - data)) < (size_t)(hole - data))
			return;
		at = (uint64_t)hole;
	}
}

uint64_t source_bytes(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : (uint64_t)st.st_size;
}

/* What a region may hold at most, and the size of its elements in this version. */
static const struct {
	const char *name;
	uint32_t element_bytes, limit;
} known[REGION_LIMIT] = {
	[REGION_DEVICES] = {"devices", sizeof(struct segment_device), SEGMENT_MAX_DEVICES},
	[REGION_SPACES] = {"spaces", sizeof(struct segment_space), SEGMENT_MAX_SPACES},
	[REGION_STRINGS] = {"strings", 1, 1u << 30},
	[REGION_TAGS] = {"tags", sizeof(struct segment_tag), SEGMENT_MAX_TAGS},
	[REGION_ROWS] = {"rows", sizeof(struct segment_row), SEGMENT_MAX_ROWS + 1},
	[REGION_COUNTERS] = {"counters", sizeof(struct segment_counters), SEGMENT_MAX_KINDS},
	[REGION_FAULTS] = {"faults", sizeof(struct segment_fault), SEGMENT_MAX_FAULTS},
	[REGION_FRAMES] = {"frames", sizeof(struct segment_frame), SEGMENT_MAX_FRAMES},
	[REGION_FAILURES] = {"failures", sizeof(struct segment_failure), SEGMENT_MAX_FAILURES},
	[REGION_MARKS] = {"marks", sizeof(struct segment_mark), SEGMENT_MAX_MARKS},
	[REGION_PROGRAMS] = {"programs", sizeof(struct segment_program), SEGMENT_MAX_PROGRAMS},
	[REGION_BLOCKS] = {"blocks", COPY_UNIT, (1u << 30) / COPY_UNIT},
	[REGION_RING] = {"ring", sizeof(struct segment_event), 1u << 24},
	[REGION_BITMAP] = {"bitmap", sizeof(uint64_t), SEGMENT_MAX_SLOTS / 64},
	[REGION_SLOTS] = {"slots", sizeof(struct segment_slot), SEGMENT_MAX_SLOTS},
	[REGION_DETAILS] = {"details", sizeof(struct segment_detail), SEGMENT_MAX_SLOTS},
};

static int region_check(const struct segment_region *region, uint32_t id, const char *path,
                        struct segment_reject *ret_reject, uint64_t *total)
{
	uint64_t bytes = (uint64_t)region->count * region->element_bytes;

	if (region->count == 0)
		return 0;
	if (region->element_bytes != known[id].element_bytes)
		return reject(ret_reject, -EINVAL, path, "corrupt: elements of %u bytes in %s",
		              region->element_bytes, known[id].name);
	if (region->count > known[id].limit || bytes > region->capacity_bytes)
		return reject(ret_reject, -EINVAL, path, "corrupt: %u elements in %s",
		              region->count, known[id].name);
	if (region->offset % 4096 || region->offset < sizeof(struct segment_header) ||
	    region->offset > 1ull << 50)
		return reject(ret_reject, -EINVAL, path, "corrupt: %s at offset %llu",
		              known[id].name, (unsigned long long)region->offset);
	*total += bytes;
	return 0;
}

uint64_t header_file_bytes(const struct segment_header *header)
{
	uint64_t end = sizeof *header;
	uint32_t i;

	for (i = 0; i < REGION_LIMIT; i++) {
		const struct segment_region *region = &header->regions[i];
		uint64_t ends;

		if (__builtin_add_overflow(region->offset, region->capacity_bytes, &ends))
			return UINT64_MAX;
		end = ends > end ? ends : end;
	}
	return end;
}

/* A segment has its full size before it has its name: a smaller file is part of one. */
static int reject_cut(const struct segment_header *header, uint64_t file_bytes, const char *path,
                      struct segment_reject *ret_reject)
{
	char has[UNITS_SIZE], wants[UNITS_SIZE];

	units_count(&has, file_bytes);
	if (file_bytes < sizeof *header)
		return reject(ret_reject, -EINVAL, path, "cut off: %s bytes, not even a header",
		              has);
	return reject(ret_reject, -EINVAL, path, "cut off: %s bytes of %s", has,
	              units_count(&wants, header_file_bytes(header)));
}

int header_check(const struct segment_header *header, uint64_t file_bytes, const char *path,
                 struct segment_reject *ret_reject)
{
	uint64_t total = 0;
	uint32_t i;
	int error = 0;

	if (header->magic != SEGMENT_MAGIC)
		return reject(ret_reject, -EINVAL, path, "not a segment: bad magic");
	if (header->version != SEGMENT_VERSION)
		return reject(ret_reject, -EPROTONOSUPPORT, path,
		              "segment format version %u; this program reads version %u",
		              header->version, SEGMENT_VERSION);
	if (header->incompat != SEGMENT_INCOMPAT_NONE)
		return reject(ret_reject, -EPROTONOSUPPORT, path,
		              "uses features that this program does not know (0x%llx)",
		              (unsigned long long)header->incompat);
	if (file_bytes < sizeof *header)
		return reject_cut(header, file_bytes, path, ret_reject);
	if (header->header_bytes != sizeof *header || header->region_count < REGION_LIMIT ||
	    header->region_count > 1024 / sizeof(struct segment_region))
		return reject(ret_reject, -EINVAL, path, "corrupt: header of %u bytes, %u regions",
		              header->header_bytes, header->region_count);
	for (i = 0; i < REGION_LIMIT && !error; i++)
		error = region_check(&header->regions[i], i, path, ret_reject, &total);
	if (!error && total > BYTES_MAX)
		error = reject(ret_reject, -EFBIG, path, "corrupt: says it has %llu MiB of data",
		               (unsigned long long)(total >> 20));
	if (!error && file_bytes < header_file_bytes(header))
		error = reject_cut(header, file_bytes, path, ret_reject);
	return error;
}
