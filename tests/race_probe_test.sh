#!/bin/sh
# race_probe_test.sh WITH_SYNC WITHOUT_SYNC: the first must run clean, the second must be
# caught by ThreadSanitizer. That keeps a bounded history of accesses, so it reports a race in
# most runs, not in all: about 9 of 10 on an idle machine. One of 20 is enough.
set -u
passed=0
failed=0
check() { # name, condition's exit status
    if [ "$2" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAIL: $1"; fi
}

TSAN_OPTIONS="exitcode=66 history_size=7"
export TSAN_OPTIONS

output=$("$1" 2>&1)
check "with block_sync: exit 0" $?

run=0
status=1
while [ "$status" -ne 0 ] && [ "$run" -lt 20 ]; do
    run=$((run + 1))
    "$2" 2>&1 | grep -q "data race"
    status=$?
done
check "without block_sync: a data race is reported" "$status"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
