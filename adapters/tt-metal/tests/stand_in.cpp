/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, allocators, buffers. See stand_in.hpp. */
#include "stand_in_impl.hpp"

#include <impl/memory_tracking/buffer_allocation_observer.hpp>

#include <algorithm>
#include <atomic>
#include <new>
#include <shared_mutex>
#include <stdexcept>

namespace stand_in
{
build how;

static std::map<int, std::weak_ptr<device>> pool;

/* Where the last one of its sort was that is gone, if any: an address alone tells no device. */
template <class T, class... Arguments>
static std::shared_ptr<T> in_old_place(int sort, Arguments &&...arguments)
{
	static auto &left = *new std::map<int, std::vector<void *>>;
	auto &places = left[sort];
	void *place = places.empty() ? ::operator new(sizeof(T)) : places.back();

	if (!places.empty())
		places.pop_back();
	return std::shared_ptr<T>(new (place) T(std::forward<Arguments>(arguments)...),
	                          [sort](T *gone) {
					  gone->~T();
					  left[sort].push_back(gone);
				  });
}

std::shared_ptr<device> open_chip(int ordinal)
{
	std::shared_ptr<device> found = pool[ordinal].lock();

	if (!found) {
		found = in_old_place<device>(ordinal, ordinal);
		pool[ordinal] = found;
	}
	return found;
}

IDevice *chip(int ordinal)
{
	return pool.at(ordinal).lock().get();
}

} // namespace stand_in

