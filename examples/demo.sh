#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demonstration: mesh_allocation under meshtally, then a table of what is still held when all
# tensors are freed, with naive reports (before) beside right ones (after). Each half is read from
# outside, through the segment of a run that waits. Usage: demo.sh [BUILD_DIR]
# MESHTALLY_COMMAND: the command to use, where it is not in the build folder or on the PATH.
set -eu

build=${1:-build}
program=$build/examples/mesh_allocation
command=${MESHTALLY_COMMAND:-}
for candidate in "$build/meshtally" "$build/src/cli/meshtally" "$(command -v meshtally || :)"; do
	if [ -z "$command" ] && [ -x "$candidate" ]; then
		command=$candidate
	fi
done
if [ -z "$command" ] || [ ! -x "$program" ]; then
	echo "demo.sh: no meshtally or no mesh_allocation in $build: build first" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# observe NAME OPTION...: reads the devices when the last step is done, as JSON, into $work/NAME.json.
observe() {
	name=$1
	shift
	mkdir -m 700 "$work/$name"
	mkfifo "$work/$name.steps" "$work/$name.acks"
	MESHTALLY=1 MESHTALLY_DIR=$work/$name "$program" --no-clear-cache --leave-open \
		--step-fd=3 --ack-fd=4 "$@" 3>"$work/$name.steps" 4<"$work/$name.acks" \
		>"$work/$name.out" &
	pid=$!
	exec 5<"$work/$name.steps" 6>"$work/$name.acks"
	while read -r _ step <&5; do
		if [ "$step" = queues-released ]; then
			MESHTALLY_DIR=$work/$name "$command" devices --json -p "$pid" \
				>"$work/$name.json"
		fi
		printf . >&6
	done
	exec 5<&- 6>&-
	wait "$pid"
}

# figures NAME: one line "NAME ordinal kind bytes" per device and kind.
figures() {
	tr '{},[]' '\n\n\n\n\n' <"$work/$1.json" | tr -d '" \t' |
		awk -F: -v name="$1" '
			$1 == "ordinal" { ordinal = $2 }
			$1 == "kind" { kind = $2 }
			$1 == "bytes" { print name, ordinal, kind, $2 }'
}

warnings() {
	sed -n 's/^Answers to the reports: //p' "$work/$1.out" | tr ',.' '\n\n' |
		awk '$2 != "" && $2 != "MT_OK" { printf "%s%s %s", comma, $1, $2; comma = ", " }
			END { print comma == "" ? "none" : "" }'
}

"$command" run -- "$program"

observe before --hooks=naive-owned --keep-queues
observe after --hooks=both

echo
echo 'Tensors freed, mesh open: what is held, as bytes that were asked for'
{ figures before; figures after; } | awk '
	function text(bytes) {
		if (bytes == "")
			return "-"
		if (bytes >= 1048576)
			return sprintf("%.2f MB", bytes / 1048576)
		return bytes >= 1024 ? sprintf("%.2f KB", bytes / 1024) : bytes " B"
	}
	{ held[$1, $2, $3] = $4; if ($2 > last) last = $2 }
	END {
		row = "%-10s%12s%12s    %12s%12s\n"
		printf row, "", "before", "", "after", ""
		printf row, "device", "DRAM", "L1", "DRAM", "L1"
		for (i = 0; i <= last; i++)
			printf row, i, text(held["before", i, "DRAM"]), text(held["before", i, "L1"]),
				text(held["after", i, "DRAM"]), text(held["after", i, "L1"])
	}'
echo "warnings: before: $(warnings before); after: $(warnings after)"
cat <<'END'
Before: backing and device-local buffers reported alike, the end of pre-allocated ones and of the
command queues not at all. Device 0 keeps its queues and kernel binaries (14,753,792 + 36,864 bytes);
the others also keep the six tensors (14,680,064 bytes), whose frees nobody reported. To show the
queues alone there (14.07 MB), a tracker must never have heard of the device-local buffers.
After: the program cache, on purpose: 12,288 + 24,576 bytes on each device, and the fabric on device 0.
END
