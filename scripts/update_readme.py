"""Puts what the shipped policy states into the README and the practice statement, word for word."""

import math
import pathlib
import tomllib

from readme import replace_block

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs/practice-statement.md")


def main() -> None:
    lines = [l[2:].rstrip() for l in (ROOT / "models/policy.toml").read_text().splitlines() if l.startswith("# ")]
    text = "\n".join(f"> {l}  " for l in lines if not l.startswith("Made by"))
    for page in PAGES:
        replace_block("policy", "scripts/update_readme.py", text, page)
    replace_block("policies", "scripts/update_readme.py", policies())


def policies() -> str:
    """A row for each shipped policy."""
    rows = ["| `shipped_policy` | bound | of 1,000 people of 13 to 17 let in | of 1,000 adults asked for ID |", "|---|---|---|---|"]
    for name, stem in (("strict", "policy-strict"), ("balanced", "policy"), ("fast", "policy-fast")):
        e = tomllib.loads((ROOT / f"models/{stem}.toml").read_text())["evidence"]
        rows.append(f"| {name} | {e['max_false_accept'] * 100:g} % | {e['false_accept'] * 1e3:.0f}, at most {math.ceil(e['false_accept_high'] * 1e3)} | {e['false_reject'] * 1e3:.0f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
