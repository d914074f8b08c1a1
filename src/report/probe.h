/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the library is in a program, on, and writing: the answer to "why do I see nothing?".
 * Looks at /proc and at program files (probe_file.h); never at memory.
 */
#ifndef MESHTALLY_REPORT_PROBE_H
#define MESHTALLY_REPORT_PROBE_H

#include "probe_opencl.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct probe {
	bool looked;      /* its maps could be read */
	bool kernel;      /* it has none: a kernel thread, or a zombie */
	bool library;     /* libmeshtally is in it, linked or loaded */
	bool segment;     /* it has a segment mapped: it is on, and writing */
	bool unlinked;    /* the file of that segment is gone: nobody can see it */
	bool off;         /* its environment says MESHTALLY=0 */
	bool on;          /* its environment turns tracking on */
	char command[64]; /* any bytes */
	struct probe_opencl opencl;
};

/* A running process, by its maps and environment alone: quick, but blind to a library that is
 * linked in and off. */
void probe_maps(pid_t pid, struct probe *ret_probe);

/* A running process, its program file included. */
void probe_process(pid_t pid, struct probe *ret_probe);

/* A running process and everything it started: what is true of any of them; of OpenCL that of the
 * process whose state tells most. */
void probe_tree(pid_t pid, struct probe *ret_probe);

#endif
