#!/bin/sh
# Builds the release binary for an ARM board with Debian's cross tools, no container needed:
#   sh scripts/cross.sh arm64 | armhf
#   CROSS_COMMAND=test sh scripts/cross.sh arm64 --lib     # the tests of the library, under emulation
# The packages are installed if they are missing, after saying so. What comes out needs glibc 2.34 or newer.
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
arm64) target=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu runner="qemu-aarch64-static -L /" ;;
armhf) target=armv7-unknown-linux-gnueabihf gnu=arm-linux-gnueabihf runner="qemu-arm-static -L $PWD/target/armhf/root" ;;
*)
	echo "usage: sh scripts/cross.sh arm64|armhf" >&2
	exit 2
	;;
esac
shift
arch_upper="$(echo "$target" | tr 'a-z-' 'A-Z_')"
arch_lower="$(echo "$target" | tr '-' '_')"

sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
sh scripts/packages.sh
need=""
command -v "$gnu-gcc" >/dev/null 2>&1 || need="$need gcc-$gnu"
test -e "/usr/$gnu/include/sys/time.h" || need="$need libc6-dev-$([ $gnu = aarch64-linux-gnu ] && echo arm64 || echo armhf)-cross"

# The standard library for the target: rustup's, where rustup has it; else Debian's, with Debian's compiler.
flags=""
if ls "$(rustc --print sysroot 2>/dev/null)/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1; then
	:
else
	test -x /usr/bin/rustc || need="$need rustc-web"
	export RUSTC=/usr/bin/rustc
	if [ "$gnu" = aarch64-linux-gnu ]; then
		ls "/usr/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1 || need="$need libstd-rust-web-dev:arm64"
	fi
fi
if [ -n "$need" ]; then
	echo "installing Debian packages:$need"
	case "$need" in *:arm64*) $sudo dpkg --add-architecture arm64 ;; esac
	$sudo apt-get update -qq
	# shellcheck disable=SC2086 # a list of packages
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null
fi

if [ "$gnu" = arm-linux-gnueabihf ] && [ "${RUSTC:-}" = /usr/bin/rustc ]; then
	# As a foreign architecture of this machine, armhf can pull the compiler of all architectures back to an older version.
	# So its library is fetched with an apt state of its own and unpacked beside the build.
	sysroot="$PWD/target/armhf/sysroot"
	if ! ls "$sysroot/lib/rustlib/$target/lib"/libstd-*.rlib >/dev/null 2>&1; then
		sh scripts/armhf_std.sh "$sysroot"
	fi
	flags="--sysroot $sysroot"
fi

if [ "${CROSS_COMMAND:-build}" = test ] && ! command -v "${runner%% *}" >/dev/null 2>&1; then
	$sudo apt-get update -qq
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends qemu-user-static >/dev/null
fi
export "CARGO_TARGET_${arch_upper}_LINKER=$gnu-gcc"
# A time limit: a program that mixes two C libraries under emulation hangs at full processor use.
export "CARGO_TARGET_${arch_upper}_RUNNER=timeout 900 $runner"
export "CC_$arch_lower=$gnu-gcc"
[ -z "$flags" ] || export "CARGO_TARGET_${arch_upper}_RUSTFLAGS=$flags"
exec cargo "${CROSS_COMMAND:-build}" --release --locked --target "$target" --target-dir target/cross "$@"
