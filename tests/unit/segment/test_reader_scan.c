/* SPDX-License-Identifier: Apache-2.0 */
/* Finding segments in directories that anybody may have put things into. */
#include "build_segment.h"
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
	char found[512], rejected[1024];
	int answer;
};

static int found(const char *path, void *arg)
{
	struct seen *seen = arg;

	strcat(seen->found, strrchr(path, '/') + 1);
	strcat(seen->found, " ");
	return seen->answer;
}

static void rejected(const struct segment_reject *why, void *arg)
{
	struct seen *seen = arg;

	strcat(seen->rejected, strrchr(why->path, '/') + 1);
	strcat(seen->rejected, ": ");
	strcat(seen->rejected, why->reason);
	strcat(seen->rejected, "; ");
}

static void touch(const char *name)
{
	close(open(test_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void segments_are_found_in_order(void **state)
{
	struct seen seen = {.answer = 0};

	(void)state;
	touch("20-b.seg");
	touch("10-a.seg");
	touch(".30-c.seg");
	touch("other");
	touch("x.seg.part");
	assert_int_equal(symlink("/etc/passwd", test_path("5-l.seg")), 0);
	assert_int_equal(mkfifo(test_path("6-f.seg"), 0600), 0);
	assert_int_equal(segment_dir_scan(test_dir(), found, rejected, &seen), 0);
	assert_string_equal(seen.found, "10-a.seg 20-b.seg ");
	assert_string_equal(seen.rejected, "5-l.seg: a symbolic link, not a file; "
	                                   "6-f.seg: a FIFO, not a file; ");
	memset(&seen, 0, sizeof seen);
	seen.answer = 7;
	assert_int_equal(segment_dir_scan(test_dir(), found, NULL, &seen), 7);
	assert_string_equal(seen.found, "10-a.seg ");
	assert_int_equal(segment_dir_scan(test_path("none"), found, NULL, &seen), -ENOENT);
}

static void directories(void **state)
{
	char own[64], (*paths)[256] = calloc(64, sizeof *paths);
	size_t count;
	bool there = false, made;

	(void)state;
	setenv("MESHTALLY_DIR", "/some/where", 1);
	assert_int_equal(segment_dirs(paths, 64), 1);
	assert_string_equal(paths[0], "/some/where");
	unsetenv("MESHTALLY_DIR");
	snprintf(own, sizeof own, "/dev/shm/meshtally-%u", (unsigned)getuid());
	made = mkdir(own, 0700) == 0;
	count = segment_dirs(paths, 64);
	for (size_t i = 0; i < count; i++) {
		there = there || strcmp(paths[i], own) == 0;
		/* Not of a user's: its name has no uid. */
		assert_string_not_equal(paths[i], test_dir());
	}
	assert_true(there);
	assert_int_equal(segment_dirs(paths, 0), 0);
	if (made)
		rmdir(own);
	free(paths);
}

static int remove_dir(void **state)
{
	(void)state;
	test_dir_remove();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_are_found_in_order),
		cmocka_unit_test(directories),
	};

	return cmocka_run_group_tests(tests, NULL, remove_dir);
}
