/* SPDX-License-Identifier: Apache-2.0 */
#include "probe_file.h"

#include "memory.h"

#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 1 << 18, MARK_BYTES = 64, MAX_PROGRAM_BYTES = 1 << 29 };

enum { MARK_LIBRARY_CODE, MARK_LIBRARY_FILE, MARK_OPENCL, MARK_OPENCL_VENDORS };
static const char *const marks[] = {
	[MARK_LIBRARY_CODE] = "MESHTALLY_RUN", /* of the environment: only the library names it */
	[MARK_LIBRARY_FILE] = "libmeshtally",
	[MARK_OPENCL] = "libOpenCL.so",
	[MARK_OPENCL_VENDORS] = "/etc/OpenCL/vendors", /* where loaders look for drivers */
};

uint32_t probe_marks(int fd, const char *const *wanted, size_t count)
{
	char *bytes = mem_calloc(CHUNK_BYTES + MARK_BYTES, 1);
	uint32_t found = 0, all = (uint32_t)((1ull << count) - 1);
	uint64_t total = 0;
	size_t kept = 0;
	ssize_t size;

	while (found != all && total < MAX_PROGRAM_BYTES &&
	       (size = read(fd, bytes + kept, CHUNK_BYTES)) > 0) {
		size_t have = kept + (size_t)size;

		for (size_t i = 0; i < count; i++)
			if ((found & 1u << i) == 0 &&
			    memmem(bytes, have, wanted[i], strlen(wanted[i])) != NULL)
				found |= 1u << i;
		kept = have < MARK_BYTES ? have : MARK_BYTES;
		memmove(bytes, bytes + have - kept, kept);
		total += (uint64_t)size;
	}
	free(bytes);
	return found;
}

static void read_header(int fd, struct probe_file *file)
{
	unsigned char ident[EI_NIDENT];
	uint16_t machine;

	if (pread(fd, ident, sizeof(ident), 0) != sizeof(ident) ||
	    pread(fd, &machine, sizeof(machine), offsetof(Elf64_Ehdr, e_machine)) !=
	            sizeof(machine) ||
	    memcmp(ident, ELFMAG, SELFMAG) != 0)
		return;
	file->bits = ident[EI_CLASS] == ELFCLASS64 ? 64 : ident[EI_CLASS] == ELFCLASS32 ? 32 : 0;
	file->machine = ident[EI_DATA] == ELFDATA2MSB ? be16toh(machine) : le16toh(machine);
}

void probe_file(const char *path, struct probe_file *ret_file)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct probe_file file = {.program = PROGRAM_UNKNOWN};
	struct stat status;
	uint32_t found;

	if (stat(path, &status) == 0)
		file.privileged = (status.st_mode & (S_ISUID | S_ISGID)) != 0;
	if (fd >= 0)
		read_header(fd, &file);
	if (fd >= 0 && file.machine == 0) {
		file.program = PROGRAM_SCRIPT;
	} else if (fd >= 0) {
		found = probe_marks(fd, marks, ARRAY_COUNT(marks));
		file.program = (found & (1u << MARK_LIBRARY_CODE | 1u << MARK_LIBRARY_FILE)) != 0
		                       ? PROGRAM_WITH
		                       : PROGRAM_WITHOUT;
		file.opencl = (found & 1u << MARK_OPENCL) != 0;
		file.opencl_loader = (found & 1u << MARK_OPENCL_VENDORS) != 0;
	}
	if (fd >= 0)
		close(fd);
	*ret_file = file;
}

void probe_program(const char *name, struct probe_file *ret_file)
{
	const char *path = getenv("PATH");
	char *copy, *state = NULL;

	*ret_file = (struct probe_file){.program = PROGRAM_UNKNOWN};
	if (strchr(name, '/') != NULL) {
		probe_file(name, ret_file);
		return;
	}
	copy = mem_strdup(path != NULL ? path : "/usr/local/bin:/usr/bin:/bin");
	for (char *dir = strtok_r(copy, ":", &state);
	     dir != NULL && ret_file->program == PROGRAM_UNKNOWN;
	     dir = strtok_r(NULL, ":", &state)) {
		char full[PATH_MAX];

		snprintf(full, sizeof(full), "%s/%s", dir, name);
		if (access(full, X_OK) == 0)
			probe_file(full, ret_file);
	}
	free(copy);
}

const char *probe_machine_name(uint16_t machine)
{
	static const struct {
		uint16_t machine;
		const char *name;
	} names[] = {{EM_386, "i386"},        {EM_X86_64, "x86-64"}, {EM_ARM, "arm"},
	             {EM_AARCH64, "aarch64"}, {EM_PPC64, "ppc64"},   {EM_RISCV, "riscv"},
	             {EM_S390, "s390"}};

	for (size_t i = 0; i < ARRAY_COUNT(names); i++)
		if (names[i].machine == machine)
			return names[i].name;
	return NULL;
}
