/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double of the client library that keeps what it is told, in order, from any thread. Linked in
 * place of libmeshtally, so that the tests see what the runtime reports and nothing else.
 */
#ifndef TESTS_REPORT_DOUBLE_H
#define TESTS_REPORT_DOUBLE_H

#include <meshtally.h>
#include <stddef.h>

enum report_call {
	REPORT_DEVICE_OPEN,
	REPORT_MESH_OPEN,
	REPORT_READY,
	REPORT_CLOSE,
	REPORT_ALLOC,
	REPORT_FREE,
	REPORT_FAILED,
	REPORT_DEFINE,
	REPORT_DISPATCH,
	REPORT_CLASH,
	REPORT_DROP
};

struct report {
	enum report_call call;
	mt_space space;
	uint64_t id;
	struct mt_buffer buffer;   /* REPORT_ALLOC */
	struct mt_failure failure; /* REPORT_FAILED */
	uint32_t remote_members;   /* REPORT_MESH_OPEN */
	uint64_t cb_end, lowest;   /* REPORT_CLASH */
};

void report_double_reset(void);
size_t report_double_count(enum report_call call);
size_t report_double_count_in(enum report_call call, mt_space space);

/* The n-th report of a call, from 0; fails the test where there are fewer. */
const struct report *report_double_get(enum report_call call, size_t n);

/* Allocations reported and not freed by the same space and id. */
size_t report_double_live(void);

#endif
