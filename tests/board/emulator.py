"""The emulated Raspberry Pi: QEMU's process, the guest's console, and the pins as seen from outside the guest.

Everything has a time limit: an emulator that hangs is killed, and the test says what the console showed last.
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


class BoardError(AssertionError):
    """The board did something else than it must."""


class TooLate(BoardError):
    """What was waited for did not come in time. A machine that stands still for seconds looks the same, so this, and only
    this, is tried again."""


class Board:
    """A running board. Use it as a context: leaving it kills the emulator."""

    def __init__(self, image: Path, work: Path, disk: Path | None = None):
        self.console_path, self.monitor_path = work / "console", work / "monitor"
        for path in (self.console_path, self.monitor_path):
            path.unlink(missing_ok=True)
        command = [
            "qemu-system-aarch64", "-M", "raspi3b", "-accel", "tcg,thread=single", "-display", "none", "-no-reboot",
            "-kernel", image / "kernel", "-initrd", image / "initramfs", "-dtb", image / "board.dtb",
            "-append", "console=ttyAMA0,115200 iomem=relaxed panic=-1 rdinit=/init loglevel=4",
            "-chardev", f"socket,id=console,path={self.console_path},server=on,wait=off", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,path={self.monitor_path},server=on,wait=off", "-mon", "chardev=monitor",
        ]
        if disk is not None:
            command += ["-drive", f"if=sd,format=raw,file={disk}"]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL)
        self.console = self._connect(self.console_path)
        self.monitor = self._connect(self.monitor_path)
        self.seen, self.lock, self.serial = "", threading.Condition(), 0
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
                    raise BoardError(f"the emulator gives no {path.name}")
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
        connection.settimeout(20)
        while not text.endswith(b"(qemu) "):
            data = connection.recv(65536)
            if not data:
                raise ConnectionError("the emulator is gone")
            text += data
        return text.decode(errors="replace")

    def ask_monitor(self, command: str) -> str:
        self.monitor.sendall(command.encode() + b"\n")
        return self._until_prompt(self.monitor)

    def pin(self, number: int) -> bool:
        """The level of a pin, read by the emulator itself: the guest cannot make it up."""
        words = re.findall(r": (0x[0-9a-f]{8})", self.ask_monitor(f"xp /1wx {GPIO_LEVELS:#x}"))
        return bool(int(words[-1], 16) >> number & 1)

    def wait_for(self, pattern: str, seconds: float, start: int = 0) -> re.Match:
        """Waits until the console has shown a pattern after position `start`."""
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

    def sh(self, command: str, seconds: float = 60, check: bool = True) -> str:
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
