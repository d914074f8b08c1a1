/* SPDX-License-Identifier: Apache-2.0 */
/* The server as a whole: it begins, runs, reads its files again, and ends. */
#include "server.h"

#include "claim.h"
#include "http.h"
#include "listener.h"
#include "memory.h"
#include "notify.h"
#include "postmortem.h"
#include "text.h"
#include "tt_devices.h"
#include "tt_server.h"
#include "units.h"
#include "watch.h"
#include "worker.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PASSED_MAX = 8, RESERVED_DESCRIPTORS = 64 };

/* What only this file knows of a server. */
struct run {
	struct server server;
	struct tt_devices devices; /* as the file had them last */
	struct listener tt_listener;
	int claim;
	struct event *signals[3];
	struct event *watchdog;
	bool failed;
};

static int descriptor_high = INT32_MAX;

bool server_descriptors_short(int fd)
{
	return fd >= descriptor_high;
}

static void raise_descriptors(void)
{
	struct rlimit limit;
	rlim_t reserve;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur > INT32_MAX)
		return;
	reserve = limit.rlim_cur / 4 < RESERVED_DESCRIPTORS ? limit.rlim_cur / 4
	                                                    : RESERVED_DESCRIPTORS;
	descriptor_high = (int)(limit.rlim_cur - reserve);
}

static bool is_system_service(void)
{
	const char *state = getenv("STATE_DIRECTORY");

	return state != NULL && strncmp(state, "/var/", 5) == 0;
}

/* Loads --devices. Bad at the start: the server does not run; bad later: the old table stays. */
static int load_devices(struct run *run, bool again)
{
	const char *file = run->server.options->devices_file;
	struct tt_devices *devices;
	char error[512] = "";
	int result;

	if (file == NULL)
		return 0;
	devices = mem_calloc(1, sizeof(*devices));
	result = tt_devices_load(file, devices, error, sizeof(error));
	if (result != 0) {
		log_error("--devices: %s%s", error, again ? "; the table stays as it was" : "");
	} else if (again && memcmp(devices, &run->devices, sizeof(*devices)) == 0) {
		log_info("--devices %s: nothing has changed", file);
	} else {
		/* In place: proxies point to it. */
		run->devices = *devices;
		log_info("--devices %s: %u devices", file, devices->count);
	}
	free(devices);
	return result;
}

static void on_end(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;

	(void)what;
	log_info("ends: %s", number == SIGTERM ? "SIGTERM" : "SIGINT");
	notify("STOPPING=1");
	event_base_loopbreak(run->server.base);
}

static void on_reload(evutil_socket_t number, short what, void *arg)
{
	struct run *run = arg;

	(void)number;
	(void)what;
	notify_reloading();
	log_info("reads its files again");
	run->server.stats.reloads++;
	(void)load_devices(run, true);
	http_reload(run->server.http);
	notify("READY=1");
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	notify("WATCHDOG=1");
}

static void on_event_log(int severity, const char *message)
{
	static struct log_gate gate;

	log_gated(&gate, severity >= EVENT_LOG_WARN ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG,
	          "libevent: %s", message);
}

