/* SPDX-License-Identifier: Apache-2.0 */
/* What is said to those who ask. */
#include "tt_internal.h"

#include "units.h"

enum { DUMP_LINES = 64 };

static void add_usage(struct tt_answer *answer, const struct proxy_usage *usage)
{
	answer->dram += usage->dram;
	answer->l1 += usage->l1;
	answer->l1_small += usage->l1_small;
	answer->trace += usage->trace;
	answer->cb += usage->cb;
	answer->kernel += usage->kernel;
}

/* A process with a segment of its own counts by that. */
static void add_proxies(const struct tt_server *tt, int32_t device, struct tt_answer *answer)
{
	struct tt_subject *const *item;

	vec_for (item, &tt->subjects) {
		const struct proxy *proxy = (*item)->proxy;
		struct proxy_usage usage;

		if (proxy_usage(proxy, device, &usage) &&
		    !tt_totals_has(tt->totals, &proxy_subject(proxy)->who, device))
			add_usage(answer, &usage);
	}
}

/* One more than the highest ordinal that anybody knows of. */
static uint32_t device_limit(const struct tt_server *tt)
{
	uint32_t limit = tt_devices_limit(tt->devices);
	struct tt_subject *const *item;

	if (tt_totals_limit(tt->totals) > limit)
		limit = tt_totals_limit(tt->totals);
	vec_for (item, &tt->subjects)
		if (proxy_device_limit((*item)->proxy) > limit)
			limit = proxy_device_limit((*item)->proxy);
	return limit;
}

bool tt_answer_question(struct tt_connection *connection, const struct tt_message *message)
{
	struct tt_server *tt = connection->tt;
	bool usage = message->type == TT_QUERY;
	struct tt_answer answer = {
		.type = usage ? TT_RESPONSE : TT_DEVICE_INFO_RESPONSE,
		.device = message->device,
		.pid = message->pid,
	};

	if (!connection->closing && !tt->leaving && !tt_totals_ask(tt->totals))
		return false;
	tt->server->stats.queries++;
	tt_device_describe(tt_devices_find(tt->devices, message->device), &answer);
	if (usage) {
		add_proxies(tt, message->device, &answer);
		tt_totals_add(tt->totals, message->device, &answer);
	} else {
		tt_totals_describe(tt->totals, message->device, &answer);
	}
	answer.num_devices = device_limit(tt);
	tt_connection_answer(connection, &answer);
	return true;
}

/* Whether there was anything. */
static bool dump_device(const struct tt_server *tt, int32_t device)
{
	uint64_t bytes = 0, buffers = 0;
	struct tt_subject *const *item;
	struct proxy_usage usage;
	char text[UNITS_SIZE];

	vec_for (item, &tt->subjects) {
		if (!proxy_usage((*item)->proxy, device, &usage))
			continue;
		bytes += usage.dram + usage.l1 + usage.l1_small + usage.trace + usage.cb +
		         usage.kernel + usage.host;
		buffers += usage.buffers;
	}
	if (buffers != 0)
		log_info("remaining: device %d: %llu buffers, %s", (int)device,
		         (unsigned long long)buffers, units_bytes_short(&text, bytes));
	return buffers != 0;
}

void tt_answer_dump(struct tt_server *tt)
{
	uint64_t buffers = 0, now = tt_now_ms();
	struct tt_subject *const *item;
	uint32_t limit, lines = 0;

	/* Anybody can ask, as often as he likes. */
	if (tt->dump_ms != 0 && now - tt->dump_ms < TT_DUMP_MS)
		return;
	tt->dump_ms = now;
	limit = device_limit(tt);
	vec_for (item, &tt->subjects)
		buffers += proxy_live((*item)->proxy);
	log_info("remaining: %llu buffers of %zu process%s", (unsigned long long)buffers,
	         tt->subjects.count, tt->subjects.count == 1 ? "" : "es");
	for (uint32_t device = 0; device < limit && lines < DUMP_LINES; device++)
		lines += dump_device(tt, (int32_t)device);
}
