/* SPDX-License-Identifier: Apache-2.0 */
/* tt-metal's counter files, all four versions, and what is not one. */
#include "cmocka_all.h"
#include "tt_counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY = 0x52454459 };

static unsigned char file[9280];

static void put32(size_t at, uint32_t value)
{
	memcpy(file + at, &value, 4);
}

static void put64(size_t at, uint64_t value)
{
	memcpy(file + at, &value, 8);
}

/* A file with one process: DRAM 1000, L1 2000, ..., times ten in the totals. Returns its size. */
static size_t make_file(uint32_t version, int32_t pid)
{
	size_t counters = version == 1 ? 6 : 5;
	size_t chips = version == 1 ? 96 : 88, chip_bytes = version == 1 ? 56 : 48;
	size_t process = version == 1 ? 992 : 856;

	memset(file, 0, sizeof(file));
	put32(0, version);
	put32(4, 1);
	put64(8, 123456789);
	put64(24, 0xb0a2d);
	put64(32, 0xa51c);
	put32(40, 3);
	for (size_t i = 0; i < counters; i++) {
		put64(48 + 8 * i, 10000 * (i + 1));
		put64(process + 8 + 8 * i, 1000 * (i + 1));
		put64(chips + 8 + 8 * i, 10000 * (i + 1));
	}
	for (size_t i = 1; i < 16 && version >= 3; i++)
		put32(chips + i * chip_bytes, 0xffffffff);
	put32(process, (uint32_t)pid);
	put64(process + 8 + 8 * counters, 42);
	memcpy(file + process + 16 + 8 * counters, "trainer", 7);
	if (version == 4)
		put32(8536, READY);
	return version == 1 ? 9280 : 8576;
}

static void versions(void **state)
{
	(void)state;
	for (uint32_t version = 1; version <= 4; version++) {
		size_t size = make_file(version, 4711);
		struct tt_device device;
		const char *reason;

		assert_int_equal(tt_counters_parse(file, size, &device, &reason), 0);
		assert_int_equal(device.version, version);
		assert_int_equal(device.device_id, 3);
		assert_int_equal(device.board_serial, 0xb0a2d);
		assert_int_equal(device.bytes[TT_DRAM], 10000);
		assert_int_equal(device.bytes[TT_CB], 50000);
		assert_int_equal(device.bytes[TT_KERNEL], version == 1 ? 60000 : 0);
		assert_int_equal(device.chip_count, 1);
		assert_int_equal(device.process_count, 1);
		assert_int_equal(device.processes[0].pid, 4711);
		assert_int_equal(device.processes[0].bytes[TT_L1], 2000);
		assert_int_equal(device.processes[0].last_update_ns, 42);
		assert_string_equal(device.processes[0].name, "trainer");
		assert_int_equal(tt_counters_parse(file, size - 1, &device, &reason), -EINVAL);
	}
}

static void not_counters(void **state)
{
	struct tt_device device;
	const char *reason = NULL;

	(void)state;
	make_file(4, 1);
	put32(8536, 0);
	assert_int_equal(tt_counters_parse(file, 8576, &device, &reason), -EINVAL);
	assert_non_null(strstr(reason, "not ready"));
	make_file(2, 1);
	put32(0, 9);
	assert_int_equal(tt_counters_parse(file, 8576, &device, &reason), -EINVAL);
	assert_int_equal(tt_counters_parse(file, 0, &device, &reason), -EINVAL);
}

/* A name that fills its field has no end of its own. */
static void long_name(void **state)
{
	size_t size = make_file(2, 9);
	struct tt_device device;
	const char *reason;

	(void)state;
	memset(file + 856 + 56, 'x', 64);
	assert_int_equal(tt_counters_parse(file, size, &device, &reason), 0);
	assert_int_equal(strlen(device.processes[0].name), 64);
}

static void write_file(const char *dir, const char *name, size_t size)
{
	char path[512];
	FILE *stream;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	stream = fopen(path, "w");
	assert_non_null(stream);
	assert_int_equal(fwrite(file, 1, size, stream), size);
	fclose(stream);
}

/* The living, the dead, and things that only look like counter files. */
static void directory(void **state)
{
	char dir[] = "/tmp/tt-counters-XXXXXX", path[512], command[600];
	struct tt_counters counters;
	pid_t dead = fork();

	(void)state;
	if (dead == 0)
		_exit(0);
	assert_int_equal(waitpid(dead, NULL, 0), dead);
	assert_non_null(mkdtemp(dir));
	write_file(dir, "tt_device_20_memory", make_file(4, (int32_t)getpid()));
	write_file(dir, "tt_device_7_memory", make_file(1, dead));
	write_file(dir, "tt_device_x_memory", 100);
	write_file(dir, "tt_device_8_memory", 100);
	snprintf(path, sizeof(path), "%s/tt_device_9_memory", dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	snprintf(path, sizeof(path), "%s/tt_device_10_memory", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(setenv("MESHTALLY_TT_SHM", dir, 1), 0);
	assert_int_equal(tt_counters_scan(tt_counters_dir(), &counters), 0);
	assert_int_equal(counters.devices.count, 2);
	assert_int_equal(counters.devices.items[0].unique_id, 7);
	assert_true(counters.devices.items[0].processes[0].dead);
	assert_false(counters.devices.items[1].processes[0].dead);
	assert_int_equal(counters.rejects.count, 3);
	tt_counters_finish(&counters);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(tt_counters_scan(dir, &counters), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions),
		cmocka_unit_test(not_counters),
		cmocka_unit_test(long_name),
		cmocka_unit_test(directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
