// SPDX-License-Identifier: Apache-2.0
// A C++ program that uses the installed library: what an adapter's first lines look like.
#include <cstdio>
#include <meshtally.h>

int main()
{
	mt_memory memory{};
	memory.kind = MT_DRAM;
	memory.bank_bytes = 1 << 30;

	mt_device device{};
	device.struct_size = sizeof device;
	device.unique_id = 1;
	device.memories = &memory;
	device.memory_count = 1;
	mt_space space = mt_device_open(&device);

	mt_buffer buffer{};
	buffer.struct_size = sizeof buffer;
	buffer.space = space;
	buffer.id = 1;
	buffer.bytes = 4096;
	mt_result allocated = mt_alloc(&buffer);
	mt_result freed = mt_free(space, 1);
	mt_close(space, 0);
	std::printf("%s %s\n", mt_result_name(allocated), mt_result_name(freed));
	return allocated == MT_OK && freed == MT_OK ? 0 : 1;
}
