/* SPDX-License-Identifier: Apache-2.0 */
#include "worker.h"

#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct node {
	struct worker_job job;
	struct node *next;
};

struct queue {
	struct node *first, **end;
	size_t count;
};

enum { TURN_SHORT, TURN_LONG, TURN_BACKGROUND, TURNS };

struct worker {
	pthread_t thread;
	pthread_mutex_t mutex; /* of everything below, up to the event */
	pthread_cond_t posted;
	struct queue waiting[TURNS], finished;
	int turn; /* whose was the last */
	struct node *running;
	uint64_t running_since_ns;
	bool ending;
	int wake_fd; /* the thread has finished something */
	struct event *woken;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void queue_init(struct queue *queue)
{
	*queue = (struct queue){.end = &queue->first};
}

static void queue_add(struct queue *queue, struct node *node)
{
	node->next = NULL;
	*queue->end = node;
	queue->end = &node->next;
	queue->count++;
}

static struct node *queue_take(struct queue *queue)
{
	struct node *node = queue->first;

	if (node == NULL)
		return NULL;
	queue->first = node->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	queue->count--;
	return node;
}

/* All get on, whatever the others' length. */
static struct node *take_job(struct worker *worker)
{
	struct node *node = NULL;

	for (int i = 0; i < TURNS && node == NULL; i++) {
		worker->turn = (worker->turn + 1) % TURNS;
		node = queue_take(&worker->waiting[worker->turn]);
	}
	return node;
}

static void wake_loop(const struct worker *worker)
{
	const uint64_t one = 1;

	while (write(worker->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	struct node *node;

	pthread_mutex_lock(&worker->mutex);
	while (!worker->ending) {
		node = take_job(worker);
		if (node == NULL) {
			pthread_cond_wait(&worker->posted, &worker->mutex);
			continue;
		}
		worker->running = node;
		worker->running_since_ns = now_ns();
		pthread_mutex_unlock(&worker->mutex);
		node->job.work(node->job.arg);
		pthread_mutex_lock(&worker->mutex);
		worker->running = NULL;
		queue_add(&worker->finished, node);
		wake_loop(worker);
	}
	pthread_mutex_unlock(&worker->mutex);
	return NULL;
}

/* done() may post, and may take long: the mutex is not held meanwhile. */
static void finish_jobs(int fd, short what, void *arg)
{
	struct worker *worker = arg;
	struct node *node;
	uint64_t count;

	(void)what;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	for (;;) {
		pthread_mutex_lock(&worker->mutex);
		node = queue_take(&worker->finished);
		pthread_mutex_unlock(&worker->mutex);
		if (node == NULL)
			return;
		if (node->job.done != NULL)
			node->job.done(node->job.arg);
		free(node);
	}
}

/* Signals belong to the loop: the thread gets none. */
static int start_thread(struct worker *worker)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

int worker_create(struct worker **ret, struct event_base *base)
{
	struct worker *worker = mem_calloc(1, sizeof(*worker));
	int error = 0;

	for (int i = 0; i < TURNS; i++)
		queue_init(&worker->waiting[i]);
	queue_init(&worker->finished);
	pthread_mutex_init(&worker->mutex, NULL);
	pthread_cond_init(&worker->posted, NULL);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake_fd < 0)
		error = -errno;
	if (error == 0) {
		worker->woken =
			event_new(base, worker->wake_fd, EV_READ | EV_PERSIST, finish_jobs, worker);
		if (worker->woken == NULL || event_add(worker->woken, NULL) != 0)
			error = -ENOMEM;
	}
	if (error == 0)
		error = start_thread(worker);
	if (error != 0) {
		if (worker->woken != NULL)
			event_free(worker->woken);
		if (worker->wake_fd >= 0)
			close(worker->wake_fd);
		free(worker);
		return error;
	}
	*ret = worker;
	return 0;
}

void worker_post_job(struct worker *worker, const struct worker_job *job)
{
	struct node *node = mem_calloc(1, sizeof(*node));
	int turn = job->background ? TURN_BACKGROUND : job->is_long ? TURN_LONG : TURN_SHORT;

	node->job = *job;
	pthread_mutex_lock(&worker->mutex);
	queue_add(&worker->waiting[turn], node);
	pthread_cond_signal(&worker->posted);
	pthread_mutex_unlock(&worker->mutex);
}

void worker_post(struct worker *worker, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	const struct worker_job job = {.work = work, .done = done, .arg = arg};

	worker_post_job(worker, &job);
}

static struct node *queue_remove(struct queue *queue, const void *arg)
{
	struct node **link = &queue->first, *node;

	while (*link != NULL && (*link)->job.arg != arg)
		link = &(*link)->next;
	node = *link;
	if (node == NULL)
		return NULL;
	*link = node->next;
	if (node->next == NULL)
		queue->end = link;
	queue->count--;
	return node;
}

bool worker_cancel(struct worker *worker, const void *arg)
{
	struct node *node = NULL;
	bool found;

	pthread_mutex_lock(&worker->mutex);
	for (int i = 0; i < TURNS && node == NULL; i++)
		node = queue_remove(&worker->waiting[i], arg);
	pthread_mutex_unlock(&worker->mutex);
	found = node != NULL;
	free(node);
	return found;
}

size_t worker_waiting(struct worker *worker)
{
	size_t count = 0;

	pthread_mutex_lock(&worker->mutex);
	for (int i = 0; i < TURNS; i++)
		count += worker->waiting[i].count;
	pthread_mutex_unlock(&worker->mutex);
	return count;
}

uint64_t worker_busy_ns(struct worker *worker)
{
	uint64_t since;

	pthread_mutex_lock(&worker->mutex);
	since = worker->running != NULL ? worker->running_since_ns : 0;
	pthread_mutex_unlock(&worker->mutex);
	return since != 0 ? now_ns() - since : 0;
}

static void drop_jobs(struct queue *queue)
{
	struct node *node;

	while ((node = queue_take(queue)) != NULL) {
		if (node->job.drop != NULL)
			node->job.drop(node->job.arg);
		free(node);
	}
}

void worker_destroy(struct worker *worker)
{
	if (worker == NULL)
		return;
	pthread_mutex_lock(&worker->mutex);
	worker->ending = true;
	pthread_cond_signal(&worker->posted);
	pthread_mutex_unlock(&worker->mutex);
	pthread_join(worker->thread, NULL);
	event_free(worker->woken);
	close(worker->wake_fd);
	drop_jobs(&worker->finished);
	for (int i = 0; i < TURNS; i++)
		drop_jobs(&worker->waiting[i]);
	pthread_cond_destroy(&worker->posted);
	pthread_mutex_destroy(&worker->mutex);
	free(worker);
}
