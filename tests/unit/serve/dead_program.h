/* SPDX-License-Identifier: Apache-2.0 */
/* Programs for the tests of what happens at their end, each with a segment of its own. */
#ifndef MESHTALLY_TESTS_DEAD_PROGRAM_H
#define MESHTALLY_TESTS_DEAD_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct program_plan {
	uint32_t buffers; /* of 4 KiB each, id 1 and on, live */
	uint64_t run_id;
	bool faulty; /* frees what it never had */
};

struct program {
	pid_t pid;
	char path[320]; /* of its segment */
	uint64_t identity;
};

/* Makes a directory of its own in shared memory and has MESHTALLY_DIR name it. */
void program_dir_make(char (*ret_path)[64]);
void program_dir_remove(const char *path);

/* Runs it until it has done all that it planned, and sleeps. */
struct program program_start(const struct program_plan *plan);
/* Ends it: by a signal, or with number 0 by _exit(3), and takes its status. */
void program_end(const struct program *program, int number);
/* Both. */
struct program program_dead(const struct program_plan *plan);

#endif
