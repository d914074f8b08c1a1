/* SPDX-License-Identifier: Apache-2.0 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 };

void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = path != NULL ? strlen(path) : 0;
	int fd;

	if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	/* A manager that is gone or slow must not stop a server. */
	(void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
	             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
	close(fd);
}

void notify_reloading(void)
{
	struct timespec now;
	char state[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	         (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	notify(state);
}

/* A number from the environment; 0: none. */
static uint64_t number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 ? value : 0;
}

uint64_t notify_watchdog_us(void)
{
	uint64_t pid = number("WATCHDOG_PID");

	if (pid != 0 && pid != (uint64_t)getpid())
		return 0;
	return number("WATCHDOG_USEC") / 2;
}

static void take_name(const char **names, struct passed_socket *ret)
{
	size_t length = *names != NULL ? strcspn(*names, ":") : 0;

	snprintf(ret->name, sizeof(ret->name), "%.*s", (int)(length < 31 ? length : 31),
	         length != 0 ? *names : "");
	if (*names != NULL)
		*names = (*names)[length] == ':' ? *names + length + 1 : NULL;
}

unsigned notify_passed_sockets(struct passed_socket *ret_sockets, unsigned limit)
{
	uint64_t count = number("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	unsigned taken = 0;

	if (number("LISTEN_PID") != (uint64_t)getpid())
		count = 0;
	for (uint64_t i = 0; i < count && taken < limit; i++) {
		int fd = FIRST_PASSED + (int)i;
		int flags = fcntl(fd, F_GETFD);

		take_name(&names, &ret_sockets[taken]);
		if (flags < 0)
			continue;
		(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
		flags = fcntl(fd, F_GETFL);
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		ret_sockets[taken++].fd = fd;
	}
	/* Nobody who is started from here shall take them for his own. */
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return taken;
}
