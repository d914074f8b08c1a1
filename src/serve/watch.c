/* SPDX-License-Identifier: Apache-2.0 */
/* Directories, inotify, scans; and processes by their pidfd. What becomes of a segment:
 * watch_segment.c. */
#include "watch_internal.h"

#include "log.h"
#include "process_end.h"
#include "run_mark.h"
#include "units.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum { SCAN_S = 10, BLIND_SCAN_S = 1, MAX_DIRS = 4096, READS_AT_ONCE = 16, LOOKS_AT_ONCE = 16 };
enum { STATUS_TRIES = 5 }; /* 1 + 2 + 4 + 8 ms */
enum { SCAN_PAUSE_NS = 20000000 };

#define SEGMENT_EVENTS                                                                             \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_MOVE_SELF | IN_ONLYDIR)
/* IN_ATTRIB: a directory that gets its group, or is opened to us. */
#define PARENT_EVENTS (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_MOVE_SELF | IN_ONLYDIR)

/* --- directories ---------------------------------------------------------------------------- */

static void go_blind(struct watch *watch, const char *what)
{
	if (watch->inotify < 0)
		return;
	log_warning("inotify is not to be had for %s: %s; segments are looked at every second "
	            "(see fs.inotify.max_user_watches and max_user_instances)",
	            what, strerror(errno));
	if (watch->inotify_event != NULL)
		event_free(watch->inotify_event);
	watch->inotify_event = NULL;
	close(watch->inotify);
	watch->inotify = -1;
	watch->stats.inotify = false;
}

static struct watch_dir *find_dir(struct watch *watch, const char *path, bool is_parent)
{
	struct watch_dir *dir;

	vec_for (dir, &watch->dirs)
		if (dir->is_parent == is_parent && strcmp(dir->path, path) == 0)
			return dir;
	return NULL;
}

static void add_dir(struct watch *watch, const char *path, bool is_parent)
{
	struct watch_dir *dir;
	int wd = -1;

	if (strlen(path) >= sizeof(dir->path))
		return;
	if (watch->inotify >= 0)
		wd = inotify_add_watch(watch->inotify, path,
		                       IN_MASK_ADD | (is_parent ? PARENT_EVENTS : SEGMENT_EVENTS));
	if (wd < 0 && watch->inotify >= 0 && (errno == ENOSPC || errno == ENOMEM))
		go_blind(watch, path);
	if (wd < 0)
		return; /* not there, or not for us */
	dir = find_dir(watch, path, is_parent);
	if (dir != NULL) {
		if (dir->wd != wd) /* another directory than before, or one mounted over it */
			inotify_rm_watch(watch->inotify, dir->wd);
		dir->wd = wd;
		return;
	}
	if (watch->dirs.count == MAX_DIRS) {
		inotify_rm_watch(watch->inotify, wd);
		return;
	}
	dir = vec_add(&watch->dirs);
	strcpy(dir->path, path);
	dir->wd = wd;
	dir->is_parent = is_parent;
}

static void add_parents(struct watch *watch)
{
	const char *chosen = getenv("MESHTALLY_DIR");
	char parent[256];
	char *slash;

	if (chosen == NULL || chosen[0] == '\0') {
		add_dir(watch, "/run", true);
		add_dir(watch, "/run/meshtally", true);
		add_dir(watch, "/dev/shm", true);
		return;
	}
	if (snprintf(parent, sizeof(parent), "%s", chosen) >= (int)sizeof(parent))
		return;
	for (size_t end = strlen(parent); end > 1 && parent[end - 1] == '/'; end--)
		parent[end - 1] = '\0';
	slash = strrchr(parent, '/');
	if (slash == NULL)
		strcpy(parent, ".");
	else
		slash[slash == parent] = '\0';
	add_dir(watch, parent, true);
}

static int found(const char *path, void *arg)
{
	struct watch *watch = arg;

	*vec_add(&watch->to_look) = mem_strdup(path);
	return 0;
}

static void rejected(const struct segment_reject *reject, void *arg)
{
	watch_reject(arg, reject);
}

