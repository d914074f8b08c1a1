/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the socket server: tt_server.c accepts, tt_connection.c reads and writes, tt_subject.c
 * knows whose proxy a message is for, tt_bury.c gives back what ended ones took, tt_answer.c
 * answers.
 */
#ifndef MESHTALLY_SERVE_TT_INTERNAL_H
#define MESHTALLY_SERVE_TT_INTERNAL_H

#include "memory.h"
#include "proxy.h"
#include "subject.h"
#include "tt_devices.h"
#include "tt_protocol.h"
#include "tt_server.h"
#include "tt_totals.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	TT_CHUNK = 32 << 10,      /* read of one connection before it is another's turn */
	TT_BATCH = 64,            /* messages decoded at once */
	TT_PREFETCH = 6,          /* messages ahead */
	TT_OUTPUT_MAX = 64 << 10, /* of answers that are not read */
	TT_LISTENERS = 2,
	TT_CONNECTIONS = 512,
	TT_CONNECTIONS_USER = 256,
	TT_NAMES = 256,          /* processes that one connection may speak for */
	TT_SUBJECTS = 4096,      /* in all */
	TT_SUBJECTS_USER = 2048, /* of one user's connections */
	TT_LOOKS = 2048,         /* at processes, per connection: at once, */
	TT_LOOKS_SECOND = 512,   /* and per second after that */
	TT_LOOKS_USER = 8192,    /* the same for all connections of a user */
	TT_LOOKS_USER_SECOND = 1024,
	TT_NAP_US = 200,      /* between looks at a stream of single messages */
	TT_REFUSED_MS = 1000, /* how long a refusal is remembered */
	TT_DUMP_MS = 1000     /* between two lists of what remains */
};

struct tt_connection;

/* A process on whose behalf a segment is written. */
struct tt_subject {
	struct tt_server *tt;
	struct proxy *proxy;
	struct tt_connection *connection; /* NULL: hung up */
	struct watched_process *watched;  /* NULL: its end cannot be seen */
	uid_t uid;                        /* of who reports for it */
	struct proxy_stats seen;          /* already in the server's figures */
	uint64_t last_ms;                 /* of its last message */
	bool freed;                       /* something since it was trimmed */
	bool hung_up;                     /* which the log has not been told yet */
	bool ended;                       /* being read out for the last time */
};

/* What a pid in the messages of a connection means. */
struct tt_name {
	int32_t pid;
	struct tt_subject *subject; /* NULL: refused until: */
	uint64_t until_ms;
	int refusal; /* what subject_find() said */
};

/* Looking at processes takes time that is everybody's. */
struct tt_looks {
	unsigned left;
	uint64_t ms; /* of the last refill; 0: never */
};

struct tt_message_list {
	VEC_FIELDS(struct tt_message)
};
struct tt_byte_list {
	VEC_FIELDS(uint8_t)
};

struct tt_connection {
	struct tt_server *tt;
	struct tt_connection *next, *previous;
	int fd;
	struct event *readable, *writable, *quiet;
	struct subject_peer peer;
	struct tt_decoder decoder;

	int32_t last_pid;
	struct tt_subject *last; /* of last_pid; NULL: none */
	VEC(struct tt_name) names;
	size_t next_refused; /* which refusal to forget next */
	struct tt_looks looks;

	/* Answers on their way. */
	uint8_t *output;
	size_t output_length, output_sent, output_capacity;
	bool writing;

	/* It asked something whose answer is being read: nothing more is taken in until then. */
	bool held;
	struct tt_message_list held_messages;
	struct tt_byte_list held_bytes;

	/* A stream of single messages is looked at by the clock: see tt_connection.c. */
	bool napping;
	bool asked;       /* in what was read last */
	unsigned naps;    /* in a row in which nothing came */
	uint64_t read_ns; /* the last time that something was read */

	bool closing; /* makes no sense, or does not read: to be closed after this chunk */
};

struct tt_user {
	uid_t uid;
	unsigned connections;
	struct tt_looks looks;
};

struct tt_server {
	struct server *server;
	const struct tt_devices *devices;
	struct tt_totals *totals;
	struct {
		int fd;
		struct event *event;
	} listeners[TT_LISTENERS];
	unsigned listener_count;
	struct event *resume; /* accepting pauses until then */
	bool paused;
	VEC(struct tt_user) users;
	struct tt_connection *connections;
	unsigned connection_count;
	VEC(struct tt_subject *) subjects;
	struct event *turn;        /* the loop's next: */
	bool begun;                /* in this one, a connection has said its first word */
	VEC(struct proxy *) dying; /* ended, with their memory still to be given back */
	struct event *bury;
	struct event *idle;
	struct event *wake; /* of napping connections: */
	VEC(struct tt_connection *) napping;
	bool leaving; /* the server ends: proxies stay */
	uint64_t dump_ms;
	bool taking_over; /* one connection is read in the midst of another: */
	uint8_t chunk[TT_CHUNK], spare[TT_CHUNK];
};

uint64_t tt_now_ms(void);

/* tt_connection.c */
void tt_connection_open(struct tt_server *tt, int fd, struct subject_peer *peer);
/* Reads so many bytes, as far as they have been sent, and never closes. */
void tt_connection_drain(struct tt_connection *connection, size_t bytes);
size_t tt_connection_unread(const struct tt_connection *connection);
/* Whether the peer has hung up. */
bool tt_connection_is_over(const struct tt_connection *connection);
void tt_connection_close(struct tt_connection *connection);
void tt_connection_answer(struct tt_connection *connection, const struct tt_answer *answer);
/* If it is held: the figures that it waits for are there. */
void tt_connection_release(struct tt_connection *connection);

void tt_connection_on_wake(evutil_socket_t fd, short what, void *arg);

/* tt_server.c */
void tt_server_closed(struct tt_server *tt, uid_t uid);
/* One with an open connection. */
struct tt_user *tt_user_of(struct tt_server *tt, uid_t uid);
void tt_looks_refill(struct tt_looks *looks, unsigned limit, unsigned per_second);

/* tt_subject.c */
/* Whom a message is for; NULL: nobody, which is in the figures and the log by then. */
struct tt_subject *tt_subject_for(struct tt_connection *connection,
                                  const struct tt_message *message);
/* Takes over what a dead server left. */
void tt_subject_adopt_all(struct tt_server *tt);
/* The connection is about to go: those that still run stay, without one. */
void tt_subject_hang_up(struct tt_connection *connection);
/* Adds what it has done since the last time to the server's figures. */
void tt_subject_account(struct tt_subject *subject);
void tt_subject_touch(struct tt_subject *subject, bool freed);
void tt_subject_leave_all(struct tt_server *tt);
void tt_subject_on_idle(evutil_socket_t fd, short what, void *arg);

/* tt_bury.c */
/* It has ended, and has said so: the rest is done later. */
void tt_bury(struct tt_server *tt, struct proxy *proxy);
void tt_bury_on_turn(evutil_socket_t fd, short what, void *arg);
void tt_bury_all(struct tt_server *tt);

/* tt_answer.c */
/* False: the answer needs figures that are on their way; ask again then. */
bool tt_answer_question(struct tt_connection *connection, const struct tt_message *message);
void tt_answer_dump(struct tt_server *tt);

#endif
