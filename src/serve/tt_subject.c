/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose proxy a message is for. A subject is found once per connection and pid; it goes on without
 * its connection when that hangs up, and ends with its process.
 */
#include "tt_internal.h"

#include "reader.h"
#include "units.h"
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MS = 1000, REFUSED_NAMES = 64 };

static const char *name_of(const struct subject *subject)
{
	return subject->who.comm[0] != '\0' ? subject->who.comm : "?";
}

static int pid_of(const struct subject *subject)
{
	return (int)subject->who.process.pid;
}

void tt_subject_account(struct tt_subject *subject)
{
	struct serve_stats *stats = &subject->tt->server->stats;
	struct proxy_stats now = proxy_stats(subject->proxy);

	stats->messages_repeated += now.repeated - subject->seen.repeated;
	stats->messages_guessed += now.guessed - subject->seen.guessed;
	stats->messages_malformed += now.malformed - subject->seen.malformed;
	stats->messages_unrecorded += now.refused - subject->seen.refused;
	subject->seen = now;
}

/* ---- when idle ---- */

static void arm_idle(struct tt_server *tt)
{
	static const struct timeval after = {.tv_sec = IDLE_MS / 1000};

	if (!event_pending(tt->idle, EV_TIMEOUT, NULL))
		event_add(tt->idle, &after);
}

void tt_subject_touch(struct tt_subject *subject, bool freed)
{
	subject->last_ms = tt_now_ms();
	if (freed && !subject->freed) {
		subject->freed = true;
		arm_idle(subject->tt);
	}
}

/* Not at once: mostly it is a process that ends. */
static void say_hang_up(struct tt_subject *subject)
{
	static struct log_gate gate = {.burst = 50};
	const struct subject *who = proxy_subject(subject->proxy);

	subject->hung_up = false;
	if (subject->connection == NULL)
		log_gated(&gate, LOG_LEVEL_INFO,
		          "process %d (%s) has hung up and runs on; live buffers, which stay: %llu",
		          pid_of(who), name_of(who),
		          (unsigned long long)proxy_live(subject->proxy));
}

/* Trims one at a time, and not all of it: others wait. */
void tt_subject_on_idle(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0};
	struct tt_server *tt = arg;
	struct tt_subject **item;
	uint64_t now = tt_now_ms();
	bool later = false, trimmed = false;

	(void)fd;
	(void)what;
	vec_for (item, &tt->subjects) {
		if ((*item)->hung_up)
			say_hang_up(*item);
		if (!(*item)->freed)
			continue;
		if (!trimmed && now - (*item)->last_ms >= IDLE_MS) {
			(*item)->freed = proxy_trim((*item)->proxy);
			later = later || (*item)->freed;
			trimmed = true;
		} else {
			later = true;
		}
	}
	if (trimmed && later)
		event_add(tt->idle, &at_once); /* when the others have had their turn */
	else if (later)
		arm_idle(tt);
}

/* ---- end ---- */

/* The connection does not know it any more. */
static void leave_connection(struct tt_subject *subject)
{
	struct tt_connection *connection = subject->connection;

	for (size_t i = 0; connection != NULL && i < connection->names.count; i++)
		if (connection->names.items[i].subject == subject)
			connection->names.items[i--] =
				connection->names.items[--connection->names.count];
	if (connection != NULL && connection->last == subject)
		connection->last = NULL;
	subject->connection = NULL;
}

/* It is nobody's any more. */
static void forget(struct tt_subject *subject)
{
	struct tt_server *tt = subject->tt;

	leave_connection(subject);
	for (size_t i = 0; i < tt->subjects.count; i++)
		if (tt->subjects.items[i] == subject)
			tt->subjects.items[i--] = tt->subjects.items[--tt->subjects.count];
	tt->server->stats.proxies = tt->subjects.count;
	watch_forget(subject->watched);
	free(subject);
}

