"""The package under Debian's own systemd on an emulated Raspberry Pi 3: installed, enabled, killed, reloaded, purged.

`make board-systemd` runs this. The relay's pin and the times are read from outside the guest. One board, two boots: the
second one from the card as a power cut has left it. Every row must hold; docs/systemd-board.md is written either way.

python3 tests/board/systemd_test.py --package FILE.deb [--only NAME...] [--write]
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from dataclasses import asdict
from pathlib import Path

import emulator
import systemd_image
import visitors
from emulator import Board, BoardError, TooLate
from guest import ROOT, SLOW_BOARD, WORK, Result, configuration
from image import emulator_version, run
from systemd_board import RELAY, DebianBoard
from systemd_rows import FIRST_BOOT, SECOND_BOOT

sys.path.insert(0, str(ROOT / "scripts"))
from readme import replace_block  # noqa: E402 - found by the line above

FOLDER = WORK / "systemd"
PAGE = ROOT / "docs/systemd-board.md"
# For the system's own messages to stay off the test's serial line.
KERNEL_OPTIONS = "quiet systemd.show_status=no systemd.log_level=warning systemd.log_target=journal"
# Rows that the others of their boot build on.
GROUND = {"package installed, service enabled", "boot with the door wired"}
# systemd's own work comes on top of the gate's, and this test runs at low priority: only a hung emulator is meant.
emulator.MOST_SLOWDOWN, emulator.PATIENCE = 200.0, 300.0


def prepare(package: Path) -> Path:
    files = {f"/visitors/{path.name}": path for path in visitors.write(WORK / "visitors")}
    files["/root/agegate.deb"] = package
    slow_board = FOLDER / "slow-board.toml"
    slow_board.parent.mkdir(parents=True, exist_ok=True)
    slow_board.write_text(configuration())
    files["/etc/agegate/slow-board.toml"] = slow_board
    return systemd_image.build(FOLDER, WORK / "packages", files)


def as_before(guest: DebianBoard) -> None:
    """What each row finds: nobody before the camera, the board's configuration, a gate that runs and a shut door."""
    guest.sh("play nobody")
    if guest.sh("test -x /usr/bin/agegate && echo there", check=False) != "there":
        return
    guest.configure(**RELAY)
    guest.start("restart")


def tried(guest: DebianBoard, name: str, row) -> Result | str:
    """Does a row; once more, on the same board, where something came too late. What is wrong, if it fails."""
    for last in (False, True):
        try:
            return row(guest)
        except (TooLate, TimeoutError) as error:
            wrong = str(error) or repr(error)
            if last or name in GROUND:
                break
            print(f"again: {name}, which failed: {wrong[:1500]}", flush=True)
        except BoardError as error:
            wrong = str(error)
            break
        except Exception:  # noqa: BLE001 - every failure is reported, the other rows go on
            wrong = traceback.format_exc()
            break
        try:
            as_before(guest)
        except (BoardError, TimeoutError) as error:
            return f"{wrong}\nand the board cannot be brought back: {error}"
    try:
        if name not in GROUND:
            as_before(guest)
    except (BoardError, TimeoutError) as error:
        wrong += f"\nand the board cannot be brought back: {error}"
    return wrong


def boot(card: Path, rows: dict, only: list[str]) -> tuple[dict[str, Result | str], str]:
    """Boots the board and does the rows; what each saw, and how long booting took."""
    results: dict[str, Result | str] = {}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="run-", dir=WORK) as work, Board(FOLDER, Path(work), card, KERNEL_OPTIONS) as board:
        try:
            guest = DebianBoard(board)
        except BoardError as error:
            ground = next(name for name in rows if name in GROUND)
            print(f"FAILED {ground}: {error}", flush=True)
            return {ground: str(error)}, "not at all"
        booted = f"{board.now():.0f} s by the board's clock, {time.monotonic() - began:.0f} s here"
        print(f"booted: {booted}", flush=True)
        for name, row in rows.items():
            if only and name not in GROUND and not any(word in name for word in only):
                continue
            at = time.monotonic()
            result = results[name] = tried(guest, name, row)
            took = time.monotonic() - at
            if isinstance(result, Result):
                print(f"ok     {name} ({took:.0f} s): {result.door}; {result.what}", flush=True)
                continue
            print(f"FAILED {name} ({took:.0f} s): {result}", flush=True)
            if name in GROUND:
                break
        (FOLDER / "console.txt").write_text(board.seen)
    return results, booted


