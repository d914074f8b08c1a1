/* SPDX-License-Identifier: Apache-2.0 */
#include "show.h"

#include "even.h"
#include "safe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

size_t show_width_of(int fd)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;

	if (columns != NULL && atoi(columns) > 0)
		return (size_t)atoi(columns);
	if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return 0;
}

size_t show_width(void)
{
	return show_width_of(STDOUT_FILENO);
}

int show_text(struct text *out)
{
	size_t written = fwrite(text_string(out), 1, out->length, stdout);
	int status = written == out->length ? STATUS_OK : STATUS_FAILED;

	text_finish(out);
	return status;
}

int show_json(json_t *root)
{
	int result = json_dumpf(root, stdout, JSON_INDENT(2));

	json_decref(root);
	return result == 0 && putchar('\n') != EOF ? STATUS_OK : STATUS_FAILED;
}

void cell_bytes(struct table *table, uint64_t bytes, bool known, bool exact)
{
	char figure[UNITS_SIZE];

	table_cell(table, "%s", known ? units_bytes(&figure, bytes, exact) : "-");
}

void cell_address(struct table *table, uint64_t address)
{
	if (address == SEGMENT_NO_ADDRESS)
		table_cell(table, "-");
	else
		table_cell(table, "0x%" PRIx64, address);
}

void cell_count(struct table *table, uint64_t count)
{
	char figure[UNITS_SIZE];

	table_cell(table, "%s", units_count(&figure, count));
}

enum { ROWS_WIDTH = 32 };

void cell_rows(struct table *table, const struct machine *machine, const uint32_t *rows,
               size_t count)
{
	struct text text = {0};

	row_names(&text, machine, rows, count);
	if (text.length > ROWS_WIDTH) /* a scattered set: how many says more than a cut-off list */
		table_cell(table, "%zu devices", count);
	else
		table_cell(table, "%s", text_string(&text));
	text_finish(&text);
}

void text_command(struct text *text, const char *command, size_t width)
{
	size_t length = strcspn(command, " ");
	const char *slash = memrchr(command, '/', length);
	struct text safe = {0};

	safe_terminal(&safe, slash != NULL ? slash + 1 : command);
	safe_cut(text, safe.length != 0 ? safe.bytes : "-", width, 0);
	text_finish(&safe);
}
