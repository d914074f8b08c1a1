/* SPDX-License-Identifier: Apache-2.0 */
#include "http_parse.h"

#include "memory.h"

#include <string.h>
#include <strings.h>

struct parser {
	const char *at, *end;
	struct http_head *head;
	const char *reason;
	bool version_1_1, has_host, says_close;
};

static int refuse(struct parser *p, int status, const char *reason)
{
	p->reason = reason;
	return status;
}

size_t http_head_length(const char *bytes, size_t length)
{
	const char *end = memmem(bytes, length, "\r\n\r\n", 4);

	return end != NULL ? (size_t)(end - bytes) + 4 : 0;
}

bool http_slice_is(const struct http_slice *slice, const char *word)
{
	return slice->length == strlen(word) && strncasecmp(slice->bytes, word, slice->length) == 0;
}

static bool is_token(const struct http_slice *slice)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < slice->length; i++) {
		char c = slice->bytes[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return slice->length != 0;
}

/* Visible ASCII only: everything else comes percent-encoded. */
static bool is_visible(const struct http_slice *slice)
{
	for (size_t i = 0; i < slice->length; i++) {
		unsigned char c = (unsigned char)slice->bytes[i];

		if (c <= ' ' || c >= 0x7f)
			return false;
	}
	return slice->length != 0;
}

static bool has_control(const struct http_slice *slice)
{
	for (size_t i = 0; i < slice->length; i++) {
		unsigned char c = (unsigned char)slice->bytes[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return true;
	}
	return false;
}

/* Up to the next CRLF, which is there: the head ends with one. */
static struct http_slice take_line(struct parser *p)
{
	const char *end = memmem(p->at, (size_t)(p->end - p->at), "\r\n", 2);
	struct http_slice line = {p->at, (size_t)(end - p->at)};

	p->at = end + 2;
	return line;
}

static struct http_slice take_word(struct http_slice *line)
{
	const char *space = memchr(line->bytes, ' ', line->length);
	size_t length = space != NULL ? (size_t)(space - line->bytes) : line->length;
	struct http_slice word = {line->bytes, length};

	length += space != NULL;
	line->bytes += length;
	line->length -= length;
	return word;
}

static int parse_request_line(struct parser *p)
{
	struct http_slice line = take_line(p), method, version;

	method = take_word(&line);
	p->head->target = take_word(&line);
	version = line;
	if (!is_token(&method) || !is_visible(&p->head->target))
		return refuse(p, 400, "the request line makes no sense");
	if (version.length == 8 && memcmp(version.bytes, "HTTP/1.1", 8) == 0)
		p->version_1_1 = true;
	else if (version.length != 8 || memcmp(version.bytes, "HTTP/1.0", 8) != 0)
		return version.length > 5 && strncmp(version.bytes, "HTTP/", 5) == 0
		               ? refuse(p, 505, "HTTP/1.1 and 1.0 are spoken here")
		               : refuse(p, 400, "the request line makes no sense");
	if (p->head->target.length > HTTP_TARGET_BYTES)
		return refuse(p, 414, "the address is too long");
	p->head->keep_alive = p->version_1_1;
	p->head->head = method.length == 4 && memcmp(method.bytes, "HEAD", 4) == 0;
	if (!p->head->head && (method.length != 3 || memcmp(method.bytes, "GET", 3) != 0))
		return refuse(p, 405, "only GET and HEAD: nothing can be changed from here");
	return 0;
}

static int take_host(struct parser *p, const struct http_slice *value)
{
	if (p->has_host)
		return refuse(p, 400, "more than one Host");
	p->has_host = true;
	p->head->host = *value;
	return 0;
}

static void trim(struct http_slice *value)
{
	while (value->length != 0 && (value->bytes[0] == ' ' || value->bytes[0] == '\t')) {
		value->bytes++;
		value->length--;
	}
	while (value->length != 0 &&
	       (value->bytes[value->length - 1] == ' ' || value->bytes[value->length - 1] == '\t'))
		value->length--;
}

/* A list; there may be several. "close" in any of them counts. */
static int take_connection(struct parser *p, const struct http_slice *value)
{
	struct http_slice rest = *value;

	while (rest.length != 0) {
		const char *comma = memchr(rest.bytes, ',', rest.length);
		size_t length = comma != NULL ? (size_t)(comma - rest.bytes) : rest.length;
		struct http_slice word = {rest.bytes, length};

		trim(&word);
		if (http_slice_is(&word, "close"))
			p->says_close = true;
		else if (http_slice_is(&word, "keep-alive"))
			p->head->keep_alive = true;
		length += comma != NULL;
		rest = (struct http_slice){rest.bytes + length, rest.length - length};
	}
	if (p->says_close)
		p->head->keep_alive = false;
	return 0;
}

static int take_length(struct parser *p, const struct http_slice *value)
{
	for (size_t i = 0; i < value->length; i++)
		if (value->bytes[i] < '0' || value->bytes[i] > '9')
			return refuse(p, 400, "Content-Length is not a number");
	for (size_t i = 0; i < value->length; i++)
		if (value->bytes[i] != '0')
			return refuse(p, 413, "no body is taken here");
	return value->length != 0 ? 0 : refuse(p, 400, "Content-Length is not a number");
}

static int take_body(struct parser *p, const struct http_slice *value)
{
	(void)value;
	return refuse(p, 413, "no body is taken here");
}

/* The first of them counts. */
static int take_accept(struct parser *p, const struct http_slice *value)
{
	if (p->head->accept.bytes == NULL)
		p->head->accept = *value;
	return 0;
}

static int take_authorization(struct parser *p, const struct http_slice *value)
{
	if (p->head->authorization.bytes != NULL)
		return refuse(p, 400, "more than one Authorization");
	p->head->authorization = *value;
	return 0;
}

static const struct {
	const char *name;
	int (*take)(struct parser *p, const struct http_slice *value);
} headers[] = {
	{"Host", take_host},
	{"Connection", take_connection},
	{"Content-Length", take_length},
	{"Transfer-Encoding", take_body},
	{"Expect", take_body},
	{"Accept", take_accept},
	{"Authorization", take_authorization},
};

static int parse_header(struct parser *p, const struct http_slice *line)
{
	const char *colon = memchr(line->bytes, ':', line->length);
	struct http_slice name = {line->bytes, 0}, value;

	if (colon != NULL)
		name.length = (size_t)(colon - line->bytes);
	if (!is_token(&name))
		return refuse(p, 400, "a header line makes no sense");
	value = (struct http_slice){colon + 1, line->length - name.length - 1};
	trim(&value);
	if (has_control(&value))
		return refuse(p, 400, "control characters in a header");
	for (size_t i = 0; i < ARRAY_COUNT(headers); i++)
		if (http_slice_is(&name, headers[i].name))
			return headers[i].take(p, &value);
	return 0;
}

static int parse(struct parser *p)
{
	int status = parse_request_line(p);

	for (int count = 0; status == 0; count++) {
		struct http_slice line = take_line(p);

		if (line.length == 0)
			break;
		if (count == HTTP_HEADERS)
			return refuse(p, 431, "too many headers");
		status = parse_header(p, &line);
	}
	if (status == 0 && p->version_1_1 && !p->has_host)
		return refuse(p, 400, "there is no Host");
	return status;
}

int http_head_parse(struct http_head *ret, const char *bytes, size_t length,
                    const char **ret_reason)
{
	struct http_head head = {0};
	struct parser p = {.at = bytes, .end = bytes + length, .head = &head};
	int status;

	if (length > HTTP_HEAD_BYTES) {
		*ret_reason = "the headers are too long";
		return 431;
	}
	status = parse(&p);
	if (status != 0)
		*ret_reason = p.reason;
	*ret = head;
	return status;
}
