/* SPDX-License-Identifier: Apache-2.0 */
/* From a request to who answers it; first, whether it may be asked at all. */
#include "api.h"
#include "api_request.h"
#include "http_check.h"
#include "http_internal.h"
#include "memory.h"
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define STUCK_NS 5000000000ull

/* 0, or a status with a sentence. A Unix socket has the file system to say who may. */
static int check_who(const struct http_connection *connection, const struct http_head *head,
                     const char **ret_sentence)
{
	const char *token = connection->http->token;

	if (!connection->is_tcp)
		return 0;
	if (token[0] != '\0' && !http_token_is(&head->authorization, token)) {
		*ret_sentence = "a bearer token is needed: Authorization: Bearer TOKEN";
		return 401;
	}
	if (token[0] == '\0' && !http_host_is_local(&head->host, connection->listened)) {
		*ret_sentence = "the Host is not this machine: ask for localhost, 127.0.0.1 or "
				"[::1]; other names need a token";
		return 403;
	}
	return 0;
}

static void reply_text(struct http_connection *connection, const char *body)
{
	const struct http_reply reply = {.status = 200,
	                                 .type = "text/plain; charset=utf-8",
	                                 .body = body,
	                                 .length = strlen(body)};

	http_reply(connection, &reply);
}

static void answer(struct http_connection *connection, const struct http_head *head,
                   enum api_path path)
{
	struct text index = {0};

	switch (path) {
	case API_INDEX:
		api_index(&index);
		reply_text(connection, text_string(&index));
		text_finish(&index);
		break;
	case API_HEALTHZ:
		reply_text(connection, "ok\n");
		break;
	case API_READYZ:
		if (worker_busy_ns(connection->http->server->worker) > STUCK_NS) {
			http_reply_error(connection, 503, "reading takes too long");
			break;
		}
		api_ask(connection->http->api, connection, head, false);
		break;
	default:
		api_ask(connection->http->api, connection, head,
		        http_wants_openmetrics(&head->accept));
		break;
	}
}

void http_route(struct http_connection *connection, const struct http_head *head)
{
	struct api_request *request = mem_calloc(1, sizeof(*request));
	struct text error = {0};
	const char *sentence = NULL;
	int status = api_request_parse(request, head->target.bytes, head->target.length, &error);
	bool open_to_all = status == 0 && request->path == API_HEALTHZ;
	int denied = open_to_all ? 0 : check_who(connection, head, &sentence);

	if (denied != 0)
		http_reply_error(connection, denied, sentence);
	else if (status != 0)
		http_reply_error(connection, status, text_string(&error));
	else
		answer(connection, head, request->path);
	text_finish(&error);
	free(request);
}