static int start_loop(struct run *run)
{
	static const struct {
		int number;
		void (*handler)(evutil_socket_t, short, void *);
	} signals[] = {{SIGTERM, on_end}, {SIGINT, on_end}, {SIGHUP, on_reload}};
	struct event_config *config = event_config_new();

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a limit on files is an error of writing them */
	event_set_log_callback(on_event_log);
	if (config == NULL || evthread_use_pthreads() != 0)
		return -ENOMEM;
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	run->server.base = event_base_new_with_config(config);
	event_config_free(config);
	if (run->server.base == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < 3; i++) {
		run->signals[i] =
			evsignal_new(run->server.base, signals[i].number, signals[i].handler, run);
		if (run->signals[i] == NULL || evsignal_add(run->signals[i], NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

static void start_watchdog(struct run *run)
{
	uint64_t us = notify_watchdog_us();
	struct timeval period = {.tv_sec = (time_t)(us / 1000000),
	                         .tv_usec = (suseconds_t)(us % 1000000)};

	if (us == 0)
		return;
	run->watchdog = event_new(run->server.base, -1, EV_PERSIST, on_watchdog, run);
	if (run->watchdog != NULL)
		event_add(run->watchdog, &period);
}

static int claim_segments(struct run *run)
{
	struct server *server = &run->server;
	struct text error = {0};
	int result = segment_file_directory(server->segment_dir, sizeof(server->segment_dir));

	if (result != 0) {
		log_error("no directory for segments: %s; see `meshtally doctor`, or choose one "
		          "with MESHTALLY_DIR",
		          strerror(-result));
		return result;
	}
	run->claim = claim_directory(server->segment_dir, &error);
	if (run->claim < 0)
		log_error("%s", text_string(&error));
	text_finish(&error);
	return run->claim < 0 ? run->claim : 0;
}

/* What a passed socket is for: by its name, else by its address. */
static bool is_tt_socket(const struct passed_socket *passed)
{
	struct sockaddr_un address = {0};
	socklen_t length = sizeof(address);

	if (strncmp(passed->name, "tt", 2) == 0 || strstr(passed->name, "-tt") != NULL)
		return true;
	if (strstr(passed->name, "http") != NULL)
		return false;
	return getsockname(passed->fd, (struct sockaddr *)&address, &length) == 0 &&
	       address.sun_family == AF_UNIX && strstr(address.sun_path, "http") == NULL;
}

/* Sockets that a service manager made stand in for those of the options. */
static int take_passed(struct run *run, bool *ret_tt, bool *ret_http)
{
	struct passed_socket passed[PASSED_MAX];
	unsigned count = notify_passed_sockets(passed, PASSED_MAX);
	int result = 0;

	for (unsigned i = 0; result == 0 && i < count; i++) {
		bool tt = is_tt_socket(&passed[i]);

		result = tt ? tt_server_listen(run->server.tt, passed[i].fd)
		            : http_listen_fd(run->server.http, passed[i].fd);
		if (result != 0)
			log_error("cannot listen on the passed socket '%s': %s", passed[i].name,
			          strerror(-result));
		else
			log_info("listening on the passed socket '%s' for %s", passed[i].name,
			         tt ? "tt-metal's allocation clients" : "HTTP");
		*ret_tt = *ret_tt || tt;
		*ret_http = *ret_http || !tt;
	}
	return result;
}

static int open_tt_socket(struct run *run)
{
	const struct serve_options *options = run->server.options;
	mode_t mode = run->server.is_service ? 0666 : 0600;
	struct text error = {0};
	int result;

	if (options->tt_socket_mode != 0)
		mode = options->tt_socket_mode;
	result = listener_open(&run->tt_listener, options->tt_socket, mode, &error);
	if (result == -EADDRINUSE)
		text_add(&error, "; stop it, or use --tt-socket PATH");
	if (result != 0)
		log_error("%s", text_string(&error));
	text_finish(&error);
	if (result != 0)
		return result;
	result = tt_server_listen(run->server.tt, run->tt_listener.fd);
	if (result == 0)
		run->tt_listener.fd = -1; /* has its own owner now */
	log_info("listening on %s for tt-metal's allocation clients", options->tt_socket);
	return result;
}

static int open_sockets(struct run *run)
{
	bool tt = false, http = false;
	int result = take_passed(run, &tt, &http);

	if (result == 0 && !tt && run->server.options->tt_socket != NULL)
		result = open_tt_socket(run);
	if (result == 0 && !http)
		result = http_listen(run->server.http);
	return result;
}

static int start_parts(struct run *run)
{
	struct server *server = &run->server;
	const char *part = "the worker";
	int result = worker_create(&server->worker, server->base);

	if (result == 0) {
		part = "post-mortems";
		result = postmortems_create(&server->postmortems, server);
	}
	if (result == 0) {
		part = "watching";
		result = watch_create(&server->watch, server);
	}
	if (result == 0) {
		part = "the socket of allocation clients";
		result = tt_server_create(&server->tt, server, &run->devices);
	}
	if (result == 0) {
		part = "HTTP";
		result = http_create(&server->http, server);
	}
	if (result != 0)
		log_error("cannot start %s: %s", part, strerror(-result));
	return result;
}

static int start(struct run *run)
{
	struct server *server = &run->server;
	int result;

	raise_descriptors();
	server->stats.start_realtime_ns = units_now_ns();
	server->is_service = is_system_service();
	result = load_devices(run, false);
	if (result == 0)
		result = claim_segments(run);
	if (result == 0)
		result = start_loop(run);
	if (result == 0)
		result = start_parts(run);
	if (result == 0)
		result = open_sockets(run);
	return result;
}

static void finish(struct run *run)
{
	struct server *server = &run->server;

	http_destroy(server->http);
	/* First the name: nobody shall connect any more. */
	listener_close(&run->tt_listener);
	tt_server_destroy(server->tt);
	watch_destroy(server->watch);
	/* Before what its jobs point to. */
	if (server->worker != NULL)
		worker_destroy(server->worker);
	postmortems_destroy(server->postmortems);
	for (size_t i = 0; i < 3; i++)
		if (run->signals[i] != NULL)
			event_free(run->signals[i]);
	if (run->watchdog != NULL)
		event_free(run->watchdog);
	if (server->base != NULL)
		event_base_free(server->base);
	if (run->claim >= 0)
		close(run->claim);
}

int serve_run(const struct serve_options *options)
{
	struct run *run = mem_calloc(1, sizeof(*run));
	int status = EXIT_FAILURE;

	run->server.options = options;
	run->claim = -1;
	run->tt_listener.fd = -1;
	log_start(options->log_level);
	if (start(run) == 0) {
		log_info("meshtally %s serves %s", MESHTALLY_VERSION, run->server.segment_dir);
		start_watchdog(run);
		notify("READY=1");
		event_base_dispatch(run->server.base);
		status = EXIT_SUCCESS;
	}
	finish(run);
	libevent_global_shutdown();
	free(run);
	return status;
}
