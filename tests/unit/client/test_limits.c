/* SPDX-License-Identifier: Apache-2.0 */
/* Full and unwritable directories, limits of the process and of its group, foreign files beside. */
#include "client_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fills up and empties again: counters are right whatever could be recorded in detail. */
static void overfill(unsigned buffers, bool wants_degraded)
{
	mt_space devices[2], m;
	struct mt_usage u;
	struct segment_view *view;
	unsigned without = 0;

	chips(2, devices);
	m = mesh(1, 2, devices);
	for (uint64_t id = 0; id < buffers; id++) {
		mt_result result;

		errno = 777;
		result = put(id % 2 ? devices[0] : m, id, 10);
		same(errno, 777);
		holds(result == MT_OK || result == MT_NO_DETAIL);
		without += result == MT_NO_DETAIL;
	}
	same(without != 0, wants_degraded);
	u = usage(devices[0], MT_DRAM);
	same(u.bytes, buffers * 10);
	same(u.held, buffers * 10);
	same(usage(devices[1], MT_DRAM).bytes, buffers / 2 * 10);
	view = outside_of(getpid(), VIEW_TOTALS);
	same(figure_of(view, 0, MT_DRAM)->held, buffers * 10);
	same(view->no_detail_buffers, without);
	same((view->state & SEGMENT_STATE_DEGRADED) != 0, wants_degraded);
	segment_view_destroy(view);
	for (uint64_t id = 0; id < buffers; id++)
		ok(mt_free(id % 2 ? devices[0] : m, id));
	told(mt_free(devices[0], buffers - 1), MT_DOUBLE_FREE);
	same(usage(devices[0], MT_DRAM).held, 0);
	same(usage(devices[1], MT_DRAM).held, 0);
	view = outside_of(getpid(), VIEW_TOTALS);
	same(view->no_detail_buffers, 0);
	segment_view_destroy(view);
}

TEST(at_the_cap_counters_stay_right)
{
	setenv("MESHTALLY_MAX_BYTES", "1M", 1);
	overfill(50000, true);
}

TEST(below_the_cap_nothing_is_lost)
{
	overfill(50000, false);
}

TEST(what_has_no_room_is_said_to_be_missing)
{
	mt_space d;
	struct mt_usage u;
	char site[64];

	setenv("MESHTALLY_MAX_BYTES", "700K", 1);
	d = chip(0);
	for (uint64_t id = 0; id < 20000; id++) {
		struct mt_buffer b = buffer(d, id, 1);

		snprintf(site, sizeof site, "a-name-that-is-long-enough-to-fill-the-table-%u",
		         (unsigned)id);
		mt_tag_push(site);
		b.site = site;
		mt_alloc(&b);
		mt_tag_pop();
	}
	u = usage(d, MT_DRAM);
	holds(u.bytes == 20000 || !u.exact);
}

/* --- a full file system ------------------------------------------------------------------ */

static void mount_small(const char *size)
{
	char options[64];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		skip_test("no mount namespace here: %s", strerror(errno));
	snprintf(options, sizeof options, "size=%s", size);
	if (mount("none", fixture_dir, "tmpfs", 0, options) < 0)
		skip_test("cannot mount: %s", strerror(errno));
}

TEST(a_full_file_system)
{
	mount_small("256k");
	overfill(10000, true);
}

/* Where names have no room any more, too. */
TEST(errno_in_a_full_file_system)
{
	mt_space d;
	char name[200];

	mount_small("256k");
	d = chip(0);
	memset(name, 'x', sizeof name);
	for (unsigned i = 0; i < 2000; i++) {
		struct mt_buffer b = buffer(d, i, 1);

		snprintf(name + 180, 20, "%u", i);
		b.site = name;
		errno = 777;
		mt_tag_push(name);
		same(errno, 777);
		mt_alloc(&b);
		same(errno, 777);
		mt_tag_pop();
	}
}

TEST(file_systems_of_every_small_size)
{
	char size[16];

	for (unsigned kib = 4; kib <= 400; kib += 12) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			mt_space d;
			struct mt_device device = {.struct_size = sizeof device, .unique_id = 1};

			snprintf(size, sizeof size, "%uk", kib);
			mount_small(size);
			d = mt_device_open(&device);
			for (uint64_t id = 0; id < 3000; id++) {
				mt_tag_push("some tag");
				put_flags(d, id, id, 0, 1);
				mt_tag_pop();
			}
			mt_mark("step", 1);
			mt_program_dispatch(mt_program_define(1, NULL, 0, 0), d);
			mt_alloc_failed(&(struct mt_failure){
				.struct_size = sizeof(struct mt_failure), .space = d});
			for (uint64_t id = 0; id < 3000; id++)
				mt_free(d, id);
			mt_close(d, 0);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
			_exit(CHILD_SKIPPED);
		if (status)
			check_failed(__FILE__, __LINE__, "%u KiB: status %#x", kib,
			             (unsigned)status);
	}
}

