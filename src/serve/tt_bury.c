/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proxies whose process has ended. Their segments say so at once; giving their memory back takes
 * longer, and many may end together, so that is done bit by bit, between whatever else there is.
 */
#include "tt_internal.h"

#include <string.h>

enum { BURY_CROWD = 128 /* for so many waiting, one slice more in a turn of the loop */ };

/* In their order: only what is done with gets a post-mortem. */
static void bury_some(struct tt_server *tt)
{
	struct proxy **first = tt->dying.items;

	if (!proxy_bury(*first))
		memmove(first, first + 1, --tt->dying.count * sizeof(*first));
}

void tt_bury(struct tt_server *tt, struct proxy *proxy)
{
	static const struct timeval at_once = {0};

	*vec_add(&tt->dying) = proxy;
	if (tt->leaving)
		tt_bury_all(tt);
	else
		event_add(tt->bury, &at_once);
}

void tt_bury_on_turn(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once = {0};
	struct tt_server *tt = arg;

	(void)fd;
	(void)what;
	for (size_t left = 1 + tt->dying.count / BURY_CROWD; left != 0 && tt->dying.count != 0;
	     left--)
		bury_some(tt);
	if (tt->dying.count != 0)
		event_add(tt->bury, &at_once);
}

void tt_bury_all(struct tt_server *tt)
{
	while (tt->dying.count != 0)
		bury_some(tt);
	vec_finish(&tt->dying);
}
