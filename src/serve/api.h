/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that need a look at the segments: the API, the metrics, readiness. Made on the worker's
 * thread; requests for the same thing that come while it is being made share it. All functions are
 * called on the loop's thread.
 */
#ifndef MESHTALLY_SERVE_API_H
#define MESHTALLY_SERVE_API_H

#include "api_request.h"

#include <stdbool.h>

struct api;
struct api_waiter;
struct http;
struct http_connection;
struct server;

/* A reading that ended less than this ago is used again. */
enum { API_REUSE_MS = 250 };

int api_create(struct api **ret, struct server *server);
/* Nobody may wait any more. What the worker still has of it ends with the worker. */
void api_destroy(struct api *api);

/* Sees to it that the connection is answered. */
void api_ask(struct api *api, struct http_connection *connection, const struct http_head *head,
             bool openmetrics);

/* The connection does not wait any more. */
void api_forget(struct api_waiter *waiter);

#endif
