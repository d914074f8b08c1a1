/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small runtime behind the declarations: chips, meshes that allocate in lockstep, buffers with
 * their views on each chip, programs with circular buffers, workers. It calls the hooks where
 * tt-metal calls them, as several builds of it do (struct build). For tests alone.
 */
#pragma once

#include <tt-metalium/buffer.hpp>
#include <tt-metalium/core_coord.hpp>
#include <tt-metalium/graph_tracking.hpp>
#include <tt-metalium/mesh_device.hpp>
#include <tt-metalium/program.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace stand_in
{

using tt::tt_metal::Buffer;
using tt::tt_metal::BufferType;
using tt::tt_metal::CoreRangeSet;
using tt::tt_metal::IDevice;
using tt::tt_metal::Program;
using tt::tt_metal::distributed::MeshDevice;

/* How the runtime was built. */
struct build {
	bool tells_of_views =
		false;           /* the hooks see device-local views too, at birth and at death */
	bool cbs_by_chip = true; /* circular buffers are told chip by chip, else once per mesh */
};
extern build how;

enum : uint64_t {
	SYSTEM_BYTES = 14753792,    /* what an open mesh holds on each chip, in DRAM */
	SYSTEM_SMALL_BYTES = 22528, /* and on its first chip, from that chip's own allocator */
	PAGE = 2048
};

/* Opens a mesh over chips by ordinal, row by row; -1: a chip of another host. */
std::shared_ptr<MeshDevice> open_mesh(uint32_t rows, uint32_t columns,
                                      const std::vector<int> &ordinals);
/* Where the system buffer of an open mesh lies. */
uint64_t system_address(const MeshDevice &mesh);
/* A chip of an open mesh. */
IDevice *chip(int ordinal);

/* A backing buffer and, on each chip, a view of it. */
class mesh_buffer
{
      public:
	/* `bytes` are those on each chip: of a replicated buffer all of it, of a sharded one a
	 * part. */
	mesh_buffer(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes, BufferType type,
	            uint64_t page = PAGE, std::optional<bool> bottom_up = std::nullopt);
	/* Views alone, of memory that another mesh buffer owns. */
	mesh_buffer(const std::shared_ptr<MeshDevice> &mesh, const mesh_buffer &owner);
	~mesh_buffer();
	mesh_buffer(const mesh_buffer &) = delete;
	mesh_buffer &operator=(const mesh_buffer &) = delete;

	std::shared_ptr<Buffer> backing;
	std::vector<std::shared_ptr<Buffer>> views;

      private:
	std::weak_ptr<MeshDevice> mesh_;
};

using tensor = std::unique_ptr<mesh_buffer>;
tensor replicated(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes,
                  BufferType type = BufferType::DRAM);
tensor sharded(const std::shared_ptr<MeshDevice> &mesh, uint64_t bytes_of_all,
               BufferType type = BufferType::DRAM);

/* Programs that are launched together, and their kernels' binaries. */
struct workload {
	std::vector<Program> programs;
	uint64_t binary_bytes = 0;
	tensor binaries;
	std::weak_ptr<MeshDevice> mesh;
};

void add_cb(Program &program, const CoreRangeSet &cores, uint64_t bytes,
            const Buffer *lies_in = nullptr);
/* Compiles at the first call, checks and "runs". Throws where circular buffers and L1 clash. */
void enqueue(const std::shared_ptr<MeshDevice> &mesh, workload &work);
/* As an operation does it: begin, output, programs told and enqueued, end. */
tensor operation(const std::string &name, const std::shared_ptr<MeshDevice> &mesh, workload &work,
                 uint64_t output_bytes, BufferType type = BufferType::DRAM);

/* On another thread, with this one's processors; waits for its end. */
void on_worker(const std::function<void()> &task);

/* What an observer of the process is told. */
void notify_allocated(const Buffer *buffer);
void notify_deallocated(Buffer *buffer);

} // namespace stand_in
