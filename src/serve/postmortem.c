/* SPDX-License-Identifier: Apache-2.0 */
#include "postmortem.h"

#include "end_words.h"
#include "log.h"
#include "units.h"
#include "watch_internal.h"
#include "worker.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAY_AGAIN_NS (60ull * 1000000000)

struct postmortems {
	struct worker *worker;
	/* Jobs that are under way use it: whoever is the last to go frees it. */
	size_t users;
	struct postmortem_store store;
	struct postmortems_stats stats;
	uint64_t say_failed_ns; /* CLOCK_MONOTONIC: not before */
	uint64_t unsaid;        /* failures that were not in the log */
};

struct take {
	struct postmortems *postmortems;
	char *path;
	uint64_t identity;
	struct segment_end end;
	postmortem_done *done;
	void *arg;
	struct postmortem_result result;
};

static void release(struct postmortems *postmortems)
{
	if (--postmortems->users == 0)
		free(postmortems);
}

static void say_failed(struct postmortems *postmortems, const char *path,
                       const struct postmortem_result *result)
{
	uint64_t now = watch_now_ns();

	postmortems->unsaid++;
	if (now < postmortems->say_failed_ns)
		return;
	postmortems->say_failed_ns = now + SAY_AGAIN_NS;
	log_warning("no post-mortem of %s: %s; the segment stays, and it is tried again "
	            "(%" PRIu64 " times now)",
	            path, result->reason, postmortems->unsaid);
	postmortems->unsaid = 0;
}

int postmortems_create(struct postmortems **ret, struct server *server)
{
	struct postmortems *postmortems = mem_calloc(1, sizeof(*postmortems));
	const struct serve_options *options = server->options;
	char state[PATH_MAX];
	int error = postmortem_state_dir(options->state_dir, &state);

	postmortems->worker = server->worker;
	postmortems->users = 1;
	if (error == 0)
		error = postmortem_store_open(&postmortems->store, state, options->dead_files,
		                              options->dead_bytes);
	if (postmortems->store.dir[0] == '\0')
		log_warning("no directory for post-mortems: %s; choose one with "
		            "MESHTALLY_STATE_DIR. Segments of the dead stay where they are",
		            strerror(-error));
	else if (error != 0)
		log_warning("cannot write to %s: %s; segments of the dead stay where they are",
		            postmortems->store.dir, strerror(-error));
	else
		log_info("post-mortems are kept in %s", postmortems->store.dir);
	*ret = postmortems;
	return 0;
}

void postmortems_destroy(struct postmortems *postmortems)
{
	if (postmortems != NULL)
		release(postmortems);
}

const char *postmortems_dir(const struct postmortems *postmortems)
{
	return postmortems->store.dir;
}

struct postmortems_stats postmortems_stats(const struct postmortems *postmortems)
{
	return postmortems->stats;
}

/* "process 123 (train.py) was killed by signal 9 (SIGKILL)" */
static void subject_words(struct text *text, const struct postmortem_result *result)
{
	text_addf(text, "process %" PRId32, result->pid);
	if (result->comm[0] != '\0')
		text_addf(text, " (%s)", result->comm);
	text_add(text, " ");
	end_words(text, result->life, &result->end);
}

/* ": 3 buffers, 14 MB on 8 devices were live" */
static void left_words(struct text *text, const struct postmortem_result *result)
{
	char bytes[UNITS_SIZE], buffers[UNITS_SIZE];

	if (result->buffers == 0 && result->total_bytes == 0)
		text_add(text, ": nothing was live");
	else
		text_addf(text, ": %s buffer%s, %s on %" PRIu32 " device%s %s live",
		          units_count(&buffers, result->buffers), result->buffers == 1 ? "" : "s",
		          units_bytes_short(&bytes, result->total_bytes), result->devices,
		          result->devices == 1 ? "" : "s", result->buffers == 1 ? "was" : "were");
	if (result->faults != 0)
		text_addf(text, ", %" PRIu64 " fault%s", result->faults,
		          result->faults == 1 ? "" : "s");
}

static void say_kept(const struct postmortem_result *result)
{
	struct text text = {0};

	subject_words(&text, result);
	left_words(&text, result);
	text_addf(&text, "; kept as %s%s", result->name,
	          result->reduced ? ", the largest buffers only" : "");
	log_info("%s", text_string(&text));
	text_finish(&text);
}

static void say_unwanted(const struct postmortem_result *result)
{
	struct text text = {0};

	subject_words(&text, result);
	left_words(&text, result);
	log_info("%s; not kept, the segment stays", text_string(&text));
	text_finish(&text);
}

static void say_spotless(const struct postmortem_result *result)
{
	struct text text = {0};

	subject_words(&text, result);
	log_debug("%s: nothing was live", text_string(&text));
	text_finish(&text);
}

static void take_work(void *arg)
{
	struct take *take = arg;

	postmortem_keep(&take->postmortems->store, take->path, take->identity, &take->end,
	                &take->result);
}

static void tell(struct take *take)
{
	const struct postmortem_result *result = &take->result;
	struct postmortems_stats *stats = &take->postmortems->stats;

	switch (result->outcome) {
	case POSTMORTEM_KEPT:
		stats->kept++;
		say_kept(result);
		break;
	case POSTMORTEM_SPOTLESS:
		if (result->awaited) /* it comes again */
			break;
		stats->spotless++;
		say_spotless(result);
		break;
	case POSTMORTEM_FAILED:
		stats->failed++;
		say_failed(take->postmortems, take->path, result);
		break;
	case POSTMORTEM_CORRUPT:
		stats->corrupt++;
		log_warning("the segment %s of a dead process is left alone: %s", take->path,
		            result->reason);
		break;
	case POSTMORTEM_UNWANTED:
		say_unwanted(result);
		break;
	case POSTMORTEM_KNOWN:
	case POSTMORTEM_GONE:
		break;
	}
	if (result->error == -EACCES || result->error == -EPERM)
		log_debug("%s: %s; its owner's next program removes it", take->path,
		          result->reason);
}

static void take_drop(void *arg)
{
	struct take *take = arg;

	release(take->postmortems);
	free(take->path);
	free(take);
}

static void take_done(void *arg)
{
	struct take *take = arg;

	tell(take);
	if (take->done != NULL)
		take->done(take->arg, take->path, &take->result);
	take_drop(take);
}

void postmortem_take(struct postmortems *postmortems, const char *path, uint64_t identity,
                     const struct segment_end *end, postmortem_done *done, void *arg)
{
	struct take *take = mem_calloc(1, sizeof(*take));
	const struct worker_job job = {.work = take_work,
	                               .done = take_done,
	                               .drop = take_drop,
	                               .arg = take,
	                               .background = true};

	postmortems->users++;
	take->postmortems = postmortems;
	take->path = mem_strdup(path);
	take->identity = identity;
	take->end = *end;
	take->done = done;
	take->arg = arg;
	worker_post_job(postmortems->worker, &job);
}
