/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's reports as messages to an allocation server, in place of calls of meshtally's
 * library. The protocol knows ordinals, addresses, bytes and five memories; so a report on a mesh
 * goes out as one message per device, a backing buffer whose device-local buffers are reported as
 * well as one message for the first device (as programs in the field do), and of classes, programs,
 * failures, openings and closings nothing can be said.
 */
#ifndef EXAMPLES_SOCKET_REPORTS_H
#define EXAMPLES_SOCKET_REPORTS_H

#include "graph_tracker.h"

/* path: of the server's socket, or NULL. The table is for one mode in a process. */
const struct report_functions *socket_reports(const char *path, const struct hooks_mode *mode);

/* Whether the protocol has a number for this memory, by name. */
bool socket_reports_knows(const char *kind);

#endif