TEST(a_directory_that_cannot_be_written)
{
	chmod(fixture_dir, 0555);
	if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
		skip_test("cannot become another user: %s", strerror(errno));
	same(mt_device_open(&(struct mt_device){.struct_size = sizeof(struct mt_device)}), 0);
	told(put(1, 1, 1), MT_OFF);
	same(*mt_gate, 0);
	told(mt_enable(1, NULL, NULL), MT_FULL);
	same(*mt_gate, 0);
}

TEST(a_directory_that_is_a_file)
{
	char path[300];
	FILE *file;

	snprintf(path, sizeof path, "%s/file", fixture_dir);
	file = fopen(path, "w");
	fclose(file);
	setenv("MESHTALLY_DIR", path, 1);
	told(put(1, 1, 1), MT_OFF);
}

/* --- limits of the process --------------------------------------------------------------- */

static void limit(__rlimit_resource_t resource, uint64_t bytes)
{
	const struct rlimit l = {.rlim_cur = bytes, .rlim_max = bytes};

	same(setrlimit(resource, &l), 0);
}

TEST(a_limit_on_the_size_of_files)
{
	limit(RLIMIT_FSIZE, 160 << 20);
	overfill(5000, false);
}

TEST(limits_on_the_size_of_files_that_leave_no_room)
{
	limit(RLIMIT_FSIZE, 4096);
	told(put(1, 1, 1), MT_OFF);
	limit(RLIMIT_FSIZE, 0);
	told(mt_enable(1, NULL, NULL), MT_FULL);
	same(segment_count(), 0);
}

static void live_within(void *arg)
{
	uint64_t bytes = *(uint64_t *)arg;
	struct mt_device device = {.struct_size = sizeof device, .unique_id = 1};
	mt_space d;

	limit(RLIMIT_AS, bytes);
	d = mt_device_open(&device);
	for (uint64_t id = 0; id < 20000; id++)
		put(d, id, 1);
	for (uint64_t id = 0; id < 20000; id++)
		mt_free(d, id);
}

TEST(limits_on_the_address_space)
{
	SKIP_UNDER_SANITIZER();
	for (uint64_t mib = 8; mib <= 512; mib += 24) {
		uint64_t bytes = mib << 20;

		in_child(live_within, &bytes);
	}
}

/* --- a limit of the group ---------------------------------------------------------------- */

static bool write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool good = fd >= 0 && write(fd, text, strlen(text)) > 0;

	if (fd >= 0)
		close(fd);
	return good;
}

static void fill_in_group(void *arg)
{
	const char *group = arg;
	char path[300], pid[20];
	struct mt_usage u;
	mt_space d;

	snprintf(path, sizeof path, "%s/cgroup.procs", group);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	if (!write_text(path, pid))
		skip_test("cannot enter the group");
	d = chip(0);
	for (uint64_t id = 0; id < 600000; id++)
		put(d, id, 1);
	u = usage(d, MT_DRAM);
	holds(u.bytes == 600000 || !u.exact);
	holds(u.bytes > 100000);
	holds(outside_of(getpid(), VIEW_TOTALS)->state & SEGMENT_STATE_DEGRADED);
}

