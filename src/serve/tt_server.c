/* SPDX-License-Identifier: Apache-2.0 */
/* Accepting connections, within limits, and the whole of them. */
#include "tt_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ACCEPT_AT_ONCE = 4, LEAVE_BYTES = 16 << 20 };

uint64_t tt_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- limits ---- */

void tt_looks_refill(struct tt_looks *looks, unsigned limit, unsigned per_second)
{
	uint64_t now = tt_now_ms();
	uint64_t more = (now - looks->ms) * per_second / 1000;

	if (looks->ms == 0 || more > limit - looks->left)
		*looks = (struct tt_looks){.left = limit, .ms = now};
	else if (more != 0)
		*looks = (struct tt_looks){.left = looks->left + (unsigned)more, .ms = now};
}

/* Of users who have gone, those remain who would gain by coming back. */
static void forget_users(struct tt_server *tt)
{
	for (size_t i = tt->users.count; i-- > 0;) {
		struct tt_user *user = &tt->users.items[i];

		tt_looks_refill(&user->looks, TT_LOOKS_USER, TT_LOOKS_USER_SECOND);
		if (user->connections == 0 && user->looks.left == TT_LOOKS_USER)
			*user = tt->users.items[--tt->users.count];
	}
}

struct tt_user *tt_user_of(struct tt_server *tt, uid_t uid)
{
	struct tt_user *user;

	vec_for (user, &tt->users)
		if (user->uid == uid)
			return user;
	forget_users(tt);
	user = vec_add(&tt->users);
	user->uid = uid;
	return user;
}

void tt_server_closed(struct tt_server *tt, uid_t uid)
{
	tt_user_of(tt, uid)->connections--;
	tt->server->stats.connections = --tt->connection_count;
}

static bool may_connect(struct tt_server *tt, uid_t uid)
{
	static struct log_gate gate;
	struct tt_user *user = tt_user_of(tt, uid);
	bool may = tt->connection_count < TT_CONNECTIONS && user->connections < TT_CONNECTIONS_USER;

	if (may) {
		user->connections++;
		tt->server->stats.connections = ++tt->connection_count;
		tt->server->stats.connections_total++;
		return true;
	}
	tt->server->stats.connections_refused++;
	log_gated(&gate, LOG_LEVEL_WARNING,
	          "a connection of user %u is refused: %u of %d are open, %u of %d by this user",
	          (unsigned)uid, tt->connection_count, TT_CONNECTIONS, user->connections,
	          TT_CONNECTIONS_USER);
	return false;
}

/* ---- accepting ---- */

/* One that has not said anything yet will need a descriptor more, for the process it speaks of. */
static bool is_short(const struct tt_server *tt, int fd)
{
	int silent = 0;

	for (const struct tt_connection *each = tt->connections; each != NULL; each = each->next)
		silent += each->names.count == 0;
	return server_descriptors_short(fd + silent);
}

static void pause_accepting(struct tt_server *tt, const char *why)
{
	static const struct timeval after = {.tv_usec = SERVE_PAUSE_MS * 1000};
	static struct log_gate gate;

	if (!tt->paused)
		log_gated(&gate, LOG_LEVEL_WARNING,
		          "no new connections for a while: %s; %u are open and go on", why,
		          tt->connection_count);
	tt->paused = true;
	tt->server->stats.accept_pauses++;
	for (unsigned i = 0; i < tt->listener_count; i++)
		event_del(tt->listeners[i].event);
	event_add(tt->resume, &after);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct tt_server *tt = arg;
	int lowest = dup(STDERR_FILENO);
	bool few = lowest < 0 || is_short(tt, lowest);

	(void)fd;
	(void)what;
	if (lowest >= 0)
		close(lowest);
	if (few) {
		pause_accepting(tt, "few descriptors are left");
		return;
	}
	tt->paused = false;
	for (unsigned i = 0; i < tt->listener_count; i++)
		event_add(tt->listeners[i].event, NULL);
}

