#!/usr/bin/env bash
# Downloads the original files of MNIST, CIFAR-10, Movie Reviews and the Stanford Sentiment
# Treebank, and checks them.
#
#   data/download.sh [mnist|cifar10|mr|sst|all] [DIR]
#
# DIR is this script's folder by default. Files go to DIR/mnist/, DIR/cifar-10-batches-bin/,
# DIR/rt-polaritydata/ and DIR/trees/, where `cgsv --data DIR` finds them; what is there
# already is left alone. Nothing gets its final name before its checksum was right.
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

# check_md5 FILE MD5 WHAT
check_md5() {
    local found
    found=$(md5_of "$1")
    [[ $found == "$2" ]] || fail "$3 has MD5 $found, expected $2; nothing was kept"
}

# fetch HOME_URL NAME MD5 TARGET; MD5 empty: what is in the archive is checked instead
fetch() {
    local url="${CGSV_MIRROR:-$1}" name=$2 md5=$3 target=$4
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
    [[ -z $md5 ]] || check_md5 "$target" "$md5" "$name from $url"
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

unpack_zip() { # ARCHIVE FOLDER
    if command -v unzip >/dev/null; then unzip -q "$1" -d "$2"
    elif command -v python3 >/dev/null; then python3 -m zipfile -e "$1" "$2"
    else fail "neither unzip nor python3 is installed"; fi
}

# sentences HOME_URL ARCHIVE FOLDER: standard input lists the files of FOLDER and their MD5 sums
sentences() {
    local home=$1 archive=$2 folder=$3 name md5 i missing=0
    local -a names=() sums=()
    while read -r name md5; do
        names+=("$name")
        sums+=("$md5")
        [[ -e $directory/$folder/$name ]] || missing=1
    done
    if ((!missing)); then
        say "$directory/$folder is already there"
        return
    fi
    fetch "$home" "$archive" "" "$temporary/$archive"
    case $archive in
        *.zip) unpack_zip "$temporary/$archive" "$temporary" || fail "cannot unpack $archive" ;;
        *) tar -xzf "$temporary/$archive" -C "$temporary" || fail "cannot unpack $archive" ;;
    esac
    for i in "${!names[@]}"; do
        [[ -e $temporary/$folder/${names[i]} ]] || fail "$archive has no $folder/${names[i]}; nothing was kept"
        check_md5 "$temporary/$folder/${names[i]}" "${sums[i]}" "$folder/${names[i]} in $archive"
    done
    mkdir -p "$directory/$folder"
    for name in "${names[@]}"; do
        [[ -e $directory/$folder/$name ]] || mv "$temporary/$folder/$name" "$directory/$folder/$name"
    done
    say "$folder is in $directory/$folder"
}

mr() {
    sentences https://www.cs.cornell.edu/people/pabo/movie-review-data rt-polaritydata.tar.gz rt-polaritydata <<'LIST'
rt-polarity.neg 1e35b7f7c5df24a135ca62b8eecded53
rt-polarity.pos afcc7ff580b3b4df4bdb6528e6558ab5
LIST
}

sst() {
    sentences https://nlp.stanford.edu/sentiment trainDevTestTrees_PTB.zip trees <<'LIST'
train.txt b12d531b1b913a3bb49719ba5cc1f67a
dev.txt c405f1d724964e6f72314b5a51fea691
test.txt 97b75f6ca1ae58b4d52fbf9381dc6f8c
LIST
}

what=${1:-all}
case $what in
    mnist | cifar10 | mr | sst | all) ;;
    -h | --help) usage; exit 0 ;;
    *) fail "unknown data set '$what'; known: mnist, cifar10, mr, sst, all" ;;
esac
(($# <= 2)) || fail "too many arguments; see data/download.sh --help"
directory=${2:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
mkdir -p "$directory"
temporary=$(mktemp -d "$directory/.download.XXXXXX") # in DIR, so that mv is a rename
trap 'rm -rf "$temporary"' EXIT

for set in mnist cifar10 mr sst; do
    if [[ $what == "$set" || $what == all ]]; then $set; fi
done
