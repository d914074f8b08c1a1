/* SPDX-License-Identifier: Apache-2.0 */
/* The floor reads with epoll in pieces of 64 KiB, as a server that serves many must. */
#include "socket_peer.h"

#include "socket_load.h"
#include "tt_socket_client.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 16, FDS = 1024, START_TRIES = 5000 };

static int listen_on(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(fd, FDS) < 0)
		return -1;
	return fd;
}

/* Answers each query; messages may be split, so the place within one is kept. */
static void answer(int fd, const char *bytes, size_t count, size_t *place)
{
	const size_t size = sizeof(struct tt_socket_message);
	struct tt_socket_message response = {.type = LOAD_RESPONSE};

	for (size_t at = (size - *place) % size; at < count; at += size) {
		if (bytes[at] == LOAD_QUERY &&
		    send(fd, &response, sizeof response, MSG_NOSIGNAL) < 0)
			break;
	}
	*place = (*place + count) % size;
}

static void read_all(int listener, bool answers)
{
	static char bytes[READ_BYTES];
	static size_t places[FDS];
	struct epoll_event events[64], wanted = {.events = EPOLLIN, .data.fd = listener};
	int epoll = epoll_create1(0);

	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
	for (;;) {
		int ready = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < ready; i++) {
			int fd = events[i].data.fd;
			ssize_t count;

			if (fd == listener) {
				wanted.data.fd = accept(listener, NULL, NULL);
				epoll_ctl(epoll, EPOLL_CTL_ADD, wanted.data.fd, &wanted);
				places[wanted.data.fd % FDS] = 0;
				continue;
			}
			count = read(fd, bytes, sizeof bytes);
			if (count <= 0)
				close(fd);
			else if (answers)
				answer(fd, bytes, (size_t)count, &places[fd % FDS]);
		}
	}
}

static bool await_listener(const struct peer *peer)
{
	for (int i = 0; i < START_TRIES; i++) {
		int fd = load_connect(peer->path);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		if (waitpid(peer->pid, NULL, WNOHANG) != 0)
			break;
		usleep(1000);
	}
	fprintf(stderr, "bench_socket: %s does not listen on %s\n", peer->name, peer->path);
	return false;
}

bool peer_start_reader(struct peer *peer, bool answers, const char *directory)
{
	int listener;

	*peer = (struct peer){.name = answers ? "the answering reader" : "the discarding reader"};
	snprintf(peer->path, sizeof peer->path, "%s/reader.sock", directory);
	listener = listen_on(peer->path);
	if (listener < 0)
		return false;
	peer->pid = fork();
	if (peer->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		read_all(listener, answers);
	}
	close(listener);
	return await_listener(peer);
}

static void run_server(const struct peer *peer, const char *meshtally, const char *directory)
{
	char state[96];
	int null = open("/dev/null", O_RDWR);

	snprintf(state, sizeof state, "%s/state", directory);
	setenv("MESHTALLY_DIR", peer->directory, 1);
	setenv("MESHTALLY_STATE_DIR", state, 1);
	setenv("MESHTALLY_TT_SHM", directory, 1);
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execl(meshtally, "meshtally", "serve", "--tt-socket", peer->path, "--http-socket", "none",
	      "--listen", "none", "--log-level", "error", (char *)NULL);
	_exit(127);
}

bool peer_start_server(struct peer *peer, const char *meshtally, const char *directory)
{
	*peer = (struct peer){.name = "meshtally serve"};
	snprintf(peer->path, sizeof peer->path, "%s/tt.sock", directory);
	snprintf(peer->directory, sizeof peer->directory, "%s/seg", directory);
	peer->pid = fork();
	if (peer->pid == 0)
		run_server(peer, meshtally, directory);
	return await_listener(peer);
}

void peer_stop(struct peer *peer)
{
	if (peer->pid <= 0)
		return;
	kill(peer->pid, SIGTERM);
	waitpid(peer->pid, NULL, 0);
	peer->pid = 0;
}

double peer_cpu_ns(const struct peer *peer)
{
	struct timespec used = {0};
	clockid_t clock;

	if (clock_getcpuclockid(peer->pid, &clock) == 0)
		clock_gettime(clock, &used);
	return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

uint64_t peer_anonymous_bytes(const struct peer *peer)
{
	char path[64], line[256];
	unsigned long long kilobytes = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/status", peer->pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file)) {
		if (sscanf(line, "RssAnon: %llu", &kilobytes) == 1)
			break;
	}
	if (file)
		fclose(file);
	return kilobytes * 1024;
}

uint64_t peer_segment_bytes(const struct peer *peer)
{
	DIR *directory = opendir(peer->directory);
	struct dirent *entry;
	struct stat status;
	uint64_t bytes = 0;

	while (directory && (entry = readdir(directory))) {
		if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode))
			bytes += (uint64_t)status.st_blocks * 512;
	}
	if (directory)
		closedir(directory);
	return bytes;
}
