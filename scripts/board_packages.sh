#!/bin/sh
# Installs what the emulated board needs and this Debian machine lacks, after saying so. The board's own packages (kernel,
# BusyBox, v4l2-ctl, all arm64) are only unpacked, by tests/board/image.py.
set -eu
need=""
has() { command -v "$1" >/dev/null 2>&1; }
has dtc || need="$need device-tree-compiler"
has cpio || need="$need cpio"
has depmod || need="$need kmod"
has mkfs.ext4 || test -x /sbin/mkfs.ext4 || need="$need e2fsprogs"
has python3 || need="$need python3"
python3 -c "import numpy, PIL" 2>/dev/null || /usr/bin/python3 -c "import numpy, PIL" 2>/dev/null || need="$need python3-numpy python3-pil"
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"

# Debian 12's own emulator (7.2) cannot run the board's SPI controller; the one of its backports can. With the old one the
# test uses an SPI bus made of pins.
newer_emulator() {
	[ "$(. /etc/os-release && echo "$VERSION_CODENAME")" = bookworm ] || return 1
	state="$PWD/target/board/apt"
	mkdir -p "$state/lists/partial"
	found="$(sh scripts/mirror.sh)" || return 1
	for suite in "${found%% *}" "${found%% *}-backports"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${found#* } $suite main"
	done >"$state/sources.list"
	set -- -qq -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$state/lists" -o "APT::Architectures=$(dpkg --print-architecture)"
	echo "installing Debian package: qemu-system-arm (backports)"
	$sudo apt-get "$@" update &&
		DEBIAN_FRONTEND=noninteractive $sudo apt-get "$@" install -y --no-install-recommends -t "${found%% *}-backports" qemu-system-arm >/dev/null
}
has qemu-system-aarch64 || newer_emulator || need="$need qemu-system-arm"
if ! dpkg --print-foreign-architectures | grep -qx arm64; then
	$sudo dpkg --add-architecture arm64
	$sudo apt-get update -qq
fi
if [ -n "$need" ]; then
	echo "installing Debian packages:$need"
	$sudo apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null
fi
