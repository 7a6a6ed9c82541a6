"""Puts what the shipped policy states into the README, word for word."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main() -> None:
    lines = [l[2:].rstrip() for l in (ROOT / "models/policy.toml").read_text().splitlines() if l.startswith("# ")]
    text = "\n".join(f"> {l}  " for l in lines if not l.startswith("Made by"))
    readme = ROOT / "README.md"
    begin, end = "<!-- policy: begin, written by scripts/update_readme.py -->", "<!-- policy: end -->"
    head, rest = readme.read_text().split(begin, 1)
    readme.write_text(head + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1])


if __name__ == "__main__":
    main()
