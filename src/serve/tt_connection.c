/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection: reading in chunks, so that nobody waits long for his turn; what a message is
 * becomes of it; answers, which are written as fast as they are read and no faster.
 */
#include "tt_internal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- answers ---- */

static void output_wait(struct tt_connection *connection)
{
	if (!connection->writing)
		event_add(connection->writable, NULL);
	connection->writing = true;
}

/* Writes what the peer takes. */
static void output_flush(struct tt_connection *connection)
{
	static struct log_gate gate;

	while (connection->output_sent < connection->output_length) {
		ssize_t sent = send(connection->fd, connection->output + connection->output_sent,
		                    connection->output_length - connection->output_sent,
		                    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno != EAGAIN) {
			/* It is gone. What it sent before is still to be read. */
			connection->output_sent = connection->output_length;
			break;
		}
		if (sent < 0)
			break;
		connection->output_sent += (size_t)sent;
	}
	if (connection->output_sent == connection->output_length) {
		connection->output_sent = connection->output_length = 0;
	} else if (connection->output_length - connection->output_sent > TT_OUTPUT_MAX) {
		connection->closing = true;
		connection->tt->server->stats.connections_dropped++;
		log_gated(&gate, LOG_LEVEL_WARNING,
		          "process %d does not read its answers: its connection is closed",
		          (int)connection->peer.pid);
	} else {
		output_wait(connection);
	}
}

void tt_connection_answer(struct tt_connection *connection, const struct tt_answer *answer)
{
	size_t size = connection->decoder.frame_bytes;

	/* A peer may read as slowly as it asks: then it is never all sent. */
	if (connection->output_sent >= TT_OUTPUT_MAX) {
		connection->output_length -= connection->output_sent;
		memmove(connection->output, connection->output + connection->output_sent,
		        connection->output_length);
		connection->output_sent = 0;
	}
	if (connection->output_length + TT_FRAME_MAX > connection->output_capacity) {
		connection->output_capacity = connection->output_capacity * 2 + 4096;
		connection->output = mem_resize(connection->output, connection->output_capacity, 1);
	}
	connection->output_length +=
		tt_encode(answer, size, connection->output + connection->output_length);
}

/* ---- messages ---- */

/* What is not for a proxy. False: it has to wait. */
static bool take_question(struct tt_connection *connection, const struct tt_message *message)
{
	if (message->type == TT_DUMP_REMAINING) {
		tt_answer_dump(connection->tt);
		return true;
	}
	return tt_answer_question(connection, message);
}

static bool is_question(const struct tt_message *message)
{
	return message->type == TT_QUERY || message->type == TT_DEVICE_INFO_QUERY ||
	       message->type == TT_DUMP_REMAINING;
}

/* types: a bit for each type of message that the last one got. */
static void touch_last(struct tt_connection *connection, uint32_t types)
{
	if (connection->last != NULL && types != 0)
		tt_subject_touch(connection->last, (types & (1u << TT_FREE | 1u << TT_CB_FREE |
		                                             1u << TT_KERNEL_UNLOAD)) != 0);
}

/* Whom the next message is for. False: nobody. */
static bool change_last(struct tt_connection *connection, const struct tt_message *message,
                        uint32_t *types)
{
	struct tt_subject *subject = tt_subject_for(connection, message);

	if (subject == NULL)
		return false;
	touch_last(connection, *types);
	*types = 0;
	if (connection->last != NULL)
		tt_subject_account(connection->last);
	connection->last = subject;
	connection->last_pid = message->pid;
	return true;
}

static void hold(struct tt_connection *connection, const struct tt_message *messages, size_t count)
{
	connection->held = true;
	event_del(connection->readable);
	for (size_t i = 0; i < count; i++)
		*vec_add(&connection->held_messages) = messages[i];
}

/* Applies messages in their order. Returns false if one has to wait: then it and what follows it
 * are kept. */
static bool take_messages(struct tt_connection *connection, const struct tt_message *messages,
                          size_t count)
{
	uint32_t types = 0;
	bool all = true;
	size_t i;

	for (i = 0; i < count; i++) {
		const struct tt_message *message = &messages[i];

		if (connection->last != NULL && i + TT_PREFETCH < count)
			proxy_prefetch(connection->last->proxy, &messages[i + TT_PREFETCH]);
		if (is_question(message)) {
			connection->asked = true;
			if (!take_question(connection, message)) {
				hold(connection, message, count - i);
				all = false;
				break;
			}
			continue;
		}
		if ((connection->last == NULL || connection->last_pid != message->pid) &&
		    !change_last(connection, message, &types))
			continue;
		types |= 1u << (message->type & 31);
		proxy_apply(connection->last->proxy, message);
	}
	connection->tt->server->stats.messages += i;
	touch_last(connection, types);
	return all;
}

static void wait_for_quiet(struct tt_connection *connection)
{
	static const struct timeval quiet = {.tv_usec = TT_QUIET_MS * 1000};

	if (tt_decoder_is_waiting(&connection->decoder))
		event_add(connection->quiet, &quiet);
}

