#!/usr/bin/env bash
# cgsv value as its users meet it: exit codes, messages, files; its numbers are value_numbers.py's.
# usage: value_test.sh PATH/TO/cgsv
tests=$(realpath "$(dirname "$0")")
reference=$(realpath -m "${CGSV_SHARED:-../shared}")
source "$tests/cli_helpers.sh" "$1"
export PYTHONDONTWRITEBYTECODE=1
python3 "$tests/value_files.py" . || exit 1

# value CODE PATTERN ARGUMENTS..., reject CODE PATTERN ARGUMENTS...: `expect` and `refuse` of cgsv value on the CPU
value() { expect "$1" "$2" value --device cpu --threads 1 "${@:3}"; }
reject() { refuse "$1" "$2" value --device cpu --threads 1 "${@:3}"; }

# Help
expect 0 'usage: cgsv value' value --help
expect 0 'usage: cgsv value' help value
expect 0 'value agents by their updates' help

# Wrong use
reject 2 "no file of updates"
reject 2 "no file of updates" --
reject 2 "did you mean '--method'?" a.npy --metod exact
reject 2 "did you mean 'permutation'?" a.npy --method permutaton
reject 2 "behind --" a.npy -x
reject 2 "file's name is empty" ""
reject 2 "budget.*at least 0" a.npy --budget -1
reject 2 "epsilon.*above 0 and below 1" a.npy --epsilon 1
reject 2 "delta.*above 0 and below 1" a.npy --delta 0
reject 2 "seed.*whole number" a.npy --seed -1
reject 2 "gamma.*above 0" a.npy --gamma 0
reject 2 "permutations; at most" a.npy --method owen --epsilon 1e-9
for option in "alpha 0.5" "beta 2" "reward global" "layers layers.txt" "out o" dense-rewards; do
    # shellcheck disable=SC2086
    reject 2 "^cgsv: --${option%% *} needs --round" a.npy --$option
done
reject 2 "leave --no-normalise out" a.npy --round --no-normalise
reject 2 "leave one out" a.npy --gamma 1 --no-normalise
reject 2 "needs --out" a.npy --round --dense-rewards
reject 2 "layers needs --reward layer" a.npy --round --reward global --layers layers.txt
reject 2 "both write to '-'" a.npy --json - --csv -
reject 2 "force needs" a.npy --force
reject 2 "is not a size" a.npy --memory 0
reject 2 "is not a size" a.npy --memory 64Q
reject 2 "is not a size" a.npy --memory 64MB
reject 2 "is not a size" a.npy --memory -1
reject 2 "out of range" a.npy --memory 99999999T
reject 2 "abacus" a.npy --device abacus
reject 2 "tensor.*leave --tensor out" a.npy --tensor updates
reject 2 "none whose name begins with 'x'" matrix.safetensors --tensor x
reject 2 "use permutation, antithetic, stratified or owen" forty_one.npy
reject 2 "2.2e+12 coalitions, about 3.1 hours" forty_one.npy
value 0 "method  *permutation" forty_one.npy --method permutation --budget 10

# Refused before gigabytes are read
check "a file of 82 GB is refused at once" timeout 10 bash -c \
    '"$1" value --device cpu huge_file.npy 2>err; [ $? -eq 2 ] && grep -q "expected at most 40" err' - "$cgsv"

# Files that are not what they should be
reject 1 "No such file" nowhere.npy
reject 1 "is not a file" .
reject 1 "is empty" empty.npy
reject 1 "Fortran" fortran.npy
reject 1 "big-endian\|little-endian\|byte order" big_endian.npy
reject 1 "integers.npy.*int32\|integers.npy.*<i4" integers.npy
reject 1 "cube.npy.*dimensions" cube.npy
for file in truncated overflow negative long_header cut_header text archive; do
    reject 1 "$file.npy" $file.npy
done
reject 1 "different shapes or types" ragged.safetensors
reject 1 "different shapes or types" mixed.safetensors
reject 1 "several matrices" several.safetensors
reject 1 "dtype I64" int.safetensors
for file in short hostile long deep; do reject 1 "$file.safetensors" $file.safetensors; done
reject 1 "all rounds must agree" a.npy other_shape.npy
reject 1 "nan.npy.*agent 1 has 2 of 64 entries that are NaN or infinite (faulty agents in all: 2)" nan.npy
reject 1 "agent 1 has 2 of 64" nan.npy --method cosine --round
reject 1 "agent 1, 'b', has 1 of 2 entries" nan.safetensors
value 0 "not finite, which are valued 0: agent_1, agent_2" nan.npy --skip-faulty
check "the sound agent has all the value" grep -q '^ *0 .* 1.00000 ' out
check "a faulty one none" grep -q '^ *2  *0.0000  *-  *0.00000 ' out

# Zero updates, a zero aggregate
value 0 "warning: round 1: updates of zero, which are valued 0: agent_2$" zero_agent.npy
check "one line on standard error" test "$(wc -l <err)" -eq 1
value 0 "round 1: the aggregate of all updates is zero" zero.npy
check "which is said in the table too" grep -q '^sum of values  *0.000000: the aggregate is zero$' out
for file in opposed cancel; do
    for method in exact cosine permutation leave-one-out euclidean; do
        value 0 "aggregate of all updates is zero" $file.npy --no-normalise --method $method
        check "values of $file, $method" test "$(grep -c '^ *[0-9] ' out)" -eq "$(grep -c '^ *[0-9] .* 0.00000 ' out)"
    done
