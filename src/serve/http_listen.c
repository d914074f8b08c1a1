/* SPDX-License-Identifier: Apache-2.0 */
/* Where HTTP is listened on. */
#include "http_internal.h"
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAUSE_MS = 200, PORT_BYTES = 8 };

/* Descriptors ran short: whoever comes waits in the kernel's queue for a moment. */
void http_pause(struct http *http)
{
	const struct timeval when = {.tv_usec = PAUSE_MS * 1000};

	for (size_t i = 0; i < http->listener_count; i++)
		evconnlistener_disable(http->listeners[i].listener);
	event_add(http->resume, &when);
}

void http_resume(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < http->listener_count; i++)
		evconnlistener_enable(http->listeners[i].listener);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
                      int length, void *arg)
{
	struct http_listener *mine = arg;

	(void)listener;
	(void)address;
	(void)length;
	if (server_descriptors_short(fd)) {
		close(fd);
		http_pause(mine->http);
		return;
	}
	http_connection_open(mine, fd);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	static struct log_gate gate;
	struct http_listener *mine = arg;

	(void)listener;
	log_gated(&gate, LOG_LEVEL_WARNING, "cannot accept HTTP connections: %s; tries again",
	          strerror(errno));
	http_pause(mine->http);
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;

	if (address->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	return address->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* "127.0.0.1" or "[::1]", and the port. */
static void name_address(const struct sockaddr_storage *address, socklen_t length,
                         char (*ret_host)[64], char (*ret_port)[PORT_BYTES])
{
	char host[48] = "?";

	snprintf(*ret_port, sizeof(*ret_port), "?");
	getnameinfo((const struct sockaddr *)address, length, host, sizeof(host), *ret_port,
	            sizeof(*ret_port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(*ret_host, sizeof(*ret_host), address->ss_family == AF_INET6 ? "[%s]" : "%s",
	         host);
}

int http_listen_fd(struct http *http, int fd)
{
	struct http_listener *listener = &http->listeners[http->listener_count];
	struct sockaddr_storage address = {0};
	socklen_t length = sizeof(address);
	char port[PORT_BYTES];

	if (http->listener_count == HTTP_LISTENERS)
		return -EMFILE;
	if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
		return -errno;
	listener->http = http;
	listener->is_tcp = address.ss_family != AF_UNIX;
	if (listener->is_tcp && !is_loopback(&address) && http->token[0] == '\0') {
		log_error("HTTP on an address that is not loopback needs --token-file FILE: "
		          "others could read everything");
		return -EACCES;
	}
	evutil_make_socket_nonblocking(fd);
	listener->listener =
		evconnlistener_new(http->server->base, on_accept, listener,
	                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, fd);
	if (listener->listener == NULL)
		return -ENOMEM;
	evconnlistener_set_error_cb(listener->listener, on_accept_error);
	http->listener_count++;
	if (listener->is_tcp) {
		name_address(&address, length, &listener->address, &port);
		log_info("listening on http://%s:%s", listener->address, port);
	}
	return 0;
}

/* "HOST:PORT" or "[HOST]:PORT". */
static int split(const char *listen, char (*ret_host)[64], char (*ret_port)[PORT_BYTES])
{
	const char *colon = strrchr(listen, ':');
	size_t length = colon != NULL ? (size_t)(colon - listen) : 0;

	if (colon == NULL || length == 0 || strlen(colon + 1) >= PORT_BYTES ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || colon[1] == '\0')
		return -EINVAL;
	if (listen[0] == '[' && listen[length - 1] == ']') {
		listen++;
		length -= 2;
	} else if (memchr(listen, ':', length) != NULL) {
		return -EINVAL;
	}
	if (length >= sizeof(*ret_host))
		return -EINVAL;
	snprintf(*ret_host, sizeof(*ret_host), "%.*s", (int)length, listen);
	snprintf(*ret_port, sizeof(*ret_port), "%s", colon + 1);
	return 0;
}

static int bind_address(const struct addrinfo *info)
{
	const int one = 1;
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (info->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, info->ai_addr, info->ai_addrlen) != 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int listen_tcp(struct http *http, const char *listen)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *info = NULL;
	char host[64], port[PORT_BYTES];
	int fd, result = split(listen, &host, &port);

	if (result != 0 || getaddrinfo(host, port, &hints, &info) != 0) {
		log_error("--listen %s: not an ADDRESS:PORT of this machine", listen);
		return -EINVAL;
	}
	fd = bind_address(info);
	freeaddrinfo(info);
	result = fd < 0 ? fd : http_listen_fd(http, fd);
	if (fd >= 0 && result != 0)
		close(fd);
	if (fd < 0)
		log_error("cannot listen on %s: %s; choose another with --listen ADDRESS:PORT, or "
		          "none with --listen ''",
		          listen, strerror(-fd));
	return result;
}

/* A directory of our own that nobody else can look into, or could have put there. */
static int make_private(const char *dir)
{
	struct stat status;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return -errno;
	if (lstat(dir, &status) != 0)
		return -errno;
	if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid())
		return -EPERM;
	return (status.st_mode & 077) == 0 || chmod(dir, 0700) == 0 ? 0 : -errno;
}

static int default_path(char (*ret_path)[PATH_MAX])
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char dir[PATH_MAX - 16];
	int result;

	if (runtime != NULL && runtime[0] == '/')
		snprintf(dir, sizeof(dir), "%s/meshtally", runtime);
	else
		snprintf(dir, sizeof(dir), "/tmp/meshtally-%u", (unsigned)geteuid());
	result = make_private(dir);
	if (result != 0)
		log_error("no directory for the HTTP socket: %s: %s; choose a path with "
		          "--http-socket PATH, or none with --http-socket ''",
		          dir, strerror(-result));
	snprintf(*ret_path, sizeof(*ret_path), "%s/http.sock", dir);
	return result;
}

static int listen_unix(struct http *http, const char *path)
{
	char chosen[PATH_MAX];
	struct text error = {0};
	int result = 0;

	if (path == NULL)
		result = default_path(&chosen);
	else
		snprintf(chosen, sizeof(chosen), "%s", path);
	if (result != 0)
		return result;
	result = listener_open(&http->unix_listener, chosen, 0600, &error);
	if (result != 0)
		log_error(
			"%s; choose another with --http-socket PATH, or none with --http-socket ''",
			text_string(&error));
	text_finish(&error);
	if (result != 0)
		return result;
	result = http_listen_fd(http, http->unix_listener.fd);
	if (result == 0) {
		http->unix_listener.fd = -1; /* the loop's now; the name is still ours */
		log_info("listening on %s for HTTP", chosen);
	}
	return result;
}

int http_listen(struct http *http)
{
	const struct serve_options *options = http->server->options;
	int result = 0;

	if (options->listen != NULL && options->listen[0] != '\0')
		result = listen_tcp(http, options->listen);
	if (result == 0 && (options->http_socket == NULL || options->http_socket[0] != '\0'))
		result = listen_unix(http, options->http_socket);
	return result;
}
