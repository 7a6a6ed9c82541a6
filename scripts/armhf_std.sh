#!/bin/sh
# Fetches Debian's armhf standard library of Rust, in the version of the installed rustc-web, into a folder that
# `rustc --sysroot` takes. Nothing is installed.
set -eu
sysroot="$1"
state="$(dirname "$sysroot")"
version="$(dpkg-query -W -f '${Version}' rustc-web)"
release="$(/usr/bin/rustc --version | cut -d' ' -f2 | cut -d. -f1,2)"
# Suite and mirror of this machine's own apt.
here="$(dirname "$0")"
found="$(sh "$here/mirror.sh" -security)"
security="${found%% *}" mirror="${found#* }"
found="$(sh "$here/mirror.sh")"
suite="${found%% *}" base="${found#* }"
mkdir -p "$state/debs" "$state/root"
cd "$state/debs"
# The mirror's signed index lags behind its own package list at times (then apt refuses it); the list itself is read.
curl -fsS "$mirror/dists/$security/main/binary-armhf/Packages.xz" | xz -dc >Packages
for package in libstd-rust-web-dev "libstd-rust-web-$release"; do
	entry="$(awk -v RS= -v p="$package" -v v="$version" '$0 ~ "^Package: " p "\n" && index($0, "\nVersion: " v "\n")' Packages)"
	path="$(echo "$entry" | sed -n 's/^Filename: //p')"
	sum="$(echo "$entry" | sed -n 's/^SHA256: //p')"
	[ -n "$path" ] && [ -n "$sum" ] || { echo "Debian has no $package $version for armhf" >&2; exit 1; }
	curl -fsS -o "$package.deb" "$mirror/$path"
	echo "$sum  $package.deb" | sha256sum --check --quiet
done
# The C library that emulated programs run with.
curl -fsS "$base/dists/$suite/main/binary-armhf/Packages.xz" | xz -dc >Packages
for package in libc6 libgcc-s1; do
	entry="$(awk -v RS= -v p="$package" '$0 ~ "^Package: " p "\n"' Packages)"
	curl -fsS -o "$package.deb" "$base/$(echo "$entry" | sed -n 's/^Filename: //p')"
	echo "$(echo "$entry" | sed -n 's/^SHA256: //p')  $package.deb" | sha256sum --check --quiet
done
for deb in ./*.deb; do dpkg -x "$deb" "$state/root"; done
mkdir -p "$sysroot/lib/rustlib"
ln -sfn "$state/root/usr/lib/rustlib/armv7-unknown-linux-gnueabihf" "$sysroot/lib/rustlib/armv7-unknown-linux-gnueabihf"
ln -sfn /usr/lib/rustlib/x86_64-unknown-linux-gnu "$sysroot/lib/rustlib/x86_64-unknown-linux-gnu"
