/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a segment or a snapshot. With libFuzzer (-DMESHTALLY_FUZZ=ON, clang) the fuzzer
 * makes the bytes; otherwise the arguments name files, or directories of them, that are tried.
 */
#include "reader.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const enum view_depth depths[] = {VIEW_TOTALS, VIEW_BUFFERS};
	struct segment_reject why;

	for (int i = 0; i < 2; i++) {
		struct segment_view *view;

		if (segment_view_parse(bytes, size, depths[i], &view, &why) == 0)
			segment_view_destroy(view);
	}
	return 0;
}
