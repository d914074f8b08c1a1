/* SPDX-License-Identifier: Apache-2.0 */
#include "segment_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

volatile int segment_file_birth_fd = -1;

enum {
	PAGE = 4096,
	HEADROOM_STEP = 1 << 20,
	REAP_FILES = 32,
	REAP_AT_ONCE = 16,
	REAP_LOOK = 512,
	REAP_HIDDEN_S = 60
};
#define REAP_BYTES (64ull << 20)

void *private_map(size_t bytes)
{
	int saved = errno;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED) {
		madvise(p, bytes, MADV_WIPEONFORK);
		madvise(p, bytes, MADV_DONTDUMP);
	}
	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

void private_unmap(void *address, size_t bytes)
{
	if (address)
		munmap(address, bytes);
}

/* Makes a directory of this user's, or accepts one that is. Refuses what another user put there. */
static int directory_make(const char *path, mode_t mode)
{
	struct stat st;

	if (mkdir(path, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return st.st_uid == geteuid() ? 0 : -EPERM;
}

int segment_file_directory(char *ret_path, size_t size)
{
	const char *chosen = getenv("MESHTALLY_DIR");
	struct stat st;
	int length;

	if (chosen && *chosen) {
		length = snprintf(ret_path, size, "%s", chosen);
		if (length < 0 || (size_t)length >= size)
			return -ENAMETOOLONG;
		if (mkdir(ret_path, 0700) < 0 && errno != EEXIST)
			return -errno;
		return 0;
	}
	if (stat("/run/meshtally", &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(ret_path, size, "/run/meshtally/%u", (unsigned)geteuid());
		if (directory_make(ret_path, 0770) == 0)
			return 0;
	}
	snprintf(ret_path, size, "/dev/shm/meshtally-%u", (unsigned)geteuid());
	return directory_make(ret_path, 0700);
}

/* The address space of this process is what holds this lock: see segment-format.md 1.2. */
static int file_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

static int file_open(struct segment_file *file, pid_t pid, uint64_t identity, char *ret_hidden,
                     size_t size)
{
	char directory[256];
	int fd, error = segment_file_directory(directory, sizeof directory);

	if (error)
		return error;
	/* A server, which writes many, removes the dead as they die. */
	if (pid == getpid())
		segment_file_reap(directory);
	snprintf(file->path, sizeof file->path, "%s/%d-%016llx" SEGMENT_SUFFIX, directory, (int)pid,
	         (unsigned long long)identity);
	snprintf(ret_hidden, size, "%s/.%d-%016llx" SEGMENT_SUFFIX, directory, (int)pid,
	         (unsigned long long)identity);
	fd = open(ret_hidden, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	return fd < 0 ? -errno : fd;
}

static void hidden_name(const struct segment_file *file, char *ret, size_t size)
{
	const char *slash = strrchr(file->path, '/');

	snprintf(ret, size, "%.*s/.%s", (int)(slash - file->path), file->path, slash + 1);
}

int segment_file_create(struct segment_file *file, pid_t pid, uint64_t identity,
                        uint64_t size_bytes, uint64_t cap_bytes)
{
	char hidden[320];
	struct rlimit limit;
	int fd, error = 0;

	memset(file, 0, sizeof *file);
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size_bytes)
		return -EFBIG;
	fd = file_open(file, pid, identity, hidden, sizeof hidden);
	if (fd < 0)
		return fd;
	segment_file_birth_fd = fd;
	if (ftruncate(fd, (off_t)size_bytes) < 0) {
		error = -errno;
		goto out;
	}
	file->base = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file->base == MAP_FAILED) {
		error = -errno;
		file->base = NULL;
		goto out;
	}
	file->size_bytes = size_bytes;
	file->cap_bytes = cap_bytes;
	if (madvise(file->base, size_bytes, MADV_DONTFORK) < 0)
		error = -errno;
	madvise(file->base, size_bytes, MADV_DONTDUMP);
	if (!error)
		error = file_lock(fd);
out:
	close(fd);
	segment_file_birth_fd = -1;
	if (error) {
		unlink(hidden);
		segment_file_unmap(file);
	}
	return error;
}

int segment_file_publish(struct segment_file *file)
{
	char hidden[330];

	hidden_name(file, hidden, sizeof hidden);
	if (rename(hidden, file->path) == 0)
		return 0;
	return -errno;
}

void segment_file_unlink(struct segment_file *file)
{
	char hidden[330];

	if (!file->path[0])
		return;
	if (unlink(file->path) < 0) {
		hidden_name(file, hidden, sizeof hidden);
		unlink(hidden);
	}
}

void segment_file_abandon(struct segment_file *file)
{
	char hidden[330];

	hidden_name(file, hidden, sizeof hidden);
	unlink(hidden);
}

void segment_file_unmap(struct segment_file *file)
{
	if (file->base)
		munmap(file->base, file->size_bytes);
	file->base = NULL;
}

static bool read_number(const char *path, uint64_t *ret)
{
	char text[64];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = 0;
	if (text[0] < '0' || text[0] > '9') /* "max" */
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

/* Headroom of one cgroup, of version 2 or 1, from its "limit" and "usage" files. */
static bool group_allows(const char *root, const char *group, const char *limit_name,
                         const char *usage_name, uint64_t bytes)
{
	char path[PATH_MAX];
	uint64_t limit, usage;

	snprintf(path, sizeof path, "%s%s/%s", root, group, limit_name);
	if (!read_number(path, &limit))
		return true;
	snprintf(path, sizeof path, "%s%s/%s", root, group, usage_name);
	if (!read_number(path, &usage))
		return true;
	return limit > usage && limit - usage > bytes;
}

/* A limit may be set on any of the groups above, too. Shortens `group`. */
static bool groups_allow(const char *root, char *group, const char *limit_name,
                         const char *usage_name, uint64_t bytes)
{
	char *slash;

	while (group_allows(root, group, limit_name, usage_name, bytes)) {
		slash = strrchr(group, '/');
		if (!slash || !*group)
			return true;
		*slash = 0;
	}
	return false;
}

/* Asks the memory cgroup of this process, because populating at its limit means the OOM killer. */
static bool cgroup_allows(uint64_t bytes)
{
	char text[2048], *line, *next;
	int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	ssize_t n;
	bool allowed = true;

	if (fd < 0)
		return true;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	for (line = text; allowed && line && *line; line = next) {
		char *group = strchr(line, ':');
		char *path = group ? strchr(group + 1, ':') : NULL;

		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (!path)
			continue;
		*path++ = 0;
		if (strcmp(group, ":") == 0)
			allowed = groups_allow("/sys/fs/cgroup", path, "memory.max",
			                       "memory.current", bytes);
		else if (strcmp(group, ":memory") == 0)
			allowed =
				groups_allow("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes",
			                     "memory.usage_in_bytes", bytes);
	}
	return allowed;
}

bool segment_memory_allows(uint64_t bytes)
{
	int saved = errno, cancel;
	bool allowed;

	/* A thread that is cancelled in open() would take the writer's lock with it. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	allowed = cgroup_allows(bytes + 2 * HEADROOM_STEP);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return allowed;
}

/* Growth comes here without the writer's lock: the two figures are atomic, and either order of two
 * threads is fine. */
static int populate(struct segment_file *file, uint64_t offset, uint64_t bytes)
{
	uint64_t start = offset / PAGE * PAGE;
	uint64_t end = (offset + bytes + PAGE - 1) / PAGE * PAGE;
	uint64_t after = __atomic_load_n(&file->populated_bytes, __ATOMIC_RELAXED) + end - start;
	uint64_t checked = __atomic_load_n(&file->headroom_checked_bytes, __ATOMIC_RELAXED);
	int tries;

	if (end > file->size_bytes || after > file->cap_bytes)
		return -ENOSPC;
	if (checked == 0 || after >= checked + HEADROOM_STEP) {
		if (!segment_memory_allows(end - start))
			return -ENOSPC;
		__atomic_store_n(&file->headroom_checked_bytes, after - (end - start) + 1,
		                 __ATOMIC_RELAXED);
	}
	for (tries = 0; tries < 4; tries++) {
		if (madvise(file->base + start, end - start, MADV_POPULATE_WRITE) == 0) {
			__atomic_fetch_add(&file->populated_bytes, end - start, __ATOMIC_RELAXED);
			return 0;
		}
		if (errno != EINTR && errno != EAGAIN)
			break;
	}
	return -ENOSPC;
}

/* Comes in the midst of allocations: errno is the program's. */
int segment_file_populate(struct segment_file *file, uint64_t offset, uint64_t bytes)
{
	int saved = errno, error = populate(file, offset, bytes);

	errno = saved;
	return error;
}

void segment_file_release(struct segment_file *file, uint64_t offset, uint64_t bytes)
{
	int saved = errno;

	madvise(file->base + offset, bytes, MADV_REMOVE);
	errno = saved;
}

int segment_file_give_back(struct segment_file *file, uint64_t offset, uint64_t bytes)
{
	int saved = errno, error = 0;

	if (madvise(file->base + offset, bytes, MADV_REMOVE) < 0)
		error = -errno;
	if (!error) {
		__atomic_fetch_sub(&file->populated_bytes, bytes, __ATOMIC_RELAXED);
		/* Others may have taken it by then: the next growth asks again. */
		__atomic_store_n(&file->headroom_checked_bytes, 0, __ATOMIC_RELAXED);
	}
	errno = saved;
	return error;
}

static int write_all(int fd, const uint8_t *from, uint64_t bytes, uint64_t offset)
{
	while (bytes) {
		ssize_t n = pwrite(fd, from, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		from += n;
		offset += (uint64_t)n;
		bytes -= (uint64_t)n;
	}
	return 0;
}

/* Regions with holes, which must not be touched in the mapping: it would take memory for them. */
static bool is_holey(uint32_t region)
{
	return region == REGION_COUNTERS || region == REGION_SLOTS || region == REGION_DETAILS;
}

/* Where data begins at or after an offset, and ends; false: nowhere before `end`. */
static bool extent_find(int fd, uint64_t at, uint64_t end, uint64_t *ret_start, uint64_t *ret_end)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA), hole;

	if (data < 0 || (uint64_t)data >= end)
		return false;
	hole = lseek(fd, data, SEEK_HOLE);
	*ret_start = (uint64_t)data;
	*ret_end = hole > data && (uint64_t)hole < end ? (uint64_t)hole : end;
	return true;
}

/* Copies what is in use, as the counts of the regions say; holes stay holes. */
static int copy_regions(const struct segment_file *file, int in, int out)
{
	const struct segment_header *header = (const void *)file->base;
	int error = write_all(out, file->base, sizeof *header, 0);

	for (uint32_t i = 0; !error && i < REGION_LIMIT; i++) {
		const struct segment_region *region = &header->regions[i];
		uint64_t at = region->offset, stop;
		uint64_t end = at + (uint64_t)region->count * region->element_bytes;

		if (!is_holey(i))
			error = write_all(out, file->base + at, end - at, at);
		for (; !error && is_holey(i) && extent_find(in, at, end, &at, &stop); at = stop)
			error = write_all(out, file->base + at, stop - at, at);
	}
	return error;
}

int segment_file_copy(const struct segment_file *file, const char *path)
{
	char part[PATH_MAX];
	struct rlimit limit;
	int error, in, out;

	if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
		return -ENAMETOOLONG;
	/* Beyond this limit a write is a signal. */
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < file->size_bytes)
		return -EFBIG;
	in = open(file->path, O_RDONLY | O_CLOEXEC);
	if (in < 0)
		return -errno;
	out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (out < 0) {
		error = -errno;
		close(in);
		return error;
	}
	error = copy_regions(file, in, out);
	if (!error && ftruncate(out, (off_t)file->size_bytes) < 0)
		error = -errno;
	if (close(out) < 0 && !error)
		error = -errno;
	if (!error && rename(part, path) < 0)
		error = -errno;
	if (error)
		unlink(part);
	close(in);
	return error;
}

struct dead_segment {
	char name[64];
	int64_t modified_s;
	uint64_t bytes;
};

struct reap {
	struct dead_segment dead[REAP_LOOK];
	size_t count;
};

/* A proxy whose writer is gone, but not its subject as far as can be seen: the next server takes it
 * over. */
static bool is_orphan(int fd)
{
	struct segment_header header;
	struct stat st;

	if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
	    header.magic != SEGMENT_MAGIC || !(header.compat & SEGMENT_COMPAT_PROXY) ||
	    header.state & SEGMENT_STATE_DEAD)
		return false;
	return header.subject.pid <= 0 || stat("/proc/self/ns/pid", &st) != 0 ||
	       st.st_ino != header.subject.pid_ns || kill(header.subject.pid, 0) == 0 ||
	       errno != ESRCH;
}

/* A segment of this user's whose lock nobody holds. */
static bool is_dead(int directory, const char *name, struct stat *ret_stat)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	bool dead = false;

	if (fd < 0)
		return false;
	if (fstat(fd, ret_stat) == 0 && S_ISREG(ret_stat->st_mode) &&
	    ret_stat->st_uid == geteuid() && fcntl(fd, F_OFD_GETLK, &lock) == 0)
		dead = lock.l_type == F_UNLCK && !is_orphan(fd);
	close(fd);
	return dead;
}

