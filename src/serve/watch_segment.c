/* SPDX-License-Identifier: Apache-2.0 */
/* One segment from its birth to its removal. */
#include "watch_internal.h"

#include "log.h"
#include "process_end.h"
#include "units.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ull
enum { CLOSED_TRIES = 6 };
#define ENDING_NS (2000 * MS) /* at most, for the kernel's word on how it ended */
#define RETRY_NS  (60000 * MS)

static void examine(struct watched *watched, bool closed);

uint64_t watch_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct watched *)a)->path, ((const struct watched *)b)->path);
}

static struct watched *find(const struct watch *watch, const char *path)
{
	const struct watched key = {.path = (char *)(uintptr_t)path};
	void *node = tfind(&key, &watch->by_path, compare);

	return node != NULL ? *(struct watched **)node : NULL;
}

static struct watched *find_or_add(struct watch *watch, const char *path)
{
	struct watched *watched = find(watch, path);

	if (watched != NULL)
		return watched;
	watched = mem_calloc(1, sizeof(*watched));
	watched->path = mem_strdup(path);
	watched->watch = watch;
	watched->pidfd = -1;
	watched->at = watch->segments.count;
	*vec_add(&watch->segments) = watched;
	tsearch(watched, &watch->by_path, compare);
	return watched;
}

/* --- events of its own ---------------------------------------------------------------------- */

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	examine(arg, true);
}

static void look_again(struct watched *watched, uint64_t ns)
{
	struct timeval delay = {.tv_sec = (time_t)(ns / 1000000000),
	                        .tv_usec = (suseconds_t)(ns / 1000 % 1000000)};

	if (watched->timer == NULL)
		watched->timer = evtimer_new(watched->watch->server->base, on_timer, watched);
	if (watched->timer != NULL)
		evtimer_add(watched->timer, &delay);
}

static void on_pidfd(evutil_socket_t fd, short what, void *arg)
{
	struct watched *watched = arg;

	(void)fd;
	(void)what;
	watched->over = true;
	watched->tries = 0;
	examine(watched, true);
}

static void drop_pidfd(struct watched *watched)
{
	if (watched->pidfd_event != NULL)
		event_free(watched->pidfd_event);
	if (watched->pidfd >= 0)
		close(watched->pidfd);
	watched->pidfd_event = NULL;
	watched->pidfd = -1;
}

static void take_pidfd(struct watched *watched, int32_t pid)
{
	watched->pid = pid;
	watched->pidfd = process_end_open(pid, watched->subject.start_ticks);
	if (watched->pidfd >= 0 && server_descriptors_short(watched->pidfd))
		drop_pidfd(watched);
	if (watched->pidfd < 0)
		return;
	watched->pidfd_event =
		event_new(watched->watch->server->base, watched->pidfd, EV_READ, on_pidfd, watched);
	if (watched->pidfd_event != NULL)
		event_add(watched->pidfd_event, NULL);
}

void watch_found(struct watch *watch, const char *path, const struct segment_process *subject,
                 int32_t pid)
{
	struct watched *watched = find(watch, path);

	if (watched != NULL && watched->state == WATCHED_LIVE && watched->pidfd < 0 &&
	    memcmp(&watched->subject, subject, sizeof(*subject)) == 0)
		take_pidfd(watched, pid);
}

static void find_subject(struct watched *watched, const struct segment_peek *peek)
{
	struct stat own;

	watched->subject = peek->subject;
	if (peek->is_proxy || peek->subject.pid_ns == 0 || stat("/proc/self/ns/pid", &own) != 0)
		return;
	if (peek->subject.pid_ns == own.st_ino) {
		take_pidfd(watched, peek->subject.pid);
	} else if (peek->life == LIFE_ALIVE) {
		watched->sought = true;
		watch_search(watched->watch);
	}
}

static void forget(struct watched *watched)
{
	drop_pidfd(watched);
	if (watched->timer != NULL)
		evtimer_del(watched->timer);
	watched->state = WATCHED_LIVE;
	watched->identity = 0;
	watched->over = false;
	watched->sought = false;
	watched->end = (struct segment_end){0};
	watched->noticed_ns = 0;
	watched->tries = 0;
}

void watched_destroy(struct watched *watched)
{
	struct watch *watch = watched->watch;
	struct watched *last = watch->segments.items[watch->segments.count - 1];

	forget(watched);
	if (watched->timer != NULL)
		event_free(watched->timer);
	tdelete(watched, &watch->by_path, compare);
	watch->segments.items[watched->at] = last;
	last->at = watched->at;
	watch->segments.count--;
	free(watched->path);
	free(watched);
}

/* --- its end -------------------------------------------------------------------------------- */

static void on_taken(void *arg, const char *path, const struct postmortem_result *result)
{
	struct watch *watch = arg;
	struct watched *watched = find(watch, path);

	if (watched == NULL || watched->state != WATCHED_TAKEN)
		return;
	if (result->removed) {
		watched_destroy(watched);
	} else if (result->outcome == POSTMORTEM_GONE) {
		forget(watched);
		examine(watched, false);
	} else if (result->outcome == POSTMORTEM_FAILED || result->error == -EBUSY) {
		watched->state = WATCHED_RETRY;
		watched->deadline_ns = watch_now_ns() + RETRY_NS;
	} else {
		watched->state = result->awaited ? WATCHED_AWAITED : WATCHED_LEFT;
	}
}

static void take(struct watched *watched, const struct segment_end *end)
{
	watched->end = *end;
	drop_pidfd(watched);
	watched->state = WATCHED_TAKEN;
	postmortem_take(watched->watch->server->postmortems, watched->path, watched->identity, end,
	                on_taken, watched->watch);
}

