/* SPDX-License-Identifier: Apache-2.0 */
/* A library whose destructor runs after those of the libraries linked before it. */

extern void (*late_library_call)(void);
void (*late_library_call)(void);

static __attribute__((destructor)) void late_library_finish(void)
{
	if (late_library_call)
		late_library_call();
}
