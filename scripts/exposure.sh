#!/bin/sh
# How exposed the units are by systemd's own measure (0 to 10, lower is better), alone and with each drop-in that is shipped;
# fails at 1.0. The link, which needs the network, must stay under 2.0.
set -eu
cd "$(dirname "$0")/.."
if ! command -v systemd-analyze >/dev/null 2>&1; then
	echo "systemd-analyze is missing: apt-get install systemd" >&2
	exit 1
fi
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
units="$root/etc/systemd/system"
mkdir -p "$units/agegate.service.d"
cp systemd/agegate.service systemd/agegate@.service systemd/agegate-link.service "$units/"

# Measures a unit that is in the folder and says what it is: measure WHAT UNIT LIMIT
measure() {
	said="$(systemd-analyze security --offline=true --no-pager --root="$root" "$2")"
	exposure="$(echo "$said" | sed -n "s/.*exposure level for $2: \([0-9.]*\).*/\1/p")"
	if [ -z "$exposure" ]; then
		echo "systemd-analyze does not say how exposed $1 is:" "$said" >&2 && exit 1
	elif [ "${exposure%.*}" -ge "$3" ]; then
		echo "exposure of $1: $exposure; it must stay under $3.0" >&2 && exit 1
	fi
	echo "exposure of $1: $exposure"
}

measure agegate.service agegate.service 1
measure agegate@.service agegate@lane1.service 1
measure agegate-link.service agegate-link.service 2
for drop_in in systemd/*.conf; do
	cp "$drop_in" "$units/agegate.service.d/"
	measure "agegate.service with $(basename "$drop_in")" agegate.service 1
	rm "$units/agegate.service.d/"*
done
