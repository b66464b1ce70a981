# What tests of the command share: sourced with the path of cgsv. Works in a folder of its own.
set -u
cgsv=$(realpath "$1")
work=$(mktemp -d)
reports=$(mktemp -d) # of sanitizers, where the program has them: whatever becomes of its streams and exit code
export ASAN_OPTIONS=${ASAN_OPTIONS-}:exitcode=99:log_path=$reports/report
export UBSAN_OPTIONS=${UBSAN_OPTIONS-}:exitcode=99:log_path=$reports/report
mounted= # a file system to unmount in the end
trap '[ -z "$mounted" ] || umount "$mounted"; rm -rf "$work" "$reports"' EXIT
cd "$work" || exit 1
unset CGSV_DATA
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() {
    failed=$((failed + 1))
    echo "FAILED: $*"
    sed 's/^/    out: /' out | head -5
    sed 's/^/    err: /' err | head -5
}
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $*"
}

# check WHAT COMMAND...: the command succeeds
check() {
    local what=$1
    shift
    if "$@"; then pass; else fail "$what"; fi
}

# expect CODE PATTERN ARGUMENTS...: exit code, and a pattern that either stream holds
expect() {
    local code=$1 pattern=$2 actual
    shift 2
    "$cgsv" "$@" >out 2>err </dev/null
    actual=$?
    if [ "$actual" -ne "$code" ]; then
        fail "cgsv $*: exit code $actual, not $code"
    elif ! cat out err | grep -q -e "$pattern"; then
        fail "cgsv $*: nothing says '$pattern'"
    else
        pass
    fi
}

# refuse CODE PATTERN ARGUMENTS...: the same, in exactly one line on standard error, nothing on the other
refuse() {
    expect "$@"
    shift 2
    if [ "$(wc -l <err)" -ne 1 ] || [ -s out ] || ! grep -q '^cgsv: ' err; then
        fail "cgsv $*: not one clear line"
    else
        pass
    fi
}

# Whether the program is one with sanitizers, which reserve more memory than a limit would leave
sanitized() { grep -q __asan_init "$cgsv"; }

# finish: the verdict, the last command of a test
finish() {
    if [ -n "$(ls "$reports")" ]; then
        failed=$((failed + 1))
        echo "FAILED: $(ls "$reports" | wc -l) reports of sanitizers, the first:"
        head -50 "$reports/$(ls "$reports" | head -1)"
    fi
    [ "$skipped" -eq 0 ] || echo "$skipped skipped"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