static void end_subject(struct tt_subject *subject, const struct segment_end *end)
{
	static struct log_gate gate = {.burst = 50};
	struct tt_server *tt = subject->tt;
	struct proxy *proxy = subject->proxy;
	const struct subject *who = proxy_subject(proxy);
	bool kept;

	tt_subject_account(subject);
	tt->server->stats.processes_ended++;
	forget(subject);
	proxy_mark_end(proxy, end, &kept);
	/* Of what is kept the post-mortem tells. */
	log_gated(&gate, kept ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO, "process %d (%s) has ended%s",
	          pid_of(who), name_of(who), kept ? "" : "; nothing was live");
	tt_bury(tt, proxy);
}

static void on_ended(void *arg, const struct segment_end *end)
{
	struct tt_subject *subject = arg;

	subject->watched = NULL;
	subject->ended = true;
	/* What it sent before its end is still in the socket, perhaps with more of its children. */
	if (subject->connection != NULL)
		tt_connection_drain(subject->connection, tt_connection_unread(subject->connection));
	end_subject(subject, end);
}

void tt_subject_hang_up(struct tt_connection *connection)
{
	struct segment_end end = {.how = END_UNKNOWN, .realtime_ns = units_now_ns()};

	while (connection->names.count != 0) {
		struct tt_subject *subject =
			connection->names.items[connection->names.count - 1].subject;

		if (subject == NULL) {
			connection->names.count--;
			continue;
		}
		if (subject->watched == NULL && !connection->tt->leaving && !subject->ended) {
			end_subject(subject, &end);
			continue;
		}
		connection->names.count--;
		subject->connection = NULL;
		if (!connection->tt->leaving) {
			subject->hung_up = true;
			arm_idle(connection->tt);
		}
	}
	connection->last = NULL;
}

void tt_subject_leave_all(struct tt_server *tt)
{
	while (tt->subjects.count != 0) {
		struct tt_subject *subject = tt->subjects.items[0];
		struct proxy *proxy = subject->proxy;

		forget(subject);
		proxy_leave(proxy);
	}
	vec_finish(&tt->subjects);
}

/* ---- beginning ---- */

static struct tt_subject *add_subject(struct tt_server *tt, struct proxy *proxy, uid_t uid)
{
	struct tt_subject *subject = mem_calloc(1, sizeof(*subject));
	int pidfd = proxy_subject(proxy)->pidfd;

	*subject = (struct tt_subject){.tt = tt,
	                               .proxy = proxy,
	                               .uid = uid,
	                               .seen = proxy_stats(proxy),
	                               .last_ms = tt_now_ms()};
	*vec_add(&tt->subjects) = subject;
	tt->server->stats.proxies = tt->subjects.count;
	if (pidfd >= 0)
		subject->watched = watch_process(tt->server->watch, pidfd, on_ended, subject);
	return subject;
}

static struct proxy_options options_of(const struct tt_server *tt)
{
	return (struct proxy_options){
		.repeats = tt->server->options->repeats,
		.devices = tt->devices,
	};
}

/* Left by a connection of this very process that hung up. */
static struct tt_subject *find_left(struct tt_server *tt, const struct subject *who)
{
	struct tt_subject **item;

	vec_for (item, &tt->subjects)
		if ((*item)->connection == NULL && !(*item)->ended &&
		    subject_same(proxy_subject((*item)->proxy), who))
			return *item;
	return NULL;
}

/* One that has hung up, though it was not its turn yet: who connects anew at once is faster than
 * this loop. What it still has to say is taken first. */
static struct tt_subject *find_hung_up(const struct tt_connection *asking,
                                       const struct subject *who)
{
	struct tt_server *tt = asking->tt;
	struct tt_subject **item, *subject = NULL;
	struct tt_connection *connection;

	vec_for (item, &tt->subjects)
		if (subject == NULL && (*item)->connection != NULL &&
		    (*item)->connection != asking && !(*item)->ended &&
		    subject_same(proxy_subject((*item)->proxy), who) &&
		    tt_connection_is_over((*item)->connection))
			subject = *item;
	if (subject == NULL || tt->taking_over)
		return NULL;
	connection = subject->connection;
	tt->taking_over = true;
	tt_connection_drain(connection, tt_connection_unread(connection));
	tt->taking_over = false;
	leave_connection(subject);
	return subject;
}

