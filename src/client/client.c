/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include "registry.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	SPIN_ROUNDS = 24, /* of 16 pauses: about 2 us */
	WAIT_NS = 100000
};
#define DEFAULT_CAP_BYTES (64ull << 20)

union client_pages client_pages __attribute__((aligned(CLIENT_PAGE)));
const uint32_t *const mt_gate = &client_pages.client.gate;
__thread struct client_thread client_thread;

/* Ordinary memory: a forked child finds it as its parent left it. */
static bool wanted;   /* tracking is on, or would be once something is reported */
static bool begun;    /* there was a segment in this process or in one it was forked from */
static bool is_child; /* of a process that had tracking on */

/* --- lock -------------------------------------------------------------------------------- */

static inline void pause_16(void)
{
#if defined(__x86_64__)
	for (int i = 0; i < 16; i++)
		__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Spins a little, then sleeps 100 us at a time: unlocking is a plain store that wakes nobody, and a
 * waiter of higher priority than the holder lets it run. */
void client_lock_wait(uint32_t *lock)
{
	const struct timespec timeout = {.tv_nsec = WAIT_NS};
	int saved = errno;

	for (uint32_t round = 0;; round++) {
		if (__atomic_load_n(lock, __ATOMIC_RELAXED) == 0 &&
		    __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) == 0)
			break;
		if (round % SPIN_ROUNDS < SPIN_ROUNDS - 1)
			pause_16();
		else
			syscall(SYS_futex, lock, FUTEX_WAIT_PRIVATE, 1, &timeout, NULL, 0);
	}
	errno = saved;
}

bool client_lock_names(void)
{
	if (client_thread.inside)
		return false;
	client_thread.inside = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_lock_take(&CLIENT->lock);
	return true;
}

void client_unlock_names(void)
{
	client_lock_drop(&CLIENT->lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_thread.inside = 0;
}

/* --- on and off -------------------------------------------------------------------------- */

static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && *value && strcmp(value, "0") != 0;
}

static bool wanted_by_environment(void)
{
	const char *own = getenv("MESHTALLY");

	if (own && *own)
		return strcmp(own, "0") != 0;
	return is_set("TT_ALLOC_TRACKING_ENABLED");
}

static void client_forked(void);

/* Fork is prepared for before anything takes a lock: without it a child would find a lock that
 * nobody drops, or write as its parent. */
static __attribute__((constructor(101))) void client_load(void)
{
	int saved = errno;

	madvise(&client_pages, sizeof client_pages, MADV_WIPEONFORK);
	pthread_atfork(NULL, NULL, client_forked);
	errno = saved;
	if (CLIENT->gate == GATE_OFF && wanted_by_environment()) {
		wanted = true;
		__atomic_store_n(&CLIENT->gate, GATE_ARMED, __ATOMIC_RELAXED);
	}
}

/* In a forked child: the pages of state are zero, or else the kernel is too old and they are made
 * so. What the parent had open is replayed at the first report. */
static void client_forked(void)
{
	if (segment_file_birth_fd >= 0)
		close(segment_file_birth_fd);
	segment_file_birth_fd = -1;
	if (CLIENT->gate)
		memset(&client_pages, 0, sizeof client_pages);
	memset(&client_thread, 0, offsetof(struct client_thread, tag));
	is_child = wanted && begun;
	if (wanted)
		__atomic_store_n(&CLIENT->gate, GATE_ARMED, __ATOMIC_RELAXED);
}

/* The peak that is kept is that of all devices together: each of them has its own, at other times.
 */
static void keep_peak(struct writer *w)
{
	uint64_t held = 0;

	for (uint32_t kind = 0; kind < SEGMENT_MAX_KINDS; kind++) {
		for (uint32_t d = 0; w->kinds_ready & 1u << kind && d < w->device_count; d++)
			held += kind == MT_HOST ? 0 : w->counters[kind].held[d];
	}
	if (held <= CLIENT->keep_peak_held)
		return;
	CLIENT->keep_peak_held = held;
	client_keep();
}

