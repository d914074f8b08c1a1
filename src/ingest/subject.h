/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose memory a message speaks of. A message of the socket protocol names a process by a number
 * that anybody can write; the kernel names the process that connected (the peer). Believed is only
 * a message that names the peer or a process descended from it (children inherit the socket), by
 * the number that this process has for itself, in its own pid namespace.
 *
 * Everything here looks into /proc and is not for every message: keep what was found with the
 * connection, by the message's pid, and ask subject_is_current() now and then.
 */
#ifndef MESHTALLY_INGEST_SUBJECT_H
#define MESHTALLY_INGEST_SUBJECT_H

#include "writer.h"

#include <stdbool.h>
#include <stdint.h>

/* Of subject.ordinals: no mask is set, ordinals are the machine's own. */
#define SUBJECT_ORDINALS_ALL 0x616c6c0000000001ull

struct subject {
	struct writer_subject who; /* pid, start and namespace as this process sees them */
	/* By the mask of visible devices that its ordinals count from: equal numbers count alike.
	 * 0 unknown. */
	uint64_t ordinals;
	int pidfd;            /* readable when it has ended; -1: none. Owned */
	bool connection_only; /* the kernel does not show it to us: it ends with its connection */
};

/* Who is connected: described at once, as it may have ended when its messages are read. */
struct subject_peer {
	int32_t pid;         /* 0: outside our pid namespace */
	int32_t own_pid;     /* the number that it has for itself; 0 unknown */
	uint32_t uid;        /* effective, at connect */
	bool elsewhere;      /* in a pid namespace below ours, as far as can be seen */
	struct subject self; /* of pid 0: nobody */
	/* How many processes subject_find() may look at from now on: it takes away what it has, and
	 * finds only the peer itself where none is left. */
	uint32_t looks;
};

/* Call it right after accept(). 0 or a negative errno (-EMFILE, ...). */
int subject_peer_of(int socket_fd, struct subject_peer *ret_peer);
void subject_peer_finish(struct subject_peer *peer);

/*
 * Who is meant by a message's pid on a connection of this peer. 0 and a subject for
 * subject_finish() (the peer itself also when it has ended: its pidfd says so); -EPERM: somebody
 * who is neither the peer nor descended from it: a fault of the sender (MT_WRONG_PROCESS); -ESRCH:
 * it cannot be told any more, because the peer has ended, or nobody has this number (a child that
 * ended before its message was read); -EBUSY: peer->looks does not suffice; -EMFILE and the like:
 * try again later.
 */
int subject_find(struct subject_peer *peer, int32_t message_pid, struct subject *ret_subject);

/* The subject of a segment that was found, if this very process still runs: else -ESRCH. */
int subject_of_process(const struct segment_process *process, struct subject *ret_subject);

/* A copy with a pidfd of its own. 0 or a negative errno. */
int subject_copy(const struct subject *subject, struct subject *ret_copy);
void subject_finish(struct subject *subject);

/* Whether it still runs: one system call. A zombie does not. True for connection_only. */
bool subject_is_current(const struct subject *subject);

/* Whether two are the same process. */
bool subject_same(const struct subject *a, const struct subject *b);

/* The number for struct subject.ordinals of a mask, as the two variables have it (NULL: not set).
 */
uint64_t subject_ordinals(const char *visible_devices, const char *metal_visible_devices);

#endif
