/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: a request becomes one, or joins one for the same address that is not finished. The worker
 * makes the answer (api_make.c); the loop gives it to all who wait.
 */
#include "api.h"

#include "api_internal.h"
#include "http_internal.h"
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Between the two looks that findings need; and between sweeps of the cache. */
enum { AGAIN_MS = 50, SWEEP_SECONDS = 2 };

struct api_waiter {
	struct api_waiter *next, **link;
	struct api_job *job;
	struct http_connection *connection;
};

struct api_job {
	struct api_job *next, **link; /* of those that may be joined */
	struct api *api;
	char *key;
	struct api_waiter *waiters;
	struct event *again; /* until it is posted anew; NULL: it is the worker's */
	struct api_work work;
};

struct api {
	struct server *server;
	struct api_maker *maker; /* the worker's */
	struct api_job *jobs;
	struct event *sweep;
	bool sweeping;
	bool ended; /* by api_destroy: jobs of the worker are still to come back */
	size_t posted;
};

/* The last job that comes back, or is dropped, takes the rest with it. */
static void api_release(struct api *api)
{
	if (!api->ended || api->posted != 0)
		return;
	api_maker_destroy(api->maker);
	free(api);
}

static void waiter_remove(struct api_waiter *waiter)
{
	*waiter->link = waiter->next;
	if (waiter->next != NULL)
		waiter->next->link = waiter->link;
	waiter->connection->waiter = NULL;
	free(waiter);
}

static void job_free(struct api_job *job)
{
	while (job->waiters != NULL)
		waiter_remove(job->waiters);
	*job->link = job->next;
	if (job->next != NULL)
		job->next->link = job->link;
	if (job->again != NULL)
		event_free(job->again);
	api_work_finish(&job->work);
	free(job->key);
	free(job);
}

static void job_drop(void *arg)
{
	struct api_job *job = arg;
	struct api *api = job->api;

	job_free(job);
	api->posted--;
	api_release(api);
}

/* What nobody waits for any more is not begun: clients that come and go must not keep the worker
 * busy for others. */
void api_forget(struct api_waiter *waiter)
{
	struct api_job *job = waiter->job;

	waiter_remove(waiter);
	if (job->waiters != NULL)
		return;
	if (job->again != NULL)
		job_free(job);
	else if (worker_cancel(job->api->server->worker, job))
		job_drop(job);
}

static void job_work(void *arg)
{
	struct api_job *job = arg;

	api_make(job->api->maker, &job->work);
}

/* The body becomes that of all who wait. */
static struct http_body *body_create(struct api_work *work)
{
	struct http_body *body = mem_calloc(1, sizeof(*body));

	text_add(&work->body, ""); /* it may have been empty */
	body->text = work->body;
	body->refs = 1;
	work->body = (struct text){0};
	return body;
}

static void job_answer(struct api_job *job)
{
	struct api_work *work = &job->work;
	struct http_body *body = body_create(work);
	char headers[80];
	struct http_reply reply = {
		.status = work->status, .type = work->type, .headers = headers, .shared = body};

	snprintf(headers, sizeof(headers), "Meshtally-Age-Seconds: %.3f\r\n", work->age_seconds);
	while (job->waiters != NULL) {
		struct http_connection *connection = job->waiters->connection;

		waiter_remove(job->waiters);
		if (work->error.length != 0)
			http_reply_error(connection, work->status, text_string(&work->error));
		else
			http_reply(connection, &reply);
	}
	http_body_drop(body);
}

static void job_post(struct api_job *job);

static void job_again(evutil_socket_t fd, short what, void *arg)
{
	struct api_job *job = arg;

	(void)fd;
	(void)what;
	event_free(job->again);
	job->again = NULL;
	job_post(job);
}

/* The answer is made, or it takes another look a moment later. */
static void job_done(void *arg)
{
	const struct timeval pause = {.tv_usec = AGAIN_MS * 1000};
	struct api_job *job = arg;
	struct api *api = job->api;

	api->posted--;
	if (job->work.again && !api->ended && job->waiters != NULL) {
		job->again = event_new(api->server->base, -1, 0, job_again, job);
		if (job->again != NULL && event_add(job->again, &pause) == 0)
			return;
	}
	job_answer(job);
	job_free(job);
	api_release(api);
}

