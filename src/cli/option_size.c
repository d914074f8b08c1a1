/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes as arguments. */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool option_size(const char *text, uint64_t *ret_bytes)
{
	static const char suffixes[] = "KMGT";
	const char *suffix;
	uint64_t value;
	unsigned shift;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || errno != 0)
		return false;
	suffix = *end != '\0' ? strchr(suffixes, *end) : NULL;
	shift = suffix != NULL ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
	end += suffix != NULL;
	if (strcmp(end, "") != 0 && strcmp(end, "B") != 0 &&
	    (suffix == NULL || strcmp(end, "iB") != 0))
		return false;
	if (value > UINT64_MAX >> shift)
		return false;
	*ret_bytes = value << shift;
	return true;
}
