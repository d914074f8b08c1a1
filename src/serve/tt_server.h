/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The socket of the older protocol (docs/tt-protocol.md): connections, fair reading, answers, and
 * the proxies, the segments that are written on behalf of the processes that report here. A proxy
 * belongs to a process, not to its connection: it outlives a hang-up, a later connection of the
 * same process goes on with it, and it ends when the process does. On the loop's thread.
 */
#ifndef MESHTALLY_SERVE_TT_SERVER_H
#define MESHTALLY_SERVE_TT_SERVER_H

#include "server.h"

/* Takes over the proxies that a dead server left. server->watch is there already. */
int tt_server_create(struct tt_server **ret, struct server *server,
                     const struct tt_devices *devices);

/* Accepts on a listening socket, which becomes its own. At most two. */
int tt_server_listen(struct tt_server *tt, int fd);

/* From now on; the old ones are not used any more when this returns. */
void tt_server_set_devices(struct tt_server *tt, const struct tt_devices *devices);

/* Reads what has been sent so far and closes. Proxies stay as files, for the next server. */
void tt_server_destroy(struct tt_server *tt);

#endif
