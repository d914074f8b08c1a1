/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers: what is reported of an allocation and of a free. No lock is taken and nothing allocated
 * once the device has been seen.
 */
#ifndef MESHTALLY_TT_METAL_BUFFERS_HPP
#define MESHTALLY_TT_METAL_BUFFERS_HPP

#include "spaces.hpp"

namespace meshtally::tt_metal
{

namespace detail
{

constexpr size_t OWN_LIMIT = 1024;

/* The first sight of a device, or one that is not ready: an operation that allocates on it uses it.
 */
__attribute__((noinline)) inline uint64_t state_slow(const IDevice &device) noexcept
{
	uint64_t state = 0;

	locked([&](tally &t) {
		entry &e = entry_of(t, device);

		if (this_thread.depth)
			entry_ready(t, e);
		state = e.where ? e.where->state.load(std::memory_order_relaxed)
		                : state_of(e.space, e.id, SLOT_OPEN | SLOT_READY);
	});
	return state;
}

inline uint64_t state_now(const IDevice &device) noexcept
{
	slot *found = slot_find(&device);
	uint64_t state = found ? found->state.load(std::memory_order_acquire) : 0;
	uint64_t same = 0xffffffff & ~static_cast<uint64_t>(SLOT_MEMBER);

	if (__builtin_expect((state & same) == state_of(0, device.id(), SLOT_OPEN | SLOT_READY), 1))
		return state;
	return state_slow(device);
}

/* Keeps what was allocated before the device was ready; a runtime has few of its own. */
__attribute__((noinline)) inline void remember_own(const IDevice &device, uint64_t id) noexcept
{
	locked([&](tally &t) {
		entry &e = entry_of(t, device);

		if (!e.is_ready && e.own.size() < OWN_LIMIT)
			e.own.push_back(id);
	});
}

/*
 * A buffer on a chip of a mesh that the chip's allocator did not hand out is a view of a mesh's
 * buffer, which has been reported for all chips. Today's tt-metal does not tell of them, older
 * builds did. It is asked at allocation and at free alike, before the allocator takes it back.
 */
__attribute__((noinline)) inline bool is_view(const Buffer &buffer) noexcept
{
	try {
		const auto &allocator = buffer.device()->allocator();

		return !allocator ||
		       !allocator->get_allocated_buffers().count(const_cast<Buffer *>(&buffer));
	} catch (...) {
		return true;
	}
}

/* In a capture that allocates nothing every address is 0. Address 0 alone proves nothing. */
__attribute__((noinline)) inline bool is_hooked(const Buffer &buffer) noexcept
{
	try {
		const auto &hook = tt::tt_metal::GraphTracker::instance().get_hook();

		return hook && hook->hook_allocate(&buffer);
	} catch (...) {
		return false;
	}
}

/* A program in such a capture is not launched. */
inline bool is_hooked(Program &program) noexcept
{
	try {
		const auto &hook = tt::tt_metal::GraphTracker::instance().get_hook();

		return hook && hook->hook_program(&program);
	} catch (...) {
		return false;
	}
}

inline mt_buffer describe(const Buffer &buffer, mt_space space)
{
	auto *classify = classifier.load(std::memory_order_relaxed);
	mt_buffer report{};

	report.struct_size = sizeof report;
	report.space = space;
	report.id = buffer.unique_id();
	report.address = buffer.address();
	report.bytes = buffer.size();
	report.span = buffer.aligned_size_per_bank();
	report.kind = static_cast<uint32_t>(buffer.buffer_type());
	report.region = region_of(buffer);
	report.site = this_thread.site();
	if (is_kernel_binary(buffer))
		report.flags |= MT_CACHE;
	if (report.address == 0 && is_hooked(buffer))
		report.flags |= MT_VIRTUAL;
	if (classify)
		report.flags |= classify(buffer);
	return report;
}

inline void report_allocate(const Buffer *buffer) noexcept
{
	if (!MT_IS_ON() || !buffer || !buffer->device())
		return;
	try {
		uint64_t state = state_now(*buffer->device());

		if (state & SLOT_MEMBER) {
			if (is_view(*buffer))
				return;
			/* Rare, and perhaps of a chip that is opened again, where it was. */
			locked(close_gone);
			state = state_now(*buffer->device());
		}
		mt_buffer report = describe(*buffer, space_of(state));
		if (__builtin_expect(!(state & SLOT_READY), 0))
			remember_own(*buffer->device(), report.id);
		if (__builtin_expect(mt_alloc(&report) != MT_UNKNOWN_SPACE || !report.space, 1))
			return;
		locked(forget_all);
		report.space = space_of(state_now(*buffer->device()));
		(void)mt_alloc(&report);
	} catch (...) { /* a buffer that does not answer */
	}
}

inline void report_free(const Buffer *buffer) noexcept
{
	if (!MT_IS_ON() || !buffer || !buffer->device())
		return;
	slot *found = slot_find(buffer->device());

	if (found && found->state.load(std::memory_order_relaxed) & SLOT_MEMBER && is_view(*buffer))
		return;
	(void)mt_free(0, buffer->unique_id());
}

} /* namespace detail */

} /* namespace meshtally::tt_metal */

#endif
