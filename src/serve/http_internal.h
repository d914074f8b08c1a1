/* SPDX-License-Identifier: Apache-2.0 */
/* Shared among the files of HTTP and of the API, and nobody else. */
#ifndef MESHTALLY_SERVE_HTTP_INTERNAL_H
#define MESHTALLY_SERVE_HTTP_INTERNAL_H

#include "http.h"
#include "http_parse.h"
#include "listener.h"
#include "text.h"

#include <event2/util.h>
#include <sys/socket.h>

struct api;
struct api_waiter;
struct event;
struct evconnlistener;

enum http_state {
	HTTP_READING,   /* a request, or nothing yet */
	HTTP_ANSWERING, /* somebody makes the answer */
	HTTP_WRITING,
	HTTP_LINGERING /* has been answered for good, and may still be sending */
};

struct http_connection {
	struct http *http;
	struct http_connection *next, **link;
	struct bufferevent *bev;
	struct event *deadline;
	enum http_state state;
	bool waits; /* between requests, none has begun */
	bool is_tcp;
	bool keep_alive;           /* after this answer */
	bool head;                 /* HEAD: the answer has no body */
	bool ended;                /* the client sends no more */
	const char *listened;      /* the address of its listener; NULL: a Unix socket */
	struct api_waiter *waiter; /* for an answer that is being made */
	struct http_body *body;    /* of the answer that is being taken, if it is a shared one */
	size_t discarded;          /* bytes, while lingering */
};

struct http_listener {
	struct evconnlistener *listener;
	struct http *http;
	bool is_tcp;
	char address[64]; /* as in a Host header, without the port */
};

enum { HTTP_LISTENERS = 8 };

/* What several connections may be sending. It is freed by the last of those who have it. */
struct http_body {
	struct text text;
	size_t refs;
	size_t takers; /* connections */
};
void http_body_drop(struct http_body *body);

struct http {
	struct server *server;
	struct api *api;
	struct http_listener listeners[HTTP_LISTENERS];
	size_t listener_count;
	struct listener unix_listener;
	struct http_connection *connections; /* the newest first */
	struct event *resume;                /* accepting, after a pause */
	size_t untaken;                      /* bytes of the bodies that connections have */
	char token[HTTP_TOKEN_MOST + 1];     /* "" none */
	struct http_stats stats;
};

struct http_reply {
	int status;
	const char *type;    /* NULL: JSON */
	const char *headers; /* more of them, whole lines; NULL: none */
	const char *body;
	size_t length;
	struct http_body *shared; /* not NULL: instead of both */
};

/* Connections (http_connection.c). */
void http_connection_open(struct http_listener *listener, int fd);
void http_connection_close(struct http_connection *connection);
/* Answers the request at hand; once per request. */
void http_reply(struct http_connection *connection, const struct http_reply *reply);
void http_reply_error(struct http_connection *connection, int status, const char *sentence);

/* Requests (http_route.c): answers, or sees to it that somebody will. */
void http_route(struct http_connection *connection, const struct http_head *head);

/* Listeners (http_listen.c). */
void http_pause(struct http *http);
void http_resume(evutil_socket_t fd, short what, void *arg);

#endif