/* Notes a dead segment. One that died while it was born has a hidden name and goes at once, unless
 * it may be just about to take its lock. */
static void reap_look(struct reap *reap, int directory, const char *name)
{
	size_t length = strlen(name), suffix = strlen(SEGMENT_SUFFIX);
	struct dead_segment *dead = &reap->dead[reap->count];
	struct timespec now;
	struct stat st;

	if (length <= suffix || length >= sizeof dead->name || reap->count == REAP_LOOK ||
	    strcmp(name + length - suffix, SEGMENT_SUFFIX) != 0 || !is_dead(directory, name, &st))
		return;
	if (name[0] == '.') {
		clock_gettime(CLOCK_REALTIME, &now);
		if (now.tv_sec - st.st_mtim.tv_sec > REAP_HIDDEN_S)
			unlinkat(directory, name, 0);
		return;
	}
	memcpy(dead->name, name, length + 1);
	dead->modified_s = st.st_mtim.tv_sec;
	dead->bytes = (uint64_t)st.st_blocks * 512;
	reap->count++;
}

static int newest_first(const void *a, const void *b)
{
	const struct dead_segment *x = a, *y = b;

	return x->modified_s > y->modified_s ? -1 : x->modified_s < y->modified_s;
}

void segment_file_reap(const char *directory)
{
	DIR *dir = opendir(directory);
	struct reap *reap = private_map(sizeof *reap);
	struct dirent *entry;
	uint64_t bytes = 0;
	int removed = 0;

	while (dir && reap && (entry = readdir(dir)))
		reap_look(reap, dirfd(dir), entry->d_name);
	if (dir && reap)
		qsort(reap->dead, reap->count, sizeof *reap->dead, newest_first);
	for (size_t i = 0; dir && reap && i < reap->count && removed < REAP_AT_ONCE; i++) {
		bytes += reap->dead[i].bytes;
		if (i >= REAP_FILES || bytes > REAP_BYTES)
			removed += unlinkat(dirfd(dir), reap->dead[i].name, 0) == 0;
	}
	private_unmap(reap, sizeof *reap);
	if (dir)
		closedir(dir);
}
