#!/usr/bin/env bash
# Runs all tests and says which lines and branches of src/ and kernels/ they have run.
#
#   tests/coverage.sh [CTEST_OPTION...]
#
# Builds into build-coverage, for the CPU alone: src/device/cuda.c is not part of that, and the
# builds of the kernels for ThreadSanitizer and in float64 are left out. Needs gcc and its gcov.
# Programs that are killed count nothing, as the counters are written at the end. Options go to
# ctest (`-R cli`: one test). Exit code 1 if a test fails or fewer than 90% of all lines ran.
set -euo pipefail
cd "$(dirname "$0")/.."
build=build-coverage
cmake -S . -B $build -DCGSV_COVERAGE=ON -DCGSV_CUDA=OFF -DCGSV_TESTS=ON >/dev/null
cmake --build $build --parallel "$(nproc)"
find $build -name '*.gcda' -delete
status=0
export OMP_WAIT_POLICY=passive
ctest --test-dir $build --output-on-failure --no-tests=error --parallel "$(nproc)" "$@" || status=1
python3 tests/coverage.py $build --least 90 || status=1
exit $status
