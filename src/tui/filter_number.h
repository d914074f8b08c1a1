/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and times as people type them: "512K", "1.5M", "10m", "1h30m". Pure; any bytes. */
#ifndef MESHTALLY_TUI_FILTER_NUMBER_H
#define MESHTALLY_TUI_FILTER_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes: binary units K, M, G, T with or without B or iB, in any case; none: bytes. */
bool filter_number_size(const char *text, uint64_t *ret_bytes);
/* ms, s, m, h, d; several in a row add up. A number alone is not a time. */
bool filter_number_age(const char *text, uint64_t *ret_ns);

#endif
