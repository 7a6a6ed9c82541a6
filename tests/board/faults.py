"""Faults on the running board, each ending with the relay's pin at its safe level within its stated time."""

import re

from emulator import BoardError, TooLate
from guest import DECIDED_WITHIN, OPEN_SECONDS, ROOT, Guest, Result


def unit_line(key: str) -> str:
    """A command of the shipped systemd unit."""
    for line in (ROOT / "systemd/agegate.service").read_text().splitlines():
        if line.startswith(f"{key}="):
            return line.split("=", 1)[1]
    raise AssertionError(f"the unit has no {key}")


def shut_after(guest: Guest, command: str, limit: float) -> str:
    """Lets the adult in, does something to the board while the door is open, and measures from there to the safe level."""
    guest.opened()
    began = guest.board.now()
    guest.sh(command)
    took = guest.door.wait(False, limit + 3) - began
    if took > limit:
        raise TooLate(f"safe only after {took:.2f} s, promised: {limit} s")
    return f"shut after {took:.2f} s"


def open_as_long_as_ever(guest: Guest, opened: float) -> str:
    """Measures that a fault makes an opening neither longer nor shorter."""
    took = guest.door.wait(False, OPEN_SECONDS + 1) - opened
    if abs(took - OPEN_SECONDS) > 0.3:
        raise TooLate(f"open for {took:.2f} s, configured: {OPEN_SECONDS} s")
    return f"open for {took:.2f} s, as configured"


def stays_shut(guest: Guest, seconds: float) -> str:
    began = guest.board.now()
    guest.board.sleep(seconds)
    if guest.door.open or any(level and at > began for at, level in guest.door.changes):
        raise BoardError("the door opened")
    return "stays shut"


def refuses_to_start(guest: Guest, pattern: str) -> str:
    """Starts the gate, which must end with the exit code for a bad configuration and say a pattern; what it said."""
    ended = guest.sh("agegate run; echo code $?", check=False)
    said = re.search(pattern, ended)
    if said is None or "code 2" not in ended:
        raise BoardError(f"the gate must refuse to start and say {pattern!r}: {ended}")
    return said[0]


# `/proc/devices` has it on Raspberry Pi OS (drivers/dma-buf/dma-heap.c); Debian's kernel is built without it.
NOT_IN_DEBIAN = "dma_heap"


def device_classes(guest: Guest, units: str) -> str:
    """The classes of devices that units name; systemd passes over one that the kernel does not have without a word."""
    named = re.findall(r"^DeviceAllow=char-(\S+)", units, re.M)
    known = re.findall(r"^ *\d+ (\S+)", guest.sh("cat /proc/devices"), re.M)
    unknown = [name for name in named if name not in [*known, NOT_IN_DEBIAN]]
    if unknown or not named:
        raise BoardError(f"the kernel has no class {unknown}; it has {sorted(set(known))}")
    said = ", ".join(f"`{name}`" for name in named if name in known)
    return said if set(named) <= set(known) else f"{said} (and not `{NOT_IN_DEBIAN}`, which Debian's kernel is built without)"


def classes_exist(guest: Guest) -> Result:
    units = "".join((ROOT / "systemd" / name).read_text() for name in ("agegate.service", "agegate-libcamera.conf"))
    return Result(f"the kernel has each class of devices that unit and drop-in allow: {device_classes(guest, units)}", "-")


def gate_killed(guest: Guest) -> Result:
    guest.configure()
    guest.start()
    door = shut_after(guest, f"kill -9 {guest.daemon()}", 1.0)
    return Result("the keeper sees the pipe close and releases the relay", door)


def gate_and_keeper_killed_unit(guest: Guest) -> Result:
    guest.configure()
    guest.start()
    door = shut_after(guest, f"kill -9 {guest.keeper()} {guest.daemon()}; {unit_line('ExecStopPost')}", 2.0)
    return Result("the unit's ExecStopPost releases the relay", door)


def gate_and_keeper_killed_supervised(guest: Guest) -> Result:
    guest.configure()
    guest.start("supervise")
    door = shut_after(guest, f"kill -9 {guest.keeper()} {guest.daemon()}", 2.0)
    guest.gate_says("agegate .* runs", 20, 2)
    guest.opened()
    guest.door.wait(False, OPEN_SECONDS + 1)
    return Result("`agegate supervise` releases the relay and starts the gate again, which opens for the next adult", door)


def gate_stopped(guest: Guest) -> Result:
    guest.configure()
    guest.start()
    pid = guest.daemon()
    door = shut_after(guest, f"kill -STOP {pid}", OPEN_SECONDS + 0.3)
    stays_shut(guest, 3)
    guest.sh(f"kill -CONT {pid}")
    return Result("the keeper ends the lease at its deadline, 3 s after the opening", door)


def gate_hangs_supervised(guest: Guest) -> Result:
    guest.configure()
    guest.start("supervise")
    door = shut_after(guest, f"kill -STOP {guest.daemon()}", OPEN_SECONDS + 0.3)
    guest.gate_says("no progress for 15 s; it is killed", 20)
    guest.gate_says("agegate .* runs", 20, 2)
    return Result("the lease ends; `agegate supervise` kills the gate when it shows no progress, and starts it again", door)


