/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The library's state in this process, and the way in and out of it for the public functions
 * (api.c): on and off, the lock, fork, exit, growth. All of it lies in pages that a forked child
 * finds zeroed, so that a child never writes as its parent, whatever its parent's threads were
 * doing.
 */
#ifndef MESHTALLY_CLIENT_CLIENT_H
#define MESHTALLY_CLIENT_CLIENT_H

#include "writer.h"

enum { MT_PROGRAM_BYTES = 136 }; /* sizeof(struct mt_program), known to api.c */

enum client_gate { GATE_OFF, GATE_ARMED /* on, not yet begun */, GATE_ON };

struct client {
	uint32_t gate;
	uint32_t lock;
	uint32_t growing; /* a second lock: who grows */
	uint32_t refused; /* calls that found their own thread inside */
	uint32_t exiting;
	bool keep_at_peak, keep_at_failure;
	uint64_t keep_mark_n;
	uint64_t keep_peak_held; /* of the peak that was kept last */
	char keep_mark[64];
	char keep_path[512];
	struct mt_program *programs;
	struct writer writer;
};

struct client_thread {
	uint32_t inside; /* within a call: a signal handler must not come in again */
	uint32_t thread; /* kernel's id; 0 not asked for yet */
	mt_tag tag;
	uint32_t unnamed; /* pushes that found no room */
	bool reporting;   /* within report_live */
};

/* Whole pages of its own, so that they can be wiped on fork. */
enum { CLIENT_PAGE = 4096 };
union client_pages {
	struct client client;
	uint8_t pages[(sizeof(struct client) + CLIENT_PAGE - 1) / CLIENT_PAGE * CLIENT_PAGE];
};
extern union client_pages client_pages;
#define CLIENT (&client_pages.client)

extern __thread struct client_thread client_thread __attribute__((tls_model("initial-exec")));

/* The slow halves of what follows. */
void client_lock_wait(uint32_t *lock);
mt_result client_enter_slow(void);
void client_leave_slow(void);
uint32_t client_thread_id(void);

static inline void client_lock_take(uint32_t *lock)
{
	if (__builtin_expect(__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0, 0))
		client_lock_wait(lock);
}

static inline void client_lock_drop(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

/* Takes the lock and fills in who calls. MT_OK: go on, then client_leave(). Else return it. */
static inline mt_result client_enter(struct writer_call *ret_call)
{
	struct client *c = CLIENT;
	struct client_thread *thread = &client_thread;

	if (__builtin_expect(thread->inside, 0)) {
		__atomic_fetch_add(&c->refused, 1, __ATOMIC_RELAXED);
		return MT_BUSY;
	}
	thread->inside = 1;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_lock_take(&c->lock);
	if (__builtin_expect(c->gate != GATE_ON, 0) && client_enter_slow() != MT_OK)
		return MT_OFF;
	ret_call->thread = thread->thread;
	if (__builtin_expect(!thread->thread, 0))
		ret_call->thread = client_thread_id();
	ret_call->tag = thread->tag;
	return MT_OK;
}

static inline void client_leave(void)
{
	struct client *c = CLIENT;

	if (__builtin_expect(__atomic_load_n(&c->refused, __ATOMIC_RELAXED) | c->exiting, 0))
		client_leave_slow();
	client_lock_drop(&c->lock);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	client_thread.inside = 0;
}

/* Makes room ahead of need, most of the time without the lock; see writer.h. Outside the lock. */
void client_grow(void);

/* Turns tracking on or off. */
mt_result client_start_late(bool *ret_began);
mt_result client_stop(void);

/* The lock alone, for names that are kept while tracking is off, too. False: this thread is within
 * a call. */
bool client_lock_names(void);
void client_unlock_names(void);

/* Makes room for programs at the first of them. Within the lock. */
bool client_programs(void);

/* Copies the segment to where MESHTALLY_KEEP says. Within the lock. */
void client_keep(void);

#endif