/* Nobody shall have all the room. */
static bool has_room(const struct tt_server *tt, uid_t uid)
{
	struct tt_subject *const *item;
	unsigned of_user = 0;

	vec_for (item, &tt->subjects)
		of_user += (*item)->uid == uid;
	return tt->subjects.count + tt->dying.count < TT_SUBJECTS && of_user < TT_SUBJECTS_USER;
}

static int open_proxy(struct tt_connection *connection, const struct subject *who,
                      struct tt_subject **ret)
{
	static struct log_gate opened = {.burst = 50}, failed;
	struct tt_server *tt = connection->tt;
	struct proxy_options options = options_of(tt);
	struct proxy *proxy;
	uid_t uid = connection->peer.uid;
	int result = has_room(tt, uid) ? proxy_open(&proxy, who, &options) : -EDQUOT;

	if (result != 0) {
		log_gated(&failed, LOG_LEVEL_ERROR,
		          "no segment for process %d (%s): %s; what it reports is lost until there "
		          "is room in %s",
		          pid_of(who), name_of(who), strerror(-result), tt->server->segment_dir);
		return result;
	}
	log_gated(&opened, LOG_LEVEL_INFO, "process %d (%s) reports, in messages of %u bytes",
	          pid_of(who), name_of(who), (unsigned)connection->decoder.frame_bytes);
	*ret = add_subject(tt, proxy, uid);
	return 0;
}

/* The subject of a process that may speak on this connection. */
static int find_subject(struct tt_connection *connection, const struct subject *who,
                        struct tt_subject **ret)
{
	static struct log_gate gate = {.burst = 50};
	struct tt_subject *subject = find_left(connection->tt, who);
	int result = 0;

	if (subject == NULL)
		subject = find_hung_up(connection, who);
	if (subject != NULL)
		log_gated(&gate, LOG_LEVEL_INFO, "process %d (%s) is back; %llu buffers are live",
		          pid_of(who), name_of(who),
		          (unsigned long long)proxy_live(subject->proxy));
	else
		result = open_proxy(connection, who, &subject);
	if (result == 0) {
		subject->connection = connection;
		*ret = subject;
	}
	return result;
}

/* ---- names ---- */

static struct tt_name *find_name(struct tt_connection *connection, int32_t pid)
{
	struct tt_name *name;

	vec_for (name, &connection->names)
		if (name->pid == pid)
			return name;
	return NULL;
}

static size_t count_refusals(const struct tt_connection *connection)
{
	size_t refusals = 0;

	for (size_t i = 0; i < connection->names.count; i++)
		refusals += connection->names.items[i].subject == NULL;
	return refusals;
}

/* Of refusals the oldest go where there are too many. */
static struct tt_name *add_name(struct tt_connection *connection, int32_t pid, bool refused)
{
	struct tt_name *name = NULL;

	if (refused && count_refusals(connection) >= REFUSED_NAMES) {
		do
			name = &connection->names.items[connection->next_refused++ %
			                                connection->names.count];
		while (name->subject != NULL);
	} else {
		name = vec_add(&connection->names);
	}
	*name = (struct tt_name){.pid = pid};
	return name;
}

/* Finds a process by a message's pid, as far as looking is paid for: by the connection, and by its
 * user, who may have many. */
static int find_process(struct tt_connection *connection, int32_t pid, struct subject *ret)
{
	struct tt_looks *own = &connection->looks;
	struct tt_looks *users = &tt_user_of(connection->tt, connection->peer.uid)->looks;
	unsigned looks;
	int result;

	tt_looks_refill(own, TT_LOOKS, TT_LOOKS_SECOND);
	tt_looks_refill(users, TT_LOOKS_USER, TT_LOOKS_USER_SECOND);
	looks = own->left < users->left ? own->left : users->left;
	connection->peer.looks = looks;
	result = subject_find(&connection->peer, pid, ret);
	looks -= connection->peer.looks;
	own->left -= looks;
	users->left -= looks;
	return result;
}

