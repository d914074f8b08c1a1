/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include "memory.h"
#include "meshtally.h"

const char *const class_words[CLASS_LIMIT] = {"user", "system", "cache",  "view",
                                              "sub",  "import", "virtual"};

static const struct {
	uint32_t type;
	const char *name, *words;
} fault_table[] = {
	{MT_DUPLICATE, "MT_DUPLICATE", "duplicate allocation"},
	{MT_REPLACED, "MT_REPLACED", "size conflict"},
	{MT_UNKNOWN_FREE, "MT_UNKNOWN_FREE", "unknown free"},
	{MT_DOUBLE_FREE, "MT_DOUBLE_FREE", "double free"},
	{MT_OUT_OF_RANGE, "MT_OUT_OF_RANGE", "out of range"},
	{MT_OVER_CAPACITY, "MT_OVER_CAPACITY", "over capacity"},
	{MT_DRIFT, "MT_DRIFT", "drift"},
	{MT_CLASH, "MT_CLASH", "L1 clash"},
	{MT_UNKNOWN_SPACE, "MT_UNKNOWN_SPACE", "unknown space"},
	{MT_WRONG_SPACE, "MT_WRONG_SPACE", "wrong space"},
	{MT_ALLOC_FAILED, "MT_ALLOC_FAILED", "failed allocation"},
	{MT_LOST_EVENTS, "MT_LOST_EVENTS", "lost events"},
	{MT_WRONG_PROCESS, "MT_WRONG_PROCESS", "wrong process"},
	{MT_MALFORMED, "MT_MALFORMED", "malformed message"},
};

const char *fault_words(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return fault_table[i].words;
	return "unknown fault";
}

const char *fault_name(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return fault_table[i].name;
	return "MT_UNKNOWN";
}

bool fault_is_known(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return true;
	return false;
}
