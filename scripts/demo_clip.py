"""The demonstration clip, `demo/visitors.mjpeg`: its frames and its visitors, none of whom exists. Shared by the scripts that show them."""

import csv
import pathlib
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parent.parent


@dataclass
class Visit:
    """Frames `first` to `last` of the clip show this visitor."""

    first: int
    last: int
    visitor: str

    @property
    def middle(self) -> int:
        """A frame in which the visitor stands still."""
        return (self.first + self.last) // 2


def frames() -> list[bytes]:
    """A JPEG picture for each frame."""
    start = b"\xff\xd8"
    return [start + part for part in (ROOT / "demo/visitors.mjpeg").read_bytes().split(start)[1:]]


def visits() -> list[Visit]:
    with open(ROOT / "demo/visitors.csv", newline="") as file:
        return [Visit(int(row["first_frame"]), int(row["last_frame"]), row["visitor"]) for row in csv.DictReader(file)]


def visit_of(visitor: str) -> Visit:
    """The first visit of somebody; the clip must have one."""
    return next(visit for visit in visits() if visit.visitor == visitor)
