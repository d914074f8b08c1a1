/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program started and waited for, with signals forwarded. It stays in our process group, so that
 * the terminal treats both as one job: what the terminal sends to the group is not sent again.
 */
#ifndef MESHTALLY_CLI_RUN_CHILD_H
#define MESHTALLY_CLI_RUN_CHILD_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

struct run_child {
	pid_t pid;
	sigset_t signals; /* taken by run_child_wait */
};

/* Pairs of name and value, NULL at the end, put into the program's environment. 0, or the negative
 * errno of what failed, exec included. */
int run_child_start(struct run_child *child, char *const *argv, const char *const *environment);

/* Waits until it ends, or, once, until the time is up. 1 and the wait status, or 0. */
int run_child_wait(struct run_child *child, int64_t timeout_ms, int *ret_status);

#endif
