/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server: one event loop, and beside it one thread that reads segments (worker.h). Everything
 * that is not the work() of a job runs on the loop's thread. The parts know each other through
 * struct server, which serve_run fills in the order of its fields and empties in the reverse one.
 */
#ifndef MESHTALLY_SERVE_SERVER_H
#define MESHTALLY_SERVE_SERVER_H

#include "log.h"
#include "writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct event_base;
struct http;
struct postmortems;
struct tt_devices;
struct tt_server;
struct watch;
struct worker;

#define SERVE_TT_SOCKET "/tmp/tt_allocation_server.sock"
#define SERVE_LISTEN    "127.0.0.1:9755"

enum { SERVE_DEAD_FILES = 200, SERVE_PAUSE_MS = 250 };
#define SERVE_DEAD_BYTES (256ull << 20)

struct serve_options {
	const char *tt_socket; /* NULL: none */
	mode_t tt_socket_mode; /* 0: by who runs it */
	unsigned tt_bytes;     /* of a message: 72, 112, 128, 144; 0: as the bytes say */
	enum writer_repeats repeats;
	const char *devices_file; /* NULL: none */
	const char *listen;       /* HTTP address:port; "" none */
	const char *http_socket;  /* HTTP on a Unix socket; NULL: the default, "" none */
	const char *token_file;   /* NULL: none */
	const char *state_dir;    /* NULL: the default */
	unsigned dead_files;
	uint64_t dead_bytes;
	enum log_level log_level;
};

/* What the server has done, for its own metrics. Changed on the loop's thread only. */
struct serve_stats {
	uint64_t start_realtime_ns;
	uint64_t connections; /* open now, of the socket protocol */
	uint64_t connections_total;
	uint64_t connections_refused; /* over a limit */
	uint64_t connections_dropped; /* did not read their answers */
	uint64_t accept_pauses;       /* descriptors ran short */
	uint64_t messages;            /* of the socket protocol, all types */
	uint64_t messages_malformed;  /* and ignored */
	uint64_t messages_foreign;    /* named a process that is not the sender's */
	uint64_t messages_gone;       /* of a process that had ended, or whose parent had */
	uint64_t messages_guessed;    /* frees whose device had to be guessed */
	uint64_t messages_repeated;
	/* no segment could be made for their process, or it was one of too many */
	uint64_t messages_unrecorded;
	uint64_t queries;
	uint64_t proxies;         /* processes accounted on behalf of, now */
	uint64_t proxies_adopted; /* found again after a server's death */
	uint64_t processes_ended;
	uint64_t reloads;
};

struct server {
	struct event_base *base;
	const struct serve_options *options;
	struct serve_stats stats;
	struct worker *worker;
	struct postmortems *postmortems;
	struct watch *watch;
	struct tt_server *tt;
	struct http *http;
	char segment_dir[256]; /* where this server writes */
	bool is_service;       /* of the system, not of a user */
};

/* Runs until told to end. Returns the exit status; what went wrong is in the log. */
int serve_run(const struct serve_options *options);

/* Whether a descriptor just gotten says that few are left. Then whoever accepts pauses for
 * SERVE_PAUSE_MS: the reserve is for what must not stop. */
bool server_descriptors_short(int fd);

#endif
