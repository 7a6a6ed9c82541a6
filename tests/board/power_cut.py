"""The power is cut while the log is written; the log must be whole after the next boot."""

from pathlib import Path

from emulator import Board
from guest import WORK, Guest, Result, card


def power_cut(work: Path) -> Result:
    """Cuts the power while the log is written, again and again; the log must verify after each boot."""
    disk = card(work)
    cuts, said = 3, ""
    for cut in range(cuts + 1):
        with Board(WORK, work, disk) as board:
            guest = Guest(board)
            guest.configure(relay__driver='"simulated"', display__driver='"none"')
            guest.sh("umount /var/lib/agegate; mount -t ext4 /dev/mmcblk0 /var/lib/agegate")
            if cut:
                said = guest.log_verifies()
            if cut == cuts:
                break
            # A gate that is started and stopped writes a record each time.
            guest.sh("(while :; do agegate run & sleep 1.5; kill $!; wait $!; done) >/tmp/gate.log 2>&1 &")
            guest.gate_says("agegate stops", 30, 2 + cut)
            board.sleep(0.37 * (cut + 1))
    return Result(f"{cuts} cuts while records were being written; after the last boot: {said}", "-")
