"""Draws docs/wiring.svg: the pins of the Raspberry Pi that the example configuration uses, and what hangs on them.

The pins are read from config/agegate.toml, so picture and configuration cannot drift apart.
"""

import pathlib
import re
import tomllib
from html import escape, unescape

ROOT = pathlib.Path(__file__).resolve().parent.parent
# BCM number to the pin of the 40-pin header.
HEADER = {2: 3, 3: 5, 4: 7, 17: 11, 27: 13, 22: 15, 10: 19, 9: 21, 11: 23, 5: 29, 6: 31, 13: 33, 19: 35, 26: 37, 14: 8, 15: 10, 18: 12, 23: 16, 24: 18, 25: 22, 8: 24, 7: 26, 12: 32, 16: 36, 20: 38, 21: 40}
# Place of the header; width of the boxes on its left, and left side and width of the one on its right.
ROW, TOP, LEFT, BOX, RIGHT, PANEL = 26, 74, 410, 280, 640, 240
# Width of a character in a wide common font (DejaVu Sans), in shares of its size: what fits so fits everywhere.
CHARACTER = {"normal": 0.6, "bold": 0.68}
COLOURS = {"relay": "#b3261e", "display": "#1a5fb4", "button": "#26734d", "power": "#8a5a00", "ground": "#3d3d3d"}


def pin_place(pin: int) -> tuple[float, float]:
    return LEFT + (26 if pin % 2 else 64), TOP + 20 + (pin - 1) // 2 * ROW


def svg() -> str:
    """The picture."""
    config = tomllib.loads((ROOT / "config/agegate.toml").read_text())
    relay, display, start = config["relay"], config["display"], config["start"]
    parts: list[str] = []
    used: dict[int, str] = {}

    def text(x, y, words, size=13, anchor="start", weight="normal", colour="#1b1b1b"):
        parts.append(f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">{escape(words)}</text>')

    def box(x, y, width, height, title, fill="#f2f4f7"):
        parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="#5b6470"/>')
        text(x + 12, y + 22, title, 14, weight="bold")

    box(LEFT - 10, TOP - 34, 110, ROW * 20 + 50, "", "#e6f0e8")
    text(LEFT + 45, TOP - 12, "Raspberry Pi", 13, "middle", "bold")

    def wire(pin, to, colour, label, lane):
        """From a header pin to a terminal, by a vertical lane."""
        x, y = pin_place(pin)
        name = used[pin] = COLOURS[colour]
        # A wire that leaves to the other side passes between the rows, not over the neighbour.
        aside = f"V{y + ROW / 2}" if (to[0] > x) == bool(pin % 2) else ""
        parts.append(f'<path d="M{x} {y} {aside} H{lane} V{to[1]} H{to[0]}" fill="none" stroke="{name}" stroke-width="2.2"/>')
        parts.append(f'<circle cx="{to[0]}" cy="{to[1]}" r="4" fill="{name}"/>')
        right = to[0] > x
        text(to[0] + (9 if right else -9), to[1] + 4, label, 12, "start" if right else "end")

    # Left: relay and lock, button.
    box(20, 60, BOX, 150, "Relay board, 3.3 V logic")
    wire(HEADER[relay["pin"]], (20 + BOX, 100), "relay", f"IN  (BCM {relay['pin']})", LEFT - 30)
    wire(9, (20 + BOX, 130), "ground", "GND", LEFT - 40)
    wire(1, (20 + BOX, 160), "power", "VCC, logic (3.3 V)", LEFT - 50)
    text(32, 196, "10 kΩ from IN to GND", 12)
    box(20, 240, BOX, 92, "Lock, with its own supply")
    text(32, 286, "through COM and NO:", 12)
    text(32, 304, "no current, no way in", 12)
    text(32, 322, "(fail-secure)", 12)
    parts.append('<path d="M120 210 V240" stroke="#3d3d3d" stroke-width="2.2"/>')
    box(20, 372, BOX, 108, "Button (optional)")
    wire(HEADER[start["line"]], (20 + BOX, 412), "button", f"BCM {start['line']}", LEFT - 60)
    wire(25, (20 + BOX, 442), "ground", "GND", LEFT - 70)
    text(32, 468, "10 kΩ from BCM pin to 3.3 V", 12)
    box(20, 510, BOX, 62, "Camera")
    text(32, 556, "USB, any port", 12)

    # Right: the display.
    box(RIGHT, 130, PANEL, 286, f"Display, SPI, {display.get('width', 240)}x{display.get('height', 320)}")
    terminals = [
        (17, "power", "VCC (3.3 V)"), (20, "ground", "GND"), (HEADER[11], "display", "SCL (BCM 11)"), (HEADER[10], "display", "SDA / MOSI (BCM 10)"),
        (HEADER[8], "display", "CS (BCM 8)"), (HEADER[display["dc_line"]], "display", f"DC (BCM {display['dc_line']})"),
        (HEADER[display["reset_line"]], "display", f"RES (BCM {display['reset_line']})"),
    ]
    lanes = [LEFT + lane for lane in (206, 194, 122, 134, 146, 170, 182)]
    for k, (pin, colour, label) in enumerate(terminals):
        wire(pin, (RIGHT, 176 + 34 * k), colour, label, lanes[k])
    for pin in range(1, 41):
        x, y = pin_place(pin)
        parts.append(f'<circle cx="{x}" cy="{y}" r="7.5" fill="{used.get(pin, "#fff")}" stroke="#5b6470"/>')
        text(x, y + 3, str(pin), 8, "middle", colour="#fff" if pin in used else "#5b6470")
    width, height = RIGHT + PANEL + 20, TOP + ROW * 20 + 40
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img" aria-label="Wiring of relay, button and display to the header of a Raspberry Pi">'
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    title = '<text x="20" y="34" font-size="18" font-weight="bold" fill="#1b1b1b">Wiring, as in config/agegate.toml</text>'
    return "\n".join([head, ground, title, *parts, "</svg>"]) + "\n"


def cut_labels(drawing: str) -> list[str]:
    """Labels that run out of their box, or out of the picture, in a wide font."""
    width = float(re.search(r'viewBox="0 0 (\S+) ', drawing).group(1))
    boxes = [tuple(map(float, m.groups())) for m in re.finditer(r'<rect x="(\S+)" y="(\S+)" width="(\S+)" height="(\S+)" rx', drawing)]
    faults = []
    for m in re.finditer(r'<text x="(\S+)" y="(\S+)" font-size="(\d+)"(?: text-anchor="(\w+)")? font-weight="(\w+)"[^>]*>([^<]*)<', drawing):
        x, y, size = float(m[1]), float(m[2]), float(m[3])
        length = CHARACTER[m[5]] * size * len(unescape(m[6]))
        left = {"end": x - length, "middle": x - length / 2}.get(m[4], x)
        around = next(((b[0], b[0] + b[2]) for b in boxes if b[0] <= x <= b[0] + b[2] and b[1] <= y <= b[1] + b[3]), (0, width))
        if left < around[0] or left + length > around[1]:
            faults.append(f"docs/wiring.svg: the label {unescape(m[6])!r} is cut")
    return faults


def main() -> None:
    (ROOT / "docs/wiring.svg").write_text(svg())


if __name__ == "__main__":
    main()
