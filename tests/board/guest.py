"""A booted board with the gate's program on it, and the door as it is seen from outside: what every board test uses."""

import re
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from emulator import Board, BoardError, TooLate

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/board"
PIN = 17
OPEN_SECONDS = 3.0
# What differs from the shipped configuration: the emulator computes floats in software and takes seconds of real time
# for a frame, so few are asked for; and a board that only ever sees refused visitors must go on judging them.
SLOW_BOARD = {
    "camera.rate": "2.0",
    "visit.most_frames": "5",
    "visit.lost_seconds": "1.2",
    "visit.max_tries": "100",
    "relay.chip": '"pinctrl-bcm2835"',
    "display.chip": '"pinctrl-bcm2835"',
    "display.driver": '"st7789"',
}
# After so long without a visitor the next one is another: two frames more than `lost_seconds`.
BETWEEN_VISITS = float(SLOW_BOARD["visit.lost_seconds"]) + 2 / float(SLOW_BOARD["camera.rate"])
# In this time a visit is decided: the shipped `decide_seconds`, and the time to notice the visitor.
DECIDED_WITHIN = 6.0 + 2.0


@dataclass
class Result:
    """What a test saw: what happened, and what the door did, both as the README's table says it."""

    what: str
    door: str


def configuration() -> str:
    """The shipped example configuration with the values of the slow board."""
    wanted = dict(SLOW_BOARD)
    lines, table = [], ""
    for line in (ROOT / "config/agegate.toml").read_text().splitlines():
        if line.startswith("["):
            table = line.strip("[]")
        key, equals, _ = line.partition(" = ")
        value = wanted.pop(f"{table}.{key.strip('# ')}", None) if equals else None
        lines.append(line if value is None else f"{key.strip('# ')} = {value}")
    assert not wanted, f"the example configuration lacks {sorted(wanted)}"
    return "\n".join(lines) + "\n"


class Door:
    """Watches the pin from outside, all the time. Moments are the board's."""

    def __init__(self, board: Board):
        self.board, self.changes = board, [(board.now(), board.pin(PIN))]
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            try:
                level, at = self.board.pin(PIN), self.board.now()
            except (OSError, IndexError, ValueError):
                return
            if level != self.changes[-1][1]:
                self.changes.append((at, level))
            time.sleep(0.01)

    @property
    def open(self) -> bool:
        return self.changes[-1][1]

    def wait(self, level: bool, seconds: float) -> float:
        """Waits for a level; the moment at which it came."""
        at = self.board.wait_until(lambda: self.changes[-1][0] if self.open == level else None, seconds)
        if at is None:
            raise TooLate(f"the pin did not go {'high' if level else 'low'} within {seconds:.1f} s\n{self.board.seen[-4000:]}")
        return at

    def openings(self, since: float) -> list[float]:
        """How long the door was open, each time since a moment."""
        times, began = [], None
        for at, level in self.changes:
            if level and at >= since:
                began = at
            elif not level and began is not None:
                times.append(at - began)
                began = None
        if began is not None:
            raise BoardError("the door is still open")
        return times


class Guest:
    """A booted board with the gate's program on it."""

    # In real time, from power on to the console.
    BOOTS_WITHIN = 90.0

    def __init__(self, board: Board):
        self.board = board
        # From power on.
        self.door = Door(board)
        board.wait_for(r"^board ready: (.*)$", self.BOOTS_WITHIN)
        board.wait_for("^console ready", 30)

    def sh(self, command: str, seconds: float = 120, check: bool = True) -> str:
        return self.board.sh(command, seconds, check)

    def configure(self, **changes: str) -> None:
        """The board's configuration, with some values changed; `table__key` names one."""
        edits = ["cp /etc/agegate/slow-board.toml /etc/agegate/agegate.toml"]
        for name, value in changes.items():
            table, key = name.split("__")
            edits.append(f"sed -i '/^\\[{table}\\]/,/^\\[/ s|^#* *{key} = .*|{key} = {value}|' /etc/agegate/agegate.toml")
        edits += [f"grep -qxF '{name.split('__')[1]} = {value}' /etc/agegate/agegate.toml" for name, value in changes.items()]
        self.sh(" && ".join(edits))

    def start(self, how: str = "run") -> None:
        self.sh(f"(RUST_LOG=agegate=trace agegate {how} >>/tmp/gate.log 2>&1; echo gate ended with $? >>/tmp/gate.log) &")
        if "ended" in self.gate_says("agegate .* runs|gate ended with", 10):
            raise BoardError(f"the gate did not start:\n{self.sh('cat /tmp/gate.log')}")

    def gate_says(self, pattern: str, seconds: float, times: int = 1) -> str:
        """Waits until the gate's messages have a pattern (so many times)."""
        text = ""

        def said() -> str | None:
            nonlocal text
            text = self.sh("cat /tmp/gate.log", check=False)
            found = re.findall(pattern, text)
            return found[-1] if len(found) >= times else None

        found = self.board.wait_until(said, seconds, 0.3)
        if found is None:
            said = "\n".join(line for line in text.splitlines() if "TRACE" not in line)
            raise TooLate(f"the gate did not say {pattern!r} within {seconds} s:\n{said[-1500:]}")
        return found

    def stop(self) -> None:
        self.sh("killall -CONT agegate; killall agegate; for i in 1 2 3 4 5 6 7 8 9 10; do pidof agegate >/dev/null || break; sleep 0.5; done; ! pidof agegate", check=False)
        self.sh("killall -9 agegate", check=False)
        self.sh("mv /tmp/gate.log /tmp/gate-before.log", check=False)

    def opened(self) -> float:
        """Shows the adult and waits for the open door; the moment."""
        self.sh("play adult")
        return self.door.wait(True, DECIDED_WITHIN)

    def leave(self) -> None:
        """Empties the place, for so long that the next visitor is another."""
        self.sh("play nobody")
        self.board.sleep(BETWEEN_VISITS)

    def daemon(self) -> str:
        """Process number of the gate itself, not of its keeper or supervisor."""
        return self.sh("for p in $(pidof agegate); do tr '\\000' ' ' </proc/$p/cmdline | grep -q ' run' && echo $p; done; true").split()[-1]

    def keeper(self) -> str:
        return self.sh("for p in $(pidof agegate); do tr '\\000' ' ' </proc/$p/cmdline | grep -q relay-keeper && echo $p; done; true").split()[-1]

    def judged(self) -> str:
        """The gate's last messages about frames and decisions."""
        return self.sh("grep -E 'decision|frame' /tmp/gate.log | tail -n 40", check=False)

    def log_verifies(self) -> str:
        return self.sh("agegate log verify").splitlines()[-1]


def card(work: Path) -> Path:
    """An SD card with an empty ext4."""
    disk = work / "card.img"
    disk.unlink(missing_ok=True)
    with open(disk, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    return disk


def on_fresh_board(work: Path, test) -> Result:
    with Board(WORK, work, card(work)) as board:
        return test(Guest(board))
