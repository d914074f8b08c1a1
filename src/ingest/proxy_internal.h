/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a proxy: proxy.c applies messages, proxy_adopt.c takes over. */
#ifndef MESHTALLY_INGEST_PROXY_INTERNAL_H
#define MESHTALLY_INGEST_PROXY_INTERNAL_H

#include "proxy.h"

/* The spaces of a device, in the order of their handles. */
enum space_use { USE_BUFFERS, USE_CBS, USE_KERNELS, USE_LIMIT };

enum { KINDS_OF_BUFFERS = MT_TRACE + 1, FIRST_OWN_KIND = MT_CB + 1 };

/* A device as this process has named it. */
struct proxy_device {
	uint8_t open;                     /* a bit per space_use */
	uint16_t banks[KINDS_OF_BUFFERS]; /* over which buffers are spread; 1: not known */
};

struct proxy {
	struct writer writer;
	struct subject subject;
	const struct tt_devices *devices;
	struct proxy_stats stats;
	struct writer_call call;
	uint32_t kernel_kind;
	uint32_t device_limit;
	struct writer_releasing releasing;
	struct proxy_device table[TT_DEVICE_LIMIT];
};

static inline uint32_t handle_of(uint32_t device, enum space_use use)
{
	return 1 + device * USE_LIMIT + (uint32_t)use;
}

/* Without a name for its kernels yet. identity: of the segment that it is to replace; 0: none. */
int proxy_begin(struct proxy **ret_proxy, const struct subject *subject,
                const struct proxy_options *options, uint64_t identity);
void proxy_name_kernels(struct proxy *proxy);
void proxy_free(struct proxy *proxy);

#endif
