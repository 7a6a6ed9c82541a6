"""The real daemon on an emulated Raspberry Pi 3: kernel drivers for camera, pins and SPI, faults, and the door.

The relay's pin is read from outside the guest, by the emulator. `make board-test` runs this; each test says what it
saw, and `target/board/results.json` keeps it for the table in the README. Two boards run side by side.

python3 tests/board/board_test.py --binary FILE [--only NAME...] [--jobs 2]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import image
import visitors
from emulator import Board, BoardError

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target/board"
PIN = 17
OPEN_SECONDS = 3.0
# The emulator computes floats in software and takes seconds for a frame: times that count frames are long here, and
# only by configuration. What the door does is timed as it would be on a real board.
SLOW_BOARD = {
    "camera.rate": "2.0",
    "camera.stall_seconds": "5.0",
    "visit.good_frames": "2",
    "visit.most_frames": "3",
    "visit.decide_seconds": "100.0",
    "visit.lost_seconds": "10.0",
    "visit.max_tries": "100",
    "relay.chip": '"pinctrl-bcm2835"',
    "display.chip": '"pinctrl-bcm2835"',
    "display.driver": '"st7789"',
}


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
    """Watches the pin from outside, all the time."""

    def __init__(self, board: Board):
        self.board, self.changes = board, [(time.monotonic(), board.pin(PIN))]
        self.changed = threading.Condition()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            try:
                level = self.board.pin(PIN)
            except (OSError, IndexError):
                return
            if level != self.changes[-1][1]:
                with self.changed:
                    self.changes.append((time.monotonic(), level))
                    self.changed.notify_all()
            time.sleep(0.01)

    @property
    def open(self) -> bool:
        return self.changes[-1][1]

    def wait(self, level: bool, seconds: float) -> float:
        """Waits for a level; the moment at which it came."""
        until = time.monotonic() + seconds
        with self.changed:
            while self.open != level:
                left = until - time.monotonic()
                if left <= 0:
                    raise BoardError(f"the pin did not go {'high' if level else 'low'} within {seconds:.1f} s\n{self.board.seen[-4000:]}")
                self.changed.wait(min(left, 0.2))
            return self.changes[-1][0]

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

    def __init__(self, board: Board):
        self.board = board
        board.wait_for(r"^board ready: (.*)$", 90)
        board.wait_for("^console ready", 30)
        self.door = Door(board)

    def sh(self, command: str, seconds: float = 60, check: bool = True) -> str:
        return self.board.sh(command, seconds, check)

    def configure(self, **changes: str) -> None:
        """The board's configuration, with some values changed; `table__key` names one."""
        edits = ["cp /etc/agegate/slow-board.toml /etc/agegate/agegate.toml"]
        for name, value in changes.items():
            table, key = name.split("__")
            edits.append(f"sed -i '/^\\[{table}\\]/,/^\\[/ s|^#* *{key} = .*|{key} = {value}|' /etc/agegate/agegate.toml")
        edits += [f"grep -q '^{name.split('__')[1]} = {value}$' /etc/agegate/agegate.toml" for name, value in changes.items()]
        self.sh(" && ".join(edits))

    def start(self, how: str = "run") -> None:
        self.sh(f"(RUST_LOG=agegate=trace agegate {how} >>/tmp/gate.log 2>&1; echo gate ended with $? >>/tmp/gate.log) &")
        self.gate_says("agegate .* runs", 60)

    def gate_says(self, pattern: str, seconds: float, times: int = 1) -> str:
        """Waits until the gate's messages have a pattern (so many times)."""
        until = time.monotonic() + seconds
        while True:
            text = self.sh("cat /tmp/gate.log", check=False)
            found = re.findall(pattern, text)
            if len(found) >= times:
                return found[-1]
            if time.monotonic() > until:
                said = "\n".join(line for line in text.splitlines() if "TRACE" not in line)
                raise BoardError(f"the gate did not say {pattern!r} within {seconds} s:\n{said[-1500:]}")
            time.sleep(0.3)

    def stop(self) -> None:
        self.sh("killall -CONT agegate; killall agegate; for i in 1 2 3 4 5 6 7 8 9 10; do pidof agegate >/dev/null || break; sleep 0.5; done; ! pidof agegate", check=False)
        self.sh("killall -9 agegate", check=False)
        self.sh("mv /tmp/gate.log /tmp/gate-before.log", check=False)

    def opened(self, seconds: float = 150) -> float:
        """Shows the adult and waits for the open door; the moment."""
        self.sh("play adult")
        return self.door.wait(True, seconds)

    def daemon(self) -> str:
        """Process number of the gate itself, not of its keeper or supervisor."""
        return self.sh("for p in $(pidof agegate); do tr '\\000' ' ' </proc/$p/cmdline | grep -q ' run' && echo $p; done; true").split()[-1]

    def keeper(self) -> str:
        return self.sh("for p in $(pidof agegate); do tr '\\000' ' ' </proc/$p/cmdline | grep -q relay-keeper && echo $p; done; true").split()[-1]

    def log_verifies(self) -> str:
        return self.sh("agegate log verify").splitlines()[-1]


