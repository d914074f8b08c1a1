/* SPDX-License-Identifier: Apache-2.0 */
/* The table of devices: what it says, and what is said of its mistakes. */
#include "cmocka_all.h"
#include "tt_devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tt_devices devices;
static char error[256];

static int parse(const char *text)
{
	memset(error, 0, sizeof error);
	return tt_devices_parse(text, "table.ini", &devices, error, sizeof error);
}

static void test_a_table(void **state)
{
	const struct tt_device_entry *entry;

	(void)state;
	assert_int_equal(parse("# comment\n; another\n\n"
	                       "[0-3]\narch = wormhole_b0\ndram_banks=12\n"
	                       "  dram_bank_bytes = 1 GiB  \nl1_banks = 64\n"
	                       "l1_bank_bytes=1464K\nl1_base = 0x1000\r\n"
	                       "trace_bank_bytes = 4MiB\ntrace_base = 1020 MiB\n"
	                       "[0xAbCdEf0123456789]\nordinal = 9\nbus = 0000:81:00.0"),
	                 0);
	assert_int_equal(devices.count, 5);
	assert_false(devices.alike);
	assert_int_equal(tt_devices_limit(&devices), 10);
	entry = tt_devices_find(&devices, 2);
	assert_non_null(entry);
	assert_string_equal(entry->arch, "wormhole_b0");
	assert_int_equal(entry->memory_count, 3);
	assert_int_equal(entry->memories[0].kind, MT_DRAM);
	assert_int_equal(entry->memories[0].banks, 12);
	assert_int_equal(entry->memories[0].bank_bytes, 1 << 30);
	assert_int_equal(entry->memories[1].kind, MT_L1);
	assert_int_equal(entry->memories[1].bank_bytes, 1464 << 10);
	assert_int_equal(entry->memories[1].base, 0x1000);
	assert_int_equal(entry->memories[2].kind, MT_TRACE);
	assert_int_equal(entry->memories[2].banks, 12);
	entry = tt_devices_find(&devices, 9);
	assert_non_null(entry);
	assert_int_equal(entry->unique_id, 0xabcdef0123456789);
	assert_string_equal(entry->bus, "0000:81:00.0");
	assert_int_equal(entry->memory_count, 0);
	assert_null(tt_devices_find(&devices, 4));
	assert_null(tt_devices_find(&devices, -1));
	assert_null(tt_devices_find(NULL, 0));
	assert_int_equal(tt_devices_limit(NULL), 0);
}

