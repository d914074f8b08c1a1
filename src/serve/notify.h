/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager wants to hear (sd_notify(3)), and the sockets that it hands over
 * (sd_listen_fds(3)), by hand: the protocols are a datagram and three variables. Without a manager
 * all of it does nothing.
 */
#ifndef MESHTALLY_SERVE_NOTIFY_H
#define MESHTALLY_SERVE_NOTIFY_H

#include <stdint.h>

/* Sends "READY=1" and the like to $NOTIFY_SOCKET. */
void notify(const char *state);

/* Of a reload, which wants a time: pairs with notify("READY=1") when it is over. */
void notify_reloading(void);

/* How often "WATCHDOG=1" is to be sent, in microseconds; 0: not at all. */
uint64_t notify_watchdog_us(void);

/* Descriptors passed by socket activation, and what each is for. Takes the variables out of the
 * environment. Returns their number, at most limit. */
struct passed_socket {
	int fd;
	char name[32]; /* "tt", "http"; what it was called otherwise */
};
unsigned notify_passed_sockets(struct passed_socket *ret_sockets, unsigned limit);

#endif
