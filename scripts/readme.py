"""Puts measured text between the markers of a block in the README or a page of `docs/`; the scripts that measure share it."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def replace_block(name: str, writer: str, text: str, page: pathlib.Path | None = None) -> None:
    """Replaces what stands between the markers of the block `name`, which names the script that writes it: in `page`, or in
    the one page that has it."""
    begin, end = f"<!-- {name}: begin, written by {writer} -->", f"<!-- {name}: end -->"
    there = [page] if page else [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if begin in p.read_text()]
    if len(there) != 1:
        sys.exit(f"{begin}: in {len(there)} pages, expected in one")
    head, rest = there[0].read_text().split(begin, 1)
    there[0].write_text(head + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1])
