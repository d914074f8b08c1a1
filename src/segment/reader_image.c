/* SPDX-License-Identifier: Apache-2.0 */
/* Images: a copy of a segment, written to a file and made a view of later. See snapshot_file.h. */
#include "reader_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_MAX (8ull << 30)

/* Tables are in an image as they are; the others in sections of their own kind, or not at all. */
static bool is_table(uint32_t region)
{
	return region <= REGION_PROGRAMS;
}

int segment_image_take(const char *path, struct segment_image **ret_image,
                       struct segment_reject *ret_reject)
{
	struct segment_image *image = calloc(1, sizeof *image);
	int fd, error;

	if (!image)
		return reject(ret_reject, -ENOMEM, path, "not enough memory");
	fd = source_open(path, (uid_t)-1, ret_reject);
	error = fd < 0 ? fd : copy_take(fd, path, VIEW_BUFFERS, false, &image->copy, ret_reject);
	if (!error) {
		error = blocks_copy_all(image->copy);
		close(image->copy->fd);
		image->copy->fd = -1;
	}
	if (error) {
		segment_image_destroy(image);
		return error;
	}
	*ret_image = image;
	return 0;
}

void segment_image_destroy(struct segment_image *image)
{
	if (!image)
		return;
	copy_destroy(image->copy);
	free(image);
}

/* --- writing -------------------------------------------------------------------------------- */

/* Writes, or with fd -1 adds up, what an image consists of. */
struct image_out {
	int fd;
	int error;
	uint64_t bytes, sections;
};

static void put(struct image_out *out, const void *from, size_t bytes)
{
	const char *at = from;

	out->bytes += bytes;
	while (out->fd >= 0 && bytes && !out->error) {
		ssize_t n = write(out->fd, at, bytes);

		if (n < 0 && errno != EINTR)
			out->error = -errno;
		if (n > 0) {
			at += n;
			bytes -= (size_t)n;
		}
	}
}

static void put_section(struct image_out *out, uint32_t type, uint64_t first, const void *elements,
                        uint64_t count, uint32_t element_bytes)
{
	uint64_t bytes = count * element_bytes, padded = (bytes + 7) & ~7ull;
	struct snapshot_section section = {
		.size = sizeof section + padded,
		.type = type,
		.element_bytes = element_bytes,
		.first = first,
		.count = count,
	};

	put(out, &section, sizeof section);
	put(out, elements, bytes);
	put(out, "\0\0\0\0\0\0\0", padded - bytes);
	out->sections++;
}

static void put_blocks(struct image_out *out, const struct reader_copy *copy)
{
	uint32_t part, units = COPY_PART_UNITS;

	for (part = 0; part < copy->part_count; part++) {
		uint32_t left = copy->block_units - part * units;

		if (!block_part_is_empty(copy, part))
			put_section(out, REGION_BLOCKS, (uint64_t)part * units, copy->parts[part],
			            left < units ? left : units, COPY_UNIT);
	}
}

/* Elements of a table that say anything. Counters are large, and of most kinds nothing was ever
 * held: those behind the last that was are left out. */
static uint32_t table_used(const struct reader_copy *copy, uint32_t id)
{
	const struct segment_counters *counters = copy->tables[id].data;
	static const struct segment_counters none;
	uint32_t count = copy->tables[id].count;

	while (id == REGION_COUNTERS && count &&
	       memcmp(&counters[count - 1], &none, sizeof none) == 0)
		count--;
	return count;
}

static void put_sections(struct image_out *out, const struct reader_copy *copy)
{
	uint32_t id;

	put_section(out, SNAPSHOT_HEADER, 0, &copy->header, 1, sizeof copy->header);
	for (id = 0; id < REGION_LIMIT; id++)
		if (is_table(id) && table_used(copy, id))
			put_section(out, id, 0, copy->tables[id].data, table_used(copy, id),
			            segment_element_bytes[id]);
	put_blocks(out, copy);
	put_section(out, REGION_SLOTS, 0, copy->slots, copy->slot_count, sizeof *copy->slots);
	put_section(out, SNAPSHOT_SLOT_NUMBERS, 0, copy->slot_numbers, copy->slot_count,
	            sizeof *copy->slot_numbers);
	put_section(out, SNAPSHOT_SLOT_DETAILS, 0, copy->detail_of, copy->slot_count,
	            sizeof *copy->detail_of);
	put_section(out, REGION_DETAILS, 0, copy->details, copy->detail_count,
	            sizeof *copy->details);
	put_section(out, SNAPSHOT_SHARES, 0, copy->shares.items, copy->shares.count,
	            sizeof(uint64_t));
	put_section(out, SNAPSHOT_LOST, 0, copy->lost.items, copy->lost.count,
	            sizeof(struct snapshot_lost));
	put_section(out, SNAPSHOT_UNDO, 0, copy->undo.items, copy->undo.count,
	            sizeof(struct snapshot_undo));
}

