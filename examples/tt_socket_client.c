/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection per process, and static, as tracking is a matter of the whole process. A message
 * is far smaller than what the kernel takes as one piece, so that the messages of a parent and of
 * its children never mix; the mutex is for the state here.
 */
#include "tt_socket_client.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { SEND_BUFFER_BYTES = 1 << 20, NS_PER_SECOND = 1000000000 };

static struct client {
	const char *path;
	int fd;            /* -1: not connected */
	uint64_t retry_ns; /* when connecting may be tried again */
	uint64_t sent, dropped;
} client = {.path = TT_SOCKET_PATH, .fd = -1};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void lock_client(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_client(void)
{
	pthread_mutex_unlock(&lock);
}

void tt_socket_client_init(const char *path)
{
	if (path)
		client.path = path;
	/* A fork while another thread sends would leave the child a mutex that nobody unlocks. */
	pthread_atfork(lock_client, unlock_client, unlock_client);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static void hang_up(void)
{
	if (client.fd >= 0)
		close(client.fd);
	client.fd = -1;
}

static bool dial(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int size = SEND_BUFFER_BYTES;

	if (strlen(client.path) >= sizeof address.sun_path)
		return false;
	strcpy(address.sun_path, client.path);
	client.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client.fd < 0)
		return false;
	setsockopt(client.fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	while (connect(client.fd, (struct sockaddr *)&address, sizeof address) < 0) {
		if (errno == EINTR)
			continue;
		hang_up();
		return false;
	}
	return true;
}

static bool is_connected(void)
{
	uint64_t now;

	if (client.fd >= 0)
		return true;
	now = now_ns(CLOCK_MONOTONIC);
	if (now < client.retry_ns)
		return false;
	if (dial())
		return true;
	client.retry_ns = now + NS_PER_SECOND;
	return false;
}

/* Never SIGPIPE: it would end the program for the sake of its tracker. */
static bool push(const struct tt_socket_message *message)
{
	const char *bytes = (const char *)message;
	size_t done = 0;

	while (done < sizeof *message) {
		ssize_t part = send(client.fd, bytes + done, sizeof *message - done, MSG_NOSIGNAL);

		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return false;
		done += (size_t)part;
	}
	return true;
}

/* A server that was restarted gets what its predecessor did not; one that is gone is given up. */
static bool deliver(const struct tt_socket_message *message)
{
	bool sent;

	lock_client();
	sent = is_connected() && push(message);
	if (!sent && client.fd >= 0) {
		hang_up();
		sent = is_connected() && push(message);
		if (!sent)
			hang_up();
	}
	client.sent += sent;
	client.dropped += !sent;
	unlock_client();
	return sent;
}

bool tt_socket_client_alloc(int32_t device, uint64_t address, uint64_t bytes,
                            enum tt_socket_kind kind)
{
	struct tt_socket_message message = {.type = TT_SOCKET_ALLOC,
	                                    .device_id = device,
	                                    .size = bytes,
	                                    .buffer_type = (uint8_t)kind,
	                                    .process_id = getpid(),
	                                    .buffer_id = address,
	                                    .timestamp = now_ns(CLOCK_REALTIME)};

	return deliver(&message);
}

bool tt_socket_client_free(int32_t device, uint64_t address)
{
	struct tt_socket_message message = {.type = TT_SOCKET_FREE,
	                                    .device_id = device,
	                                    .process_id = getpid(),
	                                    .buffer_id = address};

	return deliver(&message);
}

uint64_t tt_socket_client_sent(void)
{
	return client.sent;
}

uint64_t tt_socket_client_dropped(void)
{
	return client.dropped;
}

void tt_socket_client_finish(void)
{
	lock_client();
	hang_up();
	unlock_client();
}
