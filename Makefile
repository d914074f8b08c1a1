# SPDX-License-Identifier: Apache-2.0
# The two commands of a fresh machine are `make demo` and `make check`: they install what is missing
# (Debian 12; as root, or with sudo), build and run.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
TYPE ?= RelWithDebInfo
JOBS ?= $(shell nproc)

.PHONY: all demo check check-real bench install wheel asan ubsan tsan fuzz deb deps deps-check clean format

all: deps
	@cmake -S . -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=$(TYPE) \
		-DCMAKE_INSTALL_PREFIX=$(PREFIX) >$(BUILD).log 2>&1 || { cat $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log
	@cmake --build $(BUILD) -j $(JOBS)

deps:
	@scripts/install-dependencies

deps-check:
	@scripts/install-dependencies check

demo: all
	@examples/demo.sh $(BUILD)

check: deps-check all
	@ctest --test-dir $(BUILD) --output-on-failure -j $(JOBS)

# OpenCL programs that we did not write, all of them: some take minutes.
check-real: deps-check all
	@scripts/check-real $(BUILD)

# The Python package with the library in it, in $(BUILD)/wheel.
wheel: deps-check all
	@adapters/python/make-wheel $(BUILD)

bench: all
	@bench/run $(BUILD)

install: all
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

# Debian packages, in $(BUILD)/deb. `packaging/debian/try` installs and removes them in a copy of the
# system.
deb:
	@scripts/install-dependencies package
	@packaging/debian/build $(BUILD)/deb
	@lintian --fail-on error,warning --tag-display-limit 0 $(BUILD)/deb/*.changes

# One build folder per sanitizer, with the tests that do not start other builds' programs.
asan ubsan tsan: deps-check
	@cmake --preset $@ >/dev/null
	@cmake --build --preset $@ -j $(JOBS)
	@ctest --preset $@ -j $(JOBS)

# Coverage-guided, with clang's libFuzzer; FUZZ_SECONDS per target.
FUZZ_SECONDS ?= 60
fuzz: deps
	@cmake --preset fuzz >/dev/null
	@cmake --build --preset fuzz -j $(JOBS)
	@fuzz/run build-fuzz $(FUZZ_SECONDS)

format:
	@git ls-files '*.c' '*.h' '*.cpp' '*.hpp' | xargs clang-format -i

clean:
	@rm -rf build build-asan build-ubsan build-tsan build-fuzz
