/* SPDX-License-Identifier: Apache-2.0 */
/* What headers of a request mean: who may ask, and in which form the answer is wanted. Pure. */
#ifndef MESHTALLY_SERVE_HTTP_CHECK_H
#define MESHTALLY_SERVE_HTTP_CHECK_H

#include "http_parse.h"

/* Whether the Host is this machine under a name that no other site can have: localhost, 127.0.0.1,
 * [::1], or the address that is listened on (NULL: none), each with any port or none. A page of
 * another site that has its own name point here (DNS rebinding) sends that name. */
bool http_host_is_local(const struct http_slice *host, const char *listened);

/* Whether "Bearer TOKEN" is the token; takes the same time wherever they differ. */
bool http_token_is(const struct http_slice *authorization, const char *token);

/* Whether an Accept header prefers OpenMetrics to plain text. */
bool http_wants_openmetrics(const struct http_slice *accept);

#endif
