/* SPDX-License-Identifier: Apache-2.0 */
#include "lookout.h"

#include "lookout_request.h"
#include "lookout_source.h"
#include "lookout_survey.h"
#include "tui_clock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MS 1000000u

enum {
	/* A survey that is expected to take less comes with the totals that it was made for. */
	SHORT_SURVEY_NS = 50 * MS,
	/* One that was asked for anew may cost so much more than the share. */
	ASKED_SHARE = 4,
	FIRST_NS_PER_RECORD = 100
};
/* Where nothing happens ages go on, and nothing else. */
static const uint64_t quiet_survey_ns = 60000000000u, quiet_ages_ns = 10000000000u;

/* What the loop and the thread share, under the mutex. */
struct shared {
	unsigned refresh_ms;
	bool paused, hurry, ending;
	struct request_copy asked;
	uint64_t asked_serial; /* of the request */
	VEC(uint64_t) dismissed;
	struct reading *newest; /* not taken yet */
};

/* What the numbers of rows and kinds mean, which surveys speak by. */
struct names {
	VEC(uint64_t) devices, kinds; /* hashes */
};

struct lookout {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct shared shared;
	int ready_fd;
	/* The thread's own. */
	struct lookout_source source;
	struct request_copy request;
	uint64_t request_serial;
	struct names names;   /* of the last reading */
	unsigned names_turns; /* how often they became others */
	bool has_read;
	uint64_t read_ns, refresh_ns; /* the last reading */
	struct survey *survey;
	uint64_t survey_serial, survey_ns, survey_signature; /* what it answered, when, of what */
	uint64_t cost_ns, ns_per_record;
};