/* Decodes and applies. What cannot be taken yet is kept. */
static void take_bytes(struct tt_connection *connection, const uint8_t *bytes, size_t size)
{
	static struct log_gate gate;
	struct tt_message messages[TT_BATCH];
	size_t used, count;

	do {
		count = tt_decoder_feed(&connection->decoder, bytes, size, messages, TT_BATCH,
		                        &used);
		bytes = used != 0 ? bytes + used : bytes; /* NULL: nothing new */
		size -= used;
		if (count != 0 && !take_messages(connection, messages, count)) {
			for (size_t i = 0; i < size; i++)
				*vec_add(&connection->held_bytes) = bytes[i];
			return;
		}
	} while (!connection->decoder.lost && (size != 0 || count == TT_BATCH));
	if (connection->decoder.lost && !connection->closing) {
		connection->closing = true;
		connection->tt->server->stats.messages_malformed++;
		log_gated(&gate, LOG_LEVEL_WARNING,
		          "process %d sends what is not tt-metal's protocol: its connection is "
		          "closed",
		          (int)connection->peer.pid);
	}
	wait_for_quiet(connection);
}

/* ---- reading ---- */

enum { NAPS = 2, STREAM_NS = 1000000 };

enum { READ_NOTHING, READ_SOME, READ_END };

static int read_chunk(struct tt_connection *connection, size_t limit, size_t *ret_bytes)
{
	struct tt_server *tt = connection->tt;
	uint8_t *chunk = tt->taking_over ? tt->spare : tt->chunk;
	ssize_t bytes;

	do
		bytes = recv(connection->fd, chunk, limit < TT_CHUNK ? limit : TT_CHUNK,
		             MSG_DONTWAIT);
	while (bytes < 0 && errno == EINTR);
	if (bytes < 0 && errno == EAGAIN)
		return READ_NOTHING;
	if (bytes <= 0)
		return READ_END;
	*ret_bytes = (size_t)bytes;
	connection->asked = false;
	take_bytes(connection, chunk, (size_t)bytes);
	if (connection->last != NULL)
		tt_subject_account(connection->last);
	return READ_SOME;
}

static void after_reading(struct tt_connection *connection)
{
	if (connection->output_length != 0 && !connection->closing)
		output_flush(connection);
	if (connection->closing)
		tt_connection_close(connection);
}

/* The size may still be undecided when the peer hangs up: then what has come is all. */
static void take_rest(struct tt_connection *connection)
{
	struct tt_message messages[TT_DECODER_HELD / 72 + 1];
	size_t used, count;

	connection->closing = true; /* nobody reads answers: nothing waits for them */
	if (!tt_decoder_is_waiting(&connection->decoder) ||
	    !tt_decoder_decide(&connection->decoder))
		return;
	count = tt_decoder_feed(&connection->decoder, NULL, 0, messages, ARRAY_COUNT(messages),
	                        &used);
	(void)take_messages(connection, messages, count);
}

/*
 * Waking a reader is the dearest part of a send, and the sender pays it. So where one message comes
 * soon after the other, nobody waits for the next: the connection leaves the loop for a nap, and is
 * read when the clock says so, until nothing came twice, or much, or somebody asked something.
 */
static void nap(struct tt_connection *connection)
{
	static const struct timeval after = {.tv_usec = TT_NAP_US};
	struct tt_server *tt = connection->tt;

	event_del(connection->readable);
	connection->napping = true;
	connection->naps = 0;
	*vec_add(&tt->napping) = connection;
	if (!event_pending(tt->wake, EV_TIMEOUT, NULL))
		event_add(tt->wake, &after);
}

static void get_up(struct tt_connection *connection)
{
	struct tt_server *tt = connection->tt;

	for (size_t i = 0; connection->napping && i < tt->napping.count; i++)
		if (tt->napping.items[i] == connection) {
			tt->napping.items[i] = tt->napping.items[--tt->napping.count];
			connection->napping = false;
		}
}

static bool is_stream(struct tt_connection *connection, size_t bytes)
{
	struct timespec now;
	uint64_t before = connection->read_ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	connection->read_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	return bytes < TT_CHUNK / 2 && !connection->asked && !connection->held &&
	       !connection->closing && connection->decoder.frame_bytes != 0 &&
	       connection->read_ns - before < STREAM_NS;
}

/* A segment for a new process takes far longer than anything else that is read, so one connection
 * in a turn of the loop may begin, or all the others would have to wait for a crowd of them. The
 * rest stays readable. */
static bool may_begin(struct tt_connection *connection)
{
	static const struct timeval at_once = {0};
	struct tt_server *tt = connection->tt;

	if (connection->names.count != 0)
		return true;
	if (tt->begun)
		return false;
	tt->begun = true;
	event_add(tt->turn, &at_once);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct tt_connection *connection = arg;
	size_t bytes = 0;
	int got;

	(void)fd;
	(void)what;
	if (!may_begin(connection))
		return;
	got = read_chunk(connection, TT_CHUNK, &bytes);
	if (got == READ_END)
		take_rest(connection);
	else if (got == READ_SOME && is_stream(connection, bytes))
		nap(connection);
	after_reading(connection);
}

