/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of JSON output: plain numbers with units in the keys, null where a value is not known, and
 * numbers of 64 bits that are names, not amounts, as "0x..." strings.
 */
#ifndef MESHTALLY_REPORT_JSON_VALUE_H
#define MESHTALLY_REPORT_JSON_VALUE_H

#include "machine.h"

#include <jansson.h>

json_t *json_amount(uint64_t amount);
json_t *json_known(uint64_t amount, bool known);
json_t *json_hex(uint64_t name);
json_t *json_hex_known(uint64_t name);  /* null for 0 */
json_t *json_address(uint64_t address); /* null for SEGMENT_NO_ADDRESS */
json_t *json_foreign(const char *foreign);
json_t *json_foreign_known(const char *foreign); /* null for "" */
json_t *json_time(uint64_t realtime_ns);         /* unix seconds; null for 0 */
json_t *json_rows(const struct machine *machine, const unsigned char *on);
json_t *json_kind(const struct machine *machine, uint32_t kind);
json_t *json_process(const struct machine_process *process); /* {"pid":..,"command":..} */

/* {"kind": ..., "bytes": ...}: one figure. */
json_t *json_figure(const struct machine *machine, uint32_t kind,
                    const struct machine_figure *figure);

#endif
