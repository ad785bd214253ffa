#!/usr/bin/env bash
# That tidy.sh fails where it should: it must never pass because it has stopped looking.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
bad=common/text_list.cpp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The tree as it is, in a copy that may be spoilt; its build stays, so that the precompiled header is made once.
copy_of_tree() { mkdir -p "$work/tree" && git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$work/tree"; }

must_fail() {  # must_fail WHY TEXT_IN_THE_OUTPUT
  if bash "$work/tree/tests/repository/tidy.sh" "$bad" >"$work/output" 2>&1; then echo "tidy.sh passes with $1"; exit 1; fi
  grep -q -- "$2" "$work/output" || { echo "tidy.sh does not say '$2' of $1:"; cat "$work/output"; exit 1; }
}

copy_of_tree
bash "$work/tree/tests/repository/tidy.sh" "$bad"

echo 'namespace sdlora { void BadName() {} }' >>"$work/tree/$bad"
must_fail "a badly named function" "invalid case style for function 'BadName'"

copy_of_tree
echo 'inline void BadName() {}' >>"$work/tree/common/text_list.h"
must_fail "a badly named function in a header" "text_list.h.*invalid case style for function 'BadName'"

copy_of_tree
echo 'int unfinished(' >>"$work/tree/$bad"
must_fail "a source that does not compile" "error: expected"

copy_of_tree
sed -i 's/^HeaderFilterRegex.*/HeaderFilterRegex: nothing/' "$work/tree/.clang-tidy"
must_fail "headers left out" "does not look at headers"

copy_of_tree
sed -i 's/^Checks: >/Checks: {/' "$work/tree/.clang-tidy"
must_fail "a broken configuration" "FAILED"
