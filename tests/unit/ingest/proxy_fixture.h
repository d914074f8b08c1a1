/* SPDX-License-Identifier: Apache-2.0 */
/* A proxy of this process in a directory of its own, messages to it, and what a reader sees. */
#ifndef MESHTALLY_TEST_PROXY_FIXTURE_H
#define MESHTALLY_TEST_PROXY_FIXTURE_H

#include "cmocka_all.h"
#include "proxy.h"
#include "reader.h"

struct proxy_fixture {
	char directory[64];
	struct subject subject; /* this process */
	struct proxy *proxy;    /* NULL until fixture_open() */
	struct segment_view *view;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

void fixture_open(struct proxy_fixture *fixture, enum writer_repeats repeats);
void fixture_open_with(struct proxy_fixture *fixture, enum writer_repeats repeats,
                       const struct tt_devices *devices);

void send_alloc(struct proxy_fixture *fixture, int32_t device, uint64_t id, uint64_t bytes,
                uint8_t buffer_type);
void send_free(struct proxy_fixture *fixture, int32_t device, uint64_t id);
void send_type(struct proxy_fixture *fixture, uint8_t type, int32_t device, uint64_t id,
               uint64_t bytes, uint8_t buffer_type);

/* Reads the segment anew; the view stays until the next look or the end of the test. */
const struct segment_view *look(struct proxy_fixture *fixture);
const struct segment_view *look_at(struct proxy_fixture *fixture, const char *path);
/* Of the last look: a figure of an ordinal; -1: the device is not there. */
int64_t bytes_on(const struct proxy_fixture *fixture, int32_t ordinal, uint32_t kind);
int64_t buffers_on(const struct proxy_fixture *fixture, int32_t ordinal, uint32_t kind);
uint64_t faults_of(const struct proxy_fixture *fixture, uint32_t type);
uint32_t kind_named(const struct proxy_fixture *fixture, const char *name);

#endif
