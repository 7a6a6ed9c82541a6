#!/bin/sh
# Installs what the link's tests need and this Debian machine lacks, after saying so. Nothing of it is started as a service.
set -eu
need=""
command -v mosquitto >/dev/null 2>&1 || need="$need mosquitto"
command -v promtool >/dev/null 2>&1 || need="$need prometheus"
command -v openssl >/dev/null 2>&1 || need="$need openssl"
{ command -v chromium && command -v chromedriver; } >/dev/null 2>&1 || need="$need chromium chromium-driver"
python3 -c "import ensurepip" 2>/dev/null || need="$need python3-venv"
[ -n "$need" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
	echo "missing:$need. This is no Debian system: install them by hand (names may differ)." >&2
	exit 1
fi
echo "installing Debian packages:$need"
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo"
$sudo apt-get update -qq
# The tests start brokers of their own, on ports of their own: the packages' services stay off.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $sudo tee $policy >/dev/null
	$sudo chmod 755 $policy
	made=yes
fi
# shellcheck disable=SC2086 # a list of packages
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $need >/dev/null || failed=yes
[ -z "$made" ] || $sudo rm -f $policy
[ -z "${failed:-}" ]
