#!/bin/sh
# Installs what the build (and, with the word `test`, what the tests) need and this Debian machine lacks, after saying so; checks
# that cargo is new enough.
set -eu

need=""
command -v cc >/dev/null 2>&1 || need="$need gcc libc6-dev"

# A real program whose output is the camera, for `source = "pipe"`.
[ "${1:-}" != test ] || command -v ffmpeg >/dev/null 2>&1 || need="$need ffmpeg"

if [ -n "$need" ]; then
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "missing:$need. This is no Debian system: install them by hand (names may differ)." >&2
		exit 1
	fi
	echo "installing Debian packages:$need"
	sudo=""
	[ "$(id -u)" = 0 ] || sudo="sudo"
	$sudo apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null
fi

least="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
if ! command -v cargo >/dev/null 2>&1; then
	echo "cargo is missing. Install Rust $least or newer: from https://rustup.rs, or on Debian 12 and 13: apt-get install rustc-web cargo-web" >&2
	exit 1
fi
found="$(cargo --version | sed 's/cargo \([0-9.]*\).*/\1/')"
if [ "$(printf '%s\n%s\n' "$least" "$found" | sort -V | head -n 1)" != "$least" ]; then
	echo "cargo $found is too old: agegate needs $least or newer. Get it from https://rustup.rs, or on Debian 12 and 13: apt-get install rustc-web cargo-web" >&2
	exit 1
fi
