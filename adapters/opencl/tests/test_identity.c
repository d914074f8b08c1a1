/* SPDX-License-Identifier: Apache-2.0 */
/* Who a device is: the same for all programs that see it, and for no other device. */
#include "fake_driver.h"

#include <stdlib.h>
#include <string.h>

enum { DEVICES = 4 };

/* What a process says of its devices. */
struct identity {
	uint64_t unique_id[DEVICES];
	char bus[DEVICES][32];
};

/* Loads the driver as it is, allocates on each device, and looks. */
static void identify(void *arg)
{
	struct identity *identity = arg;
	struct segment_view *view;

	fake_load();
	for (uint32_t i = 0; i < fake.device_count; i++) {
		cl_device_id id = fake_id(i);

		fake_buffer(cl->clCreateContext(NULL, 1, &id, NULL, NULL, NULL), 100);
	}
	view = outside();
	for (uint32_t i = 0; i < fake.device_count; i++) {
		const struct view_device *device = seen_device(view, (int)i);

		identity->unique_id[i] = device->unique_id;
		strcpy(identity->bus[i], device->bus);
	}
	segment_view_destroy(view);
}

/* In a process of its own, whose environment `name` is as given, or without it. */
struct process {
	struct identity *identity;
	const char *name, *value;
};

static void identify_in(void *arg)
{
	const struct process *process = arg;

	if (process->value)
		setenv(process->name, process->value, 1);
	else
		unsetenv(process->name);
	identify(process->identity);
}

static struct identity *of_process(const char *name, const char *value)
{
	struct process process = {shared_page(sizeof(struct identity)), name, value};

	in_child(identify_in, &process);
	return process.identity;
}

/* All of them have an id, and no two the same. */
static void all_different(const struct identity *identity)
{
	for (uint32_t i = 0; i < fake.device_count; i++) {
		holds(identity->unique_id[i]);
		same(strlen(identity->bus[i]), 0);
		for (uint32_t k = 0; k < i; k++)
			holds(identity->unique_id[i] != identity->unique_id[k]);
	}
}

TEST(equal_devices_differ_by_their_index)
{
	struct identity *first, *second;

	fake.device_count = DEVICES;
	first = of_process("POCL_DEVICES", NULL);
	second = of_process("POCL_DEVICES", NULL);
	all_different(first);
	same(memcmp(first, second, sizeof *first), 0);
}

TEST(under_other_masks_an_index_is_another_device)
{
	static const char *const masks[] = {"POCL_DEVICES",         "CUDA_VISIBLE_DEVICES",
	                                    "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
	                                    "GPU_DEVICE_ORDINAL",   "ZE_AFFINITY_MASK"};

	fake.device_count = DEVICES;
	for (size_t m = 0; m < sizeof masks / sizeof *masks; m++) {
		struct identity *without = of_process(masks[m], NULL);
		struct identity *with = of_process(masks[m], "0,1");
		struct identity *again = of_process(masks[m], "0,1");

		same(memcmp(with, again, sizeof *with), 0);
		for (uint32_t i = 0; i < DEVICES; i++) {
			for (uint32_t k = 0; k < DEVICES; k++)
				holds(with->unique_id[i] != without->unique_id[k]);
		}
	}
}

TEST(by_its_uuid_a_device_is_itself_under_any_mask)
{
	struct identity *with, *without;

	fake.device_count = DEVICES;
	for (uint8_t i = 0; i < DEVICES; i++) {
		fake.devices[i].has_uuid = true;
		fake.devices[i].uuid[3] = (uint8_t)(i + 1);
	}
	without = of_process("CUDA_VISIBLE_DEVICES", NULL);
	all_different(without);
	fake.devices[0].uuid[3] = 2; /* the mask shows the second one first */
	fake.devices[1].uuid[3] = 1;
	with = of_process("CUDA_VISIBLE_DEVICES", "1,0,2,3");
	same(with->unique_id[0], without->unique_id[1]);
	same(with->unique_id[1], without->unique_id[0]);
	same(with->unique_id[2], without->unique_id[2]);
}

TEST(a_uuid_that_several_have_or_that_is_empty_tells_nothing)
{
	fake.device_count = DEVICES;
	for (uint32_t i = 0; i < DEVICES; i++)
		fake.devices[i].has_uuid = true;
	fake.devices[0].uuid[0] = fake.devices[1].uuid[0] = 9;
	all_different(of_process("POCL_DEVICES", NULL));
}

