"""What the counted instructions mean for a board's energy by the day: on paper, nobody has measured it.

`python3 scripts/arm_cost.py` calls it with what it has counted and writes the table of docs/measurements.md; alone it prints the
table from reports: `python3 scripts/energy.py FILE...`, each written by `arm_cost.py --cpu NAME --json FILE`.

The model is the simplest there is. A core finishes one instruction in a cycle (both finish more of such loops; memory and the
kernel, which takes frames over, are not counted), and a busy core takes a quarter of what the board takes more with four busy
cores than idle. The powers were measured by others, at the board's input, without a camera:
"""

import json
import pathlib
import sys

from readme import replace_block

# Watts idle and with four busy cores, clock in GHz, and who says so.
BOARDS = {
    "cortex-a72": ("Raspberry Pi 4", 2.7, 6.4, 1.5, "[Pi Dramble](https://www.pidramble.com/wiki/benchmarks/power-consumption)"),
    "cortex-a76": ("Raspberry Pi 5", 3.0, 8.8, 2.4, "[raspberry.tips](https://raspberry.tips/en/?p=8794)"),
}
FRAMES_A_SECOND = 10
# Hours of a day in which nobody is there and nothing changes, in which something moves and every frame is searched, and in which
# somebody is judged: 500 visits of four seconds are half an hour, and whoever stays to read the screen as long again.
DAY = {"still": 20.0, "moving": 3.0, "judged": 0.5, "followed": 0.5}


def day(found: dict[str, float], board: tuple) -> dict[str, float]:
    """Watt-hours of a day: of the idle board, and what the gate adds with and without leaving work out."""
    _, idle, busy, clock, _ = board
    still = found["empty_skipped"] + (found["empty_judged"] - found["empty_skipped"]) / FRAMES_A_SECOND
    frame = {"still": still, "moving": found["empty_judged"], "judged": found["face_and_liveness"], "followed": found["face_followed"]}
    watts = lambda millions: millions * 1e6 * FRAMES_A_SECOND / (clock * 1e9) * (busy - idle) / 4
    all_judged = {"still": found["empty_judged"], "moving": found["empty_judged"], "judged": found["face_and_liveness"], "followed": found["face"]}
    added = sum(hours * watts(frame[kind]) for kind, hours in DAY.items())
    without = sum(hours * watts(all_judged[kind]) for kind, hours in DAY.items())
    share = lambda millions: millions * 1e6 * FRAMES_A_SECOND / (clock * 1e9)
    return {"idle": 24 * idle, "added": added, "without": without, "still": share(still), "judged": share(found["face_and_liveness"])}


def table(counts: dict[str, dict[str, float]]) -> str:
    """The table, from counts in millions by processor."""
    hours = ", ".join(f"{hours:g} h {kind}" for kind, hours in DAY.items())
    rows = {
        "one core busy, nobody there and nothing changes": lambda d: f"{d['still'] * 100:.1f} %",
        "one core busy, a face judged with the liveness model": lambda d: f"{d['judged'] * 100:.0f} %",
        "the idle board in a day": lambda d: f"{d['idle']:.0f} Wh",
        f"what the gate adds ({hours})": lambda d: f"{d['added']:.2f} Wh",
        "what it would add if every frame were searched whole": lambda d: f"{d['without']:.2f} Wh",
    }
    cpus = [cpu for cpu in BOARDS if cpu in counts]
    days = {cpu: day(counts[cpu], BOARDS[cpu]) for cpu in cpus}
    lines = [f"| on paper, {FRAMES_A_SECOND} frames a second | " + " | ".join(BOARDS[cpu][0] for cpu in cpus) + " |", "|---" * (1 + len(cpus)) + "|"]
    lines.append("| taken from others: idle, four busy cores, clock | " + " | ".join("{1:g} W, {2:g} W, {3:g} GHz, {4}".format(*BOARDS[cpu]) for cpu in cpus) + " |")
    lines += [f"| {words} | " + " | ".join(cell(days[cpu]) for cpu in cpus) + " |" for words, cell in rows.items()]
    return "\n".join(lines)


def write(counts: dict[str, dict[str, float]]) -> None:
    """Puts the table into docs/measurements.md."""
    replace_block("energy", "scripts/energy.py", table(counts))


if __name__ == "__main__":
    reports = [json.loads(pathlib.Path(name).read_text()) for name in sys.argv[1:]]
    print(table({report["cpu"]: report for report in reports}))