def unit_line(key: str) -> str:
    """A command of the shipped systemd unit."""
    for line in (ROOT / "systemd/agegate.service").read_text().splitlines():
        if line.startswith(f"{key}="):
            return line.split("=", 1)[1]
    raise AssertionError(f"the unit has no {key}")


# ---------------------------------------------------------------- the visitors

def visitors_with(guest: Guest, driver: str, kinds: list[tuple[str, str]]) -> str:
    guest.configure(relay__driver=f'"{driver}"')
    guest.sh("play nobody")
    sent = int(guest.sh("cat /sys/class/spi_master/spi0/statistics/bytes_tx"))
    guest.start()
    said, decided = [], 0
    for kind, expected in kinds:
        began = time.monotonic()
        guest.sh(f"play {kind}")
        if expected != "nothing":
            decided += 1
            outcome = guest.gate_says(r"decision \d+: (\w+)", 150, decided)
            if outcome != expected:
                raise BoardError(f"{kind}: decided {outcome}, expected {expected}")
        else:
            guest.gate_says("frame", 30)
            time.sleep(8)
        time.sleep(OPEN_SECONDS + 1.0)
        times = guest.door.openings(began)
        if expected == "Allow":
            if len(times) != 1 or abs(times[0] - OPEN_SECONDS) > 0.3:
                raise BoardError(f"{kind}: the door was open for {times}, expected once {OPEN_SECONDS} s")
            said.append(f"{kind} {times[0]:.2f} s")
        else:
            if times:
                raise BoardError(f"{kind}: the door was open for {times}, expected never")
            said.append(f"{kind} shut")
        # The place must be empty before the next one comes.
        guest.sh("play nobody")
        time.sleep(float(SLOW_BOARD["visit.lost_seconds"]) + 4)
    sent = int(guest.sh("cat /sys/class/spi_master/spi0/statistics/bytes_tx")) - sent
    # At least one full screen of 240x320 in 16 bits.
    if sent < 240 * 320 * 2:
        raise BoardError(f"the display got only {sent} bytes")
    guest.stop()
    return f"{', '.join(said)}; display: {sent:,} bytes over SPI; {guest.log_verifies()}"


def visitors_rppal(guest: Guest) -> str:
    return visitors_with(guest, "rppal", [("nobody", "nothing"), ("child", "Refer"), ("adult", "Allow"), ("teenager", "Refer"), ("adult-with-a-child-behind", "Refer")])


def visitors_cdev(guest: Guest) -> str:
    return visitors_with(guest, "cdev", [("nobody", "nothing"), ("child", "Refer"), ("pensioner", "Allow"), ("teenager", "Refer"), ("adult-with-a-child-behind", "Refer")])


# ---------------------------------------------------------------- the faults

class Fault:
    """A fault test's result: seconds from the fault to the safe pin, or `None` where the door was not open."""

    def __init__(self, text: str, safe: float | None):
        self.text, self.safe = text, safe


def shut_after(guest: Guest, since: float, limit: float) -> float:
    took = guest.door.wait(False, limit + 3) - since
    if took > limit:
        raise BoardError(f"safe only after {took:.2f} s, promised: {limit} s")
    return took


def stays_shut(guest: Guest, seconds: float) -> None:
    began = time.monotonic()
    time.sleep(seconds)
    if guest.door.open or any(level and at > began for at, level in guest.door.changes):
        raise BoardError("the door opened")


def gate_killed(guest: Guest) -> Fault:
    guest.configure()
    guest.start()
    pid = guest.daemon()
    guest.opened()
    at = time.monotonic()
    guest.sh(f"kill -9 {pid}")
    took = shut_after(guest, at, 1.0)
    return Fault("the keeper sees the pipe close and releases the relay", took)


