/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a request of HTTP: its head, its headers' meanings, its address. What is taken must
 * also be taken as the address of the page after it.
 */
#include "api_request.h"
#include "http_check.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void try_target(const char *target, size_t length)
{
	struct api_request *request = malloc(sizeof(*request)), *after = malloc(sizeof(*after));
	struct text error = {0}, next = {0};

	if (request == NULL || after == NULL)
		abort();
	if (api_request_parse(request, target, length, &error) == 0 &&
	    request->query.limit != API_LIMIT && length < HTTP_TARGET_BYTES - 32) {
		api_request_next(target, length, 12345, &next);
		if (api_request_parse(after, next.bytes, next.length, &error) != 0 ||
		    after->query.offset != 12345 || after->path != request->path ||
		    after->query.limit != request->query.limit)
			abort();
	}
	text_finish(&error);
	text_finish(&next);
	free(request);
	free(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	/* A copy of just this size, so that a read beyond it is seen. */
	char *copy = malloc(size + 1);
	size_t length;
	struct http_head head;
	const char *reason = NULL;
	int status;

	if (copy == NULL)
		abort();
	memcpy(copy, bytes, size);
	copy = realloc(copy, size != 0 ? size : 1);
	length = http_head_length(copy, size);
	if (length != 0) {
		status = http_head_parse(&head, copy, length, &reason);
		if (status != 0 && reason == NULL)
			abort();
		if (status == 0) {
			http_host_is_local(&head.host, "192.0.2.1");
			http_token_is(&head.authorization, "secret");
			http_wants_openmetrics(&head.accept);
			try_target(head.target.bytes, head.target.length);
		}
	} else {
		try_target(copy, size);
	}
	free(copy);
	return 0;
}
