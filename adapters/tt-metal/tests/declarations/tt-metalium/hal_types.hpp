/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for tests, in this project's own words: the names and signatures of tt-metal's public
 * interface that the adapter uses, and nothing else of it. Kinds of memory. */
#pragma once

#include <cstdint>

namespace tt
{
enum class ARCH { Invalid = 0, WORMHOLE_B0 = 2, BLACKHOLE = 3 };
}

namespace tt::tt_metal
{
using DeviceAddr = uint64_t;

enum class HalMemType : uint8_t { L1 = 0, DRAM = 1, HOST = 2 };
enum class BufferType { DRAM, L1, SYSTEM_MEMORY, L1_SMALL, TRACE };
} // namespace tt::tt_metal
