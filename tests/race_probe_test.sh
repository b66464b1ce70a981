#!/bin/sh
# race_probe_test.sh WITH_SYNC WITHOUT_SYNC: the first must run clean, the second must be
# caught by ThreadSanitizer.
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

output=$("$2" 2>&1)
status=$?
[ "$status" -ne 0 ] && case $output in *"data race"*) true ;; *) false ;; esac
check "without block_sync: a data race is reported (exit $status)" $?

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
