/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of an HTTP/1 request: bytes in, struct out. Pure. Takes GET and HEAD without a body and
 * is strict about everything else: what two readers could understand in two ways is refused, with
 * the status and the sentence to answer with.
 */
#ifndef MESHTALLY_SERVE_HTTP_PARSE_H
#define MESHTALLY_SERVE_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	HTTP_HEAD_BYTES = 8192,   /* request line and headers together */
	HTTP_TARGET_BYTES = 2048, /* path and query */
	HTTP_HEADERS = 64
};

/* Points into the bytes that were parsed. */
struct http_slice {
	const char *bytes; /* NULL: not there */
	size_t length;
};

struct http_head {
	bool head;       /* HEAD, not GET */
	bool keep_alive; /* the client wants to go on */
	struct http_slice target, host, accept, authorization;
};

/* How many bytes the head takes, the empty line included; 0: it is not complete yet. */
size_t http_head_length(const char *bytes, size_t length);

/* Of a complete head. 0, or a status (400, 405, 413, 414, 431, 501, 505) with its reason. */
int http_head_parse(struct http_head *ret, const char *bytes, size_t length,
                    const char **ret_reason);

bool http_slice_is(const struct http_slice *slice, const char *word); /* in any case */

#endif