def page(results: dict[str, Result | str], booted: list[str], seconds: float) -> str:
    release = next(line.split("=", 1)[1].strip('"') for line in (FOLDER / "root/etc/os-release").read_text().splitlines() if line.startswith("PRETTY_NAME="))
    versions = run("dpkg-query", f"--admindir={FOLDER / 'root/var/lib/dpkg'}", "-W", "-f", "${Version}", "systemd")
    kernel = next((WORK / "packages/root/lib/modules").iterdir()).name
    lines = [
        f"{release}, systemd {versions}, kernel {kernel}, on `raspi3b` of QEMU {emulator_version()}; booted in {' and in '.join(booted)}; {seconds / 60:.0f} minutes for the rows of the last run.",
        "",
        "| row | what happens | the door |",
        "|---|---|---|",
    ]
    for name, result in results.items():
        if isinstance(result, Result):
            lines.append(f"| {name} | {result.what} | {result.door} |")
        else:
            lines.append(f"| {name} | **does not hold**: {result.splitlines()[0][:200].replace('|', '/')} | |")
    lines += ["", "What differs from a board in the field:", ""]
    lines += [f"- {change}" for change in systemd_image.CHANGES]
    lines.append("- The SPI bus is on in the device tree with a `spidev` on it, as `dtparam=spi=on` does; the camera is the kernel's `vivid`, whose output node feeds its capture node.")
    lines.append("- The relay goes through the character device (`driver = \"cdev\"`): Debian's kernel has no `/dev/gpiomem`, which `rppal` opens under Raspberry Pi OS.")
    lines.append(f"- Few frames a second: {', '.join(f'`{key} = {value}`' for key, value in SLOW_BOARD.items())}.")
    return "\n".join(lines)


def with_former(results: dict[str, Result | str]) -> dict[str, Result | str]:
    """Keeps the results, and adds those of rows that were not done this time, in the order of the table."""
    path = FOLDER / "results.json"
    former = json.loads(path.read_text()) if path.is_file() else {}
    merged = {name: Result(**told) if isinstance(told, dict) else told for name, told in former.items()} | results
    merged = {name: merged[name] for name in {**FIRST_BOOT, **SECOND_BOOT} if name in merged}
    path.write_text(json.dumps({name: asdict(told) if isinstance(told, Result) else told for name, told in merged.items()}, indent=2) + "\n")
    return merged


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--package", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[], help="rows whose name has one of these words, and those that they build on")
    parser.add_argument("--write", action="store_true", help="write the page, with the last result of each row")
    args = parser.parse_args()
    began = time.monotonic()
    card = prepare(args.package)
    print(f"the card is made ({time.monotonic() - began:.0f} s); emulated Raspberry Pi 3, QEMU {emulator_version()}", flush=True)
    began, results, booted = time.monotonic(), {}, []
    for rows in (FIRST_BOOT, SECOND_BOOT):
        if args.only and not any(word in name for word in args.only for name in rows if name not in GROUND) and results:
            break
        seen, how_long = boot(card, rows, args.only)
        results |= seen
        booted.append(how_long)
        if any(name in GROUND and isinstance(result, str) for name, result in seen.items()):
            break
    seconds = time.monotonic() - began
    held = sum(isinstance(result, Result) for result in results.values())
    every = len(FIRST_BOOT) + len(SECOND_BOOT)
    wanted = len(results) if args.only else every
    known = with_former(results)
    if args.write and len(known) == every:
        replace_block("systemd board", "tests/board/systemd_test.py", page(known, booted, seconds), PAGE)
    print(f"systemd board: {held} of {wanted} rows hold, {seconds:.0f} s")
    return 0 if held == wanted else 1


if __name__ == "__main__":
    sys.exit(main())
