/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proxy: the segment that the server writes on behalf of one process that speaks the socket
 * protocol. One writer, and for every device that the process named up to three spaces in it: of
 * buffers, of circular buffers, of kernels. Their handles follow from the device's number, so
 * nothing has to be remembered beside the segment, and a segment that a dead server left is taken
 * over by replaying it.
 *
 * Not thread-safe: all proxies belong to one thread.
 */
#ifndef MESHTALLY_INGEST_PROXY_H
#define MESHTALLY_INGEST_PROXY_H

#include "subject.h"
#include "tt_devices.h"
#include "tt_protocol.h"
#include "writer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_CAP_BYTES (256ull << 20) /* default of proxy_options.cap_bytes */

struct proxy;

struct proxy_options {
	enum writer_repeats repeats;
	const struct tt_devices *devices; /* NULL: none; must outlive the proxy */
	uint64_t cap_bytes;               /* on the segment's memory; 0: PROXY_CAP_BYTES */
};

struct proxy_stats {
	uint64_t messages;  /* applied, all that follow included */
	uint64_t repeated;  /* ALLOCs of what was live already, folded */
	uint64_t guessed;   /* FREEs with device 0 that meant another */
	uint64_t refused;   /* not recorded: no memory for it */
	uint64_t malformed; /* made no sense */
};

/* Bytes live on one device, as QUERY asks, and how many buffers they are. */
struct proxy_usage {
	uint64_t dram, l1, host, l1_small, trace, cb, kernel;
	uint64_t buffers; /* of all kinds */
};

/* The subject is copied. 0 or a negative errno (-ENOSPC: no memory for segments). */
int proxy_open(struct proxy **ret_proxy, const struct subject *subject,
               const struct proxy_options *options);

/*
 * Takes over what a server that is gone left at `path`: replays it into a new segment, which then
 * replaces it under the same name and identity. -EBUSY: its writer lives; -ENOENT: no proxy's
 * segment; -ESRCH: its process has ended, or cannot be seen from here: the file stays, for the
 * post-mortem; that of a process that was only known by its connection tells of the end by then.
 */
int proxy_adopt(struct proxy **ret_proxy, const char *path, const struct proxy_options *options);

/* Whatever the message says: ALLOC, FREE, CB_*, KERNEL_* are recorded; the types that ask are
 * ignored here; all else is a fault (MT_MALFORMED). */
void proxy_apply(struct proxy *proxy, const struct tt_message *message);

/* Brings near what applying this message will need: some messages before it. */
void proxy_prefetch(const struct proxy *proxy, const struct tt_message *message);

/* A fault that the server saw on behalf of it: MT_WRONG_PROCESS, MT_MALFORMED, MT_LOST_EVENTS. */
void proxy_fault(struct proxy *proxy, uint32_t type, const struct tt_message *message);

/* False: it never named this device. Costs no more than a few rows. */
bool proxy_usage(const struct proxy *proxy, int32_t device, struct proxy_usage *ret_usage);

/* One more than the highest device that it ever named in an allocation. */
uint32_t proxy_device_limit(const struct proxy *proxy);

/* How many buffers are live. */
uint64_t proxy_live(const struct proxy *proxy);

/* Gives back memory that frees have left, some of it at a time. Call when it is idle. Returns
 * whether there may be more. */
bool proxy_trim(struct proxy *proxy);

/* The subject has ended: says so in the segment, leaves the file for the post-mortem and frees
 * everything else, the proxy included. A segment that nobody needs (nothing was live, no fault) is
 * removed: *ret_kept (or NULL) tells. */
void proxy_end(struct proxy *proxy, const struct segment_end *end, bool *ret_kept);

/* The same in two: the word in the segment, which takes no time, and then, in as many calls as it
 * returns true for, everything else. Only when that is done is the file's lock given up. */
void proxy_mark_end(struct proxy *proxy, const struct segment_end *end, bool *ret_kept);
bool proxy_bury(struct proxy *proxy);

/* The server ends, the subject does not: leaves the file for the next server, and frees the proxy.
 */
void proxy_leave(struct proxy *proxy);

const struct subject *proxy_subject(const struct proxy *proxy);
const char *proxy_path(const struct proxy *proxy);
struct proxy_stats proxy_stats(const struct proxy *proxy);

#endif
