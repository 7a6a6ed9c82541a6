"""The emulated Raspberry Pi: QEMU's process, the guest's console, and the pins as seen from outside the guest.

The board's clock counts instructions, one a nanosecond, and stands still while the emulator does: how fast or busy this
machine is changes nothing of what the board sees. All times that a test measures are read from the board's own timer,
from outside. Everything has a limit in real time too: an emulator that hangs is killed, and the test says what the
console showed last.
"""

import os
import re
import socket
import subprocess
import threading
import time
from pathlib import Path

# The level register of pins 0 to 31 (BCM2835 ARM Peripherals, 6.1: GPLEV0), at the place where a Pi 3 has it.
GPIO_LEVELS = 0x3F200034
# The microseconds since power on (section 12.1: the System Timer's CLO and CHI).
TIMER = 0x3F003004
# A frame is judged in 0.1 to 0.2 s of the board's time and two to five of real time, since floats are computed in
# software: so much real time may pass for each second of the board's, and for what the board needs none for.
MOST_SLOWDOWN, PATIENCE = 40.0, 60.0


class BoardError(AssertionError):
    """The board did something else than it must."""


class TooLate(BoardError):
    """What was waited for did not come in time. A test that was not run for seconds looks the same, so this, and only
    this, is tried again."""


class Board:
    """A running board. Use it as a context: leaving it kills the emulator."""

    def __init__(self, image: Path, work: Path, disk: Path | None = None, kernel_options: str = ""):
        self.console_path, self.monitor_path = work / "console", work / "monitor"
        for path in (self.console_path, self.monitor_path):
            path.unlink(missing_ok=True)
        command = [
            "qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on", "-display", "none", "-no-reboot",
            "-kernel", image / "kernel", "-initrd", image / "initramfs", "-dtb", image / "board.dtb",
            "-append", f"console=ttyAMA0,115200 iomem=relaxed panic=-1 rdinit=/init loglevel=4 {kernel_options}",
            "-chardev", f"socket,id=console,path={self.console_path},server=on,wait=off", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,path={self.monitor_path},server=on,wait=off", "-mon", "chardev=monitor",
        ]
        if disk is not None:
            command += ["-drive", f"if=sd,format=raw,file={disk}"]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL)
        self.console = self._connect(self.console_path)
        self.monitor = self._connect(self.monitor_path)
        self.seen, self.lock, self.serial = "", threading.Condition(), 0
        self.asking = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()
        self._until_prompt(self.monitor)

    def _connect(self, path: Path) -> socket.socket:
        until = time.monotonic() + 20
        while True:
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(str(path))
                return connection
            except OSError:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise BoardError(f"the emulator gives no {path.name}") from None
                time.sleep(0.05)

    def _listen(self) -> None:
        while True:
            try:
                data = self.console.recv(65536)
            except OSError:
                return
            if not data:
                return
            with self.lock:
                self.seen += data.decode(errors="replace").replace("\r", "")
                self.lock.notify_all()

    def _until_prompt(self, connection: socket.socket) -> str:
        text = b""
        connection.settimeout(PATIENCE)
        while not text.endswith(b"(qemu) "):
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the emulator is gone")
            text += data
        return text.decode(errors="replace")

    def ask_monitor(self, command: str) -> str:
        with self.asking:
            self.monitor.sendall(command.encode() + b"\n")
            return self._until_prompt(self.monitor)

    def _words(self, address: int, count: int) -> list[int]:
        """Words of the board's memory, as the emulator itself sees them: the guest cannot make them up."""
        answer = self.ask_monitor(f"xp /{count}wx {address:#x}")
        return [int(word, 16) for word in re.findall("0x[0-9a-f]{8}", answer.rpartition(f"{address:016x}:")[2])]

    def pin(self, number: int) -> bool:
        """The level of a pin."""
        return bool(self._words(GPIO_LEVELS, 1)[0] >> number & 1)

    def now(self) -> float:
        """Seconds since power on, by the board's own timer."""
        low, high = self._words(TIMER, 2)
        return (high << 32 | low) / 1e6

    def wait_until(self, done, seconds: float, pause: float = 0.05):
        """Asks `done` until it gives something, for so many seconds of the board's time; what it gave, or None."""
        until, real = self.now() + seconds, time.monotonic() + PATIENCE + MOST_SLOWDOWN * seconds
        while True:
            # The clock first: what happened up to the deadline was then seen by `done`.
            late = self.now() >= until
            got = done()
            if got is not None or late:
                return got
            if time.monotonic() > real:
                raise TooLate(f"the emulator is too slow: {seconds} s took more than {PATIENCE + MOST_SLOWDOWN * seconds:.0f} s")
            time.sleep(pause)

    def sleep(self, seconds: float) -> None:
        """Lets so much of the board's time pass."""
        self.wait_until(lambda: None, seconds)

    def wait_for(self, pattern: str, seconds: float, start: int = 0) -> re.Match:
        """Waits until the console has shown a pattern after position `start`, for so many seconds of real time."""
        until = time.monotonic() + seconds
        with self.lock:
            while True:
                found = re.compile(pattern, re.M).search(self.seen, start)
                if found:
                    return found
                left = until - time.monotonic()
                if left <= 0 or self.process.poll() is not None:
                    raise TooLate(f"{pattern!r} was not seen within {seconds} s; the console's end:\n{self.seen[-3000:]}")
                self.lock.wait(min(left, 0.5))

    def sh(self, command: str, seconds: float = 120, check: bool = True) -> str:
        """Runs a command in the guest's shell and returns what it printed."""
        self.serial += 1
        mark = f"@{self.serial}@"
        start = len(self.seen)
        end = "" if command.endswith("&") else ";"
        self.console.sendall(f"{command}{end} echo {mark} $?\n".encode())
        found = self.wait_for(rf"^{mark} (\d+)$", seconds, start)
        output = self.seen[start : found.start()]
        if check and found[1] != "0":
            raise BoardError(f"{command!r} ended with {found[1]} in the guest:\n{output}")
        return output.strip()

    def cut_power(self) -> None:
        """Ends the emulator at once, as a pulled plug does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if os.environ.get("BOARD_CONSOLE"):
            Path(os.environ["BOARD_CONSOLE"]).write_text(self.seen)
        self.cut_power()
