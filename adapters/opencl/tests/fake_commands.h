/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rest of the fake driver: queues, commands, kernels, shared virtual memory, and functions that
 * a program gets by name. Commands do nothing but note what they were called with.
 */
#ifndef MESHTALLY_OPENCL_FAKE_COMMANDS_H
#define MESHTALLY_OPENCL_FAKE_COMMANDS_H

#include "fake_driver.h"

enum { FAKE_ARGUMENTS = 16, FAKE_PARAMETERS = 4 };

/* Of each thread. */
struct fake_commands {
	cl_int refuse; /* commands and settings of arguments fail with it; 0: they do not */
	/* The last call of a command. */
	const char *function;
	uint64_t arguments[FAKE_ARGUMENTS];
	uint32_t argument_count;
	uint64_t calls;
	uint64_t asked_of_queues, asked_of_kernels; /* questions */
	uint64_t svm;                               /* live */
	bool has_svm;
	cl_uint command_buffers; /* version of the extension; 0: not there */
};
extern __thread struct fake_commands fake_did;

/* fake_load() with all of this in the table. */
void fake_load_commands(void);

cl_command_queue fake_queue(cl_context context, uint32_t device);
cl_kernel fake_kernel(const char *name);
void fake_argument(cl_kernel kernel, cl_uint index, cl_mem memory);
cl_int fake_launch(cl_command_queue queue, cl_kernel kernel);
void fake_write(cl_command_queue queue, cl_mem memory);

/* Does what clEnqueueSVMFree() was told to do. */
void fake_svm_free_now(void);

/* --- from outside: live records with this site ---------------------------------------------- */

/* On this device; a view or a copy has the site "shared" or "copied". */
unsigned seen_on(int ordinal, const char *site);
/* Whether the only one has this tag. */
bool seen_tag(const char *site, const char *tag);

/* --- all arguments as numbers ----------------------------------------------------------------- */

#define NUMBERS(...)                                             NUMBERS_N(__VA_ARGS__, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1)(__VA_ARGS__)
#define NUMBERS_N(a, b, c, d, e, f, g, h, i, j, k, l, m, n, ...) NUMBERS_##n
#define NUMBERS_1(x)                                             (uint64_t)(x)
#define NUMBERS_2(x, ...)                                        (uint64_t)(x), NUMBERS_1(__VA_ARGS__)
#define NUMBERS_3(x, ...)                                        (uint64_t)(x), NUMBERS_2(__VA_ARGS__)
#define NUMBERS_4(x, ...)                                        (uint64_t)(x), NUMBERS_3(__VA_ARGS__)
#define NUMBERS_5(x, ...)                                        (uint64_t)(x), NUMBERS_4(__VA_ARGS__)
#define NUMBERS_6(x, ...)                                        (uint64_t)(x), NUMBERS_5(__VA_ARGS__)
#define NUMBERS_7(x, ...)                                        (uint64_t)(x), NUMBERS_6(__VA_ARGS__)
#define NUMBERS_8(x, ...)                                        (uint64_t)(x), NUMBERS_7(__VA_ARGS__)
#define NUMBERS_9(x, ...)                                        (uint64_t)(x), NUMBERS_8(__VA_ARGS__)
#define NUMBERS_10(x, ...)                                       (uint64_t)(x), NUMBERS_9(__VA_ARGS__)
#define NUMBERS_11(x, ...)                                       (uint64_t)(x), NUMBERS_10(__VA_ARGS__)
#define NUMBERS_12(x, ...)                                       (uint64_t)(x), NUMBERS_11(__VA_ARGS__)
#define NUMBERS_13(x, ...)                                       (uint64_t)(x), NUMBERS_12(__VA_ARGS__)

/* The layer's function gives these arguments to the driver as they are. */
#define PASSES_ON(name, call, ...)                                                                 \
	do {                                                                                       \
		const uint64_t gave[] = {NUMBERS(__VA_ARGS__)};                                    \
		fake_did.function = NULL;                                                          \
		(void)call(__VA_ARGS__);                                                           \
		fake_check(name, gave, sizeof gave / sizeof *gave, __LINE__);                      \
	} while (0)
void fake_check(const char *function, const uint64_t *arguments, size_t count, int line);

#endif
