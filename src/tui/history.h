/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What devices held over the last 1, 10 and 60 minutes: per device and kind three series of 60
 * values, each the highest of its time. Grows with what is seen; devices are known by their unique
 * id or bus address. One thread.
 */
#ifndef MESHTALLY_TUI_HISTORY_H
#define MESHTALLY_TUI_HISTORY_H

#include "reading.h"

enum history_span { HISTORY_1_MINUTE, HISTORY_10_MINUTES, HISTORY_60_MINUTES, HISTORY_SPANS };
enum { HISTORY_VALUES = 60 };

struct history;

struct history *history_create(void);
void history_destroy(struct history *history);
void history_add(struct history *history, const struct reading *reading);
/* Held bytes, the oldest first; UINT64_MAX where nothing was seen. False: nothing at all. now_ns:
 * CLOCK_MONOTONIC, as in readings. */
bool history_series(const struct history *history, const struct machine *machine, uint32_t row,
                    uint32_t kind, enum history_span span, uint64_t now_ns,
                    uint64_t (*ret_values)[HISTORY_VALUES]);

#endif