/* MESHTALLY_KEEP=FILE and MESHTALLY_KEEP_AT=peak|failure|mark=NAME:N, set by `meshtally run`. */
static void keep_configure(struct client *c)
{
	const char *path = getenv("MESHTALLY_KEEP"), *at = getenv("MESHTALLY_KEEP_AT");
	const char *colon;

	if (!path || *path != '/' || !at || strlen(path) >= sizeof c->keep_path)
		return;
	strcpy(c->keep_path, path);
	if (strcmp(at, "peak") == 0) {
		c->keep_at_peak = true;
		c->writer.on_peak = keep_peak;
	} else if (strcmp(at, "failure") == 0) {
		c->keep_at_failure = true;
	} else if (strncmp(at, "mark=", 5) == 0 && (colon = strrchr(at, ':'))) {
		snprintf(c->keep_mark, sizeof c->keep_mark, "%.*s", (int)(colon - at - 5), at + 5);
		c->keep_mark_n = strtoull(colon + 1, NULL, 10);
	}
}

void client_keep(void)
{
	int saved = errno, cancel;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	segment_file_copy(&CLIENT->writer.file, CLIENT->keep_path);
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
}

bool client_programs(void)
{
	if (!CLIENT->programs)
		CLIENT->programs = private_map(SEGMENT_MAX_PROGRAMS * MT_PROGRAM_BYTES);
	return CLIENT->programs;
}

static uint64_t cap_bytes(void)
{
	const char *text = getenv("MESHTALLY_MAX_BYTES");
	char *end;
	uint64_t bytes = text ? strtoull(text, &end, 10) : 0;

	if (!bytes)
		return DEFAULT_CAP_BYTES;
	if (*end == 'K' || *end == 'k')
		bytes <<= 10;
	else if (*end == 'M' || *end == 'm')
		bytes <<= 20;
	else if (*end == 'G' || *end == 'g')
		bytes <<= 30;
	return bytes;
}

/* Begins the segment of this process. Within the lock. */
static int client_begin(uint32_t late)
{
	struct client *c = CLIENT;
	const char *run = getenv("MESHTALLY_RUN");
	const struct writer_options options = {.run_id = run ? strtoull(run, NULL, 16) : 0,
	                                       .cap_bytes = cap_bytes(),
	                                       .late = late};
	int saved = errno, cancel, error;

	/* open() and the like are cancellation points: a thread must not end there with the lock.
	 */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	error = registry_init();

	if (!error)
		error = writer_open(&c->writer, &options);
	if (!error) {
		c->writer.known = registry_handle_known;
		c->writer.forked = is_child;
		if (is_child)
			registry_replay(&c->writer, SPACE_FLAG_INHERITED);
		else
			registry_replay_names(&c->writer);
		keep_configure(c);
	}
	__atomic_store_n(&c->gate, error ? GATE_OFF : GATE_ON, __ATOMIC_RELEASE);
	wanted = !error;
	begun |= !error;
	pthread_setcancelstate(cancel, NULL);
	errno = saved;
	return error;
}

mt_result client_start_late(bool *ret_began)
{
	struct client *c = CLIENT;
	int error = 0;

	if (client_thread.inside)
		return MT_BUSY;
	client_thread.inside = 1;
	client_lock_take(&c->lock);
	if (c->gate != GATE_ON) {
		is_child = false;
		error = client_begin(SEGMENT_STATE_LATE);
		*ret_began = !error;
	}
	client_lock_drop(&c->lock);
	client_thread.inside = 0;
	return error ? MT_FULL : MT_OK;
}