/* A look at one that naps. */
static void look(struct tt_connection *connection)
{
	size_t bytes = 0;
	int got = read_chunk(connection, TT_CHUNK, &bytes);

	connection->naps = got == READ_NOTHING ? connection->naps + 1 : 0;
	if (got == READ_END)
		take_rest(connection);
	if (connection->held || connection->asked || connection->naps == NAPS ||
	    bytes >= TT_CHUNK / 2) {
		get_up(connection);
		if (!connection->held)
			event_add(connection->readable, NULL);
	}
	after_reading(connection);
}

/* From the end: those that get up, or are closed, leave the list. */
void tt_connection_on_wake(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval after = {.tv_usec = TT_NAP_US};
	struct tt_server *tt = arg;

	(void)fd;
	(void)what;
	for (size_t i = tt->napping.count; i-- > 0;)
		look(tt->napping.items[i]);
	if (tt->napping.count != 0)
		event_add(tt->wake, &after);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct tt_connection *connection = arg;

	(void)fd;
	(void)what;
	connection->writing = false;
	after_reading(connection);
}

static void on_quiet(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = {.tv_usec = 1000};
	struct tt_connection *connection = arg;

	(void)fd;
	(void)what;
	/* It was this server that was quiet. */
	if (tt_connection_unread(connection) != 0) {
		wait_for_quiet(connection);
		return;
	}
	if (!may_begin(connection)) {
		event_add(connection->quiet, &soon);
		return;
	}
	if (tt_decoder_is_waiting(&connection->decoder) && tt_decoder_decide(&connection->decoder))
		take_bytes(connection, NULL, 0);
	after_reading(connection);
}

size_t tt_connection_unread(const struct tt_connection *connection)
{
	int bytes = 0;

	return ioctl(connection->fd, SIOCINQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

bool tt_connection_is_over(const struct tt_connection *connection)
{
	struct pollfd look = {.fd = connection->fd, .events = POLLRDHUP};

	return poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLHUP)) != 0;
}

static void go_on(struct tt_connection *connection)
{
	struct tt_message_list messages = connection->held_messages;
	struct tt_byte_list bytes = connection->held_bytes;

	connection->held = false;
	connection->held_messages = (struct tt_message_list){0};
	connection->held_bytes = (struct tt_byte_list){0};
	event_add(connection->readable, NULL);
	if (take_messages(connection, messages.items, messages.count)) {
		take_bytes(connection, bytes.items, bytes.count);
		vec_finish(&bytes);
	} else {
		connection->held_bytes = bytes;
	}
	vec_finish(&messages);
}

void tt_connection_release(struct tt_connection *connection)
{
	if (!connection->held)
		return;
	go_on(connection);
	after_reading(connection);
}

void tt_connection_drain(struct tt_connection *connection, size_t bytes)
{
	bool closing = connection->closing;
	size_t got;

	connection->closing = true; /* nothing waits for figures now */
	if (connection->held)
		go_on(connection);
	while (bytes != 0 && read_chunk(connection, bytes, &got) == READ_SOME)
		bytes -= got < bytes ? got : bytes;
	connection->closing = closing || connection->decoder.lost;
	if (connection->output_length != 0 && !connection->closing)
		output_flush(connection);
	if (connection->closing)
		event_active(connection->readable, EV_READ, 0);
}

/* ---- beginning and end ---- */

void tt_connection_open(struct tt_server *tt, int fd, struct subject_peer *peer)
{
	struct tt_connection *connection = mem_calloc(1, sizeof(*connection));

	*connection = (struct tt_connection){
		.tt = tt,
		.next = tt->connections,
		.fd = fd,
		.peer = *peer,
	};
	tt_decoder_init(&connection->decoder, tt->server->options->tt_bytes);
	connection->readable =
		event_new(tt->server->base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writable = event_new(tt->server->base, fd, EV_WRITE, on_writable, connection);
	connection->quiet = event_new(tt->server->base, -1, 0, on_quiet, connection);
	if (tt->connections != NULL)
		tt->connections->previous = connection;
	tt->connections = connection;
	if (connection->readable == NULL || connection->writable == NULL ||
	    connection->quiet == NULL || event_add(connection->readable, NULL) != 0)
		tt_connection_close(connection);
}

void tt_connection_close(struct tt_connection *connection)
{
	struct tt_server *tt = connection->tt;
	struct event *events[] = {connection->readable, connection->writable, connection->quiet};
	size_t pending = tt_decoder_pending(&connection->decoder);

	if (pending != 0)
		log_debug("process %d hung up in the middle of a message, after %zu bytes of it",
		          (int)connection->peer.pid, pending);
	tt_subject_hang_up(connection);
	get_up(connection);
	for (size_t i = 0; i < ARRAY_COUNT(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	close(connection->fd);
	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		tt->connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	tt_server_closed(tt, connection->peer.uid);
	subject_peer_finish(&connection->peer);
	vec_finish(&connection->names);
	vec_finish(&connection->held_messages);
	vec_finish(&connection->held_bytes);
	free(connection->output);
	free(connection);
}
