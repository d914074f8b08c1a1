/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP as a whole: it begins and ends; and the token that opens it to others. */
#include "http.h"

#include "api.h"
#include "http_internal.h"
#include "memory.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_token(const char *token)
{
	size_t length = strlen(token);

	for (size_t i = 0; i < length; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return length >= HTTP_TOKEN_LEAST && length <= HTTP_TOKEN_MOST;
}

static int read_token(struct http *http, const char *file)
{
	char token[HTTP_TOKEN_MOST + 16] = "";
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t length = fd >= 0 ? read(fd, token, sizeof(token) - 1) : -1;
	struct stat status;

	if (length < 0) {
		int error = -errno;

		log_error("--token-file %s: %s", file, strerror(-error));
		if (fd >= 0)
			close(fd);
		return error;
	}
	if (fstat(fd, &status) == 0 && (status.st_mode & 077) != 0)
		log_warning("--token-file %s: others may read it (mode %03o)", file,
		            (unsigned)status.st_mode & 0777);
	close(fd);
	token[strcspn(token, "\r\n")] = '\0';
	if (!is_token(token)) {
		log_error("--token-file %s: its first line is to be a token of %d to %d visible "
		          "ASCII characters",
		          file, HTTP_TOKEN_LEAST, HTTP_TOKEN_MOST);
		return -EINVAL;
	}
	snprintf(http->token, sizeof(http->token), "%s", token);
	return 0;
}

void http_reload(struct http *http)
{
	const char *file = http->server->options->token_file;

	if (file != NULL && read_token(http, file) == 0)
		log_info("--token-file %s: read again", file);
}

int http_create(struct http **ret, struct server *server)
{
	struct http *http = mem_calloc(1, sizeof(*http));
	int result = 0;

	http->server = server;
	http->unix_listener.fd = -1;
	if (server->options->token_file != NULL)
		result = read_token(http, server->options->token_file);
	if (result == 0) {
		http->resume = event_new(server->base, -1, 0, http_resume, http);
		result = http->resume != NULL ? 0 : -ENOMEM;
	}
	if (result == 0)
		result = api_create(&http->api, server);
	if (result != 0) {
		http_destroy(http);
		return result;
	}
	*ret = http;
	return 0;
}

void http_destroy(struct http *http)
{
	if (http == NULL)
		return;
	for (size_t i = 0; i < http->listener_count; i++)
		evconnlistener_free(http->listeners[i].listener);
	listener_close(&http->unix_listener);
	while (http->connections != NULL)
		http_connection_close(http->connections);
	api_destroy(http->api);
	if (http->resume != NULL)
		event_free(http->resume);
	free(http);
}

const struct http_stats *http_stats(const struct http *http)
{
	return &http->stats;
}
