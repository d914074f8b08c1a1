/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs from release to release of tt-metal, and what of it is taken. Included by the
 * others.
 */
#ifndef MESHTALLY_TT_METAL_RELEASE_HPP
#define MESHTALLY_TT_METAL_RELEASE_HPP

#include <tt-metalium/buffer.hpp>
#include <tt-metalium/device.hpp>
#include <tt-metalium/graph_tracking.hpp>
#include <tt-metalium/mesh_device.hpp>
#include <tt-metalium/program.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

namespace meshtally::tt_metal
{

namespace detail
{

using tt::tt_metal::Buffer;
using tt::tt_metal::BufferType;
using tt::tt_metal::IDevice;
using tt::tt_metal::Program;
using tt::tt_metal::distributed::MeshDevice;

template <class T, class = void> struct has_bottom_up : std::false_type {
};
template <class T>
struct has_bottom_up<T, std::void_t<decltype(std::declval<const T &>().bottom_up())>>
    : std::true_type {
};
template <class T, class = void> struct has_sub_device : std::false_type {
};
template <class T>
struct has_sub_device<T, std::void_t<decltype(**std::declval<const T &>().sub_device_id())>>
    : std::true_type {
};
template <class T, class = void> struct has_devices : std::false_type {
};
template <class T>
struct has_devices<T, std::void_t<decltype(std::declval<const T &>().get_devices())>>
    : std::true_type {
};
template <class T, class = void> struct has_parent : std::false_type {
};
template <class T>
struct has_parent<T, std::void_t<decltype(std::declval<const T &>().get_parent_mesh().get())>>
    : std::true_type {
};
template <class T, class = void> struct has_impl : std::false_type {
};
template <class T>
struct has_impl<T, std::void_t<decltype(&std::declval<T &>().impl())>> : std::true_type {
};

/* Kernel binaries of the program cache lie at the top of DRAM, in pages of 2 KiB; whatever else is
 * allocated in DRAM comes from the bottom. */
template <class B> bool is_kernel_binary(const B &buffer)
{
	if constexpr (has_bottom_up<B>::value)
		return buffer.buffer_type() == BufferType::DRAM && !buffer.bottom_up() &&
		       buffer.page_size() == 2048;
	else
		return false;
}

/* Allocators of sub-devices hand out the same addresses on different cores. */
template <class B> uint32_t region_of(const B &buffer)
{
	if constexpr (has_sub_device<B>::value) {
		if (buffer.sub_device_id().has_value())
			return 1u + static_cast<uint32_t>(**buffer.sub_device_id());
	}
	return 0;
}

template <class M> std::vector<IDevice *> chips_of(const M &mesh)
{
	if constexpr (has_devices<M>::value)
		return mesh.get_devices();
	else
		return mesh.get_view().get_devices();
}

template <class M> const IDevice *parent_of(const M &mesh)
{
	if constexpr (has_parent<M>::value)
		return mesh.get_parent_mesh().get();
	else
		return nullptr;
}

/* A program may move; what it is made of stays where it is. */
template <class P> const void *identity_of(P &program)
{
	if constexpr (has_impl<P>::value)
		return &program.impl();
	else
		return &program;
}

/* The span of arguments is std::span, which C++17 has not: its type is taken from the interface. */
template <class F> struct second_argument;
template <class C, class A, class B> struct second_argument<void (C::*)(A, B)> {
	using type = B;
};
using tracked_arguments = typename second_argument<
	decltype(&tt::tt_metal::IGraphProcessor::track_function_start)>::type;

inline const char *arch_name(tt::ARCH arch)
{
	return arch == tt::ARCH::WORMHOLE_B0 ? "wormhole_b0"
	       : arch == tt::ARCH::BLACKHOLE ? "blackhole"
	                                     : nullptr;
}

} /* namespace detail */

} /* namespace meshtally::tt_metal */

#endif