static void copy_stats(struct api *api, struct metrics_server *ret)
{
	const struct server *server = api->server;

	ret->serve = server->stats;
	snprintf(ret->segment_dir, sizeof(ret->segment_dir), "%s", server->segment_dir);
	ret->http = *http_stats(server->http);
	if (server->watch != NULL)
		ret->watch = watch_stats(server->watch);
	if (server->postmortems != NULL) {
		ret->postmortems = postmortems_stats(server->postmortems);
		snprintf(ret->dead_dir, sizeof(ret->dead_dir), "%s",
		         postmortems_dir(server->postmortems));
	}
}

/* Buffers, or files; all else reads totals. */
static bool reads_much(const struct api_request *request)
{
	return request->path >= API_BUFFERS;
}

static void job_post(struct api_job *job)
{
	const struct worker_job posted = {.work = job_work,
	                                  .done = job_done,
	                                  .drop = job_drop,
	                                  .arg = job,
	                                  .is_long = reads_much(&job->work.request)};

	copy_stats(job->api, &job->work.server);
	job->api->posted++;
	worker_post_job(job->api->server->worker, &posted);
}

static struct api_job *job_create(struct api *api, const struct http_head *head, const char *key,
                                  bool openmetrics)
{
	struct api_job *job = mem_calloc(1, sizeof(*job));
	struct text error = {0};

	job->api = api;
	job->key = mem_strdup(key);
	job->next = api->jobs;
	job->link = &api->jobs;
	if (job->next != NULL)
		job->next->link = &job->next;
	api->jobs = job;
	job->work.openmetrics = openmetrics;
	job->work.target = mem_calloc(head->target.length + 1, 1);
	memcpy(job->work.target, head->target.bytes, head->target.length);
	/* It was parsed before, so that this cannot fail. */
	api_request_parse(&job->work.request, job->work.target, head->target.length, &error);
	text_finish(&error);
	return job;
}

static void job_join(struct api_job *job, struct http_connection *connection)
{
	struct api_waiter *waiter = mem_calloc(1, sizeof(*waiter));

	waiter->job = job;
	waiter->connection = connection;
	waiter->next = job->waiters;
	waiter->link = &job->waiters;
	if (waiter->next != NULL)
		waiter->next->link = &waiter->next;
	job->waiters = waiter;
	connection->waiter = waiter;
}

void api_ask(struct api *api, struct http_connection *connection, const struct http_head *head,
             bool openmetrics)
{
	struct text key = {0};
	struct api_job *job;

	text_addf(&key, "%d", openmetrics);
	text_bytes(&key, head->target.bytes, head->target.length);
	for (job = api->jobs; job != NULL; job = job->next)
		if (strcmp(job->key, text_string(&key)) == 0)
			break;
	if (job == NULL) {
		job = job_create(api, head, text_string(&key), openmetrics);
		job_join(job, connection);
		job_post(job);
	} else {
		job_join(job, connection);
	}
	text_finish(&key);
}

static void sweep_work(void *arg)
{
	api_maker_sweep(((struct api *)arg)->maker);
}

static void sweep_done(void *arg)
{
	struct api *api = arg;

	api->sweeping = false;
	api->posted--;
	api_release(api);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	struct api *api = arg;
	const struct worker_job job = {
		.work = sweep_work, .done = sweep_done, .drop = sweep_done, .arg = api};

	(void)fd;
	(void)what;
	if (api->sweeping)
		return;
	api->sweeping = true;
	api->posted++;
	worker_post_job(api->server->worker, &job);
}

int api_create(struct api **ret, struct server *server)
{
	const struct timeval period = {.tv_sec = SWEEP_SECONDS};
	struct api *api = mem_calloc(1, sizeof(*api));

	api->server = server;
	api->sweep = event_new(server->base, -1, EV_PERSIST, on_sweep, api);
	if (api->sweep == NULL || event_add(api->sweep, &period) != 0) {
		free(api);
		return -ENOMEM;
	}
	api->maker = api_maker_create();
	*ret = api;
	return 0;
}

void api_destroy(struct api *api)
{
	if (api == NULL)
		return;
	event_free(api->sweep);
	api->ended = true;
	/* Those that only wait for their second look are nobody's else. */
	for (struct api_job *job = api->jobs, *next; job != NULL; job = next) {
		next = job->next;
		if (job->again != NULL)
			job_free(job);
	}
	api_release(api);
}
