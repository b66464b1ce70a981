#!/usr/bin/env bash
# What others get: the installed headers, library and program, and the examples of README and headers built
# against them.
# usage: install_test.sh BUILD_DIR SOURCE_DIR
set -u
build=$(realpath "$1") source=$(realpath "$2")
work=$(realpath "$(mktemp -d)")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cc=${CC:-gcc} cxx=${CXX:-g++}
prefix=$work/prefix
passed=0 failed=0

# check WHAT COMMAND...: the command succeeds; else its output is shown
check() {
    local what=$1
    shift
    if "$@" >log 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $what"
        tail -15 log | sed 's/^/    /'
    fi
}

# run_example PROGRAM: prints what the example promises
run_example() {
    "$1" >out 2>&1 && grep -q 'server accuracy' out && return
    cat out
    return 1
}

check "install" cmake --install "$build" --prefix "$prefix"
libdir=$(dirname "$(find "$prefix" -name 'libcgsv.so' | head -1)")
check "the installed program starts" "$prefix/bin/cgsv" --version

# Every public header by itself, in C and in C++
headers=("$prefix"/include/cgsv/*.h)
check "all headers are installed" diff -r "$source/include/cgsv" "$prefix/include/cgsv"
for header in "${headers[@]}"; do
    name=cgsv/$(basename "$header")
    echo "#include <$name>" | tee alone.c >alone.cpp
    check "$name in C" "$cc" -std=c11 -Wall -Wextra -Werror -pedantic -I "$prefix/include" -fsyntax-only alone.c
    check "$name in C++" "$cxx" -std=c++11 -Wall -Wextra -Werror -pedantic -I "$prefix/include" -fsyntax-only alone.cpp
done

# The C program in the README
mkdir project
sed -n '/^<!-- example -->$/,/^<!-- \/example -->$/p' "$source/README.md" |
    sed -n '/^```c$/,/^```$/{/^```/d;p}' >project/example.c
check "the README holds an example" grep -q 'int main' project/example.c
strict=(-std=c11 -Wall -Wextra -Werror -pedantic)

# By hand
check "compile by hand" "$cc" "${strict[@]}" project/example.c -o by_hand -I "$prefix/include" -L "$libdir" -lcgsv \
    -Wl,-rpath,"$libdir"
check "run what was compiled by hand" run_example ./by_hand

# The C program in the header of the server step
sed -n '/^ \* Example:$/,/^ \*\/$/s/^ \*\(     \(.*\)\)\?$/\2/p' "$prefix/include/cgsv/server.h" >server.c
check "compile the example of cgsv/server.h" "$cc" "${strict[@]}" server.c -o server -I "$prefix/include" -L "$libdir" \
    -lcgsv -Wl,-rpath,"$libdir"
check "run the example of cgsv/server.h" grep -q 'agent 2: contribution' <(./server)

# With pkg-config, which must follow the library to wherever it was installed
export PKG_CONFIG_PATH=$libdir/pkgconfig
check "pkg-config gives the installed headers" grep -q "^$prefix" \
    <(realpath -m "$(pkg-config --variable=includedir cgsv)")
check "pkg-config's version is the program's" test "cgsv $(pkg-config --modversion cgsv)" = \
    "$("$prefix/bin/cgsv" --version)"
read -ra flags <<<"$(pkg-config --cflags --libs cgsv)"
check "compile with pkg-config" "$cc" "${strict[@]}" project/example.c -o by_pkg_config "${flags[@]}" \
    -Wl,-rpath,"$libdir"
check "run what pkg-config built" run_example ./by_pkg_config

# With CMake
cat >project/CMakeLists.txt <<'P'
cmake_minimum_required(VERSION 3.20)
project(example LANGUAGES C)
find_package(cgsv REQUIRED)
add_executable(example example.c)
target_link_libraries(example PRIVATE cgsv::cgsv)
P
check "configure with find_package" cmake -S project -B by_cmake -DCMAKE_PREFIX_PATH="$prefix"
check "build with cgsv::cgsv" cmake --build by_cmake
check "run what CMake built" run_example by_cmake/example

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
