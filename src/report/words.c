/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include "memory.h"
#include "meshtally.h"

const char *const class_words[CLASS_LIMIT] = {"user", "system", "cache",  "view",
                                              "sub",  "import", "virtual"};

static const struct {
	uint32_t type;
	const char *name, *words, *advice;
} fault_table[] = {
	{MT_DUPLICATE, "MT_DUPLICATE", "duplicate allocation",
         "This id was live already with the same size, and the first is kept. Two hooks may report "
         "the same allocation, or a free between the two was not reported."},
	{MT_REPLACED, "MT_REPLACED", "size conflict",
         "This id was live with another size or kind; the new one counts. A free between the two "
         "was not reported, or ids are used twice."},
	{MT_UNKNOWN_FREE, "MT_UNKNOWN_FREE", "unknown free",
         "Nothing of this id was live. It came before tracking began, its allocation was not "
         "reported, or the id is wrong."},
	{MT_DOUBLE_FREE, "MT_DOUBLE_FREE", "double free",
         "It had been given back already: look at both places, one of the two frees is one too "
         "many."},
	{MT_OUT_OF_RANGE, "MT_OUT_OF_RANGE", "out of range",
         "It begins in this memory and ends beyond it; it is not counted. Address, size or kind "
         "may be wrong."},
	{MT_OVER_CAPACITY, "MT_OVER_CAPACITY", "over capacity",
         "More is held than this memory has. Frees are not reported, or buffers are counted "
         "twice."},
	{MT_DRIFT, "MT_DRIFT", "drift",
         "The allocator's own figure is another than the sum of what was reported: some calls are "
         "not."},
	{MT_CLASH, "MT_CLASH", "L1 clash",
         "Circular buffers of a program reach into live L1 buffers: the program would overwrite "
         "them. Fewer or smaller L1 buffers, or smaller circular buffers, are needed."},
	{MT_UNKNOWN_SPACE, "MT_UNKNOWN_SPACE", "unknown space",
         "That device or mesh was never opened, or is closed already."},
	{MT_WRONG_SPACE, "MT_WRONG_SPACE", "wrong space",
         "The id is live on another device or mesh than the one that was named."},
	{MT_ALLOC_FAILED, "MT_ALLOC_FAILED", "failed allocation",
         "There was not enough room, or no block that was large enough: `meshtally oom` says who "
         "held what, and what would have helped."},
	{MT_LOST_EVENTS, "MT_LOST_EVENTS", "lost events",
         "Some operations could not be recorded: from then on totals are a lower bound."},
	{MT_WRONG_PROCESS, "MT_WRONG_PROCESS", "wrong process",
         "A message on the socket named a process that is not its sender's: it was not counted."},
	{MT_MALFORMED, "MT_MALFORMED", "malformed message",
         "A message on the socket made no sense. Its sender may speak another version of the "
         "protocol."},
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

const char *fault_advice(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return fault_table[i].advice;
	return "";
}

bool fault_is_known(uint32_t type)
{
	for (size_t i = 0; i < ARRAY_COUNT(fault_table); i++)
		if (fault_table[i].type == type)
			return true;
	return false;
}
