"""The real daemon on an emulated Raspberry Pi 3: kernel drivers for camera, pins and SPI, faults, and the door.

The relay's pin is read from outside the guest, by the emulator. `make board-test` runs this; each test says what it
saw, and `target/board/results.json` keeps it for the table in the README. Boards run side by side, one for each processor.

python3 tests/board/board_test.py --binary FILE [--only NAME...] [--jobs N]
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import image
import visitors
from command import COMMAND
from door_unit import DOOR_UNIT
from emulator import BoardError, TooLate
from faults import FAULTS
from guest import ROOT, WORK, Result, configuration, on_fresh_board
from long_run import soak
from power_cut import power_cut
from visits import VISITS

sys.path.insert(0, str(ROOT / "scripts"))
from readme import replace_block  # noqa: E402 - found by the line above

POWER_CUT = "power cut while the log is written"
LONG = {*VISITS, POWER_CUT}


def all_tests() -> dict:
    tests = {name: lambda work, test=test: on_fresh_board(work, test) for name, test in {**VISITS, **FAULTS, **COMMAND, **DOOR_UNIT}.items()}
    tests[POWER_CUT] = power_cut
    return tests


def write_readme(results: dict[str, Result]) -> None:
    if "soak" in results:
        told = results["soak"]
        return replace_block("board soak", "tests/board/board_test.py", f"Long run on the emulated board (`make board-soak`): {told.door} in {told.what}.")
    lines = ["| test | what happens | the door |", "|---|---|---|"]
    lines += [f"| {name} | {result.what} | {result.door} |" for name, result in results.items()]
    replace_block("faults", "tests/board/board_test.py", "\n".join(lines))


def tried(test, name: str, work: Path) -> Result:
    """Runs a test; again, at most twice, where something came too late, which is told. A door that opened is never tried again."""
    for _ in range(2):
        try:
            return test(work)
        except (TooLate, TimeoutError) as error:
            print(f"again: {name}, which failed: {str(error)[:4000]}", flush=True)
    return test(work)


def with_former(results: dict[str, Result], run: set[str]) -> dict[str, Result]:
    """Keeps the results, and adds those of tests that were not `run` this time, in the order of the table."""
    path = WORK / "results.json"
    former = json.loads(path.read_text()) if path.is_file() else {}
    merged = {name: Result(**former[name]) for name in former if name not in run} | results
    merged = {name: merged[name] for name in all_tests() if name in merged}
    path.write_text(json.dumps({name: asdict(result) for name, result in merged.items()}, indent=2) + "\n")
    return merged


def prepare(binary: Path) -> None:
    """Makes what the boards start from: the visitors' frames, the configuration, kernel and programs."""
    WORK.mkdir(parents=True, exist_ok=True)
    files = {f"/visitors/{path.name}": path for path in visitors.write(WORK / "visitors")}
    files["/models/age-estimator.onnx"] = ROOT / "models/age-estimator.onnx"
    slow_board = WORK / "slow-board.toml"
    slow_board.write_text(configuration())
    files["/etc/agegate/slow-board.toml"] = slow_board
    image.build(WORK, binary, files)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="tests whose name has one of these words")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="only let visitors come and go for so long, in real time")
    parser.add_argument("--readme", action="store_true", help="write the table of the README")
    args = parser.parse_args()
    prepare(args.binary)
    every = all_tests() if args.soak is None else {"soak": lambda work: soak(work, args.soak)}
    tests = {n: t for n, t in every.items() if not args.only or any(word in n for word in args.only)}
    began, results = time.monotonic(), {}
    print(f"emulated Raspberry Pi 3, QEMU {image.emulator_version()}, {len(tests)} tests, {args.jobs} boards side by side", flush=True)

    def one(item) -> tuple[str, Result | str, float]:
        name, test = item
        at = time.monotonic()
        try:
            # A folder of its own: another run may be going on.
            with tempfile.TemporaryDirectory(prefix="run-", dir=WORK) as work:
                result = tried(test, name, Path(work))
        except BoardError as error:
            result = str(error)
        except Exception:  # noqa: BLE001 - every failure is reported, the other tests go on
            result = traceback.format_exc()
        return name, result, time.monotonic() - at

    # The long ones first, so that no processor is idle at the end.
    in_order = sorted(tests.items(), key=lambda item: item[0] not in LONG)
    with ThreadPoolExecutor(args.jobs) as pool:
        for name, result, seconds in pool.map(one, in_order):
            if isinstance(result, str):
                print(f"FAILED {name} ({seconds:.0f} s): {result}", flush=True)
                continue
            results[name] = result
            print(f"ok     {name} ({seconds:.0f} s): {result.door}; {result.what}", flush=True)
    failed = len(tests) - len(results)
    if args.soak is None:
        results = with_former(results, set(tests))
    if args.readme and not failed and len(results) == len(every):
        write_readme(results)
    print(f"board test: {len(tests) - failed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
