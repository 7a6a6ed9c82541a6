"""Draws docs/wiring.svg: the pins of the Raspberry Pi that the example configuration uses, and what hangs on them.

The pins are read from config/agegate.toml, so picture and configuration cannot drift apart.
"""

import pathlib
import tomllib
from html import escape

ROOT = pathlib.Path(__file__).resolve().parent.parent
# BCM number to the pin of the 40-pin header.
HEADER = {2: 3, 3: 5, 4: 7, 17: 11, 27: 13, 22: 15, 10: 19, 9: 21, 11: 23, 5: 29, 6: 31, 13: 33, 19: 35, 26: 37, 14: 8, 15: 10, 18: 12, 23: 16, 24: 18, 25: 22, 8: 24, 7: 26, 12: 32, 16: 36, 20: 38, 21: 40}
ROW, TOP, LEFT = 26, 74, 330
COLOURS = {"relay": "#b3261e", "display": "#1a5fb4", "button": "#26734d", "power": "#8a5a00", "ground": "#3d3d3d"}


def pin_place(pin: int) -> tuple[float, float]:
    return LEFT + (26 if pin % 2 else 64), TOP + 20 + (pin - 1) // 2 * ROW


def main() -> None:
    config = tomllib.loads((ROOT / "config/agegate.toml").read_text())
    relay, display, start = config["relay"], config["display"], config["start"]
    parts: list[str] = []
    used: dict[int, str] = {}

    def text(x, y, words, size=13, anchor="start", weight="normal", colour="#1b1b1b"):
        parts.append(f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">{escape(words)}</text>')

    def box(x, y, width, height, title, fill="#f2f4f7"):
        parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="#5b6470"/>')
        text(x + 12, y + 22, title, 14, weight="bold")

    box(LEFT - 10, TOP - 34, 110, ROW * 20 + 50, "Raspberry Pi", "#e6f0e8")
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
    box(20, 60, 200, 150, "Relay board, 3.3 V logic")
    wire(HEADER[relay["pin"]], (220, 100), "relay", f"IN  (BCM {relay['pin']})", 300)
    wire(9, (220, 130), "ground", "GND", 290)
    wire(1, (220, 160), "power", "VCC, logic (3.3 V)", 280)
    text(32, 196, "10 kΩ from IN to GND", 12)
    box(20, 240, 200, 92, "Lock, with its own supply")
    text(32, 286, "through COM and NO:", 12)
    text(32, 304, "no current, no way in", 12)
    text(32, 322, "(fail-secure)", 12)
    parts.append('<path d="M120 210 V240" stroke="#3d3d3d" stroke-width="2.2"/>')
    box(20, 372, 200, 108, "Button (optional)")
    wire(HEADER[start["line"]], (220, 412), "button", f"BCM {start['line']}", 270)
    wire(25, (220, 442), "ground", "GND", 260)
    text(32, 468, "10 kΩ from BCM pin to 3.3 V", 12)
    box(20, 510, 200, 62, "Camera")
    text(32, 556, "USB, any port", 12)

    # Right: the display.
    box(560, 130, 210, 286, f"Display, SPI, {display['width']}x{display['height']}")
    terminals = [
        (17, "power", "VCC (3.3 V)"), (20, "ground", "GND"), (HEADER[11], "display", "SCL (BCM 11)"), (HEADER[10], "display", "SDA / MOSI (BCM 10)"),
        (HEADER[8], "display", "CS (BCM 8)"), (HEADER[display["dc_line"]], "display", f"DC (BCM {display['dc_line']})"),
        (HEADER[display["reset_line"]], "display", f"RES (BCM {display['reset_line']})"),
    ]
    lanes = [536, 524, 452, 464, 476, 500, 512]
    for k, (pin, colour, label) in enumerate(terminals):
        wire(pin, (560, 176 + 34 * k), colour, label, lanes[k])
    for pin in range(1, 41):
        x, y = pin_place(pin)
        parts.append(f'<circle cx="{x}" cy="{y}" r="7.5" fill="{used.get(pin, "#fff")}" stroke="#5b6470"/>')
        text(x, y + 3, str(pin), 8, "middle", colour="#fff" if pin in used else "#5b6470")
    width, height = 790, TOP + ROW * 20 + 40
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img" aria-label="Wiring of relay, button and display to the header of a Raspberry Pi">'
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    title = '<text x="20" y="34" font-size="18" font-weight="bold" fill="#1b1b1b">Wiring, as in config/agegate.toml</text>'
    (ROOT / "docs/wiring.svg").write_text("\n".join([head, ground, title, *parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
