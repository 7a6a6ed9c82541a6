"""Puts what the shipped policy states into the README, word for word."""

import pathlib

from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    lines = [l[2:].rstrip() for l in (ROOT / "models/policy.toml").read_text().splitlines() if l.startswith("# ")]
    text = "\n".join(f"> {l}  " for l in lines if not l.startswith("Made by"))
    replace_block("policy", "scripts/update_readme.py", text)


if __name__ == "__main__":
    main()
