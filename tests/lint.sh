#!/usr/bin/env bash
# Reads the sources for mistakes, with every finding an error.
#
#   tests/lint.sh [--all] [BUILD]
#
# Checks that lines hold at most 120 characters and runs cppcheck over src/ and kernels/; with
# --all also clang-tidy (.clang-tidy has its checks), which takes about two minutes of two
# cores alone. BUILD (default: build) is a folder that CMake has configured with gcc: its
# compile_commands.json says how each file is compiled. Exit code 1 where anything is found.
set -euo pipefail
root=$(realpath "$(dirname "$0")/..")
cd "$root"
all=
if [ "${1-}" = --all ]; then
    all=1
    shift
fi
build=$(realpath -m "${1:-build}")
jobs=$(nproc)
failed=()

needs() { # PROGRAM
    command -v "$1" >/dev/null && return
    echo "tests/lint.sh: no $1 here; './install.sh $1' installs it" >&2
    exit 1
}

step() { # NAME COMMAND...
    local name=$1
    shift
    "$@" || failed+=("$name")
}

# Characters, not bytes. Tables of results and what others wrote are not for reading.
check_lines() {
    git ls-files -- '*.c' '*.h' '*.cu' '*.sh' '*.py' '*.gp' '*.css' '*.cmake' '*CMakeLists.txt' '.clang-tidy' |
        grep -v '^tests/fuzz/corpus/' | LC_ALL=C.UTF-8 xargs grep -nHP '.{121}' >&2 || return 0
    echo "lines of more than 120 characters" >&2
    return 1
}

# tests/lint.cppcheck lists, with reasons, what it takes for a mistake and is none. The kernels are read as C++, of
# which they are a subset, but not in its style.
check_cppcheck() {
    local common=(--quiet --error-exitcode=1 --enable=warning,portability -j "$jobs"
                  --suppressions-list=tests/lint.cppcheck -I . -I include -I src -D_GNU_SOURCE -DCGSV_X86_LEVELS
                  '-DCGSV_VERSION="0"')
    read -ra cjson < <(pkg-config --cflags-only-I libcjson)
    cppcheck "${common[@]}" "${cjson[@]}" --enable=style --std=c11 src &&
        cppcheck "${common[@]}" --std=c++17 --language=c++ -DKERNELS_TABLE=kernels_cpu -DKERNELS_NAME=SSE2 \
                 kernels/kernels.cu
}

# How the library, the program and one build of the kernels are compiled; some files are in others as well.
commands() {
    python3 - "$build" >"$database/compile_commands.json" <<'P'
import json, re, sys
of = re.compile(r" -o CMakeFiles/(cgsv_objects|cgsv_program|kernels_cpu)\.dir/")
json.dump([c for c in json.load(open(f"{sys.argv[1]}/compile_commands.json")) if of.search(c["command"])], sys.stdout)
P
}

# One file a call, as version 14 mixes up files that it reads together. Asserts are on, since they tell what holds.
tidy() { # FILE CHECKS
    clang-tidy -quiet -p "$database" --extra-arg=-UNDEBUG --extra-arg=-Wno-unknown-warning-option --checks="$2" "$1" \
        2>/dev/null
}
export -f tidy

# In kernels, products of tile sizes fit an int, branches are alike but for a constant, and x != x asks for a NaN.
check_tidy() {
    local kernels=-bugprone-implicit-widening-of-multiplication-result,-bugprone-branch-clone,-misc-redundant-expression
    database=$(mktemp -d)
    export database
    trap 'rm -rf "$database"' EXIT
    commands
    {
        echo "$build/kernels_cpu.cpp $kernels"
        find src -name '*.c' ! -name cuda.c -printf '%p ,\n' | sort
    } | xargs -P "$jobs" -n 2 bash -c 'tidy "$@"' tidy
}

needs cppcheck
step "long lines" check_lines
step cppcheck check_cppcheck
if [ "$all" ]; then
    needs clang-tidy
    [ -e "$build/compile_commands.json" ] || {
        echo "tests/lint.sh: no $build/compile_commands.json; configure first: cmake -S . -B $build" >&2
        exit 1
    }
    step clang-tidy check_tidy
fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'tests/lint.sh: FAILED: %s\n' "${failed[@]}" >&2
    exit 1
fi