static int look_up(struct tt_connection *connection, int32_t pid, struct tt_subject **ret)
{
	struct subject who;
	struct tt_name *name;
	int result;

	if (connection->names.count - count_refusals(connection) >= TT_NAMES)
		return -EUSERS;
	result = find_process(connection, pid, &who);
	if (result == -EBUSY)
		return result;
	if (result == 0) {
		result = find_subject(connection, &who, ret);
		subject_finish(&who);
	}
	name = add_name(connection, pid, result != 0);
	if (result == 0) {
		name->subject = *ret;
	} else {
		name->until_ms = tt_now_ms() + TT_REFUSED_MS;
		name->refusal = result;
	}
	return result;
}

static int subject_by_pid(struct tt_connection *connection, int32_t pid, struct tt_subject **ret)
{
	struct tt_name *name = find_name(connection, pid);

	if (name != NULL && name->subject != NULL) {
		*ret = name->subject;
		return 0;
	}
	if (name != NULL && tt_now_ms() < name->until_ms)
		return name->refusal;
	if (name != NULL)
		*name = connection->names.items[--connection->names.count];
	return look_up(connection, pid, ret);
}

static void note_fault(struct tt_connection *connection, uint32_t type,
                       const struct tt_message *message)
{
	struct tt_subject *own;

	if (subject_by_pid(connection, connection->peer.own_pid, &own) == 0)
		proxy_fault(own->proxy, type, message);
}

/* A message in the name of somebody else is its sender's fault. */
static void note_foreign(struct tt_connection *connection, const struct tt_message *message)
{
	static struct log_gate gate;

	connection->tt->server->stats.messages_foreign++;
	log_gated(
		&gate, LOG_LEVEL_WARNING,
		"process %d reports for process %d, which is neither itself nor descended from it",
		(int)connection->peer.pid, (int)message->pid);
	note_fault(connection, MT_WRONG_PROCESS, message);
}

/* Of more processes than are looked for at once. Who sends for so many is told; who is meant is not
 * known. */
static void note_lost(struct tt_connection *connection, const struct tt_message *message)
{
	static struct log_gate gate;

	connection->tt->server->stats.messages_unrecorded++;
	log_gated(&gate, LOG_LEVEL_WARNING,
	          "process %d reports for too many processes at once; what it reports for process "
	          "%d is lost",
	          (int)connection->peer.pid, (int)message->pid);
	note_fault(connection, MT_LOST_EVENTS, message);
}

struct tt_subject *tt_subject_for(struct tt_connection *connection,
                                  const struct tt_message *message)
{
	struct tt_subject *subject = NULL;

	switch (subject_by_pid(connection, message->pid, &subject)) {
	case 0:
		return subject;
	case -EPERM:
		note_foreign(connection, message);
		break;
	case -ESRCH: /* it has ended, and all that it held with it */
		connection->tt->server->stats.messages_gone++;
		break;
	case -EBUSY:
	case -EUSERS:
		note_lost(connection, message);
		break;
	default:
		connection->tt->server->stats.messages_unrecorded++;
		break;
	}
	return NULL;
}

/* ---- what a dead server left ---- */

static int adopt(const char *path, void *arg)
{
	struct tt_server *tt = arg;
	struct proxy_options options = options_of(tt);
	struct proxy *proxy;
	int result = proxy_adopt(&proxy, path, &options);

	if (result == 0) {
		const struct subject *who = proxy_subject(proxy);

		log_info("process %d (%s) is taken over from a server that is gone; %llu buffers "
		         "are live",
		         pid_of(who), name_of(who), (unsigned long long)proxy_live(proxy));
		add_subject(tt, proxy, who->who.process.uid);
		tt->server->stats.proxies_adopted++;
	} else if (result != -EBUSY && result != -ENOENT && result != -ESRCH) {
		log_warning("%s cannot be taken over: %s", path, strerror(-result));
	}
	return 0;
}

struct path_list {
	VEC_FIELDS(char *)
};

static int collect(const char *path, void *arg)
{
	*vec_add((struct path_list *)arg) = mem_strdup(path);
	return 0;
}

/* First the list: what is taken over has a new file. */
void tt_subject_adopt_all(struct tt_server *tt)
{
	struct path_list paths = {0};
	char **path;

	(void)segment_dir_scan(tt->server->segment_dir, collect, NULL, &paths);
	vec_for (path, &paths) {
		adopt(*path, tt);
		free(*path);
	}
	vec_finish(&paths);
}