done

# Weights and layers
for file in few negative nan infinite zero words glued; do reject 1 "$file.txt" a.npy --weights $file.txt; done
reject 1 "5 agents" a.npy --weights few.txt
reject 1 "weight of agent 2 is -3" a.npy --weights negative.txt
reject 1 "number 3 is 'three'" a.npy --weights words.txt
reject 1 "number 3 is '?\[31m3'" a.npy --weights escape.txt
reject 1 "matrix of 5 x 300; expected a vector" a.npy --weights a.npy
reject 1 "No such file" a.npy --weights nowhere.txt
reject 1 "layers have 250 parameters, but the updates have 300" a.npy --round --layers layers_short.txt
reject 1 "layer 0 is 100.5" a.npy --round --layers layers_half.txt
reject 1 "layer 0 is 0" a.npy --round --layers layers_zero.txt

# Tables
value 0 "exact, 32 coalitions evaluated" a.npy
check "a row per agent" test "$(grep -c '^ *[0-4] ' out)" -eq 5
check "efficiency" grep -q '^sum of values  *1.000000$' out
check "each value, each cosine and the sum are checked" grep -q '^checks  *11 made, none failed$' out
check "nothing on standard error" test ! -s err
value 0 "^ *agent_10 " named.safetensors
check "agents in natural order" test "$(sed -n '2,4s/^ *\([a-z_0-9]*\) .*/\1/p' out | tr '\n' ' ')" = \
    "agent_1 agent_2 agent_9 "
value 0 "5 agents, 300 parameters" matrix.safetensors --tensor updates
value 0 "1 agent, 300 parameters" vector.npy
value 0 "round 2 of 2" a.npy b.npy
check "mean over rounds" grep -q 'mean value$' out
value 0 "budget of 150 permutations, which is every order" a.npy --method permutation
value 0 "20 permutations, 100 coalitions" a.npy --method permutation --budget 20
check "standard errors" grep -q 'std error' out
value 0 "importance  *q  *kept" a.npy --round
check "the mechanism's records are checked too" grep -q '^checks  *52 made, none failed$' out
check "one agent has all" grep -q ' 1.0000  *300$' out
value 0 "float64$" double.npy
value 0 "float64$" tiny.npy

# Files: none is overwritten, none is left half
value 0 "sum of values" a.npy --json v.json --csv v.csv
check "checks in the JSON" python3 -c '
import json
assert json.load(open("v.json"))["checks"] == {"made": 11, "failed": 0, "first_failure": None}'
cp v.json before.json
reject 1 "'v.json' is there already" b.npy --json v.json
reject 1 "'v.csv' is there already" b.npy --csv v.csv
check "nothing lost" cmp -s v.json before.json
value 0 "sum of values" b.npy --json v.json --csv v.csv --force
check "replaced" bash -c '! cmp -s v.json before.json'
value 0 '"cgsv_version"' a.npy --json -
check "JSON alone on standard output" python3 -c 'import json; json.load(open("out"))'
value 0 '^round,agent,name,' a.npy b.npy --csv -
check "CSV alone on standard output" test "$(wc -l <out)" -eq 11
value 0 "importance" a.npy b.npy --round --out rewards
check "a file of rewards per round" test "$(ls rewards | tr '\n' ' ')" = 'rewards_1.safetensors rewards_2.safetensors '
cp rewards/rewards_2.safetensors before
reject 1 "rewards_1.safetensors' is there already" b.npy a.npy --round --out rewards
check "no reward lost" cmp -s rewards/rewards_2.safetensors before
value 0 "importance" b.npy a.npy --round --out rewards --force
check "rewards replaced" bash -c '! cmp -s rewards/rewards_2.safetensors before'
value 0 "importance" a.npy --round --out "deep/er"
check "rewards of one round" test -s deep/er/rewards.safetensors
reject 1 "a file has that name" a.npy --round --out v.csv
expect 1 "cannot write 'nowhere/v.json'" value --device cpu a.npy --json nowhere/v.json
check "the table is printed all the same" grep -q 'sum of values' out
check "no temporary files" test -z "$(find . -name '*tmp-*')"
"$cgsv" value --device cpu a.npy >/dev/full 2>err
check "standard output that is full" test $? -eq 1

# Memory: both numbers
reject 1 "at least 40.1 KiB.*--memory is 40.0 KiB" a.npy --memory 40K
reject 1 "round needs all updates at once, 46.0 KiB, but --memory is 45.0 KiB" a.npy --round --memory 45K

if [ -e "$reference/golden/shapley_exact.safetensors" ]; then
    check "golden values" python3 "$tests/value_numbers.py" "$cgsv" golden "$reference/golden/shapley_exact.safetensors"
else
    skip "golden values: no $reference/golden/shapley_exact.safetensors"
fi
parts=(values files sampling mechanism rewards)
if sanitized; then skip "memory that the system limits: sanitizers reserve all there is"; else parts+=(memory); fi
for part in "${parts[@]}"; do
    check "$part" python3 "$tests/value_numbers.py" "$cgsv" $part
done
finish
