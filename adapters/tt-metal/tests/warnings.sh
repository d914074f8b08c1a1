#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles the header alone, with every compiler that is there, as C++17 and C++20, with and without
# the observer's header, on an interface that lacks what not every release has, and accepts no
# warning.
# Usage: warnings.sh ADAPTER_DIR INCLUDE_DIR
set -eu
adapter=$1
public=$2
tried=0

for compiler in g++ clang++; do
	command -v $compiler >/dev/null || continue
	for standard in c++17 c++20; do
		for given in OBSERVER=0 OBSERVER=1 "OBSERVER=1 -DSTAND_IN_SPARSE"; do
			printf '%s\n' '#include <meshtally/tt_metal.hpp>' \
				'int main() { return meshtally::tt_metal::install().operations; }' |
				# shellcheck disable=SC2086 # flags are words
				$compiler -x c++ -std=$standard -Wall -Wextra -Wconversion -Wshadow \
					-Woverloaded-virtual -Wold-style-cast -Wpedantic -Werror \
					-DMESHTALLY_TT_METAL_$given -fsyntax-only \
					-I"$adapter/include" -I"$adapter/tests/declarations" \
					-I"$public" -
			tried=$((tried + 1))
		done
	done
done
[ $tried -gt 0 ] || {
	echo "warnings.sh: neither g++ nor clang++ is there" >&2
	exit 1
}
echo "$tried ways, no warning"