uint64_t segment_image_bytes(const struct segment_image *image)
{
	struct image_out count = {.fd = -1};

	put_sections(&count, image->copy);
	return sizeof(struct snapshot_image) + count.bytes;
}

int segment_image_write(const struct segment_image *image, int fd)
{
	const struct reader_copy *copy = image->copy;
	struct image_out count = {.fd = -1}, out = {.fd = fd};
	struct snapshot_image header = {
		.magic = SNAPSHOT_MAGIC,
		.version = SNAPSHOT_VERSION,
		.header_bytes = sizeof header,
		.life = copy->life,
		.flags = (copy->writer_gone ? SNAPSHOT_WRITER_GONE : 0u) |
	                 (copy->totals_exact ? SNAPSHOT_TOTALS_EXACT : 0u),
		.time = copy->now.time,
		.monotonic_ns = copy->now.monotonic_ns,
		.realtime_ns = copy->now.realtime_ns,
		.op = copy->op,
		.op_limit = copy->op_limit,
		.missed = copy->missed,
		.totals_off = copy->totals_off,
		.last_time = copy->last_time,
		.corrupt = copy->corrupt,
	};

	memcpy(header.name, copy->name, sizeof header.name);
	put_sections(&count, copy);
	header.size = sizeof header + count.bytes;
	header.section_count = count.sections;
	put(&out, &header, sizeof header);
	put_sections(&out, copy);
	return out.error;
}

/* --- reading -------------------------------------------------------------------------------- */

static int image_header(struct reader_copy *copy, const struct snapshot_image *header)
{
	if (header->life > LIFE_IMAGE)
		return -EINVAL;
	copy->life = (enum view_life)header->life;
	copy->writer_gone = header->flags & SNAPSHOT_WRITER_GONE;
	copy->totals_exact = header->flags & SNAPSHOT_TOTALS_EXACT;
	copy->now = (struct reader_clock){header->time, header->monotonic_ns, header->realtime_ns};
	copy->op = header->op;
	copy->op_limit = header->op_limit;
	copy->missed = header->missed;
	copy->totals_off = header->totals_off;
	copy->last_time = header->last_time;
	copy->corrupt = header->corrupt;
	memcpy(copy->name, header->name, sizeof copy->name);
	copy->name[sizeof copy->name - 1] = 0;
	return 0;
}

/* Elements of a section in memory of the copy. */
static void *elements_take(struct reader_copy *copy, const struct snapshot_section *section,
                           const void *from, uint32_t element_bytes)
{
	void *elements;

	if (section->element_bytes != element_bytes || section->count > UINT32_MAX)
		return NULL;
	elements = arena_take(copy->arena, section->count, element_bytes);
	if (elements)
		memcpy(elements, from, section->count * element_bytes);
	return elements;
}

/* Parallel arrays: the last of them to come must find the others as long. */
struct image_counts {
	uint64_t slots, numbers, details_of;
};

static int image_vector(struct reader_copy *copy, const struct snapshot_section *section,
                        const void *from, struct copy_vector *vector, uint32_t element_bytes)
{
	vector->items = elements_take(copy, section, from, element_bytes);
	vector->count = vector->room = vector->items ? section->count : 0;
	return vector->items ? 0 : -EINVAL;
}

static int image_table(struct reader_copy *copy, const struct snapshot_section *section,
                       const void *from)
{
	struct copy_table *table = &copy->tables[section->type];

	if (section->count > copy->header.regions[section->type].count)
		return -EINVAL;
	table->data = elements_take(copy, section, from, segment_element_bytes[section->type]);
	table->count = table->data ? (uint32_t)section->count : 0;
	return table->data ? 0 : -EINVAL;
}

static int image_blocks(struct reader_copy *copy, const struct snapshot_section *section,
                        const void *from)
{
	int error = copy->parts ? 0 : blocks_init(copy);

	if (error || section->element_bytes != COPY_UNIT)
		return error ? error : -EINVAL;
	return blocks_put(copy, section->first, from, section->count);
}

