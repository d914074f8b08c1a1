/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a process that wrote its pid somewhere is still there. For files that have nothing better
 * than a pid: segments have a lock for it.
 */
#ifndef MESHTALLY_INGEST_PROCESS_ALIVE_H
#define MESHTALLY_INGEST_PROCESS_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

/* A zombie is dead; one of another user is not. last_seen_ns (CLOCK_REALTIME; 0 or on another
 * clock: not used): a process that started later only has the same pid. */
bool process_alive(int32_t pid, uint64_t last_seen_ns);

#endif