static void check_bus(const char *bus)
{
	struct identity *seen;

	fake.devices[0].domain = 0;
	fake.devices[0].bus = 0x81;
	fake.devices[0].slot = 0x1f;
	fake.devices[0].function = 3;
	fake.devices[0].has_uuid = true;
	fake.devices[0].uuid[0] = 7;
	seen = of_process("POCL_DEVICES", NULL);
	same(seen->unique_id[0], 0);
	if (strcmp(seen->bus[0], bus) != 0)
		check_failed(__FILE__, __LINE__, "bus %s, not %s", seen->bus[0], bus);
}

TEST(a_bus_address_is_known_to_other_runtimes)
{
	fake.devices[0].has_pci_khr = true;
	check_bus("0000:81:1f.3");
}

TEST(a_bus_address_as_nvidia_tells_it)
{
	fake.devices[0].has_pci_nv = true;
	check_bus("0000:81:1f.3");
}

TEST(a_bus_address_as_amd_tells_it)
{
	fake.devices[0].has_topology_amd = true;
	check_bus("0000:81:1f.3");
}

/* Parts of a chip that are devices of their own have one address. */
TEST(a_shared_bus_address_does_not_merge)
{
	struct identity *seen;

	fake.device_count = 3;
	for (uint32_t i = 0; i < 3; i++) {
		fake.devices[i].has_pci_khr = true;
		fake.devices[i].bus = i < 2 ? 0x10 : 0x20;
		fake.devices[i].has_uuid = true;
		fake.devices[i].uuid[0] = (uint8_t)(i + 1);
	}
	seen = of_process("POCL_DEVICES", NULL);
	same(strlen(seen->bus[0]) + strlen(seen->bus[1]), 0);
	holds(seen->unique_id[0] && seen->unique_id[1]);
	holds(seen->unique_id[0] != seen->unique_id[1]);
	same(strcmp(seen->bus[2], "0000:20:00.0"), 0);
	same(seen->unique_id[2], 0);
}

/* What the loader finds beside a platform differs from program to program. */
TEST(another_platform_in_front_changes_nothing)
{
	struct identity *alone, *second;

	alone = of_process("POCL_DEVICES", NULL);
	fake.platform_count = 2;
	strcpy(fake.platform_names[0], "Other");
	strcpy(fake.platform_names[1], "Fake");
	fake.device_count = 2;
	fake.devices[1].platform = 1;
	second = of_process("POCL_DEVICES", NULL);
	same(second->unique_id[1], alone->unique_id[0]);
	holds(second->unique_id[0] != alone->unique_id[0]);
}

TEST(platforms_of_one_name_are_not_one)
{
	fake.platform_count = 2;
	strcpy(fake.platform_names[1], fake.platform_names[0]);
	fake.device_count = 2;
	fake.devices[1].platform = 1;
	all_different(of_process("POCL_DEVICES", NULL));
}

/* Asking a driver for its devices may wake it. */
TEST(platforms_that_are_not_needed_are_not_asked)
{
	cl_context context;
	uint64_t asked;

	fake.platform_count = 2;
	fake.device_count = 2;
	fake.devices[1].platform = 1;
	fake_load();
	context = fake_context(1);
	fake_buffer(context, 100);
	asked = fake.asked_of[1];
	same(asked, 0);
	fake_buffer(context, 100);
	holds(fake.asked_of[0]);
	asked = fake.asked;
	fake_buffer(context, 100);
	same(fake.asked, asked); /* and the others once */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_devices_differ_by_their_index),
		cmocka_unit_test(under_other_masks_an_index_is_another_device),
		cmocka_unit_test(by_its_uuid_a_device_is_itself_under_any_mask),
		cmocka_unit_test(a_uuid_that_several_have_or_that_is_empty_tells_nothing),
		cmocka_unit_test(a_bus_address_is_known_to_other_runtimes),
		cmocka_unit_test(a_bus_address_as_nvidia_tells_it),
		cmocka_unit_test(a_bus_address_as_amd_tells_it),
		cmocka_unit_test(a_shared_bus_address_does_not_merge),
		cmocka_unit_test(another_platform_in_front_changes_nothing),
		cmocka_unit_test(platforms_of_one_name_are_not_one),
		cmocka_unit_test(platforms_that_are_not_needed_are_not_asked),
	};

	(void)argc;
	return fixture_main("opencl-identity", tests, sizeof tests / sizeof *tests, argv);
}
