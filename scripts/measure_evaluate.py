"""Time and peak memory of `agegate evaluate` over a folder of chips: `python3 scripts/measure_evaluate.py DIR [COUNT]`.

Takes COUNT (3,500) pictures of the folder, by turns where it has fewer, and a tenth of them first: memory that is flat does
not grow with the number.
"""

import pathlib
import re
import subprocess
import sys
import tempfile
import time

AGEGATE = pathlib.Path(__file__).resolve().parent.parent / "target/release/agegate"


def run(pictures: list[pathlib.Path], count: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for k in range(count):
            source = pictures[k % len(pictures)]
            stem = re.match(r"\d+_\d_\d_", source.name)
            (folder / f"{stem.group(0) if stem else '30_0_0_'}{k}{source.suffix}").symlink_to(source.resolve())
        started = time.monotonic()
        process = subprocess.Popen(["/usr/bin/env", "python3", "-c", f"import resource,subprocess;subprocess.run([{str(AGEGATE)!r},'evaluate','--dataset',{name!r},'--aligned'],check=True,stdout=subprocess.DEVNULL);print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"], stdout=subprocess.PIPE, text=True)
        peak = int(process.communicate()[0]) / 1024
        return time.monotonic() - started, peak


def main() -> None:
    pictures = sorted(p for p in pathlib.Path(sys.argv[1]).iterdir() if p.suffix in (".jpg", ".png"))
    if not pictures:
        sys.exit(f"{sys.argv[1]}: no pictures")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3500
    _, small = run(pictures, count // 10)
    seconds, large = run(pictures, count)
    print(f"{count} chips in {seconds:.1f} s; peak memory {large:.0f} MB ({small:.0f} MB for a tenth of them)")


if __name__ == "__main__":
    main()
