/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: one request at a time, and one deadline that is set anew with each state and never
 * by bytes that come, so that sending slowly holds nothing for long.
 */
#include "api.h"
#include "http_internal.h"
#include "json_value.h"
#include "memory.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINGER_SECONDS = 2, LINGER_BYTES = 1 << 20 };

static const struct {
	int status;
	const char *words;
} statuses[] = {
	{200, "OK"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

static const char *status_words(int status)
{
	for (size_t i = 0; i < ARRAY_COUNT(statuses); i++)
		if (statuses[i].status == status)
			return statuses[i].words;
	return "Unknown";
}

static void set_deadline(struct http_connection *connection, int seconds)
{
	const struct timeval when = {.tv_sec = seconds};

	event_add(connection->deadline, &when);
}

void http_body_drop(struct http_body *body)
{
	if (--body->refs != 0)
		return;
	text_finish(&body->text);
	free(body);
}

static void body_sent(const void *bytes, size_t length, void *arg)
{
	(void)bytes;
	(void)length;
	http_body_drop(arg);
}

static void take_body(struct http_connection *connection, struct http_body *body)
{
	if (body->takers++ == 0)
		connection->http->untaken += body->text.length;
	connection->body = body;
	body->refs++;
}

/* What libevent still has of it, it lets go of soon. */
static void leave_body(struct http_connection *connection)
{
	struct http_body *body = connection->body;

	if (body == NULL)
		return;
	if (--body->takers == 0)
		connection->http->untaken -= body->text.length;
	connection->body = NULL;
	http_body_drop(body);
}

void http_connection_close(struct http_connection *connection)
{
	if (connection == NULL)
		return;
	leave_body(connection);
	if (connection->waiter != NULL)
		api_forget(connection->waiter);
	*connection->link = connection->next;
	if (connection->next != NULL)
		connection->next->link = connection->link;
	connection->http->stats.connections--;
	event_free(connection->deadline);
	bufferevent_free(connection->bev);
	free(connection);
}

/* Closing with bytes unread would take the answer back from the client's hands: they are read and
 * thrown away for a while. */
static void linger(struct http_connection *connection)
{
	connection->state = HTTP_LINGERING;
	shutdown(bufferevent_getfd(connection->bev), SHUT_WR);
	evbuffer_drain(bufferevent_get_input(connection->bev),
	               evbuffer_get_length(bufferevent_get_input(connection->bev)));
	set_deadline(connection, LINGER_SECONDS);
}

static void discard(struct http_connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->bev);
	size_t length = evbuffer_get_length(input);

	connection->discarded += length;
	evbuffer_drain(input, length);
	if (connection->discarded > LINGER_BYTES)
		http_connection_close(connection);
}

static void add_head(struct evbuffer *output, const struct http_connection *connection,
                     const struct http_reply *reply)
{
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	evbuffer_add_printf(output,
	                    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\n"
	                    "Content-Length: %zu\r\nCache-Control: no-store\r\n"
	                    "X-Content-Type-Options: nosniff\r\n%s%s\r\n",
	                    reply->status, status_words(reply->status), date,
	                    reply->type != NULL ? reply->type : "application/json",
	                    reply->shared != NULL ? reply->shared->text.length : reply->length,
	                    reply->headers != NULL ? reply->headers : "",
	                    connection->keep_alive ? "" : "Connection: close\r\n");
}

static void add_body(struct evbuffer *output, struct http_connection *connection,
                     const struct http_reply *reply)
{
	struct http_body *body = reply->shared;

	if (body == NULL) {
		evbuffer_add(output, reply->body, reply->length);
		return;
	}
	take_body(connection, body);
	body->refs++;
	if (evbuffer_add_reference(output, body->text.bytes, body->text.length, body_sent, body) !=
	    0)
		http_body_drop(body);
}

/* One answer may always be out, however long. */
static bool is_too_much(const struct http *http, const struct http_body *body)
{
	return body != NULL && body->takers == 0 && http->untaken != 0 &&
	       http->untaken + body->text.length > HTTP_UNTAKEN_BYTES;
}

void http_reply(struct http_connection *connection, const struct http_reply *reply)
{
	struct evbuffer *output = bufferevent_get_output(connection->bev);

	if (is_too_much(connection->http, reply->shared)) {
		http_reply_error(connection, 503, "other clients have yet to take their answers");
		return;
	}
	connection->waiter = NULL;
	connection->state = HTTP_WRITING;
	connection->http->stats.requests[reply->status / 100 % 6]++;
	add_head(output, connection, reply);
	if (!connection->head)
		add_body(output, connection, reply);
	set_deadline(connection, HTTP_ANSWER_SECONDS);
}

static const char *error_headers(int status)
{
	switch (status) {
	case 401:
		return "WWW-Authenticate: Bearer realm=\"meshtally\"\r\n";
	case 405:
		return "Allow: GET, HEAD\r\n";
	case 503:
		return "Retry-After: 1\r\n";
	default:
		return NULL;
	}
}

void http_reply_error(struct http_connection *connection, int status, const char *sentence)
{
	json_t *json = json_object();
	struct http_reply reply = {.status = status, .headers = error_headers(status)};
	struct text line = {0};
	char *body;

	json_object_set_new(json, "error", json_foreign(sentence));
	body = json_dumps(json, JSON_COMPACT);
	text_addf(&line, "%s\n", body != NULL ? body : "{}");
	reply.body = line.bytes;
	reply.length = line.length;
	http_reply(connection, &reply);
	text_finish(&line);
	free(body);
	json_decref(json);
}

static void refuse(struct http_connection *connection, int status, const char *sentence)
{
	connection->keep_alive = false;
	http_reply_error(connection, status, sentence);
}

/* Whether there may be another request. */
static bool has_more(const struct http_connection *connection)
{
	return !connection->ended ||
	       evbuffer_get_length(bufferevent_get_input(connection->bev)) != 0;
}

static void handle_head(struct http_connection *connection, const char *bytes, size_t length)
{
	struct http_head head = {0};
	const char *reason = NULL;
	int status = http_head_parse(&head, bytes, length, &reason);

	connection->head = head.head;
	connection->keep_alive = head.keep_alive && has_more(connection);
	connection->state = HTTP_ANSWERING;
	set_deadline(connection, HTTP_ANSWER_SECONDS);
	if (status != 0)
		refuse(connection, status, reason);
	else
		http_route(connection, &head);
}

/* The next request, if all of its head is there. */
static void read_request(struct http_connection *connection)
{
	struct evbuffer *input = bufferevent_get_input(connection->bev);
	size_t available = evbuffer_get_length(input), length;
	const char *bytes;

	if (available == 0) {
		if (connection->ended)
			http_connection_close(connection);
		return;
	}
	if (connection->waits) {
		connection->waits = false;
		set_deadline(connection, HTTP_REQUEST_SECONDS);
	}
	available = available < HTTP_HEAD_BYTES ? available : HTTP_HEAD_BYTES;
	bytes = (const char *)evbuffer_pullup(input, (ev_ssize_t)available);
	length = bytes != NULL ? http_head_length(bytes, available) : 0;
	if (length != 0) {
		char *copy = mem_calloc(length, 1);

		memcpy(copy, bytes, length);
		evbuffer_drain(input, length);
		handle_head(connection, copy, length);
		free(copy);
	} else if (available == HTTP_HEAD_BYTES) {
		refuse(connection, 431, "the headers are too long");
	} else if (connection->ended) {
		http_connection_close(connection);
	}
}

static void on_read(struct bufferevent *bev, void *arg)
{
	struct http_connection *connection = arg;

	(void)bev;
	if (connection->state == HTTP_READING)
		read_request(connection);
	else if (connection->state == HTTP_LINGERING)
		discard(connection);
}

/* The answer is out. What the client has sent meanwhile is the next request. */
static void on_written(struct bufferevent *bev, void *arg)
{
	struct http_connection *connection = arg;

	if (connection->state != HTTP_WRITING ||
	    evbuffer_get_length(bufferevent_get_output(bev)) != 0)
		return;
	leave_body(connection);
	if (connection->keep_alive) {
		connection->state = HTTP_READING;
		connection->waits = true;
		set_deadline(connection, HTTP_IDLE_SECONDS);
		read_request(connection);
	} else if (connection->ended) {
		http_connection_close(connection);
	} else {
		linger(connection);
	}
}

/* A client may have said all and still want the answer. */
static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_connection *connection = arg;
	bool ended = (what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_ERROR) == 0;

	(void)bev;
	connection->ended = true;
	if (!ended || connection->state == HTTP_READING || connection->state == HTTP_LINGERING)
		http_connection_close(connection);
	else if (!has_more(connection))
		connection->keep_alive = false;
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct http_connection *connection = arg;
	bool began = connection->state == HTTP_READING && !connection->waits;

	(void)fd;
	(void)what;
	if (!began && connection->state != HTTP_ANSWERING) {
		http_connection_close(connection);
		return;
	}
	connection->http->stats.timeouts++;
	if (connection->waiter != NULL)
		api_forget(connection->waiter);
	if (began)
		refuse(connection, 408, "the request did not arrive in time");
	else
		refuse(connection, 503, "the answer could not be made in time");
}