/* Takes a new connection, or closes it. */
static void take_connection(struct tt_server *tt, int fd)
{
	static struct log_gate gate;
	struct subject_peer peer;
	struct ucred who;
	socklen_t size = sizeof(who);
	int result;

	/* What has no chance shall cost little. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 ||
	    !may_connect(tt, who.uid)) {
		close(fd);
		return;
	}
	result = subject_peer_of(fd, &peer);
	if (result != 0) {
		log_gated(&gate, LOG_LEVEL_WARNING, "a connection of an unknown process: %s",
		          strerror(-result));
		tt_server_closed(tt, who.uid);
		close(fd);
		return;
	}
	log_debug("process %d (%s), user %u, has connected", (int)peer.pid, peer.self.who.comm,
	          (unsigned)peer.uid);
	tt_connection_open(tt, fd, &peer);
}

static void on_accept(evutil_socket_t listener, short what, void *arg)
{
	struct tt_server *tt = arg;

	(void)what;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
			return;
		if (fd < 0) {
			pause_accepting(tt, strerror(errno));
			return;
		}
		take_connection(tt, fd);
		if (is_short(tt, fd)) {
			pause_accepting(tt, "few descriptors are left");
			return;
		}
	}
}

int tt_server_listen(struct tt_server *tt, int fd)
{
	struct event *event;

	if (tt->listener_count == TT_LISTENERS)
		return -ENOSPC;
	event = event_new(tt->server->base, fd, EV_READ | EV_PERSIST, on_accept, tt);
	if (event == NULL || event_add(event, NULL) != 0) {
		if (event != NULL)
			event_free(event);
		return -ENOMEM;
	}
	tt->listeners[tt->listener_count].fd = fd;
	tt->listeners[tt->listener_count++].event = event;
	return 0;
}

/* ---- the whole ---- */

static void on_totals(void *arg)
{
	struct tt_server *tt = arg;
	struct tt_connection *next;

	for (struct tt_connection *each = tt->connections; each != NULL; each = next) {
		next = each->next;
		tt_connection_release(each);
	}
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	((struct tt_server *)arg)->begun = false;
}

int tt_server_create(struct tt_server **ret, struct server *server,
                     const struct tt_devices *devices)
{
	struct tt_server *tt = mem_calloc(1, sizeof(*tt));
	int result;

	tt->server = server;
	tt->devices = devices;
	tt->resume = event_new(server->base, -1, 0, on_resume, tt);
	tt->turn = event_new(server->base, -1, 0, on_turn, tt);
	tt->bury = event_new(server->base, -1, 0, tt_bury_on_turn, tt);
	tt->idle = event_new(server->base, -1, 0, tt_subject_on_idle, tt);
	tt->wake = event_new(server->base, -1, 0, tt_connection_on_wake, tt);
	result = tt->resume == NULL || tt->turn == NULL || tt->bury == NULL || tt->idle == NULL ||
	                         tt->wake == NULL
	                 ? -ENOMEM
	                 : 0;
	if (result == 0)
		result = tt_totals_create(&tt->totals, server, on_totals, tt);
	if (result != 0) {
		tt_server_destroy(tt);
		return result;
	}
	*ret = tt;
	tt_subject_adopt_all(tt);
	return 0;
}

void tt_server_set_devices(struct tt_server *tt, const struct tt_devices *devices)
{
	tt->devices = devices;
}

void tt_server_destroy(struct tt_server *tt)
{
	if (tt == NULL)
		return;
	tt->leaving = true;
	for (unsigned i = 0; i < tt->listener_count; i++) {
		event_free(tt->listeners[i].event);
		close(tt->listeners[i].fd);
	}
	while (tt->connections != NULL) {
		struct tt_connection *connection = tt->connections;
		size_t unread = tt_connection_unread(connection);

		tt_connection_drain(connection, unread < LEAVE_BYTES ? unread : LEAVE_BYTES);
		tt_connection_close(connection);
	}
	tt_subject_leave_all(tt);
	tt_bury_all(tt);
	vec_finish(&tt->users);
	if (tt->totals != NULL)
		tt_totals_destroy(tt->totals);
	if (tt->resume != NULL)
		event_free(tt->resume);
	if (tt->turn != NULL)
		event_free(tt->turn);
	if (tt->bury != NULL)
		event_free(tt->bury);
	if (tt->idle != NULL)
		event_free(tt->idle);
	if (tt->wake != NULL)
		event_free(tt->wake);
	vec_finish(&tt->napping);
	free(tt);
}