TEST(a_group_with_little_memory)
{
	static const char *const limits[][2] = {
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
		{"/sys/fs/cgroup", "memory.max"},
	};
	char group[128], path[300];

	SKIP_UNDER_SANITIZER();
	for (unsigned i = 0; i < 2; i++) {
		snprintf(group, sizeof group, "%s/meshtally-test-%d", limits[i][0], (int)getpid());
		if (mkdir(group, 0755) < 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", group, limits[i][1]);
		if (write_text(path, "48000000")) {
			pid_t child = child_start(fill_in_group, group);
			int status;

			waitpid(child, &status, 0);
			rmdir(group);
			if (status)
				_exit(WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_FAILED);
			return;
		}
		rmdir(group);
	}
	skip_test("no memory group can be made here");
}

/* --- foreign files ----------------------------------------------------------------------- */

static void foreign(const char *name, const void *bytes, size_t size, uint64_t length)
{
	char path[600];
	int fd;

	snprintf(path, sizeof path, "%s/%s", fixture_dir, name);
	fd = open(path, O_CREAT | O_RDWR, 0600);
	same(write(fd, bytes, size), size);
	same(ftruncate(fd, (off_t)length), 0);
	close(fd);
}

/* What cannot be read is skipped with a reason; what can is right, or said to be corrupt. */
static int load_anything(const char *path, void *arg)
{
	struct segment_reject reject = {.reason = ""};
	struct segment_view *view;
	unsigned *good = arg;

	if (segment_view_load(path, (uid_t)-1, VIEW_BUFFERS, &view, &reject)) {
		holds(reject.reason[0]);
		return 0;
	}
	*good += view->corrupt_records == 0 && view->life == LIFE_ALIVE;
	segment_view_destroy(view);
	return 0;
}

static void rejected(const struct segment_reject *reject, void *arg)
{
	(void)arg;
	holds(reject->reason[0]);
}

/* It looks for the dead to reap among them, and is not disturbed. */
static void newcomer(void *arg)
{
	(void)arg;
	chip(0);
	expect(0, MT_DRAM, 0, 0, 0);
}

TEST(foreign_and_corrupt_files_beside)
{
	static uint8_t own[1 << 20];
	mt_space d = chip(0);
	char path[600], other[600];
	unsigned good = 0;
	size_t size;
	int fd;

	ok(put(d, 1, 1234));
	holds(segment_path(getpid(), path, sizeof path));
	fd = open(path, O_RDONLY);
	size = (size_t)read(fd, own, sizeof own);
	close(fd);
	foreign("1-0000000000000001.seg", own, size, 5000);
	foreign("1-0000000000000002.seg", own, 100, 100);
	foreign("1-0000000000000003.seg", own, size, 1ull << 50);
	foreign("1-0000000000000004.seg", "", 0, 0);
	foreign("nonsense.seg", "nonsense", 8, 8);
	for (unsigned i = 0; i < 200; i++) {
		char name[32];

		own[i * 21] ^= (uint8_t)(1 << i % 8);
		snprintf(name, sizeof name, "2-%016x.seg", i);
		foreign(name, own, size, size);
		own[i * 21] ^= (uint8_t)(1 << i % 8);
	}
	snprintf(other, sizeof other, "%s/fifo.seg", fixture_dir);
	same(mkfifo(other, 0600), 0);
	snprintf(other, sizeof other, "%s/3-0000000000000001.seg", fixture_dir);
	same(symlink("/etc/passwd", other), 0);
	snprintf(other, sizeof other, "%s/4-0000000000000001.seg", fixture_dir);
	same(mkdir(other, 0700), 0);
	segment_dir_scan(fixture_dir, load_anything, rejected, &good);
	holds(good >= 1);
	expect(0, MT_DRAM, 1234, 0, 0);
	ok(mt_free(d, 1));
	expect_no_faults();
	in_child(newcomer, NULL);
}

TEST(the_dead_are_reaped_when_they_are_many)
{
	pid_t pid;

	for (unsigned i = 0; i < 60; i++) {
		pid = fork();
		if (pid == 0) {
			put(chip(0), 1, 1);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	holds(segment_count() >= 32 && segment_count() <= 34);
	chip(0);
	expect(0, MT_DRAM, 0, 0, 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_the_cap_counters_stay_right),
		cmocka_unit_test(below_the_cap_nothing_is_lost),
		cmocka_unit_test(what_has_no_room_is_said_to_be_missing),
		cmocka_unit_test(a_full_file_system),
		cmocka_unit_test(errno_in_a_full_file_system),
		cmocka_unit_test(file_systems_of_every_small_size),
		cmocka_unit_test(a_directory_that_cannot_be_written),
		cmocka_unit_test(a_directory_that_is_a_file),
		cmocka_unit_test(a_limit_on_the_size_of_files),
		cmocka_unit_test(limits_on_the_size_of_files_that_leave_no_room),
		cmocka_unit_test(limits_on_the_address_space),
		cmocka_unit_test(a_group_with_little_memory),
		cmocka_unit_test(foreign_and_corrupt_files_beside),
		cmocka_unit_test(the_dead_are_reaped_when_they_are_many),
	};

	(void)argc;
	return fixture_main("limits", tests, sizeof tests / sizeof *tests, argv);
}
