#!/bin/sh
# Installs the arm64 packages of gate and link into an arm64 root folder and runs their programs from there.
#   sh scripts/deb_check.sh GATE.deb LINK.deb
set -eu
deb="$(realpath "$1")"
link="$(realpath "$2")"
work="$(dirname "$0")/../target/deb-root"
rm -rf "$work"
mkdir -p "$work/debs" "$work/root/var/lib/dpkg/info" "$work/root/var/lib/dpkg/updates" "$work/root/etc"
work="$(realpath "$work")"
root="$work/root"

# The root: the C library of Debian's arm64 and systemd's units, unpacked and entered into its package database as installed.
(cd "$work/debs" && apt-get download -q libc6:arm64 libgcc-s1:arm64 gcc-12-base:arm64 libcrypt1:arm64 systemd:arm64 procps:arm64 >/dev/null 2>&1)
for package in "$work"/debs/*.deb; do
	dpkg -x "$package" "$root"
	{
		dpkg --field "$package" | sed '1a Status: install ok installed'
		echo
	} >>"$root/var/lib/dpkg/status"
done
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nvideo:x:44:\n' >"$root/etc/group"

# Maintainer scripts run here and honour DPKG_ROOT: the root's own shell is for another processor.
dpkg --root="$root" --force-architecture --force-script-chrootless --install "$deb" "$link" 2>&1 | grep -v "files list file for package"

status="$(dpkg --root="$root" --status agegate | sed -n 's/^Status: //p')"
[ "$status" = "install ok installed" ] || { echo "the package is not installed: $status" >&2; exit 1; }
grep -q '^agegate:' "$root/etc/passwd" || { echo "the user agegate was not made" >&2; exit 1; }
for file in usr/bin/agegate etc/agegate/agegate.toml usr/lib/systemd/system/agegate.service usr/lib/systemd/system/agegate@.service usr/lib/sysusers.d/agegate.conf \
	usr/lib/udev/rules.d/60-agegate.rules usr/share/man/man1/agegate.1.gz \
	usr/share/doc/agegate/agegate-libcamera.conf usr/share/bash-completion/completions/agegate; do
	test -s "$root/$file" || { echo "the package lacks $file" >&2; exit 1; }
done
for file in usr/bin/agegate-link etc/agegate-link/link.toml usr/lib/systemd/system/agegate-link.service usr/lib/sysusers.d/agegate-link.conf \
	usr/share/doc/agegate-link/fleet.md usr/share/doc/agegate-link/agegate-fleet.json; do
	test -s "$root/$file" || { echo "the link's package lacks $file" >&2; exit 1; }
done
grep -q '^agegate:.*:.*:.*agegate-link' "$root/etc/group" || { echo "the link's user may not read the gate's log" >&2; exit 1; }
systemd-analyze verify --root="$root" --man=no agegate.service agegate@lane1.service agegate-link.service
sh "$(dirname "$0")/exposure.sh"
timeout 60 qemu-aarch64-static -L "$root" "$root/usr/bin/agegate-link" example | cmp - "$root/etc/agegate-link/link.toml" ||
	{ echo "the link's program in the root does not run" >&2; exit 1; }
version="$(timeout 60 qemu-aarch64-static -L "$root" "$root/usr/bin/agegate" --version)"
timeout 60 qemu-aarch64-static -L "$root" "$root/usr/bin/agegate" relay --off --config "$root/etc/agegate/agegate.toml" 2>&1 | grep -q "no Raspberry Pi that rppal knows" ||
	{ echo "the program in the root does not say what is wrong with this machine's pins" >&2; exit 1; }
echo "deb check: $version is installed in an arm64 root folder, with user, unit, rules, manual and completions; systemd accepts the units"
