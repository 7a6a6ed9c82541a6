#!/bin/sh
# Makes the Debian packages of gate and link for arm64 and armhf, and installs the arm64 one into an arm64 root folder to see that it works.
#   sh scripts/deb.sh [arm64 | armhf]
# GENERATOR: the program that writes manual pages and completions, where it is not this machine's own build.
set -eu
cd "$(dirname "$0")/.."
command -v cargo-deb >/dev/null 2>&1 || cargo install --locked --quiet cargo-deb
[ $# -gt 0 ] || set -- arm64 armhf
# shellcheck disable=SC2086 # a command with its arguments
${GENERATOR:-target/release/agegate} generate target/generated
for arch in "$@"; do
	# Two builds: in one, the gate's crates would have the features that the link's need.
	sh scripts/cross.sh "$arch"
	sh scripts/cross.sh "$arch" --package agegate-link
	case "$arch" in
	arm64) target=aarch64-unknown-linux-gnu ;;
	armhf) target=armv7-unknown-linux-gnueabihf ;;
	esac
	# cargo-deb looks for the binary where cargo puts it without --target-dir.
	mkdir -p "target/$target/release"
	for package in agegate agegate-link; do
		cp "target/cross/$target/release/$package" "target/$target/release/$package"
		cargo deb --locked --no-build --no-strip --package "$package" --target "$target" --output target/debian/
	done
done
case " $* " in *" arm64 "*) sh scripts/deb_check.sh target/debian/agegate_*_arm64.deb target/debian/agegate-link_*_arm64.deb ;; esac
ls -l target/debian
