/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program file tells of itself, without running it: whether libmeshtally or OpenCL is in it.
 * Reads the file only, for `run`, `doctor` and probe.c.
 */
#ifndef MESHTALLY_REPORT_PROBE_FILE_H
#define MESHTALLY_REPORT_PROBE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum probe_program {
	PROGRAM_UNKNOWN, /* cannot be found or read */
	PROGRAM_SCRIPT,  /* not a program file itself: something else runs it */
	PROGRAM_WITH,
	PROGRAM_WITHOUT /* may still load it while it runs */
};

struct probe_file {
	enum probe_program program;
	bool opencl;        /* names libOpenCL: linked to the loader, or loads it by name */
	bool opencl_loader; /* has an OpenCL loader linked in */
	bool privileged;    /* setuid or setgid */
	uint8_t bits;       /* 32 or 64; 0: not known */
	uint16_t machine;   /* as <elf.h> numbers them */
};

/* A file by its path. */
void probe_file(const char *path, struct probe_file *ret_file);

/* A program by the name it is started by. */
void probe_program(const char *name, struct probe_file *ret_file);

/* Which of the marks (at most 32) are in a file, bit by bit: read from where it stands, once. */
uint32_t probe_marks(int fd, const char *const *marks, size_t count);

/* "x86-64", "aarch64", ...: of the machines that accelerators are found in. NULL: another. */
const char *probe_machine_name(uint16_t machine);

#endif
