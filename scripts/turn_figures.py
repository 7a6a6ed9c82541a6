"""Writes the figures of the turn of the head into docs/turn.md: `make turn-figures`."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- figures: make turn-figures -->\n", "<!-- end of figures -->\n"


def main() -> None:
    page = ROOT / "docs" / "turn.md"
    text = page.read_text()
    if BEGIN not in text or END not in text:
        sys.exit(f"{page}: the marks around the figures are gone")
    tables = subprocess.run([ROOT / "target" / "release" / "examples" / "turn_errors"], capture_output=True, text=True, check=True).stdout
    before, rest = text.split(BEGIN)
    page.write_text(before + BEGIN + "\n" + tables.rstrip() + "\n\n" + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
