#!/usr/bin/env bash
# Installs what is missing, reads the sources for mistakes, builds all builds of the kernels, and
# runs every test: once as released, and those of the library and the commands again under
# AddressSanitizer and UBSan. Slower, by hand: tests/lint.sh --all, tests/coverage.sh, tests/valgrind.sh.
set -euo pipefail
cd "$(dirname "$0")"
./install.sh librsvg2-bin cppcheck # the first for PNGs of plots
tests/lint.sh

build() { # DIR CMAKE_OPTION...
    local dir=$1
    shift
    cmake -S . -B "$dir" "$@" >/dev/null
    cmake --build "$dir" --parallel "$(nproc)"
}

# Several tests at once; threads that wait must then not keep a core busy.
export OMP_WAIT_POLICY=passive
check() { # DIR CTEST_OPTION...
    local dir=$1
    shift
    ctest --test-dir "$dir" --output-on-failure --no-tests=error --parallel "$(nproc)" "$@"
}

build build -DCGSV_TESTS=ON
check build
build build-sanitize -DCGSV_TESTS=ON -DCGSV_SANITIZE=ON -DCGSV_CUDA=OFF
check build-sanitize -L sanitize
