/* SPDX-License-Identifier: Apache-2.0 */
/* `meshtally version` */
#include "layout.h"
#include "meshtally.h"
#include "show.h"

#include <stdio.h>

int verb_version(const struct options *options)
{
	if (options->json)
		return show_json(json_pack("{s:s, s:i, s:i, s:i}", "version", MESHTALLY_VERSION,
		                           "segment_version", (int)SEGMENT_VERSION, "abi_major",
		                           MT_ABI_MAJOR, "abi_minor", MT_ABI_MINOR));
	printf("meshtally %s (segment format %u, library ABI %d.%d)\n", MESHTALLY_VERSION,
	       SEGMENT_VERSION, MT_ABI_MAJOR, MT_ABI_MINOR);
	return STATUS_OK;
}
