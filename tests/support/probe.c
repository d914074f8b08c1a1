/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program with tracking, for tests that need another image than their own: `probe MODE`.
 *   hold      allocates 4,096 bytes, writes a byte to stdout, waits for the end of stdin
 *   off       checks that every call says that tracking is off
 *   lifetime  allocates before main and frees after it, in as many ways as there are; with
 *             PROBE_LEAK=1 keeps one buffer
 *   once      allocates and frees, and ends
 * Exit status 0 if all was as it should be.
 */
#include "meshtally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of late_library.c, which knows nothing of the library and is finished after it. */
extern void (*late_library_call)(void);

static mt_space early_space;
static int failures;

static void expect(mt_result actual, mt_result expected, int line)
{
	if (actual == expected)
		return;
	fprintf(stderr, "probe.c:%d: %s, not %s\n", line, mt_result_name(actual),
	        mt_result_name(expected));
	failures++;
}
#define told(call, expected) expect((call), (expected), __LINE__)

static mt_space open_device(void)
{
	const struct mt_memory memory = {.kind = MT_DRAM, .banks = 12, .bank_bytes = 1 << 30};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .unique_id = 0x100,
	                                 .memories = &memory,
	                                 .memory_count = 1};

	return mt_device_open(&device);
}

static mt_result put(mt_space space, uint64_t id, uint64_t bytes)
{
	const struct mt_buffer buffer = {
		.struct_size = sizeof buffer, .space = space, .id = id, .bytes = bytes};

	return mt_alloc(&buffer);
}

/* --- lifetime ---------------------------------------------------------------------------- */

static void free_last(void)
{
	told(mt_free(early_space, 3), MT_OK);
	if (failures)
		_exit(1);
}

static void free_at_exit(void)
{
	told(mt_free(early_space, 2), MT_OK);
}

static __attribute__((constructor)) void before_main(void)
{
	if (!getenv("PROBE_EARLY"))
		return;
	early_space = open_device();
	told(mt_ready(early_space), MT_OK);
	for (uint64_t id = 1; id <= 4; id++)
		told(put(early_space, id, 1000), MT_OK);
	late_library_call = free_last;
}

static __attribute__((destructor)) void after_main(void)
{
	if (early_space && !getenv("PROBE_LEAK"))
		told(mt_free(early_space, 4), MT_OK);
}

static int lifetime(void)
{
	atexit(free_at_exit);
	told(mt_free(early_space, 1), MT_OK);
	return failures;
}

/* --- the others -------------------------------------------------------------------------- */

static int hold(void)
{
	mt_space space = open_device();
	char byte = 1;

	told(put(space, 1, 4096), MT_OK);
	if (failures || write(1, &byte, 1) != 1)
		return 1;
	while (read(0, &byte, 1) > 0)
		;
	return 0;
}

static int off(void)
{
	const struct mt_failure failure = {.struct_size = sizeof failure};
	struct mt_usage usage = {.struct_size = sizeof usage};

	if (*mt_gate || open_device() || mt_mesh_open(NULL) || mt_tag_push("x") ||
	    mt_program_define(1, NULL, 0, 0))
		failures++;
	mt_tag_pop();
	mt_mark("step", 1);
	mt_program_drop(NULL);
	told(put(1, 1, 1), MT_OFF);
	told(mt_free(1, 1), MT_OFF);
	told((mt_free)(1, 1), MT_OFF);
	told(mt_free_on(1, 1, 1), MT_OFF);
	told(mt_alloc(NULL), MT_OFF);
	told(mt_ready(1), MT_OFF);
	told(mt_close(1, 0), MT_OFF);
	told(mt_check(1, 0, 0), MT_OFF);
	told(mt_alloc_failed(&failure), MT_OFF);
	told(mt_device_usage(1, 0, &usage), MT_OFF);
	told(mt_program_dispatch(NULL, 1), MT_OFF);
	told(mt_program_clash(NULL, 1, 2, 3), MT_OFF);
	if (mt_kind("VRAM") != MT_CB + 1 || mt_abi_version() != 0x10001)
		failures++;
	return failures;
}

static int once(void)
{
	mt_space space = open_device();

	told(put(space, 1, 1), MT_OK);
	told(mt_free(space, 1), MT_OK);
	return failures;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} modes[] = {{"hold", hold}, {"off", off}, {"lifetime", lifetime}, {"once", once}};

	for (size_t i = 0; argc == 2 && i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run() != 0;
	}
	return 2;
}
