/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices and meshes: opened in meshtally when they are first seen, closed when they are gone.
 * Reading which space a device is takes no lock; all else is done under the one of struct tally.
 */
#ifndef MESHTALLY_TT_METAL_SPACES_HPP
#define MESHTALLY_TT_METAL_SPACES_HPP

#include <meshtally.h>

#include "release.hpp"

#include <tt-metalium/allocator.hpp>
#include <tt-metalium/hal_types.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace meshtally::tt_metal
{

/* Which chip a device is. Both may stay unknown: the ordinal then tells, in this process. */
struct identity {
	uint64_t unique_id = 0;
	std::string bus; /* "0000:81:00.0"; empty: unknown */
};

struct options {
	/* Operations, tags, circular buffers: pushes a graph processor on the calling thread. */
	bool operations = true;
	/* Says which chip a device is; tt-metal's public interface does not. May be null. */
	identity (*identify)(const tt::tt_metal::IDevice &chip) = nullptr;
	/* More flags (MT_SYSTEM, MT_CACHE) for a buffer, asked at every allocation. May be null. */
	uint32_t (*classify)(const tt::tt_metal::Buffer &buffer) = nullptr;
};

namespace detail
{

/* --- which space a device is --------------------------------------------------------------- */

/*
 * From a device's address to its space, read without a lock. A slot keeps its device when it is
 * closed: frees may still come. The state word changes as a whole: space, the device's id (that of
 * a mesh is another at each opening, so that a new one in the place of an old one is noticed),
 * flags.
 */
struct slot {
	std::atomic<const IDevice *> device{nullptr};
	std::atomic<uint64_t> state{0};
};

enum : uint64_t {
	SLOT_OPEN = 1,
	SLOT_MEMBER = 2, /* a chip of a mesh */
	SLOT_READY = 4,  /* in use: what is allocated now is the user's */
	SLOT_FLAGS = 7
};
constexpr size_t SLOT_COUNT = 4096, SLOT_WINDOW = 64;
inline slot slots[SLOT_COUNT];

inline uint64_t state_of(mt_space space, int64_t id, uint64_t flags)
{
	return static_cast<uint64_t>(space) << 32 | (static_cast<uint64_t>(id) & 0x1fffffff) << 3 |
	       flags;
}

inline mt_space space_of(uint64_t state)
{
	return static_cast<mt_space>(state >> 32);
}

inline size_t slot_home(const IDevice *device)
{
	return (reinterpret_cast<uintptr_t>(device) * 0x9e3779b97f4a7c15u) >> 52;
}

inline slot *slot_find(const IDevice *device)
{
	size_t at = slot_home(device);

	for (size_t i = 0; i < SLOT_WINDOW; i++) {
		slot &s = slots[(at + i) % SLOT_COUNT];
		const IDevice *found = s.device.load(std::memory_order_acquire);

		if (found == device)
			return &s;
		if (!found)
			return nullptr;
	}
	return nullptr;
}

/* A slot for a device that has none; under the lock. Where all are taken that of a closed one, of
 * which nobody will ask any more. */
inline slot *slot_make(const IDevice *device)
{
	size_t at = slot_home(device);
	slot *closed = nullptr;

	for (size_t i = 0; i < SLOT_WINDOW; i++) {
		slot &s = slots[(at + i) % SLOT_COUNT];

		if (!s.device.load(std::memory_order_relaxed)) {
			s.device.store(device, std::memory_order_release);
			return &s;
		}
		if (!(s.state.load(std::memory_order_relaxed) & SLOT_OPEN))
			closed = &s;
	}
	if (closed) {
		closed->state.store(0, std::memory_order_relaxed);
		closed->device.store(device, std::memory_order_release);
	}
	return closed;
}

/* --- what a thread is doing ---------------------------------------------------------------- */

constexpr uint32_t DEPTH_LIMIT = 16;
constexpr size_t NAME_BYTES = 128;

struct thread_state {
	uint32_t depth;  /* operations begun and not ended */
	uint32_t pushed; /* bit n: operation n is on the tag path */
	uint64_t serial; /* changes when an operation begins or ends */
	mt_tag tags[DEPTH_LIMIT];
	char names[DEPTH_LIMIT][NAME_BYTES];

	uint32_t level() const
	{
		return depth < DEPTH_LIMIT ? depth : DEPTH_LIMIT;
	}
	const char *site() const
	{
		return depth && names[level() - 1][0] ? names[level() - 1] : nullptr;
	}
	mt_tag tag() const
	{
		return depth ? tags[level() - 1] : 0;
	}
};
inline thread_local thread_state this_thread{};

/* --- what is open ---------------------------------------------------------------------------- */

struct program_entry {
	mt_program *program = nullptr;
	std::vector<mt_cb> cbs;
	uint64_t id = 0;
	mt_tag tag = 0;
	mt_space space = 0;                 /* where it is dispatched */
	const IDevice *placed_on = nullptr; /* the device that its first buffer was placed for */
};

/* The programs that are being launched on a mesh: from the first track_program of an operation
 * until the next operation, or the next program after circular buffers were placed. */
struct launch {
	uint64_t number = 0; /* 0: none yet */
	const thread_state *thread = nullptr;
	uint64_t serial = 0;
	program_entry *last = nullptr;
	program_entry *target = nullptr; /* whose the circular buffers are that are being placed */
};

struct entry {
	slot *where = nullptr;
	mt_space space = 0;
	int64_t id = 0;
	bool open = false, is_mesh = false, is_ready = false;
	bool watched = false; /* `alive` tells when the mesh is gone */
	std::weak_ptr<const MeshDevice> alive;
	std::vector<const IDevice *> chips; /* of a mesh */
	uint32_t meshes = 0;                /* open ones that a chip is part of */
	launch current;
	std::vector<uint64_t> own; /* buffers from before it was ready: the runtime's */
	program_entry untold;      /* circular buffers of programs that nobody named */
	uint32_t placed = 0;       /* programs whose first buffer was placed for this device */
	uint32_t released = 0;     /* of which so many are gone; which, is not told */
};

struct tally {
	std::mutex lock;
	options given;
	std::unordered_map<const IDevice *, entry> entries;
	std::unordered_map<const void *, program_entry> programs;
	uint64_t program_ids = 0, launches = 0;
};

/* Of the options, what is asked at every event. */
inline std::atomic<uint32_t (*)(const Buffer &)> classifier{nullptr};
inline std::atomic<bool> by_observer{false};

inline tally &the_tally()
{
	static tally *const made = new tally;
	return *made;
}

inline void add_memory(std::vector<mt_memory> &memories, const tt::tt_metal::Allocator &allocator,
                       BufferType type, uint32_t kind, uint64_t base)
{
	mt_memory memory{};

	memory.kind = kind;
	memory.banks = allocator.get_num_banks(type);
	memory.base = base;
	memory.bank_bytes = allocator.get_bank_size(type);
	memory.align = allocator.get_alignment(type);
	if (memory.banks && memory.bank_bytes)
		memories.push_back(memory);
}

/* Capacities as the allocator has them. TRACE follows DRAM, and L1_SMALL follows L1, in each bank.
 */
inline std::vector<mt_memory> memories_of(const IDevice &device)
{
	std::vector<mt_memory> memories;
	const auto &allocator = device.allocator();

	if (!allocator)
		return memories;
	uint64_t dram = allocator->get_base_allocator_addr(tt::tt_metal::HalMemType::DRAM);
	uint64_t l1 = allocator->get_base_allocator_addr(tt::tt_metal::HalMemType::L1);

	add_memory(memories, *allocator, BufferType::DRAM, MT_DRAM, dram);
	add_memory(memories, *allocator, BufferType::L1, MT_L1, l1);
	add_memory(memories, *allocator, BufferType::L1_SMALL, MT_L1_SMALL,
	           l1 + allocator->get_bank_size(BufferType::L1));
	add_memory(memories, *allocator, BufferType::TRACE, MT_TRACE,
	           dram + allocator->get_bank_size(BufferType::DRAM));
	return memories;
}

/* Lets the readers of slots see what has become of it. That a chip was a mesh's stays known. */
inline void entry_publish(entry &e)
{
	if (!e.where)
		return;
	uint64_t flags = e.where->state.load(std::memory_order_relaxed) & SLOT_MEMBER;

	if (e.open)
		flags |= e.is_ready ? SLOT_OPEN | SLOT_READY : SLOT_OPEN;
	e.where->state.store(state_of(e.space, e.id, flags), std::memory_order_release);
}

inline entry &entry_begin(tally &t, const IDevice &device)
{
	entry &e = t.entries[&device];

	e.where = slot_find(&device);
	if (!e.where)
		e.where = slot_make(&device);
	e.id = device.id();
	if (!e.open)
		e.chips.clear();
	return e;
}

/* What it holds is the runtime's own, and what comes is not. */
inline void entry_ready(tally &t, entry &e)
{
	if (!e.open || e.is_ready)
		return;
	(void)mt_ready(e.space);
	e.is_ready = true;
	entry_publish(e);
	for (const IDevice *chip : e.chips)
		entry_ready(t, t.entries[chip]);
}

inline void entry_opened(entry &e)
{
	e.open = true;
	e.is_ready = false;
	e.own.clear();
	entry_publish(e);
}

/* `like`: the mesh whose allocator hands out the chip's memory, or the chip itself. */
inline entry &chip_open(tally &t, const IDevice &chip, const IDevice &like)
{
	entry &e = entry_begin(t, chip);

	if (e.open)
		return e;
	identity known = t.given.identify ? t.given.identify(chip) : identity{};
	std::vector<mt_memory> memories = memories_of(like);
	mt_device device{};

	device.struct_size = sizeof device;
	device.ordinal = static_cast<int32_t>(chip.id());
	device.unique_id = known.unique_id;
	device.bus = known.bus.empty() ? nullptr : known.bus.c_str();
	device.arch = arch_name(chip.arch());
	device.memories = memories.data();
	device.memory_count = static_cast<uint32_t>(memories.size());
	device.flags = MT_UNIQUE_IDS;
	e.is_mesh = false;
	e.space = mt_device_open(&device);
	entry_opened(e);
	return e;
}

/* The chips of the whole shape, row by row; null: of another host. */
inline std::vector<IDevice *> places_of(const MeshDevice &mesh, size_t rows, size_t columns)
{
	std::vector<IDevice *> chips = chips_of(mesh);

	if (chips.size() == rows * columns)
		return chips;
	chips.assign(rows * columns, nullptr);
	for (size_t i = 0; i < chips.size(); i++) {
		try {
			chips[i] = mesh.get_device(i / columns, i % columns);
		} catch (...) {
			chips[i] = nullptr;
		}
	}
	return chips;
}

inline entry &mesh_open(tally &t, const MeshDevice &mesh)
{
	const auto &shape = mesh.shape();
	size_t columns = shape.dims() ? shape[static_cast<int32_t>(shape.dims()) - 1] : 1, rows = 1;
	std::vector<mt_space> spaces;
	mt_mesh opened{};

	for (size_t i = 0; i + 1 < shape.dims(); i++)
		rows *= shape[static_cast<int32_t>(i)];
	std::vector<IDevice *> places = places_of(mesh, rows, columns);
	entry &e = entry_begin(t, mesh);
	for (IDevice *chip : places) {
		spaces.push_back(0);
		if (!chip)
			continue;
		entry &part = chip_open(t, *chip, mesh);
		part.meshes++;
		if (part.where)
			part.where->state.fetch_or(SLOT_MEMBER, std::memory_order_relaxed);
		spaces.back() = part.space;
		e.chips.push_back(chip);
	}
	opened.struct_size = sizeof opened;
	opened.rows = static_cast<uint32_t>(rows);
	opened.columns = static_cast<uint32_t>(columns);
	opened.flags = MT_UNIQUE_IDS;
	opened.devices = spaces.data();
	auto parent = t.entries.find(parent_of(mesh));
	if (parent != t.entries.end() && parent->second.open)
		opened.parent = parent->second.space;
	e.is_mesh = true;
	e.alive = mesh.weak_from_this();
	e.watched = !e.alive.expired();
	e.space = mt_mesh_open(&opened);
	entry_opened(e);
	return e;
}

/* --- programs -------------------------------------------------------------------------------- */

inline void program_drop(program_entry &p)
{
	if (p.program)
		mt_program_drop(p.program);
	p.program = nullptr;
	p.cbs.clear();
}

/* Forgets the programs that were placed for a device, and the launches that know them. */
inline void programs_forget(tally &t, const IDevice *device, entry &e)
{
	program_drop(e.untold);
	e.placed = e.released = 0;
	for (auto &other : t.entries)
		other.second.current = launch{};
	for (auto p = t.programs.begin(); p != t.programs.end();) {
		if (p->second.placed_on == device || p->second.space == e.space) {
			program_drop(p->second);
			p = t.programs.erase(p);
		} else {
			++p;
		}
	}
}

/* --- closing --------------------------------------------------------------------------------- */

/* The runtime gives its own buffers back with the device, and tells nobody. To move a buffer to
 * where it is asks whether it is live. */
inline void give_back_own(entry &e)
{
	for (uint64_t id : e.own) {
		if (mt_move(0, id, 0, 0) == MT_OK)
			(void)mt_free(0, id);
	}
	e.own.clear();
}

inline void entry_close(tally &t, const IDevice *device, entry &e, bool lost)
{
	if (!e.open)
		return;
	programs_forget(t, device, e);
	if (e.is_ready && !lost)
		give_back_own(e);
	(void)mt_close(e.space, lost);
	e.open = false;
	entry_publish(e);
	for (const IDevice *chip : e.chips) {
		auto part = t.entries.find(chip);

		if (part != t.entries.end() && part->second.meshes && !--part->second.meshes)
			entry_close(t, chip, part->second, lost);
	}
	e.chips.clear();
	e.alive.reset();
	e.watched = false;
}

/* Tracking was turned off, and on again: spaces and programs of that time are void. */
inline void forget_all(tally &t)
{
	for (auto &each : t.entries) {
		entry &e = each.second;
		slot *where = e.where;

		e = entry{};
		e.where = where;
		entry_publish(e);
	}
	t.programs.clear();
}

/* Whether what is open is of a time before tracking was turned off. Asks without a fault. */
inline bool is_void(const tally &t)
{
	for (const auto &each : t.entries) {
		mt_usage usage{};

		usage.struct_size = sizeof usage;
		if (each.second.open && !each.second.is_mesh)
			return mt_device_usage(each.second.space, MT_DRAM, &usage) ==
			       MT_UNKNOWN_SPACE;
	}
	return false;
}

/* Closes the meshes that are gone. tt-metal tells nobody. */
inline void close_gone(tally &t)
{
	for (auto &each : t.entries) {
		if (each.second.open && each.second.watched && each.second.alive.expired())
			entry_close(t, each.first, each.second, false);
	}
}

/* The entry of a device, opened where it is not; under the lock. */
inline entry &entry_of(tally &t, const IDevice &device)
{
	auto found = t.entries.find(&device);
	int64_t id = device.id();

	if (found != t.entries.end() && found->second.open && found->second.id == id)
		return found->second;
	close_gone(t);
	if (found != t.entries.end())
		entry_close(t, &device, found->second, false);
	if (const auto *mesh = dynamic_cast<const MeshDevice *>(&device))
		return mesh_open(t, *mesh);
	return chip_open(t, device, device);
}

/* Runs what needs the lock; an exception, such as of an allocator that is gone, ends here. */
template <class F> void locked(F &&what) noexcept
{
	try {
		tally &t = the_tally();
		std::lock_guard<std::mutex> guard(t.lock);

		what(t);
	} catch (...) {
	}
}

} /* namespace detail */

} /* namespace meshtally::tt_metal */

#endif
