/* SPDX-License-Identifier: Apache-2.0 */
#include "tt_totals.h"

#include "memory.h"
#include "meshtally.h"
#include "reader.h"
#include "worker.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { REFRESH_MS = 500, FRESH_MS = 2000, GOES_ON_MS = 5000, WAIT_MS = 100, MAX_DIRS = 64 };

struct device_total {
	bool known;
	uint64_t held[MT_CB + 1]; /* by kind */
	struct tt_answer about;   /* architecture and capacities */
};

/* A process's own segment, and the ordinals in it. */
struct own_segment {
	int32_t pid; /* in: */
	uint64_t pid_ns;
	uint64_t ordinals[TT_DEVICE_LIMIT / 64];
};

/* What one reading finds. */
struct totals_read {
	struct tt_totals *totals;
	VEC(struct device_total) devices; /* by ordinal */
	VEC(struct own_segment) segments;
};

struct tt_totals {
	struct server *server;
	void (*changed)(void *arg);
	void *arg;
	struct totals_read *now; /* NULL: nothing read yet */
	struct event *timer;
	uint64_t read_ms, asked_ms, begun_ms;
	bool reading, waited_for;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void read_destroy(struct totals_read *reading)
{
	if (reading == NULL)
		return;
	vec_finish(&reading->devices);
	vec_finish(&reading->segments);
	free(reading);
}

static struct device_total *device_at(struct totals_read *reading, int32_t ordinal)
{
	while (reading->devices.count <= (size_t)ordinal)
		(void)vec_add(&reading->devices);
	return &reading->devices.items[ordinal];
}

static void describe(const struct view_device *device, struct tt_answer *about)
{
	about->available = 1;
	about->arch_type = tt_arch_type(device->arch);
	for (uint32_t i = 0; i < device->memory_count; i++) {
		const struct segment_memory *memory = &device->memories[i];

		if (memory->kind == MT_DRAM) {
			about->total_dram_bytes = memory->banks * memory->bank_bytes;
			about->dram_channels = memory->banks;
			about->dram_channel_bytes = memory->bank_bytes;
		} else if (memory->kind == MT_L1) {
			about->total_l1_bytes = memory->banks * memory->bank_bytes;
			about->l1_core_bytes = memory->bank_bytes;
		}
	}
}

static void add_device(struct totals_read *reading, const struct segment_view *view, uint32_t index,
                       struct own_segment *own)
{
	int32_t ordinal = view->devices[index].ordinal;
	struct device_total *total;

	if (ordinal < 0 || ordinal >= TT_DEVICE_LIMIT || view->devices[index].unplaced)
		return;
	own->ordinals[ordinal / 64] |= 1ull << ordinal % 64;
	total = device_at(reading, ordinal);
	if (!total->known || total->about.total_dram_bytes == 0)
		describe(&view->devices[index], &total->about);
	total->known = true;
	for (uint32_t kind = 0; kind <= MT_CB && kind < view->kind_count; kind++) {
		const struct view_figure *figure =
			&view->figures[kind * view->device_count + index];

		for (int class = 0; class < CLASS_COUNTED_LIMIT; class ++)
			total->held[kind] += figure->bytes[class];
	}
}

static int add_segment(const char *path, void *arg)
{
	struct totals_read *reading = arg;
	struct own_segment own = {0};
	struct segment_reject reject;
	struct segment_view *view;
	enum view_life life;

	if (segment_life(path, &life, NULL) != 0 || life != LIFE_ALIVE ||
	    segment_view_load(path, (uid_t)-1, VIEW_TOTALS, &view, &reject) != 0)
		return 0;
	if (!view->is_proxy && view->life == LIFE_ALIVE) {
		for (uint32_t i = 0; i < view->device_count; i++)
			add_device(reading, view, i, &own);
		own.pid = view->subject.pid;
		own.pid_ns = view->subject.pid_ns;
		*vec_add(&reading->segments) = own;
	}
	segment_view_destroy(view);
	return 0;
}

static void read_work(void *arg)
{
	static char dirs[MAX_DIRS][256]; /* there is one worker */
	struct totals_read *reading = arg;
	size_t count = segment_dirs(dirs, MAX_DIRS);

	for (size_t i = 0; i < count; i++)
		(void)segment_dir_scan(dirs[i], add_segment, NULL, reading);
}

static void arm(struct tt_totals *totals, unsigned ms)
{
	struct timeval after = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};

	event_add(totals->timer, &after);
}

static void read_done(void *arg)
{
	struct totals_read *reading = arg;
	struct tt_totals *totals = reading->totals;

	read_destroy(totals->now);
	totals->now = reading;
	totals->read_ms = now_ms();
	totals->reading = false;
	totals->waited_for = false;
	arm(totals, REFRESH_MS);
	totals->changed(totals->arg);
}

