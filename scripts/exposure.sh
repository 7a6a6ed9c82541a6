#!/bin/sh
# How exposed the units are by systemd's own measure (0 to 10, lower is better), alone and with each drop-in that is shipped;
# fails at 1.0.
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
cp systemd/agegate.service systemd/agegate@.service "$units/"

# Measures a unit with what is in the folder, and says what it is.
measure() {
	unit="${2:-agegate.service}"
	said="$(systemd-analyze security --offline=true --no-pager --root="$root" "$unit")"
	exposure="$(echo "$said" | sed -n "s/.*exposure level for $unit: \([0-9.]*\).*/\1/p")"
	case "$exposure" in
	0.[0-9]) echo "exposure of $1: $exposure" ;;
	"") echo "systemd-analyze does not say how exposed $1 is:" "$said" >&2 && exit 1 ;;
	*) echo "exposure of $1: $exposure; it must stay under 1.0" >&2 && exit 1 ;;
	esac
}

measure agegate.service
measure agegate@.service agegate@lane1.service
for drop_in in systemd/*.conf; do
	cp "$drop_in" "$units/agegate.service.d/"
	measure "agegate.service with $(basename "$drop_in")"
	rm "$units/agegate.service.d/"*
done