def camera_unplugged(guest: Guest) -> Result:
    guest.configure(relay__open_seconds="10.0")
    guest.start()
    door = shut_after(guest, "echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind", 1.0)
    guest.gate_says("camera lost", 5)
    guest.sh("killall v4l2-ctl; sleep 1; rmmod vivid")
    guest.sh("plug-camera")
    guest.sh("play adult")
    guest.gate_says("camera is back", 10)
    guest.door.wait(True, DECIDED_WITHIN)
    guest.door.wait(False, 11)
    return Result("the door shuts and the display says so; plugged in again, the gate goes on by itself", door)


def camera_stalls(guest: Guest) -> Result:
    guest.configure(relay__open_seconds="10.0")
    guest.start()
    door = shut_after(guest, "v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100", 3.0)
    guest.gate_says("camera lost", 5)
    guest.sh("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    guest.gate_says("camera is back", 10)
    return Result("without a frame for `stall_seconds` (2 s) the door shuts; the gate goes on when frames come again", door)


def log_full(guest: Guest) -> Result:
    guest.configure()
    # Full before the first record: a page that the log has already begun would take some more of them.
    guest.sh("dd if=/dev/zero of=/var/lib/agegate/filler bs=4k 2>/dev/null; true")
    guest.start()
    guest.sh("play adult")
    guest.gate_says("is not acted on, the door stays shut", DECIDED_WITHIN)
    door = stays_shut(guest, 3)
    guest.sh("rm /var/lib/agegate/filler*")
    guest.leave()
    guest.opened()
    guest.door.wait(False, OPEN_SECONDS + 1)
    guest.stop()
    return Result(f"the adult's decision cannot be logged, so the door stays shut; with room again it opens for the next. {guest.log_verifies()}", door)


def log_read_only(guest: Guest) -> Result:
    guest.configure()
    guest.sh("umount /var/lib/agegate; mount -t ext4 /dev/mmcblk0 /var/lib/agegate")
    guest.start()
    # The hard case: a file that is open already can still be written and synced, and nothing reaches the card.
    guest.sh("echo u >/proc/sysrq-trigger; sleep 1")
    guest.sh("play adult")
    guest.gate_says("is not acted on, the door stays shut", DECIDED_WITHIN)
    door = stays_shut(guest, 3)
    guest.stop()
    ended = guest.sh("agegate run", check=False)
    if "Read-only" not in ended:
        raise BoardError(f"a gate whose log is read-only must not start, and say so: {ended}")
    return Result("the door stays shut; started anew, the gate refuses to run and names the folder", door)


def model_cut_short(guest: Guest) -> Result:
    guest.sh("head -c 100000 /models/age-estimator.onnx >/tmp/short.onnx")
    guest.configure(models__age='"/tmp/short.onnx"')
    refuses_to_start(guest, "/tmp/short.onnx")
    return Result("the gate refuses to start and names the file", stays_shut(guest, 1))


def unknown_key(guest: Guest) -> Result:
    guest.configure()
    guest.sh("sed -i 's/^open_seconds/open_secs/' /etc/agegate/agegate.toml")
    said = refuses_to_start(guest, r"agegate.toml, line \d+: \[relay\] has no key `open_secs`")
    return Result(f'the gate refuses to start: "{said} ..."', stays_shut(guest, 1))


def display_gone(guest: Guest) -> Result:
    guest.configure()
    guest.start()
    guest.gate_says("display St7789 on", 10)
    guest.sh("echo spi0.0 >/sys/bus/spi/drivers/spidev/unbind")
    door = open_as_long_as_ever(guest, guest.opened())
    guest.gate_says("goes on without it", 10)
    guest.sh("echo spi0.0 >/sys/bus/spi/drivers/spidev/bind")
    guest.gate_says("display St7789 on", 10, 2)
    return Result("the gate goes on without it, lets the adult in, and uses it again when it is back", door)


def clock_set(guest: Guest) -> Result:
    guest.configure()
    guest.sh("date -s '2026-05-05 12:00'")
    guest.start()
    guest.sh("play adult")
    guest.gate_says("frame", 10)
    guest.sh("date -s '2026-05-04 12:00'")
    opened = guest.door.wait(True, DECIDED_WITHIN)
    guest.sh("date -s '2026-05-06 12:00'")
    door = open_as_long_as_ever(guest, opened)
    guest.stop()
    return Result(f"set back a day while the visitor is looked at, forward two while the door is open. {guest.log_verifies()}", door)


FAULTS = {
    "daemon killed (`kill -9`), door open": gate_killed,
    "daemon and keeper killed, door open, systemd's unit": gate_and_keeper_killed_unit,
    "daemon and keeper killed, door open, `agegate supervise`": gate_and_keeper_killed_supervised,
    "daemon stopped (SIGSTOP), door open": gate_stopped,
    "daemon hangs, door open, `agegate supervise`": gate_hangs_supervised,
    "camera unplugged, door open, and plugged in again": camera_unplugged,
    "camera gives no frames, door open": camera_stalls,
    "log folder full": log_full,
    "log folder read-only": log_read_only,
    "model file cut short": model_cut_short,
    "configuration with an unknown key": unknown_key,
    "SPI device gone, and back": display_gone,
    "wall clock set back a day, then forward two": clock_set,
    "devices that systemd's unit allows": classes_exist,
}
