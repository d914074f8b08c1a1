/* SPDX-License-Identifier: Apache-2.0 */
#include "http_check.h"

#include "memory.h"

#include <string.h>
#include <strings.h>

static bool is_digits(const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] < '0' || bytes[i] > '9')
			return false;
	return true;
}

/* Without ":PORT". An address of IPv6 is in brackets, which stay. */
static struct http_slice host_name(const struct http_slice *host)
{
	struct http_slice name = *host;
	const char *colon = memrchr(host->bytes, ':', host->length);
	size_t length = colon != NULL ? (size_t)(colon - host->bytes) : 0;

	if (colon != NULL && is_digits(colon + 1, host->length - length - 1))
		name.length = length;
	return name;
}

bool http_host_is_local(const struct http_slice *host, const char *listened)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	struct http_slice name;

	if (host->bytes == NULL)
		return false;
	name = host_name(host);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (http_slice_is(&name, names[i]))
			return true;
	return listened != NULL && http_slice_is(&name, listened);
}

bool http_token_is(const struct http_slice *authorization, const char *token)
{
	static const char scheme[] = "Bearer ";
	const size_t skip = sizeof(scheme) - 1, length = strlen(token);
	unsigned char differ;

	if (authorization->length < skip || strncasecmp(authorization->bytes, scheme, skip) != 0)
		return false;
	differ = authorization->length - skip != length;
	/* Goes through what was sent, whose length the sender knows anyway. */
	for (size_t i = 0; i < authorization->length - skip && length != 0; i++)
		differ |= (unsigned char)(authorization->bytes[skip + i] ^ token[i % length]);
	return differ == 0 && length != 0;
}

static struct http_slice next_part(struct http_slice *rest, char separator)
{
	const char *end = memchr(rest->bytes, separator, rest->length);
	struct http_slice part = {rest->bytes,
	                          end != NULL ? (size_t)(end - rest->bytes) : rest->length};
	size_t taken = part.length + (end != NULL);

	rest->bytes += taken;
	rest->length -= taken;
	while (part.length != 0 && (*part.bytes == ' ' || *part.bytes == '\t')) {
		part.bytes++;
		part.length--;
	}
	while (part.length != 0 &&
	       (part.bytes[part.length - 1] == ' ' || part.bytes[part.length - 1] == '\t'))
		part.length--;
	return part;
}

/* "0.75" in thousandths; what makes no sense is 0. */
static int quality(const struct http_slice *text)
{
	int value = 0, scale = 1000;

	if (text->length == 0 || text->length > 5 ||
	    (text->bytes[0] != '0' && text->bytes[0] != '1'))
		return 0;
	value = (text->bytes[0] - '0') * 1000;
	for (size_t i = 2; i < text->length && text->bytes[1] == '.'; i++) {
		if (text->bytes[i] < '0' || text->bytes[i] > '9')
			return 0;
		scale /= 10;
		value += (text->bytes[i] - '0') * scale;
	}
	return value > 1000 ? 1000 : value;
}

/* What Accept says of OpenMetrics and of plain text. Of text the more exact entry counts. */
enum { TEXT_PLAIN, TEXT_ANY, ANY, TEXTS };
struct wanted {
	int openmetrics, text[TEXTS]; /* thousandths; -1 not said */
};

static void take_entry(struct wanted *wanted, struct http_slice entry)
{
	static const char *const texts[TEXTS] = {"text/plain", "text/*", "*/*"};
	struct http_slice type = next_part(&entry, ';');
	bool version = true;
	int q = 1000;

	while (entry.length != 0) {
		struct http_slice parameter = next_part(&entry, ';'), value = parameter;
		struct http_slice name = next_part(&value, '=');

		if (http_slice_is(&name, "q"))
			q = quality(&value);
		else if (http_slice_is(&name, "version"))
			version = http_slice_is(&value, "1.0.0") || http_slice_is(&value, "0.0.1");
	}
	if (http_slice_is(&type, "application/openmetrics-text")) {
		if (version && q > wanted->openmetrics)
			wanted->openmetrics = q;
		return;
	}
	for (int i = 0; i < TEXTS; i++)
		if (http_slice_is(&type, texts[i]) && q > wanted->text[i])
			wanted->text[i] = q;
}

bool http_wants_openmetrics(const struct http_slice *accept)
{
	struct wanted wanted = {-1, {-1, -1, -1}};
	struct http_slice rest = *accept;
	int text = -1;

	while (rest.length != 0)
		take_entry(&wanted, next_part(&rest, ','));
	for (int i = 0; i < TEXTS && text < 0; i++)
		text = wanted.text[i];
	return wanted.openmetrics > 0 && wanted.openmetrics >= text;
}
