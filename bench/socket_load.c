/* SPDX-License-Identifier: Apache-2.0 */
/* Results come back in shared memory, as the clients are processes: the protocol is about those. */
#include "socket_load.h"

#include "bench.h"
#include "tt_socket_client.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEND_BUFFER_BYTES = 1 << 20, BATCH_MAX = 1024, DEVICES = 8, TIMES_MAX = 4000000 };

/* What a client tells of itself. */
struct shared {
	double send_ns[LOAD_CLIENTS_MAX], end_ns[LOAD_CLIENTS_MAX], cpu_ns[LOAD_CLIENTS_MAX];
	bool failed[LOAD_CLIENTS_MAX];
	uint32_t times[TIMES_MAX];
};

static struct shared *shared_results(void)
{
	static struct shared *shared;

	if (!shared) {
		shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
		              MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (shared == MAP_FAILED) {
			perror("bench_socket");
			exit(1);
		}
	}
	return shared;
}

int load_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int size = SEND_BUFFER_BYTES, fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
	if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool push(int fd, const void *data, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t part = send(fd, (const char *)data + done, bytes - done, MSG_NOSIGNAL);

		if (part <= 0)
			return false;
		done += (size_t)part;
	}
	return true;
}

/* Until the other end has read everything and hung up as well. */
static bool drain(int fd)
{
	char byte;

	shutdown(fd, SHUT_WR);
	return read(fd, &byte, 1) == 0;
}

/* Allocations until `live` buffers are held; then the oldest is freed and another made, in turn. */
static void fill(struct tt_socket_message *message, uint64_t n, uint32_t live, pid_t pid)
{
	uint64_t later = n - live;
	bool frees = n >= live && later % 2 == 0;
	uint64_t id = n < live ? n : frees ? later / 2 : live + later / 2;

	*message = (struct tt_socket_message){.type = frees ? TT_SOCKET_FREE : TT_SOCKET_ALLOC,
	                                      .device_id = (int32_t)(id % DEVICES),
	                                      .size = frees ? 0 : 4096 * (1 + id % 7),
	                                      .process_id = pid,
	                                      .buffer_id = 4096 * (id + 1),
	                                      .timestamp = frees ? 0 : 1};
}

static bool client_send(const struct load *load, int fd, uint32_t *times)
{
	static struct tt_socket_message messages[BATCH_MAX];
	pid_t pid = getpid();

	for (uint64_t n = 0; n < load->messages; n += load->batch) {
		double start;

		for (unsigned i = 0; i < load->batch; i++)
			fill(&messages[i], n + i, load->live, pid);
		start = load->timed ? bench_now_ns() : 0;
		if (!push(fd, messages, load->batch * sizeof messages[0]))
			return false;
		if (load->timed)
			*times++ = (uint32_t)(bench_now_ns() - start);
		if (load->pause_us)
			usleep(load->pause_us);
	}
	return true;
}

static double own_cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (double)used.tv_sec * 1e9 + (double)used.tv_nsec;
}

static void client(const struct load *load, unsigned number, int go)
{
	struct shared *shared = shared_results();
	size_t writes = load->messages / load->batch;
	int fd = load_connect(load->path);
	double before;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &byte, 1) < 0)
		_exit(1);
	before = own_cpu_ns();
	shared->failed[number] = fd < 0 || !client_send(load, fd, shared->times + number * writes);
	shared->send_ns[number] = bench_now_ns();
	shared->cpu_ns[number] = own_cpu_ns() - before;
	shared->failed[number] |= !drain(fd);
	shared->end_ns[number] = bench_now_ns();
	_exit(0);
}