def gate_and_keeper_killed_unit(guest: Guest) -> Fault:
    guest.configure()
    guest.start()
    pids = f"{guest.keeper()} {guest.daemon()}"
    guest.opened()
    command = unit_line("ExecStopPost")
    at = time.monotonic()
    guest.sh(f"kill -9 {pids}; {command}")
    took = shut_after(guest, at, 2.0)
    return Fault("the unit's ExecStopPost releases the relay", took)


def gate_and_keeper_killed_supervised(guest: Guest) -> Fault:
    guest.configure()
    guest.start("supervise --watchdog-seconds 120")
    pids = f"{guest.keeper()} {guest.daemon()}"
    guest.opened()
    at = time.monotonic()
    guest.sh(f"kill -9 {pids}")
    took = shut_after(guest, at, 2.0)
    guest.gate_says("agegate .* runs", 60, 2)
    guest.opened()
    guest.door.wait(False, OPEN_SECONDS + 1)
    return Fault("`agegate supervise` releases the relay and starts the gate again, which opens for the next adult", took)


def gate_stopped(guest: Guest) -> Fault:
    guest.configure()
    guest.start()
    pid = guest.daemon()
    opened = guest.opened()
    at = time.monotonic()
    guest.sh(f"kill -STOP {pid}")
    took = shut_after(guest, at, OPEN_SECONDS + 0.3)
    if guest.door.changes[-1][0] - opened > OPEN_SECONDS + 0.3:
        raise BoardError("the lease was not kept")
    stays_shut(guest, 5)
    guest.sh(f"kill -CONT {pid}")
    return Fault("the keeper ends the lease at its deadline, 3 s after the opening", took)


def gate_hangs_supervised(guest: Guest) -> Fault:
    guest.configure()
    guest.start("supervise --watchdog-seconds 25")
    pid = guest.daemon()
    guest.opened()
    at = time.monotonic()
    guest.sh(f"kill -STOP {pid}")
    took = shut_after(guest, at, OPEN_SECONDS + 0.3)
    guest.gate_says("no progress for 25 s; it is killed", 60)
    guest.gate_says("agegate .* runs", 60, 2)
    return Fault("the lease ends; `agegate supervise` kills the gate when it shows no progress, and starts it again", took)


def camera_unplugged(guest: Guest) -> Fault:
    guest.configure(relay__open_seconds="10.0")
    guest.start()
    guest.opened()
    at = time.monotonic()
    guest.sh("echo vivid.0 >/sys/bus/platform/drivers/vivid/unbind")
    # A frame that is being judged is judged to its end first: seconds here, milliseconds on a board.
    took = shut_after(guest, at, 8.0)
    guest.gate_says("camera lost", 20)
    guest.sh("killall v4l2-ctl; sleep 1; rmmod vivid")
    guest.sh("plug-camera", 60)
    guest.sh("play adult")
    guest.gate_says("camera is back", 60)
    guest.door.wait(True, 100)
    guest.door.wait(False, 11)
    return Fault("the door shuts and the display says so; plugged in again, the gate goes on by itself", took)


def camera_stalls(guest: Guest) -> Fault:
    guest.configure(camera__stall_seconds="1.0", relay__open_seconds="10.0")
    guest.start()
    guest.opened()
    at = time.monotonic()
    guest.sh("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=100")
    # A frame that is being judged is judged to its end first: seconds here, milliseconds on a board.
    took = shut_after(guest, at, 9.0)
    guest.gate_says("camera lost", 20)
    guest.sh("v4l2-ctl -d /dev/video0 -c percentage_of_dropped_buffers=0")
    guest.gate_says("camera is back", 60)
    return Fault("without a frame for `stall_seconds` (here 1 s, and a frame in work takes seconds) the door shuts; the gate goes on when frames come again", took)


def log_full(guest: Guest) -> Fault:
    guest.configure()
    # Full before the first record: a page that the log has already begun would take some more of them.
    guest.sh("dd if=/dev/zero of=/var/lib/agegate/filler bs=4k 2>/dev/null; true")
    guest.start()
    guest.sh("play adult")
    guest.gate_says("is not acted on, the door stays shut", 150)
    stays_shut(guest, 3)
    guest.sh("rm /var/lib/agegate/filler*; play nobody")
    time.sleep(float(SLOW_BOARD["visit.lost_seconds"]) + 5)
    guest.opened()
    guest.door.wait(False, OPEN_SECONDS + 1)
    guest.stop()
    return Fault(f"the adult's decision cannot be logged, so the door stays shut; with room again it opens for the next. {guest.log_verifies()}", None)