/* What to say of an end that the kernel has not told us about. */
static void guess(const struct segment_peek *peek, struct segment_end *end)
{
	end->how = peek->life == LIFE_ENDED ? END_EXIT : END_UNKNOWN;
	end->code = peek->life == LIFE_ENDED ? -1 : 0;
}

/* 0: known as far as it will be; -EAGAIN: later. */
static int find_end(struct watched *watched, const struct segment_peek *peek,
                    struct segment_end *end)
{
	int error;

	if (peek->end.realtime_ns != 0) {
		*end = peek->end;
		return 0;
	}
	if (peek->life == LIFE_EXEC || watched->pidfd < 0) {
		guess(peek, end);
		return 0;
	}
	error = watched->over ? process_end_read(watched->pidfd, watched->pid, end) : -EAGAIN;
	if (error == -EAGAIN && watch_now_ns() < watched->deadline_ns)
		return -EAGAIN;
	if (error != 0)
		guess(peek, end);
	return 0;
}

static void has_ended(struct watched *watched, const struct segment_peek *peek)
{
	struct segment_end end = {0};

	if (watched->noticed_ns == 0) {
		watched->noticed_ns = units_now_ns();
		watched->deadline_ns = watch_now_ns() + ENDING_NS;
		watched->tries = 0;
		watched->watch->stats.ended++;
		if (!peek->is_proxy)
			watched->watch->server->stats.processes_ended++;
	}
	if (watched->end.realtime_ns != 0) { /* not for the first time */
		end = watched->end;
		take(watched, &end);
		return;
	}
	end.realtime_ns = watched->noticed_ns;
	if (find_end(watched, peek, &end) == 0) {
		take(watched, &end);
		return;
	}
	/* The pidfd says when it is over; of a zombie there is nothing that says more. */
	watched->state = WATCHED_ENDING;
	look_again(watched, watched->over ? (MS << watched->tries) : ENDING_NS);
	if (watched->tries < 7)
		watched->tries++;
}

/* --- looking -------------------------------------------------------------------------------- */

static bool is_anothers(const char *path, const struct segment_peek *peek)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat status;

	if (slash == NULL || (size_t)(slash - path) >= sizeof(dir))
		return true;
	memcpy(dir, path, (size_t)(slash - path));
	dir[slash - path] = '\0';
	return peek->owner != geteuid() &&
	       (stat(dir, &status) != 0 || status.st_uid != peek->owner);
}

/* A file that cannot be read is said to be so once, however often it is looked at. */
static void is_bad(struct watched *watched, const char *reason)
{
	static struct log_gate gate = {.burst = 20};

	if (watched->state != WATCHED_LEFT)
		log_gated(&gate, LOG_LEVEL_WARNING, "%s is left alone: %s", watched->path, reason);
	forget(watched);
	watched->state = WATCHED_LEFT;
}

static bool is_over(struct watched *watched, const struct segment_peek *peek, bool closed)
{
	/* What this server writes is its own to close. */
	if (peek->life == LIFE_ALIVE || (peek->is_proxy && !peek->writer_gone)) {
		/* The kernel tells of the close before it drops the lock. */
		if (closed && watched->tries < CLOSED_TRIES)
			look_again(watched, MS << watched->tries++);
		return false;
	}
	/* Of a process that goes on without us it stays until that ends. */
	return peek->life != LIFE_STOPPED || watched->pidfd < 0 || watched->over;
}

static void first_look(struct watched *watched, const struct segment_peek *peek)
{
	forget(watched);
	watched->identity = peek->identity;
	find_subject(watched, peek);
}

static void examine(struct watched *watched, bool closed)
{
	struct segment_reject reject = {.reason = ""};
	struct segment_peek peek;
	int error;

	if (watched->state == WATCHED_TAKEN)
		return;
	error = segment_peek(watched->path, &peek, &reject);
	if (error == -ENOENT) {
		watched_destroy(watched);
		return;
	}
	if (error == -EMFILE || error == -ENFILE || error == -ENOMEM)
		return; /* says nothing of the segment: the next scan looks again */
	if (error != 0) {
		is_bad(watched, reject.reason);
		return;
	}
	if (watched->identity != peek.identity) {
		if (is_anothers(watched->path, &peek)) {
			is_bad(watched, "belongs to another user than its directory");
			return;
		}
		first_look(watched, &peek);
	}
	if (watched->state == WATCHED_LEFT ||
	    (watched->state == WATCHED_RETRY && watch_now_ns() < watched->deadline_ns))
		return;
	if (is_over(watched, &peek, closed))
		has_ended(watched, &peek);
}

void watch_look(struct watch *watch, const char *path, bool closed)
{
	struct watched *watched = find_or_add(watch, path);

	watched->generation = watch->generation;
	if (closed)
		watched->tries = 0;
	examine(watched, closed);
}

void watch_look_through(struct watch *watch, const char *path)
{
	struct watched *watched = find(watch, path);

	if (watched != NULL && watched->state == WATCHED_LEFT && watched->identity != 0)
		watched->generation = watch->generation;
	else
		watch_look(watch, path, false);
}

void watch_gone(struct watch *watch, const char *path)
{
	struct watched *watched = find(watch, path);

	if (watched != NULL)
		watched_destroy(watched);
}

void watch_reject(struct watch *watch, const struct segment_reject *reject)
{
	struct watched *watched = find_or_add(watch, reject->path);

	watched->generation = watch->generation;
	is_bad(watched, reject->reason);
}

void watch_run_ended(struct watch *watch)
{
	/* From the end: one that has vanished leaves the list. */
	for (size_t i = watch->segments.count; i-- > 0;)
		if (i < watch->segments.count && watch->segments.items[i]->state == WATCHED_AWAITED)
			examine(watch->segments.items[i], false);
}