static int compare_times(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void gather(const struct load *load, double start, struct load_result *result)
{
	struct shared *shared = shared_results();

	*result = (struct load_result){0};
	for (unsigned i = 0; i < load->clients; i++) {
		double sent = shared->send_ns[i] - start, end = shared->end_ns[i] - start;

		result->send_ns = sent > result->send_ns ? sent : result->send_ns;
		result->wall_ns = end > result->wall_ns ? end : result->wall_ns;
		result->cpu_ns += shared->cpu_ns[i];
	}
	if (load->timed) {
		result->times = shared->times;
		result->time_count = load->clients * (load->messages / load->batch);
		qsort(result->times, result->time_count, sizeof(uint32_t), compare_times);
	}
}

bool load_run(const struct load *load, struct load_result *ret_result)
{
	struct shared *shared = shared_results();
	pid_t pids[LOAD_CLIENTS_MAX];
	double start;
	int go[2];
	bool failed = false;

	if (load->clients * (load->messages / load->batch) > TIMES_MAX && load->timed)
		return false;
	if (pipe(go) < 0)
		return false;
	for (unsigned i = 0; i < load->clients; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			close(go[1]);
			client(load, i, go[0]);
		}
	}
	close(go[0]);
	usleep(20000); /* they are connected, and wait */
	start = bench_now_ns();
	close(go[1]);
	for (unsigned i = 0; i < load->clients; i++) {
		waitpid(pids[i], NULL, 0);
		failed |= shared->failed[i];
	}
	gather(load, start, ret_result);
	if (failed)
		fprintf(stderr, "bench_socket: a client of %s could not send\n", load->path);
	return !failed;
}

double load_percentile_us(const struct load_result *result, double p)
{
	size_t at = (size_t)((double)result->time_count * p);

	if (result->time_count == 0)
		return 0;
	return (at < result->time_count ? result->times[at]
	                                : result->times[result->time_count - 1]) /
	       1e3;
}

pid_t load_flood_start(const char *path, unsigned batch)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct load load = {
			.path = path, .messages = UINT64_MAX / 2, .batch = batch, .live = 1000};

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		client_send(&load, load_connect(path), NULL);
		_exit(0);
	}
	usleep(100000);
	return pid;
}

void load_flood_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

bool load_queries(const char *path, unsigned count, struct load_result *ret_result)
{
	struct shared *shared = shared_results();
	struct tt_socket_message query = {.type = LOAD_QUERY, .process_id = getpid()}, answer;
	int fd = load_connect(path);
	bool failed = fd < 0;

	/* The first is not counted: one message alone does not tell the size of messages. */
	for (unsigned i = 0; !failed && i <= count; i++) {
		double start = bench_now_ns();

		failed = !push(fd, &query, sizeof query) ||
		         recv(fd, &answer, sizeof answer, MSG_WAITALL) != sizeof answer ||
		         answer.type != LOAD_RESPONSE;
		if (i > 0)
			shared->times[i - 1] = (uint32_t)(bench_now_ns() - start);
		usleep(100);
	}
	if (fd >= 0)
		close(fd);
	*ret_result = (struct load_result){.times = shared->times, .time_count = count};
	qsort(ret_result->times, count, sizeof(uint32_t), compare_times);
	return !failed;
}

/* All of them in batches, then a query: its answer says that they were applied. */
static bool send_range(int fd, uint32_t live, bool frees)
{
	static struct tt_socket_message messages[64];
	struct tt_socket_message query = {.type = LOAD_QUERY, .process_id = getpid()}, answer;

	for (uint32_t n = 0; n < live; n += 64) {
		for (uint32_t i = 0; i < 64; i++) {
			messages[i] = (struct tt_socket_message){
				.type = frees ? TT_SOCKET_FREE : TT_SOCKET_ALLOC,
				.size = frees ? 0 : 4096,
				.process_id = getpid(),
				.buffer_id = 4096 * ((uint64_t)n + i + 1),
				.timestamp = frees ? 0 : 1};
		}
		if (!push(fd, messages, sizeof messages))
			return false;
	}
	return push(fd, &query, sizeof query) &&
	       recv(fd, &answer, sizeof answer, MSG_WAITALL) == sizeof answer;
}

int load_hold(const char *path, uint32_t live)
{
	int fd = load_connect(path);

	if (fd >= 0 && send_range(fd, live, false))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

bool load_release(int fd, uint32_t live)
{
	return send_range(fd, live, true);
}
