/* SPDX-License-Identifier: Apache-2.0 */
/* What requests say: heads, addresses, who may ask, what is preferred. */
#include "api_request.h"
#include "http_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_slice slice(const char *text)
{
	return (struct http_slice){text, strlen(text)};
}

static int parse_head(const char *text, struct http_head *ret)
{
	const char *reason = NULL;
	int status;

	assert_int_equal(http_head_length(text, strlen(text)), strlen(text));
	status = http_head_parse(ret, text, strlen(text), &reason);
	assert_true(status == 0 || reason != NULL);
	return status;
}

static void heads(void **state)
{
	struct http_head head;

	(void)state;
	assert_int_equal(
		parse_head("GET /a?b HTTP/1.1\r\nhOsT: \t x:1 \r\nAccept: */*\r\n\r\n", &head), 0);
	assert_false(head.head);
	assert_true(head.keep_alive);
	assert_true(http_slice_is(&head.target, "/a?b"));
	assert_true(http_slice_is(&head.host, "x:1"));
	assert_true(http_slice_is(&head.accept, "*/*"));
	assert_null(head.authorization.bytes);
	assert_int_equal(parse_head("HEAD / HTTP/1.0\r\n\r\n", &head), 0);
	assert_true(head.head);
	assert_false(head.keep_alive);
	assert_int_equal(parse_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &head), 0);
	assert_true(head.keep_alive);
	assert_int_equal(parse_head("GET / HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", &head),
	                 0);
	assert_false(head.keep_alive);
	assert_int_equal(
		parse_head("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE , Close\r\n\r\n", &head),
		0);
	assert_false(head.keep_alive);
	assert_int_equal(parse_head("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
	                            "Connection: keep-alive\r\n\r\n",
	                            &head),
	                 0);
	assert_false(head.keep_alive);
	assert_int_equal(parse_head("GET / HTTP/1.0\r\nConnection: ,x,keep-alive\r\n\r\n", &head),
	                 0);
	assert_true(head.keep_alive);
	assert_int_equal(parse_head("GET / http/1.1\r\nHost: a\r\n\r\n", &head), 400);
	assert_int_equal(
		parse_head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", &head), 0);
	assert_int_equal(http_head_length("GET / HTTP/1.1\r\nHost: a\r\n\r", 26), 0);
	assert_int_equal(parse_head("get / HTTP/1.1\r\nHost: a\r\n\r\n", &head), 405);
	assert_int_equal(parse_head("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", &head), 405);
	assert_int_equal(
		parse_head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n\r\n", &head), 0);
	assert_int_equal(
		parse_head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n", &head), 400);
	assert_int_equal(parse_head("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", &head),
	                 400);
	assert_int_equal(parse_head("GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", &head), 400);
	assert_int_equal(parse_head("GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", &head), 400);
	assert_int_equal(parse_head("GET /\r\nHost: a\r\n\r\n", &head), 400);
	assert_int_equal(parse_head("GET / HTTP/1.10\r\nHost: a\r\n\r\n", &head), 505);
}

static int parse_target(const char *target, struct api_request *ret)
{
	struct text error = {0};
	int status = api_request_parse(ret, target, strlen(target), &error);

	assert_true((status == 0) == (error.length == 0));
	text_finish(&error);
	return status;
}

static void addresses(void **state)
{
	struct api_request r;
	const struct report_query *query = &r.query;

	(void)state;
	assert_int_equal(
		parse_target("/api/v1/buffers?device=mesh%400,1&device=0xA&pid=7&kind=L1&tag=a"
	                     "%2Fb+c&class=user&class=view&min_bytes=10&sort=tag&dead=1&"
	                     "limit=5&offset=3&",
	                     &r),
		0);
	assert_int_equal(r.path, API_BUFFERS);
	assert_int_equal(query->names.device_count, 2);
	assert_string_equal(query->names.devices[0], "mesh@0,1");
	assert_string_equal(query->names.devices[1], "0xA");
	assert_int_equal(query->names.pids[0], 7);
	assert_string_equal(query->names.kinds[0], "L1");
	assert_string_equal(query->filter.tag, "a/b c");
	assert_int_equal(query->filter.classes, 1u << CLASS_USER | 1u << CLASS_VIEW);
	assert_int_equal(query->filter.least_bytes, 10);
	assert_int_equal(query->sort, LIST_BY_TAG);
	assert_int_equal(query->by, -1);
	assert_true(query->dead);
	assert_int_equal(query->limit, 5);
	assert_int_equal(query->offset, 3);
	assert_int_equal(parse_target("/api/v1/buffers?by=process", &r), 0);
	assert_int_equal(query->by, SUM_BY_PROCESS);
	assert_int_equal(query->limit, API_LIMIT);
	assert_int_equal(parse_target("/api/v1/postmortems/1795-12-0ff0", &r), 0);
	assert_int_equal(r.path, API_POSTMORTEM);
	assert_string_equal(r.id, "1795-12-0ff0");
	assert_int_equal(parse_target("/metrics?", &r), 0);
	assert_int_equal(parse_target("/api/v1/postmortems/", &r), 404);
	assert_int_equal(parse_target("/api/v1/postmortems/ID", &r), 404);
	assert_int_equal(parse_target("/api/v1/buffers?%64evice=1", &r), 400);
	assert_int_equal(parse_target("/api/v1/leaks?dead=yes", &r), 400);
	assert_int_equal(parse_target("/api/v1/buffers?limit=10001", &r), 400);
	assert_int_equal(parse_target("/api/v1/buffers?pid=4294967297", &r), 400);
	assert_int_equal(parse_target("", &r), 400);
}

/* Sixteen of a kind fit, and all strings of a target that is as long as can be. */
static void many(void **state)
{
	char target[HTTP_TARGET_BYTES + 2] = "/api/v1/buffers?";
	struct api_request r;
	struct text error = {0};
	size_t length = strlen(target);

	(void)state;
	for (int i = 0; i < API_REPEATS; i++)
		strcat(target, "kind=x&");
	assert_int_equal(parse_target(target, &r), 0);
	assert_int_equal(r.query.names.kind_count, API_REPEATS);
	strcat(target, "kind=x");
	assert_int_equal(parse_target(target, &r), 400);
	memcpy(target + length, "tag=", 4);
	memset(target + length + 4, 'a', sizeof(target) - length - 4);
	assert_int_equal(api_request_parse(&r, target, HTTP_TARGET_BYTES, &error), 0);
	assert_int_equal(strlen(r.query.filter.tag), HTTP_TARGET_BYTES - length - 4);
	assert_int_equal(api_request_parse(&r, target, HTTP_TARGET_BYTES + 1, &error), 400);
	text_finish(&error);
}

static void next_page(void **state)
{
	static const char *const pairs[][2] = {
		{"/api/v1/devices", "/api/v1/devices?offset=100"},
		{"/api/v1/devices?", "/api/v1/devices?offset=100"},
		{"/api/v1/devices?limit=3&offset=7", "/api/v1/devices?limit=3&offset=100"},
		{"/api/v1/devices?offset=7&&kind=L1", "/api/v1/devices?kind=L1&offset=100"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
		struct text next = {0};

		api_request_next(pairs[i][0], strlen(pairs[i][0]), 100, &next);
		assert_string_equal(next.bytes, pairs[i][1]);
		text_finish(&next);
	}
}

static void hosts(void **state)
{
	static const char *const local[] = {"localhost",      "LOCALHOST:80", "127.0.0.1",
	                                    "127.0.0.1:9755", "[::1]",        "[::1]:1",
	                                    "127.0.0.2:5",    "localhost:"};
	static const char *const others[] = {
		"",     "evil.example", "localhost.evil.example", "127.0.0.1.x", "::1",
		"[::1", "127.0.0.3",    "localhost:80:80",        "localhost:x", "x@localhost"};
	struct http_slice host = {NULL, 0};

	(void)state;
	assert_false(http_host_is_local(&host, NULL));
	for (size_t i = 0; i < ARRAY_COUNT(local); i++) {
		host = slice(local[i]);
		assert_true(http_host_is_local(&host, "127.0.0.2"));
	}
	for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
		host = slice(others[i]);
		assert_false(http_host_is_local(&host, "127.0.0.2"));
	}
}

static void tokens(void **state)
{
	static const char *const wrong[] = {"",
	                                    "Bearer",
	                                    "Bearer ",
	                                    "Bearer secre",
	                                    "Bearer secrets",
	                                    "Bearer secretsecret",
	                                    "Bearer Secret",
	                                    "Basic secret",
	                                    "secret"};
	struct http_slice header = slice("bearer secret");

	(void)state;
	assert_true(http_token_is(&header, "secret"));
	for (size_t i = 0; i < ARRAY_COUNT(wrong); i++) {
		header = slice(wrong[i]);
		assert_false(http_token_is(&header, "secret"));
	}
	header = slice("Bearer ");
	assert_false(http_token_is(&header, ""));
	header = (struct http_slice){NULL, 0};
	assert_false(http_token_is(&header, "secret"));
}

static void preferences(void **state)
{
	static const char *const openmetrics[] = {
		"application/openmetrics-text",
		"text/plain;q=0.5,application/openmetrics-text;q=0.5",
		"*/*;q=0.1,application/openmetrics-text;version=0.0.1;q=0.75",
		"application/openmetrics-text;q=0.5,text/plain;q=0.1,*/*;q=0.9",
		"text/*,application/openmetrics-text;q=0.5,text/plain;q=0.4",
		"application/openmetrics-text ; version=1.0.0 ; charset=utf-8"};
	static const char *const text[] = {"",
	                                   "*/*",
	                                   "text/plain, application/openmetrics-text;q=0.9",
	                                   "application/openmetrics-text;q=0",
	                                   "application/openmetrics-text;version=2.0.0",
	                                   "application/openmetrics-text;q=x",
	                                   "application/openmetrics-text2",
	                                   ",;=,;q"};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(openmetrics); i++) {
		struct http_slice accept = slice(openmetrics[i]);

		assert_true(http_wants_openmetrics(&accept));
	}
	for (size_t i = 0; i < ARRAY_COUNT(text); i++) {
		struct http_slice accept = slice(text[i]);

		assert_false(http_wants_openmetrics(&accept));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads),       cmocka_unit_test(addresses),
		cmocka_unit_test(many),        cmocka_unit_test(next_page),
		cmocka_unit_test(hosts),       cmocka_unit_test(tokens),
		cmocka_unit_test(preferences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
