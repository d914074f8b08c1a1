/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread beside the loop, for everything that reads segments or files and may take its time.
 * Jobs run in the order in which they came, but those that are long, those in the background and
 * the others take turns; what is to be done with a result happens on the loop's thread. All
 * functions are called there; nothing but work() runs on the worker's.
 */
#ifndef MESHTALLY_SERVE_WORKER_H
#define MESHTALLY_SERVE_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct worker;

struct worker_job {
	void (*work)(void *arg); /* on the thread */
	void (*done)(void *arg); /* on the loop, after it; NULL: nothing */
	void (*drop)(void *arg); /* on the loop, instead of done; NULL: nothing */
	void *arg;
	bool background; /* nobody waits for it: however many there are, others wait for one */
	bool is_long;    /* somebody does, but others wait for no more than one such either */
};

int worker_create(struct worker **ret, struct event_base *base);

void worker_post(struct worker *worker, void (*work)(void *arg), void (*done)(void *arg),
                 void *arg);
void worker_post_job(struct worker *worker, const struct worker_job *job);

/* Takes back a job that has not been started; nothing of it is called. False: it has, or is not
 * there. */
bool worker_cancel(struct worker *worker, const void *arg);

/* Jobs that have not been started; for how long the one at hand has been running, 0 none. */
size_t worker_waiting(struct worker *worker);
uint64_t worker_busy_ns(struct worker *worker);

/* Waits for the job at hand. Of those that were not done, whether they ran or not, drop is called.
 */
void worker_destroy(struct worker *worker);

#endif