def log_read_only(guest: Guest) -> Fault:
    guest.configure()
    guest.sh("umount /var/lib/agegate; mount -t ext4 /dev/mmcblk0 /var/lib/agegate")
    guest.start()
    # The hard case: a file that is open already can still be written and synced, and nothing reaches the card.
    guest.sh("echo u >/proc/sysrq-trigger; sleep 1")
    guest.sh("play adult")
    guest.gate_says("is not acted on, the door stays shut", 150)
    stays_shut(guest, 3)
    guest.stop()
    ended = guest.sh("agegate run", 60, check=False)
    if "Read-only" not in ended:
        raise BoardError(f"a gate whose log is read-only must not start, and say so: {ended}")
    return Fault("the door stays shut; started anew, the gate refuses to run and names the folder", None)


def model_cut_short(guest: Guest) -> Fault:
    guest.sh("head -c 100000 /models/age-estimator.onnx >/tmp/short.onnx")
    guest.configure(models__age='"/tmp/short.onnx"')
    ended = guest.sh("agegate run; echo code $?", 60, check=False)
    if "/tmp/short.onnx" not in ended or "code 2" not in ended:
        raise BoardError(f"a model that is cut short must be refused by name: {ended}")
    stays_shut(guest, 1)
    return Fault("the gate refuses to start and names the file", None)


def unknown_key(guest: Guest) -> Fault:
    guest.configure()
    guest.sh("sed -i 's/^open_seconds/open_secs/' /etc/agegate/agegate.toml")
    ended = guest.sh("agegate run; echo code $?", 60, check=False)
    line = re.search(r"agegate.toml, line \d+: unknown field `open_secs`", ended)
    if line is None or "code 2" not in ended:
        raise BoardError(f"an unknown key must be refused with its line: {ended}")
    return Fault(f"the gate refuses to start: \"{line[0]} ...\"", None)


def display_gone(guest: Guest) -> Fault:
    guest.configure()
    guest.start()
    guest.gate_says("display St7789 on", 30)
    guest.sh("echo spi0.0 >/sys/bus/spi/drivers/spidev/unbind")
    opened = guest.opened()
    took = guest.door.wait(False, OPEN_SECONDS + 1) - opened
    if abs(took - OPEN_SECONDS) > 0.3:
        raise BoardError(f"open for {took:.2f} s without a display")
    guest.gate_says("goes on without it", 30)
    guest.sh("echo spi0.0 >/sys/bus/spi/drivers/spidev/bind")
    guest.gate_says("display St7789 on", 30, 2)
    return Fault(f"the gate goes on without it (the adult's door was open for {took:.2f} s) and uses it again when it is back", took)


def clock_set(guest: Guest) -> Fault:
    guest.configure()
    guest.sh("date -s '2026-05-05 12:00'")
    guest.start()
    guest.sh("play adult")
    guest.gate_says("frame", 60)
    guest.sh("date -s '2026-05-04 12:00'")
    opened = guest.door.wait(True, 150)
    guest.sh("date -s '2026-05-06 12:00'")
    took = guest.door.wait(False, OPEN_SECONDS + 1) - opened
    if abs(took - OPEN_SECONDS) > 0.3:
        raise BoardError(f"open for {took:.2f} s over a jump of the clock")
    guest.stop()
    return Fault(f"set back a day while the visitor is looked at, forward two while the door is open: it is open for {took:.2f} s. {guest.log_verifies()}", took)


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
}


def power_cut(work: Path) -> str:
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
            guest.gate_says("agegate stops", 90, 2 + cut)
            time.sleep(0.37 * (cut + 1))
    return f"{cuts} cuts while records were being written; after the last boot: {said}"