static int image_section(struct reader_copy *copy, const struct snapshot_section *section,
                         const void *from, struct image_counts *counts)
{
	if (is_table(section->type))
		return image_table(copy, section, from);
	switch (section->type) {
	case REGION_BLOCKS:
		return image_blocks(copy, section, from);
	case REGION_SLOTS:
		counts->slots = section->count;
		copy->slots = elements_take(copy, section, from, sizeof *copy->slots);
		return copy->slots ? 0 : -EINVAL;
	case SNAPSHOT_SLOT_NUMBERS:
		counts->numbers = section->count;
		copy->slot_numbers = elements_take(copy, section, from, sizeof(uint32_t));
		return copy->slot_numbers ? 0 : -EINVAL;
	case SNAPSHOT_SLOT_DETAILS:
		counts->details_of = section->count;
		copy->detail_of = elements_take(copy, section, from, sizeof(uint32_t));
		return copy->detail_of ? 0 : -EINVAL;
	case REGION_DETAILS:
		copy->detail_count = section->count;
		copy->details = elements_take(copy, section, from, sizeof *copy->details);
		return copy->details ? 0 : -EINVAL;
	case SNAPSHOT_SHARES:
		return image_vector(copy, section, from, &copy->shares, sizeof(uint64_t));
	case SNAPSHOT_LOST:
		return image_vector(copy, section, from, &copy->lost, sizeof(struct snapshot_lost));
	case SNAPSHOT_UNDO:
		return image_vector(copy, section, from, &copy->undo, sizeof(struct snapshot_undo));
	}
	return 0;
}

/* Goes through the sections; the segment's header must be the first. */
static int image_sections(struct reader_copy *copy, const uint8_t *bytes, uint64_t size,
                          struct segment_reject *ret_reject)
{
	struct image_counts counts = {0};
	struct snapshot_section section;
	uint64_t at = sizeof(struct snapshot_image);
	bool first = true;
	int error = 0;

	for (; size - at >= sizeof section && !error; at += section.size) {
		memcpy(&section, bytes + at, sizeof section);
		if (section.size < sizeof section || section.size > size - at || section.size % 8 ||
		    (section.element_bytes &&
		     section.count > (section.size - sizeof section) / section.element_bytes))
			return -EINVAL;
		if (!first) {
			error = image_section(copy, &section, bytes + at + sizeof section, &counts);
			continue;
		}
		if (section.type != SNAPSHOT_HEADER || section.count != 1 ||
		    section.element_bytes != sizeof copy->header)
			return -EINVAL;
		memcpy(&copy->header, bytes + at + sizeof section, sizeof copy->header);
		error = header_check(&copy->header, BYTES_NOT_ASKED, copy->name, ret_reject);
		first = false;
	}
	if (error || first || counts.slots != counts.numbers || counts.slots != counts.details_of)
		return error ? error : -EINVAL;
	copy->slot_count = counts.slots;
	copy->has_slots = copy->slots != NULL;
	return 0;
}

/* Of one image of `size` bytes, as its header says. */
static int image_view(const uint8_t *bytes, uint64_t size, const char *path, enum view_depth depth,
                      struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	struct reader_copy *copy = copy_create(path);
	struct snapshot_image header;
	struct segment_view *view = NULL;
	int error;

	if (!copy)
		return -ENOMEM;
	memcpy(&header, bytes, sizeof header);
	error = image_header(copy, &header);
	if (!error)
		error = image_sections(copy, bytes, size, ret_reject);
	if (!error)
		error = copy_parse(copy, depth, &view);
	if (error == -EAGAIN) {
		view->exact = false;
		view->off_by_events += view->off_by_events == 0;
		error = 0;
	}
	copy_destroy(copy);
	if (!error)
		*ret_view = view;
	else if (ret_reject && !ret_reject->reason[0])
		reject(ret_reject, error, path, "corrupt snapshot");
	return error;
}

static int image_header_check(const struct snapshot_image *header, uint64_t left, const char *path,
                              struct segment_reject *ret_reject)
{
	if (header->magic != SNAPSHOT_MAGIC)
		return reject(ret_reject, -EINVAL, path, "neither a snapshot nor a segment");
	if (header->version != SNAPSHOT_VERSION || header->header_bytes != sizeof *header)
		return reject(ret_reject, -EPROTONOSUPPORT, path,
		              "snapshot format version %u; this program reads version %u",
		              header->version, SNAPSHOT_VERSION);
	if (header->size < sizeof *header || header->size > IMAGE_MAX || header->size > left)
		return reject(ret_reject, -EINVAL, path, "cut off, or corrupt");
	return 0;
}

