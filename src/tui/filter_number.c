/* SPDX-License-Identifier: Apache-2.0 */
#include "filter_number.h"

#include "memory.h"

#include <string.h>
#include <strings.h>

/* A decimal fraction in billionths, so that nothing depends on the locale. */
struct decimal {
	uint64_t whole, billionths;
};

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

/* Returns what comes after it, or NULL: no number, or one that is too large. */
static const char *parse_decimal(const char *text, struct decimal *ret)
{
	uint64_t scale = 100000000;

	*ret = (struct decimal){0};
	if (!is_digit(*text))
		return NULL;
	for (; is_digit(*text); text++) {
		if (__builtin_mul_overflow(ret->whole, 10, &ret->whole) ||
		    __builtin_add_overflow(ret->whole, (uint64_t)(*text - '0'), &ret->whole))
			return NULL;
	}
	if (*text != '.')
		return text;
	if (!is_digit(*++text))
		return NULL;
	for (; is_digit(*text); text++, scale /= 10)
		ret->billionths += (uint64_t)(*text - '0') * scale;
	return text;
}

static bool times(const struct decimal *decimal, uint64_t unit, uint64_t *ret)
{
	uint64_t fraction = (uint64_t)((__uint128_t)decimal->billionths * unit / 1000000000u);

	return !__builtin_mul_overflow(decimal->whole, unit, ret) &&
	       !__builtin_add_overflow(*ret, fraction, ret);
}

bool filter_number_size(const char *text, uint64_t *ret_bytes)
{
	static const char letters[] = "KMGT";
	struct decimal decimal;
	const char *rest = parse_decimal(text, &decimal);
	uint64_t unit = 1, bytes;

	if (rest == NULL)
		return false;
	for (unsigned i = 0; letters[i] != '\0'; i++) {
		if (strncasecmp(rest, &letters[i], 1) != 0)
			continue;
		unit = (uint64_t)1 << (10 * (i + 1));
		rest++;
		if (strcasecmp(rest, "ib") == 0)
			rest++;
		break;
	}
	if (strcasecmp(rest, "b") == 0)
		rest++;
	if (*rest != '\0' || !times(&decimal, unit, &bytes))
		return false;
	*ret_bytes = bytes;
	return true;
}

static const struct {
	const char *name;
	uint64_t ns;
} age_units[] = {
	{"ms", 1000000u},           {"s", 1000000000u},    {"min", 60000000000u},
	{"m", 60000000000u},        {"h", 3600000000000u}, {"d", 86400000000000u},
	{"w", 7 * 86400000000000u},
};

static const char *parse_unit(const char *text, uint64_t *ret_ns)
{
	for (size_t i = 0; i < ARRAY_COUNT(age_units); i++) {
		size_t length = strlen(age_units[i].name);

		if (strncasecmp(text, age_units[i].name, length) != 0)
			continue;
		*ret_ns = age_units[i].ns;
		return text + length;
	}
	return NULL;
}

bool filter_number_age(const char *text, uint64_t *ret_ns)
{
	uint64_t sum = 0, part, unit;
	struct decimal decimal;

	do {
		text = parse_decimal(text, &decimal);
		text = text != NULL ? parse_unit(text, &unit) : NULL;
		if (text == NULL || !times(&decimal, unit, &part) ||
		    __builtin_add_overflow(sum, part, &sum))
			return false;
	} while (*text != '\0');
	*ret_ns = sum;
	return true;
}
