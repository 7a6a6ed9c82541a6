#!/bin/sh
# Proves that the README's first command works on a bare Debian: a root folder by debootstrap, in it only what the README names
# (make and Rust), a fresh clone, and then the command.
#   sh scripts/bare_test.sh [COMMAND] [SUITE]       `demo` (the default), `test`, or `both`; this machine's own suite, or another
#   sh scripts/bare_test.sh root [SUITE]            only the root and what the README names; fails where they cannot be had here
# Suite, mirror and how the network is reached are those of this machine. The root stays in target/bare/, and is used again.
set -eu
cd "$(dirname "$0")/.."
command="${1:-demo}"
case "$command" in
demo | test) commands="$command" ;;
root) commands="" ;;
both) commands="demo test" ;;
*)
	echo "usage: sh scripts/bare_test.sh [demo|test|both|root] [SUITE]" >&2
	exit 2
	;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "debootstrap and chroot need root: run this as root" >&2
	exit 1
fi
found="$(sh scripts/mirror.sh)"
own="${found%% *}" mirror="${found#* }" suite="${2:-${found%% *}}"
if ! command -v debootstrap >/dev/null 2>&1; then
	echo "installing Debian package: debootstrap"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
fi

root="$PWD/target/bare/$suite"
# Never remove what is mounted in it.
unmount() {
	for place in dev/shm dev/pts dev proc; do
		if grep -q " $root/$place " /proc/self/mounts; then umount "$root/$place"; fi
	done
}
trap unmount EXIT
unmount
if ! test -e "$root.complete"; then
	rm -rf "$root"
	mkdir -p "$(dirname "$root")"
	echo "making a bare Debian $suite root (debootstrap)"
	debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
		tail -n 20 "$root.log" >&2
		exit 1
	}
	# In a container debootstrap links it to this machine's own.
	if [ -L "$root/proc" ]; then rm "$root/proc" && mkdir "$root/proc"; fi
	{
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
		security="$(sh scripts/mirror.sh -security 2>/dev/null || true)"
		if [ -n "$security" ]; then
			echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${security#* } $suite-security main"
		fi
	} >"$root/etc/apt/sources.list"
	touch "$root.complete"
fi
mkdir -p "$root/dev/shm"
mount --bind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/dev/shm"
# apt logs through a terminal of its own.
if grep -q " /dev/pts " /proc/self/mounts; then mount --bind /dev/pts "$root/dev/pts"; fi
mount -t proc proc "$root/proc"
# How this machine reaches the network: names, proxies, certificates.
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
for file in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf; do
	if [ -f "$file" ]; then cp "$file" "$root/etc/apt/apt.conf.d/"; fi
done

inside() {
	env -i HOME=/root LANG=C.UTF-8 PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} ${no_proxy:+"no_proxy=$no_proxy"} \
		DEBIAN_FRONTEND=noninteractive chroot "$root" sh -euc "$1"
}
# What the README names: make, and Rust, which Debian $own has as these two.
echo "in the bare $suite root: apt-get install make rustc-web cargo-web"
[ "$suite" = "$own" ] || echo "(this machine runs $own)"
inside 'apt-get update -qq && apt-get install -y -qq make rustc-web cargo-web >/dev/null' || {
	echo "$suite has no rustc-web and cargo-web; trying rustc and cargo" >&2
	inside 'apt-get install -y -qq make rustc cargo >/dev/null'
}
least="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
found="$(inside 'cargo --version' | sed 's/cargo \([0-9.]*\).*/\1/')"
if [ "$(printf '%s\n%s\n' "$least" "$found" | sort -V | head -n 1)" != "$least" ]; then
	echo "$suite has cargo $found, and agegate needs $least or newer: the README's commands cannot be tried with its own packages" >&2
	exit 1
fi
# A network that speaks for the registries with a certificate of its own is this machine's affair, not the README's.
if [ -s /etc/ssl/certs/ca-certificates.crt ] && [ -d "$root/etc/ssl/certs" ]; then
	cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
fi
if test -d "$HOME/.cargo" && test -f "$HOME/.cargo/config.toml"; then
	mkdir -p "$root/root/.cargo"
	cp "$HOME/.cargo/config.toml" "$root/root/.cargo/"
fi
if [ "$command" = root ]; then
	exit 0
fi
rm -rf "$root/root/agegate"
git clone --quiet --no-hardlinks . "$root/root/agegate"
for target in $commands; do
	echo "in the bare $suite root: make $target"
	inside "cd /root/agegate && make $target"
done
test -s "$root/root/agegate/demo-out/contact-sheet.png" || [ "$commands" = test ] || {
	echo "make demo made no pictures" >&2
	exit 1
}
echo "the bare $suite root: $commands passed"