/* First the watch, then what is there: nothing that comes between is missed. */
static void list_all(struct watch *watch)
{
	char(*paths)[256] = mem_calloc(MAX_DIRS, sizeof(*paths));
	size_t count;

	add_parents(watch);
	count = segment_dirs(paths, MAX_DIRS);
	for (size_t i = 0; i < count; i++)
		add_dir(watch, paths[i], false);
	for (size_t i = 0; i < count; i++)
		segment_dir_scan(paths[i], found, rejected, watch);
	free(paths);
}

/* --- scans ---------------------------------------------------------------------------------- */

static void schedule(struct watch *watch, bool now)
{
	struct timeval delay = {.tv_sec = watch->inotify >= 0 ? SCAN_S : BLIND_SCAN_S};
	uint64_t since = watch_now_ns() - watch->scan_ns;

	if (watch->to_look.count != 0) {
		watch->scan_again = watch->scan_again || now;
		return;
	}
	/* Others can make directories as fast as they like. */
	if (now)
		delay = (struct timeval){.tv_usec =
		                                 since < SCAN_PAUSE_NS ? SCAN_PAUSE_NS / 1000 : 0};
	evtimer_add(watch->scan_timer, &delay);
}

/* That a scan has not found it may be for want of a descriptor. */
static bool is_gone(const char *path)
{
	return access(path, F_OK) != 0 && errno != ENOMEM;
}

static void scan_begin(struct watch *watch)
{
	watch->generation++;
	watch->stats.scans++;
	watch->scan_ns = watch_now_ns();
	watch->scan_again = false;
	list_all(watch);
}

/* True: it is through. */
static bool scan_go_on(struct watch *watch, size_t looks)
{
	for (; looks != 0 && watch->to_look.count != 0; looks--) {
		char *path = watch->to_look.items[--watch->to_look.count];

		watch_look_through(watch, path);
		free(path);
	}
	return watch->to_look.count == 0;
}

static void scan_end(struct watch *watch)
{
	for (size_t i = watch->segments.count; i-- > 0;)
		if (i < watch->segments.count &&
		    watch->segments.items[i]->generation != watch->generation &&
		    is_gone(watch->segments.items[i]->path))
			watched_destroy(watch->segments.items[i]);
}

/* Some at a time: clients wait for the loop. */
static void on_scan(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0};
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	if (watch->to_look.count == 0)
		scan_begin(watch);
	if (!scan_go_on(watch, LOOKS_AT_ONCE)) {
		evtimer_add(watch->scan_timer, &at_once);
		return;
	}
	scan_end(watch);
	schedule(watch, watch->scan_again);
}

/* --- inotify -------------------------------------------------------------------------------- */

static bool is_segment_name(const char *name)
{
	size_t length = strlen(name), suffix = sizeof(SEGMENT_SUFFIX) - 1;

	return name[0] != '.' && length > suffix &&
	       strcmp(name + length - suffix, SEGMENT_SUFFIX) == 0;
}

