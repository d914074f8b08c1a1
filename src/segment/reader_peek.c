/* SPDX-License-Identifier: Apache-2.0 */
/* What a header alone tells: see reader.h. */
#include "reader_copy.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void peek_fill(struct segment_peek *ret, const struct reader_copy *copy, int fd)
{
	const struct segment_header *header = &copy->header;
	struct stat st;

	*ret = (struct segment_peek){
		.identity = header->identity,
		.run_id = header->run_id,
		.life = copy->life,
		.writer_gone = copy->writer_gone,
		.is_proxy = header->compat & SEGMENT_COMPAT_PROXY,
		.state = header->state,
		.end = header->end,
		.subject = header->subject,
	};
	if (fstat(fd, &st) == 0) {
		ret->inode = st.st_ino;
		ret->owner = st.st_uid;
	}
	memcpy(ret->comm, header->comm, sizeof header->comm);
}

int segment_peek(const char *path, struct segment_peek *ret_peek, struct segment_reject *ret_reject)
{
	struct reader_copy copy = {.fd = source_open(path, (uid_t)-1, ret_reject)};
	int error;

	if (copy.fd < 0)
		return copy.fd;
	source_read(copy.fd, &copy.header, 0, sizeof copy.header);
	error = header_check(&copy.header, source_bytes(copy.fd), path, ret_reject);
	if (!error) {
		life_of_copy(&copy, false);
		error = header_check(&copy.header, source_bytes(copy.fd), path, ret_reject);
	}
	if (!error)
		peek_fill(ret_peek, &copy, copy.fd);
	close(copy.fd);
	return error;
}
