"""A command as the camera (`source = "pipe"`): a face is seen through its pipe, and it ends and comes back as a camera does.

Debian's ffmpeg with all that it needs is 600 MB, too much for the board: `tests/a_command_can_be_the_camera.rs` has it. Here the
command is a script of the board's own that writes Motion-JPEG, and then v4l2-ctl, which writes the emulated camera's raw frames.
"""

from emulator import BoardError, TooLate
from faults import stays_shut
from guest import DECIDED_WITHIN, Guest, Result

SCRIPT = '["mjpeg-camera"]'
V4L2 = '["v4l2-ctl", "-d", "/dev/video0", "--set-fmt-video=width=640,height=480,pixelformat=YUYV", "--stream-mmap", "--stream-to=-"]'


def see(guest: Guest, visitor: str) -> None:
    """What the script shows from now on."""
    guest.sh(f"echo {visitor} >/tmp/seen.new && mv /tmp/seen.new /tmp/seen")


def running(guest: Guest, program: str) -> list[str]:
    """Process numbers of a program that has not ended."""
    return guest.sh(f"for p in $(pidof {program}); do grep -q '^State:.Z' /proc/$p/status || echo $p; done; true").split()


def all_ended(guest: Guest, programs: list[str], limit: float) -> float:
    """Waits until none of the programs runs any more; how long it took."""
    began = guest.board.now()
    took = guest.board.wait_until(lambda: None if any(running(guest, name) for name in programs) else guest.board.now() - began, limit)
    if took is None:
        raise TooLate(f"{programs} still run after {limit} s:\n{guest.sh('ps')}")
    return took


def command_camera(guest: Guest) -> Result:
    see(guest, "nobody")
    guest.configure(camera__source='"pipe"', camera__command=SCRIPT, relay__open_seconds="10.0")
    guest.start()
    guest.gate_says("camera command `mjpeg-camera`: 640x480", 15)
    before = running(guest, "mjpeg-camera")
    see(guest, "adult")
    guest.door.wait(True, DECIDED_WITHIN)
    began = guest.board.now()
    guest.sh(f"kill -9 {' '.join(before)}")
    shut = guest.door.wait(False, 4) - began
    if shut > 1.0:
        raise TooLate(f"the command killed, the door was shut only after {shut:.2f} s, promised: 1 s")
    see(guest, "nobody")
    guest.gate_says("camera lost: camera command `mjpeg-camera`: it ended", 5)
    guest.gate_says("the camera is back", 10)
    again = running(guest, "mjpeg-camera")
    if not again or set(again) & set(before):
        raise BoardError(f"the command was not started again: {before}, then {again}")
    door = f"shut after {shut:.2f} s; {stays_shut(guest, 2)}"
    guest.sh(f"kill -9 {guest.daemon()}")
    took = all_ended(guest, ["mjpeg-camera", "agegate"], 3.0)
    guest.sh("mv /tmp/gate.log /tmp/gate-before.log")
    guest.configure(camera__source='"pipe"', camera__command=V4L2, camera__format='"YUYV"')
    guest.sh("play adult")
    guest.start()
    guest.door.wait(True, DECIDED_WITHIN + 5)
    guest.stop()
    # Its own, not the one that feeds the camera.
    left = guest.sh("ps | grep -c '[s]tream-to=-'", check=False)
    if left != "0":
        raise BoardError(f"v4l2-ctl outlives the gate:\n{guest.sh('ps')}")
    what = (
        "an adult is let in by Motion-JPEG from a script's pipe; the script killed: the camera is lost, the door shuts, the script is started again; "
        f"the gate killed (`kill -9`): the script is gone within {took + 0.05:.1f} s; an adult is let in by `v4l2-ctl --stream-to=-` (raw YUYV), which ends with the gate"
    )
    return Result(what, door)


COMMAND = {"a command as the camera: killed, door open; and the gate killed": command_camera}
