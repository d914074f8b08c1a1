/* SPDX-License-Identifier: Apache-2.0 */
#include "client_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

char fixture_dir[256];

/* --- running ----------------------------------------------------------------------------- */

int fixture_main(const char *name, const struct CMUnitTest *tests, size_t count, char **argv)
{
	const char *on = getenv("MESHTALLY");

	if (!on || strcmp(on, "1") != 0) {
		setenv("MESHTALLY", "1", 1);
		unsetenv("MESHTALLY_RUN");
		unsetenv("MESHTALLY_KEEP");
		unsetenv("MESHTALLY_MAX_BYTES");
		execv("/proc/self/exe", argv);
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	/* Which tests to run: a pattern, for whoever looks at one. */
	if (argv[1])
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void directory_begin(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(fixture_dir, sizeof fixture_dir, "%s/meshtally-test-XXXXXX", base);
	if (!mkdtemp(fixture_dir))
		abort();
}

void isolated(void (*body)(void))
{
	pid_t pid;
	int status = 0;

	directory_begin();
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a hung test ends with its runner */
		setenv("MESHTALLY_DIR", fixture_dir, 1);
		for (int number = 1; number < 32; number++) /* cmocka handles some */
			signal(number, SIG_DFL);
		body();
		fflush(NULL);
		_exit(CHILD_PASSED);
	}
	if (waitpid(pid, &status, 0) != pid)
		abort();
	nftw(fixture_dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
		skip();
	if (status)
		fprintf(stderr, "the test's process ended with status %#x\n", (unsigned)status);
	assert_int_equal(status, 0);
}

pid_t child_start(void (*body)(void *arg), void *arg)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		check_failed(__FILE__, __LINE__, "fork: %s", strerror(errno));
	if (pid == 0) {
		body(arg);
		fflush(NULL);
		_exit(CHILD_PASSED);
	}
	return pid;
}

void child_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		check_failed(__FILE__, __LINE__, "waitpid: %s", strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == CHILD_SKIPPED)
		_exit(CHILD_SKIPPED);
	if (status)
		check_failed(__FILE__, __LINE__, "a child ended with status %#x", (unsigned)status);
}

void in_child(void (*body)(void *arg), void *arg)
{
	child_wait(child_start(body, arg));
}

void *shared_page(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		check_failed(__FILE__, __LINE__, "mmap: %s", strerror(errno));
	return p;
}

/* --- checks ------------------------------------------------------------------------------ */

void check_failed(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(CHILD_FAILED);
}

void skip_test(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("skipped: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(CHILD_SKIPPED);
}

void check_same(uint64_t actual, uint64_t expected, const char *text, const char *file, int line)
{
	if (actual != expected)
		check_failed(file, line, "%s is %llu (%#llx), not %llu (%#llx)", text,
		             (unsigned long long)actual, (unsigned long long)actual,
		             (unsigned long long)expected, (unsigned long long)expected);
}

void check_told(mt_result actual, mt_result expected, const char *text, const char *file, int line)
{
	if (actual != expected)
		check_failed(file, line, "%s returned %s, not %s", text, mt_result_name(actual),
		             mt_result_name(expected));
}

/* --- devices and buffers ----------------------------------------------------------------- */

uint64_t chip_unique_id(unsigned n)
{
	return 0x100 + n;
}

mt_space chip_with(unsigned n, uint32_t flags)
{
	const struct mt_memory memories[] = {
		{.kind = MT_DRAM, .banks = 12, .base = 0x1000, .bank_bytes = 1 << 30, .align = 32},
		{.kind = MT_L1, .banks = 64, .base = 0x10000, .bank_bytes = 1 << 20, .align = 16},
		{.kind = MT_TRACE, .banks = 12, .base = 0, .bank_bytes = 1 << 24, .align = 32},
		{.kind = MT_L1_SMALL, .banks = 64, .base = 0, .bank_bytes = 1 << 15, .align = 16},
	};
	const struct mt_device device = {.struct_size = sizeof device,
	                                 .ordinal = (int32_t)n,
	                                 .unique_id = chip_unique_id(n),
	                                 .arch = "wormhole_b0",
	                                 .memories = memories,
	                                 .memory_count = 4,
	                                 .flags = flags};
	mt_space space = mt_device_open(&device);

	if (!space)
		check_failed(__FILE__, __LINE__, "chip %u cannot be opened", n);
	return space;
}

mt_space chip(unsigned n)
{
	return chip_with(n, 0);
}

void chips(unsigned count, mt_space *ret_spaces)
{
	for (unsigned n = 0; n < count; n++)
		ret_spaces[n] = chip(n);
}

mt_space mesh_with(uint32_t rows, uint32_t columns, const mt_space *devices, uint32_t flags)
{
	const struct mt_mesh m = {.struct_size = sizeof m,
	                          .rows = rows,
	                          .columns = columns,
	                          .flags = flags,
	                          .devices = devices,
	                          .name = "mesh"};
	mt_space space = mt_mesh_open(&m);

	if (!space)
		check_failed(__FILE__, __LINE__, "mesh cannot be opened");
	return space;
}

mt_space mesh(uint32_t rows, uint32_t columns, const mt_space *devices)
{
	return mesh_with(rows, columns, devices, 0);
}

struct mt_buffer buffer(mt_space space, uint64_t id, uint64_t bytes)
{
	return (struct mt_buffer){.struct_size = sizeof(struct mt_buffer),
	                          .space = space,
	                          .id = id,
	                          .address = 0x100000,
	                          .bytes = bytes,
	                          .kind = MT_DRAM};
}

mt_result put(mt_space space, uint64_t id, uint64_t bytes)
{
	return put_flags(space, id, bytes, 0, 0);
}

mt_result put_flags(mt_space space, uint64_t id, uint64_t bytes, uint32_t flags, uint64_t parent)
{
	struct mt_buffer b = buffer(space, id, bytes);

	b.flags = flags;
	b.parent = parent;
	return mt_alloc(&b);
}

struct mt_usage usage(mt_space device, uint32_t kind)
{
	struct mt_usage u = {.struct_size = sizeof u};

	told(mt_device_usage(device, kind, &u), MT_OK);
	return u;
}
