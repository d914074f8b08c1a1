/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of the older allocation server protocol, as programs in the field have one: it connects
 * at the first event, sends one message of 112 bytes per event, blocking, under a mutex, and reads
 * nothing. Children inherit the connection on fork and send over it as themselves. When nobody
 * listens, or the server goes, events are dropped and counted; it tries again once a second. May be
 * used from any thread. See docs/tt-protocol.md.
 */
#ifndef EXAMPLES_TT_SOCKET_CLIENT_H
#define EXAMPLES_TT_SOCKET_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#define TT_SOCKET_PATH "/tmp/tt_allocation_server.sock"

enum tt_socket_type { TT_SOCKET_ALLOC = 1, TT_SOCKET_FREE = 2 };

/* What lies in a memory: the protocol's own numbers. */
enum tt_socket_kind {
	TT_SOCKET_DRAM,
	TT_SOCKET_L1,
	TT_SOCKET_SYSTEM_MEMORY,
	TT_SOCKET_L1_SMALL,
	TT_SOCKET_TRACE
};

/* Little-endian, the fields in the order of their offsets. Events leave the answers' part zero. */
struct tt_socket_message {
	uint8_t type, pad1[3];
	int32_t device_id;
	uint64_t size;
	uint8_t buffer_type, pad2[3];
	int32_t process_id;
	uint64_t buffer_id; /* the address */
	uint64_t timestamp; /* system clock, ns; 0 in FREE */
	uint8_t answer[72];
};
_Static_assert(sizeof(struct tt_socket_message) == 112, "the form with totals of the devices");

/* path: kept, not copied; NULL: the well-known one. Once, before the first event. */
void tt_socket_client_init(const char *path);

/* False: the event was dropped. */
bool tt_socket_client_alloc(int32_t device, uint64_t address, uint64_t bytes,
                            enum tt_socket_kind kind);
bool tt_socket_client_free(int32_t device, uint64_t address);

uint64_t tt_socket_client_sent(void);
uint64_t tt_socket_client_dropped(void);

/* Hangs up. */
void tt_socket_client_finish(void);

#endif
