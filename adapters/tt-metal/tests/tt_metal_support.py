# SPDX-License-Identifier: Apache-2.0
"""Figures of the tests, out of what the command says."""
SYSTEM = 14753792
SYSTEM_SMALL = 22528
KIB, MIB = 1024, 1024 * 1024


def by_ordinal(tally, field):
    """field(device) of each device, by ordinal."""
    return {device["ordinal"]: field(device) for device in tally.json("devices")["devices"]}


def classes(tally, kind):
    """ordinal -> (system, cache, user) bytes of a kind."""
    def of(device):
        for each in device["kinds"]:
            if each["kind"] == kind:
                return each["system_bytes"], each["cache_bytes"], each["user_bytes"]
        return None
    return by_ordinal(tally, of)


def residents(tally):
    """What is said of circular buffers; of all devices alike, or it fails."""
    told = list(by_ordinal(tally, lambda device: device["circular_buffers"]).values())
    assert all(each == told[0] for each in told), told
    return told[0]


def nothing_wrong(tally):
    faults = tally.json("faults")
    assert (faults["faults"], faults["findings"], faults["unreadable"]) == ([], [], [])


def leaked(tally):
    """Bytes of each verdict but those of the runtime itself, where there are any."""
    totals = tally.json("leaks")["totals"]
    return {verdict: figures["total_bytes"] for verdict, figures in totals.items()
            if figures["total_bytes"] and verdict != "system"}


def lines(tally):
    """The live records that are the user's, by what was asked for."""
    return sorted((line for line in tally.json("ls", "-n", 0)["buffers"]
                   if line["class"] != "system"), key=lambda line: line["bytes"])