/* Room for one more: of those that wait for nothing the one that has done so for longest. */
static bool make_room(struct http *http)
{
	struct http_connection *oldest = NULL;

	if (http->stats.connections < HTTP_CONNECTIONS)
		return true;
	for (struct http_connection *each = http->connections; each != NULL; each = each->next)
		if ((each->state == HTTP_READING && each->waits) || each->state == HTTP_LINGERING)
			oldest = each;
	http_connection_close(oldest);
	return oldest != NULL;
}

static void turn_away(struct http *http, int fd)
{
	static const char full[] =
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: "
		"application/json\r\nContent-Length: 33\r\nRetry-After: 1\r\n"
		"Connection: close\r\n\r\n{\"error\":\"too many connections\"}\n";
	char unread[HTTP_HEAD_BYTES];

	http->stats.refused++;
	(void)recv(fd, unread, sizeof(unread), MSG_DONTWAIT);
	(void)send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void connection_link(struct http_connection *connection, struct http *http)
{
	connection->next = http->connections;
	connection->link = &http->connections;
	if (connection->next != NULL)
		connection->next->link = &connection->next;
	http->connections = connection;
	http->stats.connections++;
	http->stats.connections_total++;
}

void http_connection_open(struct http_listener *listener, int fd)
{
	struct http *http = listener->http;
	struct http_connection *connection;

	if (!make_room(http)) {
		turn_away(http, fd);
		return;
	}
	connection = mem_calloc(1, sizeof(*connection));
	connection->http = http;
	connection->waits = true;
	connection->is_tcp = listener->is_tcp;
	connection->listened = listener->is_tcp ? listener->address : NULL;
	connection->bev = bufferevent_socket_new(http->server->base, fd, BEV_OPT_CLOSE_ON_FREE);
	connection->deadline = event_new(http->server->base, -1, 0, on_deadline, connection);
	if (connection->bev == NULL || connection->deadline == NULL) {
		if (connection->bev != NULL)
			bufferevent_free(connection->bev);
		else
			close(fd);
		free(connection);
		return;
	}
	connection_link(connection, http);
	bufferevent_setcb(connection->bev, on_read, on_written, on_event, connection);
	bufferevent_setwatermark(connection->bev, EV_READ, 0, 2 * HTTP_HEAD_BYTES);
	set_deadline(connection, HTTP_REQUEST_SECONDS);
	bufferevent_enable(connection->bev, EV_READ | EV_WRITE);
}
