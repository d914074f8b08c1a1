/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the client library share. Each test runs in a child of its own, with tracking
 * armed and not begun and a directory of its own; it reads the totals from outside, by the reader,
 * and compares them with mt_device_usage. A failed check ends the child, which fails the test.
 */
#ifndef MESHTALLY_CLIENT_FIXTURE_H
#define MESHTALLY_CLIENT_FIXTURE_H

#include "meshtally.h"
#include "reader.h"

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CHILD_PASSED = 0, CHILD_FAILED = 1, CHILD_SKIPPED = 77 };

/* Where the segments of the running test go. */
extern char fixture_dir[256];

/* Runs the tests with MESHTALLY=1, for which the program starts itself anew if need be. */
int fixture_main(const char *name, const struct CMUnitTest *tests, size_t count, char **argv);

/* Runs body in a child and demands that it passes. */
void isolated(void (*body)(void));

#define TEST(name)                                                                                 \
	static void name##_body(void);                                                             \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		isolated(name##_body);                                                             \
	}                                                                                          \
	static void name##_body(void)

/* --- checks ------------------------------------------------------------------------------ */

__attribute__((noreturn, format(printf, 3, 4))) void check_failed(const char *file, int line,
                                                                  const char *format, ...);
__attribute__((noreturn, format(printf, 1, 2))) void skip_test(const char *format, ...);

void check_same(uint64_t actual, uint64_t expected, const char *text, const char *file, int line);
void check_told(mt_result actual, mt_result expected, const char *text, const char *file, int line);

#define same(actual, expected)                                                                     \
	check_same((uint64_t)(actual), (uint64_t)(expected), #actual, __FILE__, __LINE__)
#define told(actual, expected) check_told((actual), (expected), #actual, __FILE__, __LINE__)
#define ok(actual)             told(actual, MT_OK)
#define holds(condition)                                                                           \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, "not so: %s", #condition))

/* The run-time part of a sanitizer makes system calls, takes memory and holds back signals. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SKIP_UNDER_SANITIZER() skip_test("not under a sanitizer")
#else
#define SKIP_UNDER_SANITIZER() (void)0
#endif

/* --- devices and buffers ----------------------------------------------------------------- */

/* Chip n: unique id 0x100 + n; DRAM of 12 banks of 1 GiB from 0x1000, L1 of 64 banks of 1 MiB from
 * 0x10000, TRACE and L1_SMALL of one bank. */
mt_space chip(unsigned n);
mt_space chip_with(unsigned n, uint32_t flags);
mt_space mesh(uint32_t rows, uint32_t columns, const mt_space *devices);
mt_space mesh_with(uint32_t rows, uint32_t columns, const mt_space *devices, uint32_t flags);
void chips(unsigned count, mt_space *ret_spaces);
uint64_t chip_unique_id(unsigned n);

/* A DRAM buffer, span 0 (held = bytes, one bank), at an address that is in range. */
struct mt_buffer buffer(mt_space space, uint64_t id, uint64_t bytes);
mt_result put(mt_space space, uint64_t id, uint64_t bytes);
mt_result put_flags(mt_space space, uint64_t id, uint64_t bytes, uint32_t flags, uint64_t parent);
struct mt_usage usage(mt_space device, uint32_t kind);

/* --- from outside ------------------------------------------------------------------------ */

/* The segment of this process, or of another. Fails unless it is whole. */
struct segment_view *outside(void);
/* The same of a writer that does not stop: it may say that it is not exact. */
struct segment_view *outside_while_busy(pid_t pid, enum view_depth depth);
struct segment_view *outside_of(pid_t pid, enum view_depth depth);
/* Path of its file; false: there is none. */
bool segment_path(pid_t pid, char *ret_path, size_t size);
unsigned segment_count(void);

uint32_t device_of(const struct segment_view *view, unsigned chip_number);
const struct view_figure *figure_of(const struct segment_view *view, unsigned chip_number,
                                    uint32_t kind);

/* Bytes by class of a chip: from outside by the slots, from outside by the counters, and by
 * mt_device_usage where the chip is open. Held is their sum, or as given. */
void check_chip(unsigned n, uint32_t kind, const uint64_t *classes, uint64_t held, const char *file,
                int line);
#define expect(n, kind, user, system, cache)                                                       \
	check_chip(n, kind, (const uint64_t[]){user, system, cache}, (user) + (system) + (cache),  \
	           __FILE__, __LINE__)
#define expect_held(n, kind, user, system, cache, held)                                            \
	check_chip(n, kind, (const uint64_t[]){user, system, cache}, held, __FILE__, __LINE__)
void check_peak(unsigned n, uint32_t kind, uint64_t peak, const char *file, int line);
#define expect_peak(n, kind, peak) check_peak(n, kind, peak, __FILE__, __LINE__)

/* Faults of a type, and that there are no others. */
void check_faults(uint64_t expected_total, const char *file, int line);
uint64_t faults_of(mt_result type);
#define expect_no_faults()   check_faults(0, __FILE__, __LINE__)
#define expect_faults(total) check_faults(total, __FILE__, __LINE__)

/* --- processes --------------------------------------------------------------------------- */

/* Runs body in a child of this process and fails unless it passes. */
void in_child(void (*body)(void *arg), void *arg);
pid_t child_start(void (*body)(void *arg), void *arg);
void child_wait(pid_t pid);
/* Memory shared with children. */
void *shared_page(size_t bytes);

#endif