mt_result client_stop(void)
{
	struct client *c = CLIENT;
	int saved = errno;

	if (client_thread.inside)
		return MT_BUSY;
	client_thread.inside = 1;
	client_lock_take(&c->growing);
	client_lock_take(&c->lock);
	if (c->gate == GATE_ON) {
		bool spotless = writer_is_spotless(&c->writer) && !c->writer.header->run_id;

		__atomic_store_n(&c->gate, GATE_OFF, __ATOMIC_RELAXED);
		if (spotless)
			segment_file_unlink(&c->writer.file);
		writer_close(&c->writer, SEGMENT_STATE_STOPPED);
		registry_forget_all();
		if (c->programs) /* void: zeros are no programs */
			madvise(c->programs, SEGMENT_MAX_PROGRAMS * MT_PROGRAM_BYTES,
			        MADV_DONTNEED);
	}
	__atomic_store_n(&c->gate, GATE_OFF, __ATOMIC_RELAXED);
	wanted = false;
	is_child = false;
	client_lock_drop(&c->lock);
	client_lock_drop(&c->growing);
	client_thread.inside = 0;
	errno = saved;
	return MT_OK;
}

/* --- in and out -------------------------------------------------------------------------- */

mt_result client_enter_slow(void)
{
	struct client *c = CLIENT;

	if (c->gate == GATE_ON || (c->gate == GATE_ARMED && client_begin(0) == 0))
		return MT_OK;
	client_lock_drop(&c->lock);
	client_thread.inside = 0;
	return MT_OFF;
}

uint32_t client_thread_id(void)
{
	int saved = errno;

	client_thread.thread = (uint32_t)syscall(SYS_gettid);
	errno = saved;
	return client_thread.thread;
}

/* One thread at a time makes room, most of the time without the lock; see writer.h. */
void client_grow(void)
{
	struct client *c = CLIENT;
	struct writer_growth growth;
	int saved = errno;

	if (__atomic_exchange_n(&c->growing, 1, __ATOMIC_ACQUIRE))
		return;
	client_thread.inside = 1; /* a signal handler must not wait for a lock that we hold */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_lock_take(&c->lock);
	if (c->gate == GATE_ON) {
		writer_growth_plan(&c->writer, &growth);
		client_lock_drop(&c->lock);
		writer_growth_prepare(&c->writer, &growth);
		client_lock_take(&c->lock);
		writer_grow(&c->writer, &growth);
		writer_growth_abandon(&c->writer, &growth);
	}
	client_lock_drop(&c->lock);
	client_lock_drop(&c->growing);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_thread.inside = 0;
	errno = saved;
}

/* Calls refused to signal handlers are made known: totals are a lower bound from then on. */
static __attribute__((noinline)) void tell_refused(struct client *c)
{
	uint32_t refused = __atomic_exchange_n(&c->refused, 0, __ATOMIC_RELAXED);

	c->writer.header->refused += refused;
	for (uint32_t i = 0; i < refused; i++)
		writer_unrecorded(&c->writer);
}

/* What is rare on the way out: refused calls to tell, a program that is at its end. */
void client_leave_slow(void)
{
	struct client *c = CLIENT;
	int saved = errno;

	if (__atomic_load_n(&c->refused, __ATOMIC_RELAXED))
		tell_refused(c);
	if (c->exiting && !c->writer.index.count && !c->writer.header->run_id &&
	    writer_is_spotless(&c->writer))
		segment_file_unlink(&c->writer.file);
	errno = saved;
}

/* The program came to its end. Static destructors may go on freeing: nothing is torn down. */
static __attribute__((destructor(101))) void client_unload(void)
{
	struct client *c = CLIENT;
	struct writer *w = &c->writer;
	int saved = errno;

	if (c->gate != GATE_ON || client_thread.inside)
		return;
	client_thread.inside = 1;
	client_lock_take(&c->lock);
	w->header->exit_op = w->op;
	__atomic_store_n(&w->header->state, w->header->state | SEGMENT_STATE_EXITING,
	                 __ATOMIC_RELEASE);
	c->exiting = 1;
	if (c->keep_at_peak)
		writer_capture_peaks(w);
	if (!w->header->run_id && writer_is_spotless(w))
		segment_file_unlink(&w->file);
	client_lock_drop(&c->lock);
	client_thread.inside = 0;
	errno = saved;
}
