/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally serve`: its options, and the way into the server. */
#include "options.h"
#include "server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct serve_options *serve_options_create(void)
{
	struct serve_options *serve = mem_calloc(1, sizeof(*serve));

	*serve = (struct serve_options){
		.tt_socket = SERVE_TT_SOCKET,
		.repeats = REPEATS_COLLAPSE,
		.listen = SERVE_LISTEN,
		.dead_files = SERVE_DEAD_FILES,
		.dead_bytes = SERVE_DEAD_BYTES,
		.log_level = LOG_LEVEL_INFO,
	};
	return serve;
}

/* A number in `base`, with what follows it. */
static bool take_number(const char *text, int base, unsigned long long *ret, char **ret_end)
{
	errno = 0;
	*ret = strtoull(text, ret_end, base);
	return text[0] >= '0' && text[0] <= '9' && errno == 0;
}

static const char *take_size(const char *text, uint64_t *ret)
{
	return option_size(text, ret) ? NULL : "a size such as 64M or 1G";
}

static const char *take_mode(const char *text, mode_t *ret)
{
	unsigned long long value;
	char *end;

	if (!take_number(text, 8, &value, &end) || *end != '\0' || value == 0 || value > 0777)
		return "an octal mode such as 0600, 0660 or 0666";
	*ret = (mode_t)value;
	return NULL;
}

static const char *take_listen(const char *text, const char **ret)
{
	const char *colon = strrchr(text, ':');
	unsigned long long port;
	char *end;

	if (strcmp(text, "none") == 0) {
		*ret = "";
		return NULL;
	}
	if (colon == NULL || colon == text || !take_number(colon + 1, 10, &port, &end) ||
	    *end != '\0' || port > 65535)
		return "ADDRESS:PORT, such as 127.0.0.1:9755 or [::1]:9755, or none";
	*ret = text;
	return NULL;
}

/* A path; "none" where that may be. */
static const char *take_path(const char *text, const char *none, const char **ret)
{
	if (text[0] == '\0')
		return "a path";
	*ret = strcmp(text, "none") == 0 ? none : text;
	return NULL;
}

static const char *take_count(const char *text, unsigned *ret)
{
	unsigned long long value;
	char *end;

	if (!take_number(text, 10, &value, &end) || *end != '\0' || value > 100000)
		return "a number up to 100000";
	*ret = (unsigned)value;
	return NULL;
}

const char *serve_options_take(struct serve_options *serve, uint64_t bit, const char *argument,
                               int word)
{
	static const unsigned message_bytes[] = {0, 72, 112, 128, 144};

	switch (bit) {
	case OPTION_TT_SOCKET:
		return take_path(argument, NULL, &serve->tt_socket);
	case OPTION_TT_SOCKET_MODE:
		return take_mode(argument, &serve->tt_socket_mode);
	case OPTION_TT_PROTOCOL:
		serve->tt_bytes = message_bytes[word];
		return NULL;
	case OPTION_DUPLICATES:
		serve->repeats = word == 0 ? REPEATS_COLLAPSE : REPEATS_COUNT;
		return NULL;
	case OPTION_DEVICES_FILE:
		return take_path(argument, argument, &serve->devices_file);
	case OPTION_LISTEN:
		return take_listen(argument, &serve->listen);
	case OPTION_HTTP_SOCKET:
		return take_path(argument, "", &serve->http_socket);
	case OPTION_TOKEN_FILE:
		return take_path(argument, argument, &serve->token_file);
	case OPTION_STATE_DIR:
		return take_path(argument, argument, &serve->state_dir);
	case OPTION_KEEP_DEAD:
		return take_count(argument, &serve->dead_files);
	case OPTION_KEEP_DEAD_BYTES:
		return take_size(argument, &serve->dead_bytes);
	default:
		serve->log_level = (enum log_level)word;
		return NULL;
	}
}

int verb_serve(const struct options *options)
{
	return serve_run(options->serve);
}
