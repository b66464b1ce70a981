#!/usr/bin/env bash
# Downloads the original MNIST and CIFAR-10 files and checks them.
#
#   data/download.sh [mnist|cifar10|all] [DIR]
#
# DIR is this script's folder by default. Files go to DIR/mnist/ and
# DIR/cifar-10-batches-bin/, where `cgsv --data DIR` finds them; what is there already
# is left alone. Nothing gets its final name before its checksum was right.
# CGSV_MIRROR=URL takes all files from URL/ instead of their homes.
set -euo pipefail

say() { printf '%s\n' "$*"; }
fail() { printf 'download.sh: %s\n' "$*" >&2; exit 1; }

usage() { sed -n '2,/^set/{/^#/!d;s/^# \{0,1\}//;p;}' "${BASH_SOURCE[0]}"; }

md5_of() {
    if command -v md5sum >/dev/null; then md5sum <"$1" | cut -d' ' -f1
    elif command -v md5 >/dev/null; then md5 -q "$1"
    else fail "neither md5sum nor md5 is installed"; fi
}

# fetch HOME_URL NAME MD5 TARGET
fetch() {
    local url="${CGSV_MIRROR:-$1}" name=$2 md5=$3 target=$4 found
    url="${url%/}/$name"
    say "fetching $url"
    if command -v curl >/dev/null; then
        curl --fail --location --silent --show-error --retry 3 --output "$target" "$url" ||
            fail "cannot download $url"
    elif command -v wget >/dev/null; then
        wget --no-verbose --tries=3 --output-document="$target" "$url" || fail "cannot download $url"
    else
        fail "neither curl nor wget is installed"
    fi
    found=$(md5_of "$target")
    [[ $found == "$md5" ]] || fail "$name from $url has MD5 $found, expected $md5; nothing was kept"
}

mnist() {
    local home=https://ossci-datasets.s3.amazonaws.com/mnist name md5
    mkdir -p "$directory/mnist"
    while read -r name md5; do
        if [[ -e $directory/mnist/$name.gz || -e $directory/mnist/$name ]]; then
            say "$directory/mnist/$name is already there"
            continue
        fi
        fetch "$home" "$name.gz" "$md5" "$temporary/$name.gz"
        mv "$temporary/$name.gz" "$directory/mnist/$name.gz"
    done <<'LIST'
train-images-idx3-ubyte f68b3c2dcbeaaa9fbdd348bbdeb94873
train-labels-idx1-ubyte d53e105ee54ea40749a09fcbcd1e9432
t10k-images-idx3-ubyte 9fb629c4189551a2d022fa330f9573f3
t10k-labels-idx1-ubyte ec29112dd5afa0611ce80d1b7f02629c
LIST
    say "MNIST is in $directory/mnist"
}

cifar10() {
    local home=https://www.cs.toronto.edu/~kriz archive=cifar-10-binary.tar.gz
    local folder=cifar-10-batches-bin name missing=0
    local -a names=(data_batch_{1..5}.bin test_batch.bin)
    for name in "${names[@]}"; do
        [[ -e $directory/$folder/$name ]] || missing=1
    done
    if ((missing)); then
        fetch "$home" "$archive" c32a1d4ab5d03f1284b67883e8d87530 "$temporary/$archive"
        tar -xzf "$temporary/$archive" -C "$temporary" || fail "cannot unpack $archive"
        mkdir -p "$directory/$folder"
        for name in "${names[@]}"; do
            [[ -e $directory/$folder/$name ]] || mv "$temporary/$folder/$name" "$directory/$folder/$name"
        done
    else
        say "$directory/$folder is already there"
    fi
    say "CIFAR-10 is in $directory/$folder"
}

what=${1:-all}
case $what in
    mnist | cifar10 | all) ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown data set '$what'; known: mnist, cifar10, all" ;;
esac
(($# <= 2)) || fail "too many arguments; see data/download.sh --help"
directory=${2:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
mkdir -p "$directory"
temporary=$(mktemp -d "$directory/.download.XXXXXX") # in DIR, so that mv is a rename
trap 'rm -rf "$temporary"' EXIT

if [[ $what != cifar10 ]]; then mnist; fi
if [[ $what != mnist ]]; then cifar10; fi
