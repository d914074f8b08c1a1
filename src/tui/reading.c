/* SPDX-License-Identifier: Apache-2.0 */
#include "reading.h"

#include <stdlib.h>

struct reading *reading_hold(struct reading *reading)
{
	__atomic_fetch_add(&reading->refs, 1, __ATOMIC_RELAXED);
	return reading;
}

/* The release pairs with the acquire of whoever comes last: what the others read of it is read. */
void reading_destroy(struct reading *reading)
{
	unsigned before;

	if (reading == NULL)
		return;
	before = __atomic_fetch_sub(&reading->refs, 1, __ATOMIC_ACQ_REL);
	if (before > 1)
		return;
	findings_finish(&reading->findings);
	untracked_finish(&reading->untracked);
	survey_release(reading->survey);
	scene_close(&reading->scene);
	free(reading->rates);
	free(reading->facts);
	free(reading);
}
