#!/bin/sh
# Makes the arm64 package and runs tests/board/systemd_test.py with it; options are passed on.
set -eu
cd "$(dirname "$0")/.."
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
sh scripts/board_packages.sh
need=""
command -v debootstrap >/dev/null 2>&1 || need="$need debootstrap"
command -v qemu-aarch64-static >/dev/null 2>&1 || need="$need qemu-user-static"
command -v systemd-analyze >/dev/null 2>&1 || need="$need systemd"
if [ -n "$need" ]; then
	echo "installing Debian packages:$need"
	# shellcheck disable=SC2086 # a list of packages
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null
fi
sh scripts/cross.sh arm64
GENERATOR="qemu-aarch64-static -L /usr/aarch64-linux-gnu target/cross/aarch64-unknown-linux-gnu/release/agegate" sh scripts/deb.sh arm64
python=python3
# Debian's numpy and Pillow belong to Debian's Python.
$python -c "import numpy, PIL" 2>/dev/null || python=/usr/bin/python3
package="$(ls -t target/debian/agegate_*_arm64.deb | head -n 1)"
# The root folder holds files of several users.
exec $sudo $python tests/board/systemd_test.py --package "$package" --write "$@"
