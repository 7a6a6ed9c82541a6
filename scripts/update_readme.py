"""Puts what the shipped policy states into the README and the practice statement, word for word."""

import pathlib

from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs/practice-statement.md")


def main() -> None:
    lines = [l[2:].rstrip() for l in (ROOT / "models/policy.toml").read_text().splitlines() if l.startswith("# ")]
    text = "\n".join(f"> {l}  " for l in lines if not l.startswith("Made by"))
    for page in PAGES:
        replace_block("policy", "scripts/update_readme.py", text, page)


if __name__ == "__main__":
    main()