static void test_alike(void **state)
{
	(void)state;
	assert_int_equal(parse("[0-1]\narch=a\n[2]\narch=a\n"), 0);
	assert_true(devices.alike);
	assert_int_equal(parse("[0-1]\narch=a\n[2]\narch=b\n"), 0);
	assert_false(devices.alike);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{"", "table.ini:0: no device, expected a section such as [0]"},
		{"arch = x\n",
	         "table.ini:1: \"arch\" before any section, expected [ORDINAL] first"},
		{"\n[0\n",
	         "table.ini:2: \"[0\", expected [ORDINAL], [FIRST-LAST] or [0xUNIQUE_ID]"},
		{"[1024]\n", "table.ini:1: [1024], expected an ordinal from 0 to 1023, FIRST-LAST, "
	                     "or a unique id as 0x..."},
		{"[3-1]\n",
	         "table.ini:1: [3-1], expected an ordinal from 0 to 1023, FIRST-LAST, or "
	         "a unique id as 0x..."},
		{"[0]\nnonsense\n",
	         "table.ini:2: \"nonsense\", expected KEY = VALUE or a [SECTION]"},
		{"[0]\ncolour = red\n",
	         "table.ini:2: unknown key \"colour\", expected arch, bus, unique_id, ordinal, or "
	         "one of dram_, l1_, l1_small_, trace_ with banks, bank_bytes, base, align"},
		{"[0]\ndram_banks = many\n",
	         "table.ini:2: dram_banks is \"many\", expected a number from 1 to 4096"},
		{"[0]\ndram_banks = 5000\n",
	         "table.ini:2: dram_banks is \"5000\", expected a number from 1 to 4096"},
		{"[0]\nl1_bank_bytes = -5\n", "table.ini:2: l1_bank_bytes is \"-5\", expected a "
	                                      "number of bytes such as 1073741824 or 1 GiB"},
		{"[0]\ndram_bank_bytes = 99999999 GiB\n",
	         "table.ini:2: dram_bank_bytes is \"99999999 GiB\", expected a number of bytes "
	         "such "
	         "as 1073741824 or 1 GiB"},
		{"[0]\ndram_bank_bytes = 0\n",
	         "table.ini:2: dram_bank_bytes is 0, expected the size "
	         "of a bank, or no such key"},
		{"[0]\nl1_small_banks = 4\n\n[1]\n",
	         "table.ini:4: the section of line 1 has no l1_small_bank_bytes, expected one "
	         "beside its other l1_small_ keys"},
		{"[0]\narch = a\narch = b\n",
	         "table.ini:3: arch again, expected it once in a section"},
		{"[0-2]\n[1]\n", "table.ini:2: device 1 is in the section of line 1 already, "
	                         "expected each device once"},
		{"[0]\nunique_id = 0x5\n[1]\nunique_id = 0x5\n",
	         "table.ini:4: unique id 0x5 is in the section of line 1 already, expected each "
	         "device once"},
		{"[0]\nunique_id = 5\n",
	         "table.ini:2: unique_id is \"5\", expected 0x and up to 16 digits"},
		{"[0-1]\nunique_id = 0x5\n", "table.ini:2: unique_id in the section of line 1, "
	                                     "expected none where a section is "
	                                     "for several devices"},
		{"[0-70]\n", "table.ini:1: too many devices, expected at most 64"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		devices.count = 77;
		assert_true(parse(cases[i].text) < 0);
		assert_string_equal(error, cases[i].error);
		assert_int_equal(devices.count, 77);
	}
}

static void test_a_line_without_end(void **state)
{
	char *text = calloc(1, 100000);

	(void)state;
	memset(text, 'a', 99999);
	assert_true(parse(text) < 0);
	assert_string_equal(error, "table.ini:1: a line of 99999 bytes, expected fewer than 512");
	free(text);
}

static void test_files(void **state)
{
	char path[] = "/tmp/meshtally-devices-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "[0]\narch = x\n", 13), 13);
	assert_int_equal(tt_devices_load(path, &devices, error, sizeof error), 0);
	assert_string_equal(devices.entries[0].arch, "x");
	assert_int_equal(write(fd, "a\0b", 3), 3);
	assert_true(tt_devices_load(path, &devices, error, sizeof error) < 0);
	assert_non_null(strstr(error, "not a table of devices"));
	close(fd);
	unlink(path);
	assert_true(tt_devices_load(path, &devices, error, sizeof error) < 0);
	assert_non_null(strstr(error, "No such file"));
	assert_true(tt_devices_load("/dev", &devices, error, sizeof error) < 0);
	assert_non_null(strstr(error, "not a plain file"));
}

/* The example is right, and what a DEVICE_INFO_RESPONSE says of it. */
static void test_the_example(void **state)
{
	struct tt_answer answer = {.num_devices = 1};

	(void)state;
	assert_int_equal(tt_devices_load(SOURCE_DIR "/examples/tt-devices.ini", &devices, error,
	                                 sizeof error),
	                 0);
	tt_device_describe(tt_devices_find(&devices, 0), &answer);
	assert_int_equal(answer.arch_type, 2);
	assert_int_equal(answer.dram_channels, 12);
	assert_int_equal(answer.dram_channel_bytes, 1 << 30);
	assert_int_equal(answer.total_dram_bytes, 12ull << 30);
	assert_int_equal(answer.l1_core_bytes, (1536 - 104) << 10);
	assert_int_equal(answer.total_l1_bytes, 64 * (1536 - 104) << 10);
	assert_int_equal(answer.available, 1);
	memset(&answer, 0, sizeof answer);
	tt_device_describe(tt_devices_find(&devices, 1), &answer);
	assert_int_equal(answer.available, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_table),  cmocka_unit_test(test_alike),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_a_line_without_end),
		cmocka_unit_test(test_files),    cmocka_unit_test(test_the_example),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