/* Gives a file the size that its header asks for: what is not in it is a hole. */
static void file_fill_up(int fd, const void *bytes, size_t size)
{
	struct segment_header header;
	uint64_t whole;

	if (size < sizeof header)
		return;
	memcpy(&header, bytes, sizeof header);
	whole = header_file_bytes(&header);
	if (whole > size && whole <= INT64_MAX && ftruncate(fd, (off_t)whole) < 0)
		return; /* then it is said to be cut off */
}

/* A segment of which the bytes are in memory: the code for files reads it from one. */
static int plain_view(const void *bytes, size_t size, enum view_depth depth,
                      struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	int fd = memfd_create("segment", MFD_CLOEXEC), error;
	struct image_out out = {.fd = fd};
	struct reader_copy *copy;

	if (fd < 0)
		return reject(ret_reject, -errno, "", "cannot be copied");
	put(&out, bytes, size);
	if (out.error) {
		close(fd);
		return reject(ret_reject, out.error, "", "cannot be copied");
	}
	file_fill_up(fd, bytes, size);
	error = copy_take(fd, "", depth, true, &copy, ret_reject);
	if (error)
		return error;
	error = copy_parse(copy, depth, ret_view);
	copy_destroy(copy);
	return error;
}

static void reject_clear(struct segment_reject *ret_reject)
{
	if (ret_reject)
		ret_reject->reason[0] = 0;
}

int segment_view_parse(const void *bytes, size_t size, enum view_depth depth,
                       struct segment_view **ret_view, struct segment_reject *ret_reject)
{
	struct snapshot_image header;
	int error;

	reject_clear(ret_reject);
	if (size < sizeof header || memcmp(bytes, "MESHTLY1", 8) == 0)
		return plain_view(bytes, size, depth, ret_view, ret_reject);
	memcpy(&header, bytes, sizeof header);
	error = image_header_check(&header, size, "", ret_reject);
	return error ? error : image_view(bytes, header.size, "", depth, ret_view, ret_reject);
}

static int plain_file(int fd, const char *path, struct segment_view **ret_view,
                      struct segment_reject *ret_reject)
{
	struct reader_copy *copy;
	int error = copy_take(fd, path, VIEW_BUFFERS, true, &copy, ret_reject);

	if (error)
		return error;
	error = copy_parse(copy, VIEW_BUFFERS, ret_view);
	copy_destroy(copy);
	if (error == -EAGAIN) {
		(*ret_view)->exact = false;
		(*ret_view)->off_by_events += (*ret_view)->off_by_events == 0;
		error = 0;
	}
	return error ? reject(ret_reject, error, path, "cannot be read: %s", strerror(-error)) : 0;
}

/* The image at an offset of the file; its size on success. */
static int file_image(int fd, uint64_t at, uint64_t file_bytes, const char *path,
                      uint64_t *ret_size, struct segment_view **ret_view,
                      struct segment_reject *ret_reject)
{
	struct snapshot_image header;
	struct arena *arena;
	uint8_t *bytes;
	int error;

	source_read(fd, &header, at, sizeof header);
	error = image_header_check(&header, file_bytes - at, path, ret_reject);
	if (error)
		return error;
	arena = arena_create();
	bytes = arena ? arena_take(arena, header.size, 1) : NULL;
	if (bytes) {
		source_read_sparse(fd, bytes, at, header.size);
		error = image_view(bytes, header.size, path, VIEW_BUFFERS, ret_view, ret_reject);
	} else {
		error = reject(ret_reject, -ENOMEM, path, "not enough memory");
	}
	arena_destroy(arena);
	*ret_size = header.size;
	return error;
}

int images_read(int fd, const char *path, int (*found)(struct segment_view *view, void *arg),
                void *arg, struct segment_reject *ret_reject)
{
	uint64_t at = 0, size = 0, bytes = source_bytes(fd);
	struct segment_view *view;
	int result;

	reject_clear(ret_reject);
	do {
		result = file_image(fd, at, bytes, path, &size, &view, ret_reject);
		if (!result)
			result = found(view, arg);
		at += size;
	} while (!result && at < bytes);
	return result;
}

int segment_file_read(const char *path, int (*found)(struct segment_view *view, void *arg),
                      void *arg, struct segment_reject *ret_reject)
{
	int fd = source_open(path, (uid_t)-1, ret_reject), result;
	struct segment_view *view;
	uint64_t magic;

	if (fd < 0)
		return fd;
	source_read(fd, &magic, 0, sizeof magic);
	if (magic == SEGMENT_MAGIC) {
		result = plain_file(fd, path, &view, ret_reject);
		return result ? result : found(view, arg);
	}
	result = images_read(fd, path, found, arg, ret_reject);
	close(fd);
	return result;
}
