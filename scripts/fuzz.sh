#!/bin/sh
# Runs every fuzz target for some seconds, from its corpus (and from the real files where they are the best seeds).
#   sh scripts/fuzz.sh SECONDS [TARGET...]
set -eu
cd "$(dirname "$0")/.."
seconds="${1:?seconds for each target}"
shift
command -v cargo-fuzz >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz
# The fuzzer's instrumentation needs a switch that stable compilers hide. No sanitizer: our own code has no unsafe.
export RUSTC_BOOTSTRAP=1
# One code generation unit makes the faster fuzzer; FUZZ_CODEGEN_UNITS=16 builds in less time.
[ $# -gt 0 ] || set -- configuration pixels log picture clip model
# What was found: the fuzzer's last lines alone do not say.
failed() {
	tail -n 40 "target/fuzz-$1.log"
	grep -nE -A 3 "panicked at|ERROR: libFuzzer|Base64:" "target/fuzz-$1.log" | cut -c 1-2000 | head -n 30
	echo "FAILED: $1"
}
mkdir -p target/fuzz-corpus
for target in "$@"; do
	found="target/fuzz-corpus/$target"
	mkdir -p "$found" "fuzz/corpus/$target"
	seeds="fuzz/corpus/$target"
	# The model target parses and optimises whole networks: longer inputs, more time for each, and no more than 1 GB.
	limits="-max_len=65536 -timeout=10 -rss_limit_mb=1024"
	[ "$target" = model ] && seeds="$seeds models" && limits="-max_len=1000000 -timeout=60 -rss_limit_mb=2048"
	[ "$target" = clip ] && limits="-max_len=200000 -timeout=20 -rss_limit_mb=1024"
	echo "fuzzing $target for $seconds s"
	# shellcheck disable=SC2086 # lists of folders and options
	cargo fuzz run --fuzz-dir fuzz -s none --codegen-units "${FUZZ_CODEGEN_UNITS:-1}" "$target" "$found" $seeds -- -max_total_time="$seconds" -print_final_stats=1 $limits \
		>"target/fuzz-$target.log" 2>&1 || { failed "$target"; exit 1; }
	grep -E "number_of_executed_units|peak_rss_mb" "target/fuzz-$target.log" | tr '\n' ' '
	echo
done
