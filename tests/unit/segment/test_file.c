/* SPDX-License-Identifier: Apache-2.0 */
/* The file under a segment: hidden until published, locked, capped, copied, reaped. */
#include "segment_file.h"

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIZE = 1 << 20, CAP = 256 << 10 };

static char directory[64];

static int setup(void **state)
{
	(void)state;
	snprintf(directory, sizeof directory, "/dev/shm/meshtally-file-XXXXXX");
	if (!mkdtemp(directory))
		return 1;
	return setenv("MESHTALLY_DIR", directory, 1);
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(directory);
}

static bool is_locked(const char *path)
{
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
	close(fd);
	return lock.l_type != F_UNLCK;
}

static void hidden_until_published(void **state)
{
	struct segment_file file;

	(void)state;
	assert_int_equal(segment_file_create(&file, getpid(), 0x1234, SIZE, CAP), 0);
	assert_int_equal(access(file.path, F_OK), -1);
	assert_non_null(strstr(file.path, "-0000000000001234.seg"));
	assert_int_equal(segment_file_publish(&file), 0);
	assert_int_equal(access(file.path, F_OK), 0);
	segment_file_unlink(&file);
	assert_int_equal(access(file.path, F_OK), -1);
	segment_file_unmap(&file);
}

static void locked_as_long_as_it_is_mapped(void **state)
{
	struct segment_file file;

	(void)state;
	assert_int_equal(segment_file_create(&file, getpid(), 1, SIZE, CAP), 0);
	assert_int_equal(segment_file_birth_fd, -1); /* no descriptor is left */
	assert_int_equal(segment_file_publish(&file), 0);
	assert_true(is_locked(file.path));
	assert_true(is_locked(file.path)); /* having asked does not undo it */
	segment_file_unmap(&file);
	assert_false(is_locked(file.path));
	segment_file_unlink(&file);
}

static void populates_up_to_the_cap(void **state)
{
	struct segment_file file;
	struct stat st;

	(void)state;
	errno = 7;
	assert_int_equal(segment_file_create(&file, getpid(), 2, SIZE, CAP), 0);
	assert_int_equal(segment_file_publish(&file), 0);
	stat(file.path, &st);
	assert_int_equal(st.st_size, SIZE);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(segment_file_populate(&file, 4096, 8192), 0);
	stat(file.path, &st);
	assert_int_equal(st.st_blocks, 16);
	assert_int_equal(segment_file_populate(&file, 65536, CAP - 8192), 0);
	errno = 7;
	assert_int_equal(segment_file_populate(&file, SIZE - 4096, 1), -ENOSPC);
	assert_int_equal(segment_file_populate(&file, SIZE, 1), -ENOSPC);
	assert_int_equal(errno, 7);
	assert_int_equal(file.populated_bytes, CAP);
	segment_file_release(&file, 65536, 4096);
	assert_int_equal(file.base[65536], 0);
	segment_file_unlink(&file);
	segment_file_unmap(&file);
}

static void the_names_directory_must_be_one(void **state)
{
	struct segment_file file;
	char path[128];

	(void)state;
	setenv("MESHTALLY_DIR", "/proc/self/nowhere", 1);
	assert_true(segment_file_create(&file, getpid(), 3, SIZE, CAP) < 0);
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = 0;
	setenv("MESHTALLY_DIR", path, 1);
	assert_int_equal(segment_file_directory(path, 16), -ENAMETOOLONG);
	setenv("MESHTALLY_DIR", directory, 1);
}

/* Of the dead of this user 32 stay; the living stay, whatever their number. */
static void reaps_the_dead_and_nothing_else(void **state)
{
	struct segment_file live;
	char path[128];
	unsigned left = 0;

	(void)state;
	assert_int_equal(segment_file_create(&live, getpid(), 4, SIZE, CAP), 0);
	assert_int_equal(segment_file_publish(&live), 0);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(path, sizeof path, "%s/%u-%016x.seg", directory, i + 1, i);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	snprintf(path, sizeof path, "%s/a-file-of-the-user", directory);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	segment_file_reap(directory);
	assert_int_equal(access(live.path, F_OK), 0);
	assert_int_equal(unlink(path), 0);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(path, sizeof path, "%s/%u-%016x.seg", directory, i + 1, i);
		left += unlink(path) == 0;
	}
	assert_int_equal(left, 32);
	segment_file_unlink(&live);
	segment_file_unmap(&live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_until_published),
		cmocka_unit_test(locked_as_long_as_it_is_mapped),
		cmocka_unit_test(populates_up_to_the_cap),
		cmocka_unit_test(the_names_directory_must_be_one),
		cmocka_unit_test(reaps_the_dead_and_nothing_else),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
