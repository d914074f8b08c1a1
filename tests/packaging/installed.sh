#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs a build into a folder of its own and uses it as others would: by pkg-config, shared and
# static, and by its CMake package; checks what the shared library exports and needs.
# Usage: installed.sh BUILD_DIR SOURCE_DIR
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MESHTALLY=1 MESHTALLY_DIR="$work/segments"
unset PKG_CONFIG_PATH MESHTALLY_RUN MESHTALLY_KEEP

fail() {
	echo "installed.sh: $1" >&2
	exit 1
}

cmake --install "$build" --prefix "$work/prefix" >"$work/log" || fail "cmake --install failed"
pc=$(find "$work/prefix" -name meshtally.pc)
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
libdir=$(pkg-config --variable=libdir meshtally)

# shellcheck disable=SC2046 # flags are words
g++ -std=c++17 -Wall -Wextra -Werror "$source/tests/packaging/consumer.cc" \
	$(pkg-config --cflags --libs meshtally) -o "$work/shared"
LD_LIBRARY_PATH=$libdir "$work/shared" || fail "the program on the shared library failed"
# shellcheck disable=SC2046
g++ -std=c++17 "$source/tests/packaging/consumer.cc" $(pkg-config --cflags meshtally) \
	"$libdir/libmeshtally.a" -o "$work/static"
"$work/static" || fail "the program on the static library failed"

mkdir "$work/cmake"
cat >"$work/cmake/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.20)
project(consumer CXX)
find_package(meshtally 0.1 REQUIRED)
add_executable(consumer "$source/tests/packaging/consumer.cc")
target_link_libraries(consumer meshtally::meshtally)
END
cmake -S "$work/cmake" -B "$work/cmake/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" ||
	fail "find_package(meshtally) failed: $(tail -3 "$work/log")"
cmake --build "$work/cmake/build" >"$work/log"
"$work/cmake/build/consumer" || fail "the program by the CMake package failed"

sed -n 's/^\t\(mt_[a-z_]*\);$/\1/p' "$source/src/client/meshtally.map" | sort >"$work/declared"
nm -D --defined-only "$libdir/libmeshtally.so" | sed -n 's/.* \(mt_[a-z_]*\)@@.*/\1/p' |
	sort >"$work/exported"
diff "$work/declared" "$work/exported" || fail "the symbol map and the exported symbols differ"
grep -o 'mt_[a-z_]*;\|\bmt_[a-z_]*(' "$source/include/meshtally.h" | tr -d ';(' | sort -u >"$work/header"
while read -r symbol; do
	grep -qx "$symbol" "$work/header" || [ "$symbol" = mt_gate ] ||
		fail "$symbol is exported but not in the header"
done <"$work/exported"
needed=$(readelf -d "$libdir/libmeshtally.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
	grep -v -e '^libc\.so' -e '^ld-linux' || true)
[ -z "$needed" ] || fail "the library needs more than libc: $needed"
[ -z "$(find "$work/segments" -name '*.seg')" ] || fail "clean programs left segments behind"
if [ -e "$build/libmeshtally_opencl_layer.so" ]; then
	layer=$(realpath "$libdir/meshtally/libmeshtally_opencl_layer.so")
	# shellcheck disable=SC2016 # for the shell that it runs
	found=$(env -u OPENCL_LAYERS -u MESHTALLY_OPENCL_LAYER -u LD_LIBRARY_PATH \
		"$work/prefix/bin/meshtally" run --opencl -- sh -c 'echo "$OPENCL_LAYERS"') 2>"$work/log" ||
		fail "run --opencl: $(cat "$work/log")"
	[ "$found" = "$layer" ] || fail "run --opencl takes '$found', not the installed $layer"
	ldd "$layer" | grep -q "libmeshtally.so.1 => $(dirname "$layer")/../libmeshtally.so.1" ||
		fail "the layer takes another library: $(ldd "$layer")"
fi
"$work/prefix/bin/meshtally" version