def card(work: Path) -> Path:
    """An SD card with an empty ext4."""
    disk = work / "card.img"
    disk.unlink(missing_ok=True)
    with open(disk, "wb") as file:
        file.truncate(32 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", disk], check=True)
    return disk


def soak(work: Path, seconds: float) -> str:
    """Visitors come and go for some minutes; memory and file descriptors of the daemon stay flat, no decision is lost."""
    with Board(WORK, work, card(work)) as board:
        guest = Guest(board)
        guest.configure()
        guest.sh("umount /var/lib/agegate; mount -t ext4 /dev/mmcblk0 /var/lib/agegate; play nobody")
        guest.start()
        pid = guest.daemon()

        def state() -> tuple[int, int]:
            text = guest.sh(f"grep VmRSS /proc/{pid}/status; ls /proc/{pid}/fd | wc -l").split()
            return int(text[1]), int(text[-1])

        began, visits, allowed, states = time.monotonic(), 0, 0, []
        while time.monotonic() - began < seconds:
            kind = ["adult", "child"][visits % 2]
            at = time.monotonic()
            guest.sh(f"play {kind}")
            visits += 1
            guest.gate_says(r"decision \d+: (\w+)", 150, visits)
            guest.sh("play nobody")
            time.sleep(float(SLOW_BOARD["visit.lost_seconds"]) + 4)
            opened = len(guest.door.openings(at))
            if opened != (kind == "adult"):
                raise BoardError(f"the door opened {opened} times for a visitor: {kind}")
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
        took = time.monotonic() - began
        return f"{took:.0f} s, {frames} frames judged, {visits} visits, {allowed} openings; memory {early / 1024:.1f} to {late / 1024:.1f} MB, {files} file descriptors; {guest.log_verifies()}"


# ---------------------------------------------------------------- running them

def on_fresh_board(work: Path, test) -> object:
    with Board(WORK, work, card(work)) as board:
        return test(Guest(board))


def all_tests() -> dict:
    tests = {
        "visitors, relay through rppal": lambda work: on_fresh_board(work, visitors_rppal),
        "visitors, relay through the character device": lambda work: on_fresh_board(work, visitors_cdev),
    }
    for name, test in FAULTS.items():
        tests[name] = lambda work, test=test: on_fresh_board(work, test)
    tests["power cut while the log is written"] = power_cut
    return tests


def write_readme(results: dict) -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    from readme import replace_block

    if "soak" in results:
        text = f"Long run on the emulated board (`make board-soak`): {results['soak']['what']}."
        return replace_block("board soak", "tests/board/board_test.py", text)
    lines = ["| fault | what happens | safe after |", "|---|---|---|"]
    for name, result in results.items():
        safe = result["safe_seconds"]
        # Where the door was not open, it never opened.
        shut = "stays shut" if name in FAULTS else "-"
        lines.append(f"| {name} | {result['what']} | {shut if safe is None else f'{safe:.2f} s'} |")
    replace_block("faults", "tests/board/board_test.py", "\n".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="tests whose name has one of these words")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="only let visitors come and go for so long")
    parser.add_argument("--readme", action="store_true", help="write the table of the README")
    args = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    kinds = visitors.write(WORK / "visitors")
    files = {f"/visitors/{kind}.yuyv": path for kind, path in kinds.items()}
    files["/models/age-estimator.onnx"] = ROOT / "models/age-estimator.onnx"
    slow_board = WORK / "slow-board.toml"
    slow_board.write_text(configuration())
    files["/etc/agegate/slow-board.toml"] = slow_board
    image.build(WORK, args.binary, files)
    every = all_tests() if args.soak is None else {"soak": lambda work: soak(work, args.soak)}
    tests = {n: t for n, t in every.items() if not args.only or any(word in n for word in args.only)}
    began, results, failed = time.monotonic(), {}, 0
    print(f"emulated Raspberry Pi 3, QEMU {image.emulator_version()}, {len(tests)} tests, {args.jobs} boards side by side", flush=True)

    def one(item):
        index, (name, test) = item
        work = WORK / f"run-{index}"
        work.mkdir(exist_ok=True)
        at = time.monotonic()
        # A machine that stands still for seconds looks like a gate that does: a second try, and the first one is told.
        for left in (1, 0):
            try:
                return name, test(work), time.monotonic() - at, None
            except Exception as error:  # noqa: BLE001 - every failure is reported, the other tests go on
                detail = str(error) if isinstance(error, BoardError) else traceback.format_exc()
                if left:
                    print(f"again: {name}, which failed first: {detail[:1500]}", flush=True)
        return name, None, time.monotonic() - at, detail

    with ThreadPoolExecutor(args.jobs) as pool:
        for name, result, seconds, error in pool.map(one, enumerate(tests.items())):
            if error is not None:
                failed += 1
                print(f"FAILED {name} ({seconds:.0f} s): {error}", flush=True)
                continue
            text, safe = (result.text, result.safe) if isinstance(result, Fault) else (result, None)
            results[name] = {"what": text, "safe_seconds": safe}
            safe_text = "" if safe is None else f"; safe after {safe:.2f} s"
            print(f"ok     {name} ({seconds:.0f} s): {text}{safe_text}", flush=True)
    if not args.only and args.soak is None:
        (WORK / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    if args.readme and not failed:
        write_readme(results)
    print(f"board test: {len(tests) - failed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
