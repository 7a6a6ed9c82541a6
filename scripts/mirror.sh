#!/bin/sh
# Prints where this machine's own apt gets packages from, so that no script spells a mirror out:
#   sh scripts/mirror.sh              suite and address, such as "bookworm ADDRESS"
#   sh scripts/mirror.sh -security    the same for the suite's security updates
set -eu
suite="$(. /etc/os-release && echo "$VERSION_CODENAME")${1:-}"
address="$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 'Created-By: Packages' | sed -n "s|^$suite \(.*[^/]\)/*\$|\1|p" | sort -u | head -n 1)"
if [ -z "$address" ]; then
	echo "apt on this machine has no source of $suite (is it Debian, and is the suite in /etc/apt/sources.list*?)" >&2
	exit 1
fi
echo "$suite $address"
