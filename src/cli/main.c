/* SPDX-License-Identifier: Apache-2.0 */
/* The command `meshtally`. */
#include "verb.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	int status;

	setlocale(LC_CTYPE, "");
	/* Programs without a locale still write to terminals that know UTF-8. */
	if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
		setlocale(LC_CTYPE, "C.UTF-8");
	status = command(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("meshtally: standard output");
		return status != STATUS_OK ? status : STATUS_FAILED;
	}
	return status;
}
