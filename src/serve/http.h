/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP of the server: listeners, connections and their limits, who may ask. By hand over
 * bufferevents, because libevent's own evhttp can neither bound the number of its connections nor
 * how long a request may take to arrive (docs/decisions/0005-http-by-hand.md). On the loop's
 * thread; what reads segments is in api.h.
 */
#ifndef MESHTALLY_SERVE_HTTP_H
#define MESHTALLY_SERVE_HTTP_H

#include "server.h"

enum {
	HTTP_CONNECTIONS = 64,          /* at once; then the idle ones go first */
	HTTP_REQUEST_SECONDS = 10,      /* for the head of a request to arrive, however slowly */
	HTTP_IDLE_SECONDS = 30,         /* between two requests */
	HTTP_ANSWER_SECONDS = 30,       /* for an answer to be made; and again for it to be taken */
	HTTP_UNTAKEN_BYTES = 256 << 20, /* of answers; beyond, whoever asks is told to wait */
	HTTP_TOKEN_LEAST = 16,
	HTTP_TOKEN_MOST = 512
};

/* Without listening yet. What is wrong with the token file is in the log. */
int http_create(struct http **ret, struct server *server);

/* Listens where the options say. What is wrong is in the log. */
int http_listen(struct http *http);

/* Listens on a socket that is bound already, and becomes the callee's. */
int http_listen_fd(struct http *http, int fd);

/* Reads the token again; where that fails the old one stays. */
void http_reload(struct http *http);
void http_destroy(struct http *http);

struct http_stats {
	uint64_t connections; /* now */
	uint64_t connections_total, refused, timeouts;
	uint64_t requests[6]; /* by the first digit of the status */
};
const struct http_stats *http_stats(const struct http *http);

#endif