namespace tt::tt_metal
{

/* --- allocators ------------------------------------------------------------------------------ */

AllocatorImpl::AllocatorImpl()
{
	const uint64_t kib = 1024, mib = 1024 * kib, trace = 48 * mib, dram = 1024 * mib;
	const uint64_t l1_base = 104 * kib, l1_end = 1464 * kib, small = 72 * kib;

	regions_[BufferType::DRAM] = {12, 0, dram - trace, 32, {}};
	regions_[BufferType::TRACE] = {12, dram - trace, trace, 32, {}};
	regions_[BufferType::L1] = {64, l1_base, l1_end - l1_base, 16, {}};
	regions_[BufferType::L1_SMALL] = {64, l1_end, small, 16, {}};
	for (const auto &each : regions_)
		first_of_sub_devices_[each.first] = each.second;
}

AllocatorImpl::region &AllocatorImpl::of(BufferType type, std::optional<SubDeviceId> sub)
{
	return sub ? first_of_sub_devices_.at(type) : regions_.at(type);
}

DeviceAddr AllocatorImpl::take(Buffer *buffer, std::optional<SubDeviceId> sub)
{
	std::lock_guard<std::mutex> guard(lock);
	region &r = of(buffer->buffer_type(), sub);
	DeviceAddr span = (buffer->aligned_size_per_bank() + r.align - 1) / r.align * r.align;
	std::optional<DeviceAddr> found;
	DeviceAddr at = r.base;

	auto try_hole = [&](DeviceAddr end) {
		if (end >= at && end - at >= span && (!found || !buffer->bottom_up()))
			found = buffer->bottom_up() ? at : end - span;
	};
	for (const auto &[address, taken] : r.taken) {
		try_hole(address);
		if (found && buffer->bottom_up())
			break;
		at = address + taken;
	}
	if (!found || !buffer->bottom_up())
		try_hole(r.base + r.bank_bytes);
	if (!found)
		throw std::runtime_error("out of memory");
	r.taken[*found] = span;
	live.insert(buffer);
	return *found;
}

void AllocatorImpl::give(Buffer *buffer, std::optional<SubDeviceId> sub)
{
	std::lock_guard<std::mutex> guard(lock);

	of(buffer->buffer_type(), sub).taken.erase(buffer->address());
	live.erase(buffer);
}

std::optional<DeviceAddr> AllocatorImpl::lowest_l1()
{
	std::lock_guard<std::mutex> guard(lock);
	const region &r = regions_.at(BufferType::L1);

	return r.taken.empty() ? std::nullopt : std::optional<DeviceAddr>(r.taken.begin()->first);
}

Allocator::Allocator(AllocatorImpl *impl) : impl_(impl)
{
}

Allocator::~Allocator() = default;

uint32_t Allocator::get_num_banks(const BufferType &type) const
{
	return impl_->of(type, std::nullopt).banks;
}

DeviceAddr Allocator::get_bank_size(const BufferType &type) const
{
	return impl_->of(type, std::nullopt).bank_bytes;
}

DeviceAddr Allocator::get_base_allocator_addr(const HalMemType &type) const
{
	return impl_->of(type == HalMemType::L1 ? BufferType::L1 : BufferType::DRAM, std::nullopt)
	        .base;
}

uint32_t Allocator::get_alignment(BufferType type) const
{
	return impl_->of(type, std::nullopt).align;
}

Statistics Allocator::get_statistics(const BufferType &type) const
{
	std::lock_guard<std::mutex> guard(impl_->lock);
	const AllocatorImpl::region &r = impl_->of(type, std::nullopt);
	Statistics statistics;
	DeviceAddr at = r.base;

	auto hole = [&](DeviceAddr end) {
		statistics.total_free_bytes += end - at;
		statistics.largest_free_block_bytes =
			std::max<size_t>(statistics.largest_free_block_bytes, end - at);
	};
	for (const auto &[address, taken] : r.taken) {
		hole(address);
		at = address + taken;
		statistics.total_allocated_bytes += taken;
	}
	hole(r.base + r.bank_bytes);
	statistics.total_allocatable_size_bytes = r.bank_bytes;
	return statistics;
}

std::unordered_set<Buffer *> Allocator::get_allocated_buffers() const
{
	std::lock_guard<std::mutex> guard(impl_->lock);

	return impl_->live;
}

/* --- observers ------------------------------------------------------------------------------- */

static std::shared_mutex observers_lock;
static std::vector<std::shared_ptr<BufferAllocationObserver>> observers;

bool register_buffer_allocation_observer_once(
	const std::type_info &type,
	const std::function<std::shared_ptr<BufferAllocationObserver>()> &factory)
{
	std::unique_lock<std::shared_mutex> guard(observers_lock);

	for (const auto &each : observers) {
		const BufferAllocationObserver &known = *each;

		if (typeid(known) == type)
			return false;
	}
	observers.push_back(factory());
	return true;
}

/* --- buffers --------------------------------------------------------------------------------- */

static std::atomic<size_t> next_unique_id{0};

static DeviceAddr rounded(DeviceAddr value, DeviceAddr unit)
{
	return (value + unit - 1) / unit * unit;
}

Buffer::Buffer(IDevice *device, DeviceAddr size, DeviceAddr page_size, BufferType type,
               std::optional<bool> bottom_up, std::optional<SubDeviceId> sub_device, bool owns)
    : device_(device), size_(size), page_size_(page_size), type_(type),
      bottom_up_(bottom_up.value_or(type == BufferType::DRAM || type == BufferType::TRACE)),
      owns_(owns), sub_device_(sub_device), unique_id_(next_unique_id.fetch_add(1))
{
	if (size % page_size)
		throw std::invalid_argument("not a whole number of pages");
}

std::shared_ptr<Buffer> Buffer::create(IDevice *device, DeviceAddr size, DeviceAddr page_size,
                                       BufferType type, std::optional<bool> bottom_up,
                                       std::optional<SubDeviceId> sub_device)
{
	auto made = std::make_shared<Buffer>(device, size, page_size, type, bottom_up, sub_device,
	                                     true);

	made->allocate();
	return made;
}

std::shared_ptr<Buffer> Buffer::create(IDevice *device, DeviceAddr address, DeviceAddr size,
                                       DeviceAddr page_size, BufferType type)
{
	auto made = std::make_shared<Buffer>(device, size, page_size, type, std::nullopt,
	                                     std::nullopt, false);

	made->address_ = address;
	made->is_allocated_ = true;
	if (stand_in::how.tells_of_views) {
		GraphTracker::instance().track_allocate(made.get());
		stand_in::notify_allocated(made.get());
	}
	return made;
}

DeviceAddr Buffer::aligned_size_per_bank() const
{
	const Allocator &allocator = *device_->allocator();
	DeviceAddr pages = size_ / page_size_, banks = allocator.get_num_banks(type_);

	return (pages + banks - 1) / banks * rounded(page_size_, allocator.get_alignment(type_));
}

void Buffer::allocate()
{
	const auto &hook = GraphTracker::instance().get_hook();

	is_hooked_ = hook && hook->hook_allocate(this);
	if (!is_hooked_)
		address_ = device_->allocator()->impl().take(this, sub_device_);
	is_allocated_ = true;
	GraphTracker::instance().track_allocate(this);
	stand_in::notify_allocated(this);
}

void Buffer::deallocate()
{
	if (!is_allocated_ || (!owns_ && !stand_in::how.tells_of_views))
		return;
	is_allocated_ = false;
	if (!device_->is_initialized())
		return;
	GraphTracker::instance().track_deallocate(this);
	stand_in::notify_deallocated(this);
	if (owns_ && !is_hooked_)
		device_->allocator()->impl().give(this, sub_device_);
}

void Buffer::mark_as_deallocated()
{
	is_allocated_ = false;
}

Buffer::~Buffer()
{
	deallocate();
}

void DeallocateBuffer(Buffer &buffer)
{
	buffer.deallocate();
}

/* --- meshes ---------------------------------------------------------------------------------- */

namespace distributed
{

static std::atomic<int> next_mesh_id{0};

MeshDevice::MeshDevice(const MeshShape &shape, std::vector<IDevice *> places,
                       std::shared_ptr<MeshDevice> parent)
    : shape_(shape), places_(std::move(places)), parent_(std::move(parent)),
      allocator_(std::make_unique<Allocator>(new AllocatorImpl)), id_(next_mesh_id.fetch_add(1))
{
}

MeshDevice::~MeshDevice()
{
	if (is_open_)
		close();
}

tt::ARCH MeshDevice::arch() const
{
	return tt::ARCH::WORMHOLE_B0;
}

int MeshDevice::id() const
{
	return id_;
}

bool MeshDevice::is_initialized() const
{
	return is_open_;
}

const std::unique_ptr<Allocator> &MeshDevice::allocator() const
{
	return allocator_;
}

std::optional<DeviceAddr> MeshDevice::lowest_occupied_compute_l1_address() const
{
	return allocator_->impl().lowest_l1();
}

bool MeshDevice::close()
{
	is_open_ = false;
	stand_in::mesh_closed(*this);
	return true;
}

std::vector<IDevice *> MeshDevice::get_devices() const
{
	std::vector<IDevice *> here;

	std::copy_if(places_.begin(), places_.end(), std::back_inserter(here),
	             [](const IDevice *each) { return each != nullptr; });
	return here;
}

IDevice *MeshDevice::get_device(size_t row, size_t column) const
{
	IDevice *found = places_.at(row * shape_[1] + column);

	if (!found)
		throw std::runtime_error("a device of another host");
	return found;
}

const MeshShape &MeshDevice::shape() const
{
	return shape_;
}

const std::shared_ptr<MeshDevice> &MeshDevice::get_parent_mesh() const
{
	return parent_;
}

std::shared_ptr<MeshDevice> MeshDevice::create_submesh(const MeshShape &shape, size_t row,
                                                       size_t column)
{
	std::vector<IDevice *> places;

	for (size_t r = 0; r < shape[0]; r++) {
		for (size_t c = 0; c < shape[1]; c++)
			places.push_back(places_.at((row + r) * shape_[1] + column + c));
	}
	return stand_in::in_old_place<MeshDevice>(0, shape, std::move(places), shared_from_this());
}

} // namespace distributed

} // namespace tt::tt_metal

