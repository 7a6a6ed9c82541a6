"""Puts measured text between the markers of a block in the README or another page; the scripts that measure share it."""

import pathlib

README = pathlib.Path(__file__).resolve().parent.parent / "README.md"


def replace_block(name: str, writer: str, text: str, page: pathlib.Path = README) -> None:
    """Replaces what stands between the markers of the block `name`, which names the script that writes it."""
    begin, end = f"<!-- {name}: begin, written by {writer} -->", f"<!-- {name}: end -->"
    head, rest = page.read_text().split(begin, 1)
    page.write_text(head + begin + "\n" + text + "\n" + end + rest.split(end, 1)[1])
