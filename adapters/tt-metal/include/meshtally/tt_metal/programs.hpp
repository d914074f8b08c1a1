/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations, which name what is allocated in them, and the circular buffers of programs. What
 * tt-metal tells: track_program at each launch, but no program with a circular buffer, and circular
 * buffers only when they are placed, which a launch from the program cache does not do again.
 */
#ifndef MESHTALLY_TT_METAL_PROGRAMS_HPP
#define MESHTALLY_TT_METAL_PROGRAMS_HPP

#include "spaces.hpp"

#include <tt-metalium/core_coord.hpp>

#include <cstring>
#include <optional>
#include <string_view>

namespace meshtally::tt_metal
{

namespace detail
{

/* --- operations and circular buffers ----------------------------------------------------- */

inline void operation_begin(std::string_view name) noexcept
{
	thread_state &me = this_thread;

	me.serial++;
	if (me.depth < DEPTH_LIMIT) {
		char *kept = me.names[me.depth];
		size_t length = name.size() < NAME_BYTES - 1 ? name.size() : NAME_BYTES - 1;

		if (!MT_IS_ON())
			length = 0;
		memcpy(kept, name.data(), length);
		kept[length] = 0;
		me.tags[me.depth] = length ? mt_tag_push(kept) : 0;
		me.pushed &= ~(1u << me.depth);
		if (me.tags[me.depth])
			me.pushed |= 1u << me.depth;
	}
	if (me.depth++ || !MT_IS_ON())
		return;
	locked(close_gone);
}

inline void operation_end() noexcept
{
	thread_state &me = this_thread;

	me.serial++;
	if (!me.depth)
		return;
	me.depth--;
	if (me.depth < DEPTH_LIMIT && me.pushed & 1u << me.depth)
		mt_tag_pop();
}

inline void program_launched(Program &program, const IDevice &device) noexcept
{
	locked([&](tally &t) {
		entry &e = entry_of(t, device);
		program_entry &p = t.programs[identity_of(program)];
		launch &l = e.current;

		entry_ready(t, e);
		if (!p.id)
			p.id = ++t.program_ids;
		p.tag = this_thread.tag();
		if (!l.number || l.thread != &this_thread || l.serial != this_thread.serial ||
		    l.target) {
			l = launch{};
			l.number = ++t.launches;
			l.thread = &this_thread;
			l.serial = this_thread.serial;
		}
		l.last = &p;
		if (p.program)
			(void)mt_program_dispatch(p.program, e.space);
	});
}

inline bool same_cb(const mt_cb &a, const mt_cb &b)
{
	return a.x0 == b.x0 && a.y0 == b.y0 && a.x1 == b.x1 && a.y1 == b.y1 &&
	       a.address == b.address && a.bytes == b.bytes && a.flags == b.flags;
}

inline bool cbs_collide(const mt_cb &a, const mt_cb &b)
{
	return a.x0 <= b.x1 && b.x0 <= a.x1 && a.y0 <= b.y1 && b.y0 <= a.y1 &&
	       a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

/* Circular buffers may be placed by another thread, of which nothing is known. */
inline bool is_on_its_way(const launch &l)
{
	return l.number && (l.thread != &this_thread || l.serial == this_thread.serial);
}

/* The mesh, held, on which the device's program is being launched: it, or the one of which it is a
 * chip that was used last. */
inline entry *launching(tally &t, const IDevice &device, entry &e,
                        std::shared_ptr<const MeshDevice> &held)
{
	entry *found = is_on_its_way(e.current) ? &e : nullptr;

	for (auto &each : t.entries) {
		entry &mesh = each.second;

		if (!mesh.open || !mesh.is_mesh || !is_on_its_way(mesh.current) ||
		    (found && mesh.current.number < found->current.number))
			continue;
		for (const IDevice *chip : mesh.chips)
			found = chip == &device ? &mesh : found;
	}
	if (found)
		held = found->alive.lock();
	return found;
}

/* Whose circular buffer it is. Those of a workload of several programs cannot be told apart: all of
 * them are its last's. A program that has some already is another one in the same place, or was
 * changed. */
inline program_entry &cb_owner(launch &l)
{
	if (!l.target) {
		l.target = l.last;
		program_drop(*l.target);
	}
	return *l.target;
}

/* `device` is the one whose allocator knows the L1 buffers: the mesh, where there is one. */
inline void cb_place(tally &t, const IDevice &device, program_entry &p, mt_space space,
                     const std::vector<mt_cb> &added)
{
	size_t before = p.cbs.size();
	uint64_t end = 0;

	for (const mt_cb &cb : added) {
		bool known = false;

		for (const mt_cb &old : p.cbs)
			known = known || same_cb(old, cb);
		if (known)
			continue;
		p.cbs.push_back(cb);
		if (!(cb.flags & MT_VIEW) && cb.address + cb.bytes > end)
			end = cb.address + cb.bytes;
	}
	if (p.cbs.size() == before)
		return; /* the same for the next chip of the mesh */
	if (!p.id)
		p.id = ++t.program_ids;
	mt_program *old = p.program;
	p.program =
		mt_program_define(p.id, p.cbs.data(), static_cast<uint32_t>(p.cbs.size()), p.tag);
	p.space = space;
	if (old)
		mt_program_drop(old);
	(void)mt_program_dispatch(p.program, space);
	auto lowest = end ? device.lowest_occupied_compute_l1_address() : std::nullopt;
	if (lowest && end > *lowest)
		(void)mt_program_clash(p.program, space, end, *lowest);
}

/* The first buffer of a program, which may be in the place of one that is gone. */
inline void placing_begins(tally &t, const IDevice &device, entry &e, program_entry &p)
{
	auto before = t.entries.find(p.placed_on);

	if (before != t.entries.end() && before->second.placed) {
		before->second.placed--;
		if (before->second.released)
			before->second.released--;
	}
	p.placed_on = &device;
	e.placed++;
}

inline std::vector<mt_cb> cbs_of(const tt::tt_metal::CoreRangeSet &cores, uint64_t address,
                                 uint64_t bytes, bool is_view_of_l1)
{
	std::vector<mt_cb> cbs;

	for (const auto &range : cores.ranges()) {
		mt_cb cb{};

		cb.x0 = static_cast<uint16_t>(range.start_coord.x);
		cb.y0 = static_cast<uint16_t>(range.start_coord.y);
		cb.x1 = static_cast<uint16_t>(range.end_coord.x);
		cb.y1 = static_cast<uint16_t>(range.end_coord.y);
		cb.flags = is_view_of_l1 ? MT_VIEW : 0;
		cb.address = address;
		cb.bytes = bytes;
		cbs.push_back(cb);
	}
	return cbs;
}

/* What nobody named: buffers that lie on each other are not of one program. */
inline program_entry &untold_owner(entry &e, const std::vector<mt_cb> &added)
{
	for (const mt_cb &cb : added) {
		for (const mt_cb &old : e.untold.cbs) {
			if (!cbs_collide(old, cb) || same_cb(old, cb))
				continue;
			program_drop(e.untold);
			e.untold = program_entry{};
			break;
		}
	}
	return e.untold;
}

inline void cb_allocated(const tt::tt_metal::CoreRangeSet &cores, uint64_t address, uint64_t bytes,
                         bool is_view_of_l1, const IDevice &device) noexcept
{
	std::shared_ptr<const MeshDevice> held; /* let go without the lock: it may be the last */

	locked([&](tally &t) {
		close_gone(t);
		entry &e = entry_of(t, device), *mesh = launching(t, device, e, held);
		std::vector<mt_cb> added = cbs_of(cores, address, bytes, is_view_of_l1);
		program_entry &p = mesh ? cb_owner(mesh->current) : untold_owner(e, added);

		if (p.cbs.empty())
			placing_begins(t, device, e, p);
		if (!mesh)
			p.tag = this_thread.tag();
		cb_place(t, held ? *held : device, p, mesh ? mesh->space : e.space, added);
	});
}

/* A program is gone; which one, is not told. When all of a device are, they are forgotten. */
inline void cbs_released(const IDevice &device) noexcept
{
	locked([&](tally &t) {
		auto found = t.entries.find(&device);

		if (found == t.entries.end() || !found->second.open)
			return;
		entry &e = found->second;
		if (e.placed && ++e.released >= e.placed)
			programs_forget(t, &device, e);
	});
}

} /* namespace detail */

} /* namespace meshtally::tt_metal */

#endif