static void make_ready(const struct lookout *lookout)
{
	const uint64_t one = 1;

	while (write(lookout->ready_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/* A reading that nobody took is replaced. */
static void publish(struct lookout *lookout, struct reading *reading)
{
	struct reading *untaken;

	pthread_mutex_lock(&lookout->mutex);
	untaken = lookout->shared.newest;
	lookout->shared.newest = reading;
	pthread_mutex_unlock(&lookout->mutex);
	reading_destroy(untaken);
	make_ready(lookout);
}

/* Takes over what the loop wants. */
static void look_up_wishes(struct lookout *lookout)
{
	struct shared *shared = &lookout->shared;
	uint64_t *identity;

	pthread_mutex_lock(&lookout->mutex);
	shared->hurry = false;
	lookout->refresh_ns = (uint64_t)shared->refresh_ms * MS;
	if (lookout->request_serial != shared->asked_serial) {
		request_copy_finish(&lookout->request);
		request_copy(&lookout->request, &shared->asked.request);
		lookout->request_serial = shared->asked_serial;
	}
	vec_for (identity, &shared->dismissed)
		source_dismiss(&lookout->source, *identity);
	shared->dismissed.count = 0;
	pthread_mutex_unlock(&lookout->mutex);
}

static void names_take(struct names *names, const struct machine *machine)
{
	const struct machine_device *device;

	*names = (struct names){.devices = {NULL, 0, 0}};
	vec_for (device, &machine->devices)
		*vec_add(&names->devices) = hash_number(
			hash_string(hash_number(device->unique_id, (uint64_t)device->ordinal),
		                    device->bus),
			device->unplaced);
	for (uint32_t i = 0; i < machine->kind_count; i++)
		*vec_add(&names->kinds) = hash_string(0, machine->kind_names[i]);
}

static void names_finish(struct names *names)
{
	vec_finish(&names->devices);
	vec_finish(&names->kinds);
}

/* Where nothing but the end was added, a survey from before is true of what is now. */
static bool names_go_on(const struct names *before, const struct names *now)
{
	size_t devices = before->devices.count, kinds = before->kinds.count;

	return now->devices.count >= devices && now->kinds.count >= kinds &&
	       (devices == 0 || memcmp(before->devices.items, now->devices.items,
	                               devices * sizeof(uint64_t)) == 0) &&
	       (kinds == 0 ||
	        memcmp(before->kinds.items, now->kinds.items, kinds * sizeof(uint64_t)) == 0);
}

static void drop_survey(struct lookout *lookout)
{
	survey_release(lookout->survey);
	lookout->survey = NULL;
}

static struct reading *read_totals(struct lookout *lookout)
{
	struct reading *reading = lookout_source_read(&lookout->source);
	struct names names;

	names_take(&names, &reading->scene.machine);
	if (!names_go_on(&lookout->names, &names)) {
		drop_survey(lookout);
		lookout->names_turns++;
	}
	names_finish(&lookout->names);
	lookout->names = names;
	lookout->has_read = true;
	lookout->read_ns = reading->monotonic_ns;
	return reading;
}

static void attach_survey(const struct lookout *lookout, struct reading *reading, bool pending)
{
	reading->survey_pending = pending;
	if (lookout->survey == NULL)
		return;
	reading->survey = survey_hold(lookout->survey);
	reading->survey_monotonic_ns = lookout->survey_ns;
}

/* What was asked for is another thing than what the survey answers. */
static bool is_asked_anew(const struct lookout *lookout)
{
	return lookout->survey == NULL || lookout->survey_serial != lookout->request_serial;
}

/* How long a survey has to wait that costs no more than a share of the time. */
static uint64_t survey_gap(const struct lookout *lookout)
{
	uint64_t gap_ns = lookout->cost_ns * ASKED_SHARE;

	if (!is_asked_anew(lookout))
		return lookout->cost_ns * LOOKOUT_SURVEY_SHARE;
	return gap_ns < lookout->refresh_ns ? gap_ns : lookout->refresh_ns;
}

static bool is_survey_due(const struct lookout *lookout, const struct reading *reading)
{
	const struct survey_filter *filter = &lookout->request.request.filter;
	uint64_t passed_ns = tui_monotonic_ns() - lookout->survey_ns;
	bool by_age = filter->least_age_ns != 0 || filter->most_age_ns != 0;

	if (passed_ns < survey_gap(lookout))
		return false;
	if (is_asked_anew(lookout))
		return true;
	if (lookout->source.from != NULL)
		return false;
	return lookout->survey_signature != source_signature(reading) ||
	       passed_ns >= (by_age ? quiet_ages_ns : quiet_survey_ns);
}

/* Ends a survey that nobody will look at. */
static bool is_over(void *arg)
{
	struct lookout *lookout = arg;
	bool over;

	pthread_mutex_lock(&lookout->mutex);
	over = lookout->shared.ending || lookout->shared.asked_serial != lookout->request_serial;
	pthread_mutex_unlock(&lookout->mutex);
	return over;
}

/* Totals go on while a long survey is under way. */
static void read_between(void *arg)
{
	struct lookout *lookout = arg;
	struct reading *reading;

	if (tui_monotonic_ns() < lookout->read_ns + lookout->refresh_ns)
		return;
	reading = read_totals(lookout);
	attach_survey(lookout, reading, true);
	publish(lookout, reading);
}

static void note_cost(struct lookout *lookout, uint64_t cost_ns)
{
	uint64_t records = source_records(&lookout->source);

	lookout->cost_ns = cost_ns;
	if (records > 1000)
		lookout->ns_per_record = cost_ns / records + 1;
}

/* False: it was ended before it was done, or is of devices that have other rows by now. */
static bool make_survey(struct lookout *lookout, const struct reading *reading)
{
	const struct survey_hooks hooks = {is_over, read_between, lookout};
	uint64_t serial = lookout->request_serial;
	unsigned names_turns = lookout->names_turns;
	struct survey *survey =
		lookout_survey(&lookout->source, reading, &lookout->request.request, &hooks);

	if (survey == NULL)
		return false;
	if (lookout->names_turns != names_turns) {
		survey_release(survey);
		return false;
	}
	drop_survey(lookout);
	lookout->survey = survey;
	lookout->survey_serial = serial;
	lookout->survey_ns = tui_monotonic_ns();
	lookout->survey_signature = source_signature(reading);
	note_cost(lookout, survey->cost_ns);
	return true;
}

/* Totals are shown first where the survey may take its time, and again with it. */
static void look_long(struct lookout *lookout, struct reading *reading)
{
	reading_hold(reading);
	attach_survey(lookout, reading, true);
	publish(lookout, reading);
	if (make_survey(lookout, reading)) {
		struct reading *again = read_totals(lookout);

		attach_survey(lookout, again, false);
		publish(lookout, again);
	}
	reading_destroy(reading);
}

static void look(struct lookout *lookout)
{
	struct reading *reading;

	look_up_wishes(lookout);
	reading = read_totals(lookout);
	if (!is_survey_due(lookout, reading)) {
		attach_survey(lookout, reading, is_asked_anew(lookout));
		publish(lookout, reading);
	} else if (source_records(&lookout->source) * lookout->ns_per_record < SHORT_SURVEY_NS) {
		bool made = make_survey(lookout, reading);

		attach_survey(lookout, reading, !made);
		publish(lookout, reading);
	} else {
		look_long(lookout, reading);
	}
}

/* When to look next; UINT64_MAX: when somebody asks. */
static uint64_t next_look_ns(const struct lookout *lookout)
{
	const struct shared *shared = &lookout->shared;
	uint64_t refresh_ns = (uint64_t)shared->refresh_ms * MS;
	uint64_t next_ns = lookout->read_ns + refresh_ns, gap_ns = lookout->cost_ns * ASKED_SHARE;
	bool is_live = lookout->source.from == NULL;

	if (shared->hurry || !lookout->has_read)
		return 0;
	if (shared->paused && is_live)
		return UINT64_MAX;
	if (shared->dismissed.count != 0)
		return 0;
	if (lookout->survey != NULL && lookout->survey_serial == shared->asked_serial)
		return is_live ? next_ns : UINT64_MAX;
	gap_ns = lookout->survey_ns + (gap_ns < refresh_ns ? gap_ns : refresh_ns);
	return gap_ns < next_ns || !is_live ? gap_ns : next_ns;
}

static void wait_until(struct lookout *lookout, uint64_t ns)
{
	struct timespec at = {.tv_sec = (time_t)(ns / 1000000000u),
	                      .tv_nsec = (long)(ns % 1000000000u)};

	if (ns == UINT64_MAX)
		pthread_cond_wait(&lookout->changed, &lookout->mutex);
	else
		pthread_cond_timedwait(&lookout->changed, &lookout->mutex, &at);
}

static void *run(void *arg)
{
	struct lookout *lookout = arg;

	pthread_mutex_lock(&lookout->mutex);
	while (!lookout->shared.ending) {
		uint64_t next_ns = next_look_ns(lookout);

		if (next_ns > tui_monotonic_ns()) {
			wait_until(lookout, next_ns);
			continue;
		}
		pthread_mutex_unlock(&lookout->mutex);
		look(lookout);
		pthread_mutex_lock(&lookout->mutex);
	}
	pthread_mutex_unlock(&lookout->mutex);
	return NULL;
}

/* Signals belong to the loop: the thread gets none. */
static int start_thread(struct lookout *lookout)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&lookout->thread, NULL, run, lookout);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -error;
}

static void init_locks(struct lookout *lookout)
{
	pthread_condattr_t attributes;

	pthread_mutex_init(&lookout->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&lookout->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void destroy(struct lookout *lookout)
{
	reading_destroy(lookout->shared.newest);
	names_finish(&lookout->names);
	survey_release(lookout->survey);
	lookout_source_close(&lookout->source);
	request_copy_finish(&lookout->request);
	request_copy_finish(&lookout->shared.asked);
	vec_finish(&lookout->shared.dismissed);
	if (lookout->ready_fd >= 0)
		close(lookout->ready_fd);
	pthread_cond_destroy(&lookout->changed);
	pthread_mutex_destroy(&lookout->mutex);
	free(lookout);
}

int lookout_start(struct lookout **ret_lookout, const char *from, const struct lookout_want *want,
                  struct text *error)
{
	struct lookout *lookout = mem_calloc(1, sizeof(*lookout));
	int result;

	init_locks(lookout);
	lookout->ns_per_record = FIRST_NS_PER_RECORD;
	lookout->ready_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	result = lookout->ready_fd < 0 ? -errno : 0;
	if (result == 0)
		result = lookout_source_open(&lookout->source, from, error);
	else
		text_addf(error, "cannot make an event descriptor: %s", strerror(-result));
	lookout_want(lookout, want);
	if (result == 0) {
		result = start_thread(lookout);
		if (result != 0)
			text_addf(error, "cannot start a thread: %s", strerror(-result));
	}
	if (result != 0)
		destroy(lookout);
	else
		*ret_lookout = lookout;
	return result;
}

void lookout_stop(struct lookout *lookout)
{
	if (lookout == NULL)
		return;
	pthread_mutex_lock(&lookout->mutex);
	lookout->shared.ending = true;
	pthread_cond_signal(&lookout->changed);
	pthread_mutex_unlock(&lookout->mutex);
	pthread_join(lookout->thread, NULL);
	destroy(lookout);
}

int lookout_descriptor(const struct lookout *lookout)
{
	return lookout->ready_fd;
}

struct reading *lookout_take(struct lookout *lookout)
{
	struct reading *reading;
	uint64_t count;

	/* The descriptor first: what is published after it is told again. */
	while (read(lookout->ready_fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&lookout->mutex);
	reading = lookout->shared.newest;
	lookout->shared.newest = NULL;
	pthread_mutex_unlock(&lookout->mutex);
	return reading;
}

void lookout_want(struct lookout *lookout, const struct lookout_want *want)
{
	struct shared *shared = &lookout->shared;

	pthread_mutex_lock(&lookout->mutex);
	shared->refresh_ms = want->refresh_ms;
	shared->paused = want->paused;
	if (shared->asked_serial == 0 || !request_equal(&shared->asked.request, &want->survey)) {
		request_copy_finish(&shared->asked);
		request_copy(&shared->asked, &want->survey);
		shared->asked_serial++;
	}
	pthread_cond_signal(&lookout->changed);
	pthread_mutex_unlock(&lookout->mutex);
}

void lookout_dismiss(struct lookout *lookout, uint64_t identity)
{
	pthread_mutex_lock(&lookout->mutex);
	*vec_add(&lookout->shared.dismissed) = identity;
	pthread_cond_signal(&lookout->changed);
	pthread_mutex_unlock(&lookout->mutex);
}

void lookout_hurry(struct lookout *lookout)
{
	pthread_mutex_lock(&lookout->mutex);
	lookout->shared.hurry = true;
	pthread_cond_signal(&lookout->changed);
	pthread_mutex_unlock(&lookout->mutex);
}
