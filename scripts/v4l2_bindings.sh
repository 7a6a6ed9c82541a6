#!/bin/sh
# Makes v4l2-sys/src/bindings.rs anew from the system's linux/videodev2.h: what the v4l crate names, nothing else.
# Needs libclang-dev, linux-libc-dev and `cargo install bindgen-cli`.
set -eu
cd "$(dirname "$0")/.."

source="$(cargo metadata --locked --format-version 1 | python3 -c 'import json,sys; print(next(p["manifest_path"] for p in json.load(sys.stdin)["packages"] if p["name"] == "v4l"))')"
names="$(grep -rhoE '\b(v4l2|V4L2)_[A-Za-z0-9_]+' "$(dirname "$source")/src" | sort -u | grep -v bindgen | paste -sd '|')|v4l2_frm[a-z]+types|time_t"
header="$(mktemp --suffix .h)"
echo '#include <linux/videodev2.h>' > "$header"
bindgen "$header" --allowlist-type "$names" --allowlist-var "$names" --no-layout-tests --no-doc-comments --use-core --output v4l2-sys/src/bindings.rs
rm "$header"
