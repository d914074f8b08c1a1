/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a process ended, asked of the kernel through a pidfd, for processes that
 * are not our children: PIDFD_GET_INFO where the kernel has it (Linux 6.15),
 * which tells once the parent has taken the status; before, and on older
 * kernels, /proc/<pid>/stat of the zombie, if we may read that much of it.
 */
#ifndef MESHTALLY_SERVE_PROCESS_END_H
#define MESHTALLY_SERVE_PROCESS_END_H

#include "layout.h"

#include <stdbool.h>
#include <stdint.h>

/* A pidfd of a process of our own pid namespace, close-on-exec, or a negative
 * errno: -ESRCH if it has ended (start_ticks, if not 0, tell it from a later
 * one of the same pid). */
int process_end_open(int32_t pid, uint64_t start_ticks);

/* Whether the process of that pid, in our namespace, began then; 0: whenever. */
bool process_end_started(int32_t pid, uint64_t start_ticks);

/* The pid behind a pidfd, in our namespace; 0 if it is not there any more. */
int32_t process_end_pid(int pidfd);

/* Of a pidfd that is readable. 0; -EAGAIN: not to be known before the parent
 * takes the status; or -ENODATA: never. `pid` may be 0. Sets how and code. */
int process_end_read(int pidfd, int32_t pid, struct segment_end *ret_end);

#endif