namespace stand_in
{

namespace distributed = tt::tt_metal::distributed;

void notify_allocated(const Buffer *buffer)
{
	std::shared_lock<std::shared_mutex> guard(tt::tt_metal::observers_lock);

	for (const auto &each : tt::tt_metal::observers)
		each->track_allocate(buffer);
}

void notify_deallocated(Buffer *buffer)
{
	std::shared_lock<std::shared_mutex> guard(tt::tt_metal::observers_lock);

	for (const auto &each : tt::tt_metal::observers)
		each->track_deallocate(buffer);
}

/* What an open mesh holds: buffers of its own, and one of the first chip's allocator. */
struct held {
	std::vector<std::shared_ptr<device>> chips;
	std::vector<std::shared_ptr<Buffer>> system;
};

static std::map<const MeshDevice *, held> open_meshes;

std::shared_ptr<MeshDevice> open_mesh(uint32_t rows, uint32_t columns,
                                      const std::vector<int> &ordinals)
{
	std::vector<IDevice *> places;
	held now;

	for (int ordinal : ordinals) {
		if (ordinal >= 0)
			now.chips.push_back(open_chip(ordinal));
		places.push_back(ordinal >= 0 ? now.chips.back().get() : nullptr);
	}
	/* Whoever opens a chip makes its system buffer, which is seen before any mesh. */
	if (now.chips.front().use_count() == 1)
		now.system.push_back(Buffer::create(now.chips.front().get(), SYSTEM_SMALL_BYTES,
		                                    PAGE, BufferType::L1_SMALL, true));
	auto mesh =
		in_old_place<MeshDevice>(0, distributed::MeshShape(rows, columns), places, nullptr);
	now.system.push_back(Buffer::create(mesh.get(), SYSTEM_BYTES, PAGE, BufferType::DRAM));
	open_meshes[mesh.get()] = std::move(now);
	return mesh;
}

uint64_t system_address(const MeshDevice &mesh)
{
	return open_meshes.at(&mesh).system.back()->address();
}

/* The system buffers go with their device: nobody is told of their end. */
void mesh_closed(const MeshDevice &mesh)
{
	auto found = open_meshes.find(&mesh);

	if (found == open_meshes.end())
		return;
	for (const auto &buffer : found->second.system)
		buffer->mark_as_deallocated();
	open_meshes.erase(found);
}

} // namespace stand_in