static void read_drop(void *arg)
{
	read_destroy(arg);
}

static void read_begin(struct tt_totals *totals)
{
	struct totals_read *reading;
	struct worker_job job = {.work = read_work, .done = read_done, .drop = read_drop};

	if (totals->reading)
		return;
	reading = mem_calloc(1, sizeof(*reading));
	reading->totals = totals;
	job.arg = reading;
	totals->reading = true;
	totals->begun_ms = now_ms();
	worker_post_job(totals->server->worker, &job);
}

/* Either the next reading is due, or one takes so long that nobody waits for it any more. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct tt_totals *totals = arg;

	(void)fd;
	(void)what;
	if (totals->waited_for) {
		totals->waited_for = false;
		totals->read_ms = now_ms();
		totals->changed(totals->arg);
	} else if (now_ms() - totals->asked_ms < GOES_ON_MS) {
		read_begin(totals);
	}
}

bool tt_totals_ask(struct tt_totals *totals)
{
	uint64_t now = now_ms();

	totals->asked_ms = now;
	if (totals->read_ms != 0 && now - totals->read_ms < FRESH_MS) {
		if (!event_pending(totals->timer, EV_TIMEOUT, NULL))
			read_begin(totals);
		return true;
	}
	read_begin(totals);
	if (!totals->waited_for)
		arm(totals, WAIT_MS);
	totals->waited_for = true;
	return false;
}

static const struct device_total *find(const struct tt_totals *totals, int32_t ordinal)
{
	const struct totals_read *now = totals->now;

	if (now == NULL || ordinal < 0 || (size_t)ordinal >= now->devices.count ||
	    !now->devices.items[ordinal].known)
		return NULL;
	return &now->devices.items[ordinal];
}

void tt_totals_describe(const struct tt_totals *totals, int32_t ordinal, struct tt_answer *answer)
{
	const struct device_total *total = find(totals, ordinal);

	if (total == NULL || answer->available)
		return;
	answer->available = total->about.available;
	answer->arch_type = total->about.arch_type;
	answer->total_dram_bytes = total->about.total_dram_bytes;
	answer->total_l1_bytes = total->about.total_l1_bytes;
	answer->dram_channels = total->about.dram_channels;
	answer->dram_channel_bytes = total->about.dram_channel_bytes;
	answer->l1_core_bytes = total->about.l1_core_bytes;
}

void tt_totals_add(const struct tt_totals *totals, int32_t ordinal, struct tt_answer *answer)
{
	const struct device_total *total = find(totals, ordinal);

	if (total == NULL)
		return;
	answer->dram += total->held[MT_DRAM];
	answer->l1 += total->held[MT_L1];
	answer->l1_small += total->held[MT_L1_SMALL];
	answer->trace += total->held[MT_TRACE];
	answer->cb += total->held[MT_CB];
	tt_totals_describe(totals, ordinal, answer);
}

/* By its number here, or by what it calls itself in a container. */
static bool is_of(const struct own_segment *own, const struct writer_subject *who)
{
	if (own->pid_ns == 0)
		return false;
	return (own->pid == who->process.pid && own->pid_ns == who->process.pid_ns) ||
	       (own->pid == who->inner_pid && own->pid_ns == who->inner_pid_ns);
}

bool tt_totals_has(const struct tt_totals *totals, const struct writer_subject *who,
                   int32_t ordinal)
{
	const struct own_segment *own;

	if (totals->now == NULL || ordinal < 0 || ordinal >= TT_DEVICE_LIMIT)
		return false;
	vec_for (own, &totals->now->segments)
		if (is_of(own, who) && (own->ordinals[ordinal / 64] >> ordinal % 64 & 1) != 0)
			return true;
	return false;
}

uint32_t tt_totals_limit(const struct tt_totals *totals)
{
	return totals->now != NULL ? (uint32_t)totals->now->devices.count : 0;
}

int tt_totals_create(struct tt_totals **ret, struct server *server, void (*changed)(void *arg),
                     void *arg)
{
	struct tt_totals *totals = mem_calloc(1, sizeof(*totals));

	*totals = (struct tt_totals){.server = server, .changed = changed, .arg = arg};
	totals->timer = event_new(server->base, -1, 0, on_timer, totals);
	if (totals->timer == NULL) {
		free(totals);
		return -ENOMEM;
	}
	*ret = totals;
	return 0;
}

/* A job that is under way drops what it has read; it does not come back here. */
void tt_totals_destroy(struct tt_totals *totals)
{
	if (totals == NULL)
		return;
	event_free(totals->timer);
	read_destroy(totals->now);
	free(totals);
}
