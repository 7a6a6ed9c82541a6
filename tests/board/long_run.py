"""Visitors come and go for some minutes; memory and file descriptors of the daemon stay flat, no decision is lost."""

import re
import time
from pathlib import Path

from emulator import Board, BoardError
from guest import DECIDED_WITHIN, OPEN_SECONDS, WORK, Guest, Result, card


def soak(work: Path, seconds: float) -> Result:
    """Visitors come and go for so many seconds of real time; memory and file descriptors of the daemon stay flat, no decision is lost."""
    with Board(WORK, work, card(work)) as board:
        guest = Guest(board)
        guest.configure()
        guest.sh("umount /var/lib/agegate; mount -t ext4 /dev/mmcblk0 /var/lib/agegate; play nobody")
        guest.start()
        pid = guest.daemon()

        def state() -> tuple[int, int]:
            text = guest.sh(f"grep VmRSS /proc/{pid}/status; ls /proc/{pid}/fd | wc -l").split()
            return int(text[1]), int(text[-1])

        until = time.monotonic() + seconds
        began, visits, allowed, states = board.now(), 0, 0, []
        while time.monotonic() < until:
            kind = ["adult", "child"][visits % 2]
            at = board.now()
            guest.sh(f"play {kind}")
            visits += 1
            outcome = guest.gate_says(r"decision \d+: (\w+)", DECIDED_WITHIN, visits)
            guest.leave()
            guest.door.wait(False, OPEN_SECONDS)
            opened, wanted = len(guest.door.openings(at)), outcome == "Allow"
            if opened != wanted:
                raise BoardError(f"decided {outcome}, and the door opened {opened} times for a visitor: {kind}")
            if wanted != (kind == "adult"):
                raise BoardError(f"{kind}: decided {outcome}:\n{guest.judged()}")
            allowed += opened
            states.append(state())
        decided = len(re.findall(r"decision \d+: ", guest.sh("cat /tmp/gate.log")))
        if decided != visits:
            raise BoardError(f"{decided} decisions for {visits} visits")
        half = len(states) // 2
        (early, files), late = states[max(1, half // 2)], states[-1][0]
        if late > early + 2048 or abs(states[-1][1] - files) > 1:
            raise BoardError(f"memory {early} to {late} kB, file descriptors {files} to {states[-1][1]}")
        frames = guest.sh("grep -c 'agegate::gate. frame' /tmp/gate.log")
        guest.stop()
        took = board.now() - began
        return Result(f"{seconds / 60:.0f} minutes, which were {took:.0f} s by the board's clock; {frames} frames judged, {visits} visits; memory {early / 1024:.1f} to {late / 1024:.1f} MB, {files} file descriptors. {guest.log_verifies()}", f"{allowed} openings")