static void segment_event(struct watch *watch, const struct watch_dir *dir,
                          const struct inotify_event *event)
{
	char path[sizeof(dir->path) + NAME_MAX + 2];

	snprintf(path, sizeof(path), "%s/%s", dir->path, event->name);
	if ((event->mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		watch_gone(watch, path);
	else
		watch_look(watch, path, (event->mask & IN_CLOSE_WRITE) != 0);
}

static void dir_event(struct watch *watch, struct watch_dir *dir, const struct inotify_event *event)
{
	if ((event->mask & IN_IGNORED) != 0) {
		*dir = watch->dirs.items[--watch->dirs.count];
		schedule(watch, true);
	} else if ((event->mask & IN_MOVE_SELF) != 0) {
		inotify_rm_watch(watch->inotify, event->wd);
	} else if (dir->is_parent) {
		if ((event->mask & IN_ISDIR) != 0)
			schedule(watch, true);
	} else if (event->len != 0 && is_segment_name(event->name)) {
		segment_event(watch, dir, event);
	} else if (event->len != 0 && (event->mask & (IN_DELETE | IN_CLOSE_WRITE)) != 0 &&
	           strncmp(event->name, RUN_MARK_PREFIX, sizeof(RUN_MARK_PREFIX) - 1) == 0) {
		watch_run_ended(watch);
	}
}

static void take_event(struct watch *watch, const struct inotify_event *event)
{
	struct watch_dir *dir;

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		schedule(watch, true);
		return;
	}
	/* One that is the parent of others as well is there twice. */
	vec_for (dir, &watch->dirs) {
		if (dir->wd != event->wd)
			continue;
		dir_event(watch, dir, event);
		if ((event->mask & IN_IGNORED) != 0)
			return;
	}
}

static void on_inotify(evutil_socket_t fd, short what, void *arg)
{
	char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watch *watch = arg;
	ssize_t length;

	(void)what;
	for (int i = 0; i < READS_AT_ONCE && (length = read(fd, bytes, sizeof(bytes))) > 0; i++)
		for (ssize_t at = 0; at < length;) {
			const struct inotify_event *event = (const void *)(bytes + at);

			take_event(watch, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
}

static void start_inotify(struct watch *watch)
{
	watch->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->inotify < 0) {
		log_warning("inotify is not to be had: %s; segments are looked at every second "
		            "(see fs.inotify.max_user_instances)",
		            strerror(errno));
		return;
	}
	watch->inotify_event = event_new(watch->server->base, watch->inotify, EV_READ | EV_PERSIST,
	                                 on_inotify, watch);
	watch->stats.inotify = watch->inotify_event != NULL;
	if (watch->inotify_event != NULL)
		event_add(watch->inotify_event, NULL);
}

/* --- the whole ------------------------------------------------------------------------------ */

int watch_create(struct watch **ret, struct server *server)
{
	struct watch *watch = mem_calloc(1, sizeof(*watch));

	watch->server = server;
	watch->inotify = -1;
	watch->scan_timer = evtimer_new(server->base, on_scan, watch);
	if (watch->scan_timer == NULL) {
		free(watch);
		return -ENOMEM;
	}
	*ret = watch;
	start_inotify(watch);
	scan_begin(watch);
	scan_go_on(watch, SIZE_MAX);
	scan_end(watch);
	schedule(watch, false);
	return 0;
}

void watch_destroy(struct watch *watch)
{
	if (watch == NULL)
		return;
	while (watch->segments.count != 0)
		watched_destroy(watch->segments.items[0]);
	while (watch->to_look.count != 0)
		free(watch->to_look.items[--watch->to_look.count]);
	vec_finish(&watch->to_look);
	vec_finish(&watch->segments);
	vec_finish(&watch->dirs);
	if (watch->inotify_event != NULL)
		event_free(watch->inotify_event);
	if (watch->inotify >= 0)
		close(watch->inotify);
	event_free(watch->scan_timer);
	free(watch);
}

struct watch_stats watch_stats(const struct watch *watch)
{
	struct watch_stats stats = watch->stats;

	stats.segments = watch->segments.count;
	return stats;
}

/* --- processes ------------------------------------------------------------------------------ */

struct watched_process {
	struct event *event, *timer;
	int pidfd;
	int32_t pid;
	unsigned tries;
	void (*ended)(void *arg, const struct segment_end *end);
	void *arg;
};

void watch_forget(struct watched_process *process)
{
	if (process == NULL)
		return;
	if (process->event != NULL)
		event_free(process->event);
	if (process->timer != NULL)
		event_free(process->timer);
	free(process);
}

static void on_process(evutil_socket_t fd, short what, void *arg)
{
	struct watched_process *process = arg, over = *process;
	struct segment_end end = {.how = END_UNKNOWN};

	(void)fd;
	(void)what;
	if (process_end_read(process->pidfd, process->pid, &end) == -EAGAIN &&
	    ++process->tries < STATUS_TRIES) {
		struct timeval delay = {.tv_usec = 500 << process->tries};

		evtimer_add(process->timer, &delay);
		return;
	}
	end.realtime_ns = units_now_ns();
	watch_forget(process);
	over.ended(over.arg, &end);
}

struct watched_process *watch_process(struct watch *watch, int pidfd,
                                      void (*ended)(void *arg, const struct segment_end *end),
                                      void *arg)
{
	struct event_base *base = watch->server->base;
	struct watched_process *process = mem_calloc(1, sizeof(*process));

	process->pidfd = pidfd;
	process->pid = process_end_pid(pidfd);
	process->ended = ended;
	process->arg = arg;
	process->event = event_new(base, pidfd, EV_READ, on_process, process);
	process->timer = evtimer_new(base, on_process, process);
	if (process->event == NULL || process->timer == NULL ||
	    event_add(process->event, NULL) != 0) {
		watch_forget(process);
		return NULL;
	}
	return process;
}
