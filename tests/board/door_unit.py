"""The door unit on real lines of the board's own GPIO controller.

The emulated controller has no pins to wire, but it keeps one level for each line, which reading gives and the set and clear
registers change whatever the line's direction is: writing them from the guest, past kernel and gate, is the wire. Outputs are
read from outside, as the relay is.
"""

from emulator import BoardError, TooLate
from faults import stays_shut, unit_line
from guest import DECIDED_WITHIN, OPEN_SECONDS, Guest, Result

# Registers of the BCM2835's GPIO (BCM2835 ARM Peripherals, 6.1), where a Pi 3 has them.
SET, CLEAR = 0x3F20001C, 0x3F200028
STAFF, EXIT, CONTACT, ROTATION, TAMPER = 5, 6, 13, 19, 26
LAMP, ALARM, D0, D1 = 12, 20, 22, 23
# The longest debounce time here, some readings, and the gate's next look.
SETTLED = 0.4


def line(number: int) -> str:
    return f'{{ line = {number}, chip = "pinctrl-bcm2835" }}'


def wire(guest: Guest, number: int, high: bool) -> None:
    """Gives a line a level, as whoever is at the other end of its wire does."""
    guest.sh(f"devmem {SET if high else CLEAR:#x} 32 {1 << number}")


def press(guest: Guest, number: int) -> float:
    """Presses a button to ground; when."""
    began = guest.board.now()
    wire(guest, number, False)
    guest.board.sleep(SETTLED)
    wire(guest, number, True)
    guest.board.sleep(SETTLED)
    return began


def released(guest: Guest, *numbers: int) -> None:
    for number in numbers:
        wire(guest, number, True)


def staff_key(guest: Guest) -> Result:
    guest.configure(inputs__staff=line(STAFF))
    released(guest, STAFF)
    guest.start()
    # The gate must have seen the key released before a press counts.
    guest.board.sleep(2)
    press(guest, STAFF)
    guest.gate_says("nobody waits for an ID check", 5)
    door = stays_shut(guest, 1)
    guest.sh("play child")
    guest.gate_says(r"decision \d+: Refer", DECIDED_WITHIN)
    press(guest, STAFF)
    guest.gate_says(r"decision \d+: Allow \(staff\)", 5)
    guest.door.wait(True, 2)
    guest.door.wait(False, OPEN_SECONDS + 1)
    press(guest, STAFF)
    guest.gate_says("nobody waits for an ID check", 5, 2)
    guest.stop()
    return Result(f"before anybody was referred nothing moves; after a `Refer` it opens, once. {guest.log_verifies()}", f"{door}; opens after the `Refer`; {stays_shut(guest, 1)}")


def stuck_and_free(guest: Guest) -> Result:
    guest.configure(inputs__exit=line(EXIT))
    # Low, so pressed, since power on.
    wire(guest, EXIT, False)
    guest.start()
    guest.gate_says("was not seen released", 5)
    door = stays_shut(guest, 2)
    released(guest, EXIT)
    guest.board.sleep(SETTLED)
    door += "; " + stays_shut(guest, 1)
    began = press(guest, EXIT)
    took = guest.door.wait(True, 2) - began
    return Result("an exit button that is stuck since the start opens nothing, nor does its release; pressed, it opens", f"{door}; opens {took:.2f} s after the press")


def went_through(guest: Guest) -> Result:
    guest.configure(inputs__contact=line(CONTACT), relay__open_seconds="10.0")
    wire(guest, CONTACT, False)
    guest.start()
    opened = guest.opened()
    wire(guest, CONTACT, True)
    guest.board.sleep(SETTLED)
    wire(guest, CONTACT, False)
    took = guest.door.wait(False, 3) - opened
    if took > 5:
        raise TooLate(f"shut only after {took:.2f} s of 10 s")
    guest.gate_says("went-through", 3)
    # Nobody was let through now.
    guest.leave()
    wire(guest, CONTACT, True)
    guest.gate_says(r"alarm: the leaf opened, and nobody was let through", 5)
    return Result("the leaf opens and falls shut: the door shuts behind the visitor; opened again with nobody let through it is an alarm", f"shut after {took:.2f} s of 10 s; {stays_shut(guest, 1)}")


def turnstile(guest: Guest) -> Result:
    guest.configure(inputs__rotation=line(ROTATION), relay__open_seconds="10.0")
    released(guest, ROTATION)
    guest.start()
    guest.opened()
    began = guest.board.now()
    wire(guest, ROTATION, False)
    took = guest.door.wait(False, 3) - began
    return Result("the sensor of a turnstile ends the lease", f"shut {took:.2f} s after the turn")


def cover_opened(guest: Guest) -> Result:
    guest.configure(inputs__tamper=line(TAMPER), relay__open_seconds="10.0")
    wire(guest, TAMPER, False)
    guest.start()
    guest.opened()
    began = guest.board.now()
    wire(guest, TAMPER, True)
    took = guest.door.wait(False, 3) - began
    guest.gate_says("alarm: the cover was opened", 3)
    wire(guest, TAMPER, False)
    guest.stop()
    guest.start()
    guest.gate_says("the cover was opened before this start", 5)
    guest.leave()
    guest.sh("play adult")
    guest.gate_says(r"refused for decision \d+ \(tampered\)", DECIDED_WITHIN)
    door = stays_shut(guest, 1)
    guest.sh("agegate reset-tamper")
    guest.gate_says(r"the alarm \(tamper\) is over", 5)
    guest.leave()
    guest.opened()
    guest.stop()
    return Result(f"shut at once; the next adult is refused, after a restart too; after `agegate reset-tamper` it opens again. {guest.log_verifies()}", f"shut after {took:.2f} s; {door}")


def outputs(guest: Guest) -> Result:
    wiegand = f'{{ d0_line = {D0}, d1_line = {D1}, chip = "pinctrl-bcm2835", facility = 17, card = 4711 }}'
    guest.configure(outputs__lamp=line(LAMP), outputs__alarm=line(ALARM), outputs__wiegand=wiegand)
    guest.start()
    pins = {name: guest.board.pin(number) for name, number in (("lamp", LAMP), ("alarm", ALARM), ("D0", D0), ("D1", D1))}
    if any(pins.values()):
        raise BoardError(f"an output is on though nobody is there: {pins}")
    guest.opened()
    if not guest.board.pin(LAMP):
        raise BoardError("the lamp is off before a visitor")
    sent = guest.gate_says("Wiegand: (26 bits sent; .* apart)", 5)
    pid, began = guest.daemon(), guest.board.now()
    guest.sh(f"kill -9 {pid}")
    took = guest.door.wait(False, 1) - began
    guest.sh(unit_line("ExecStopPost"))
    on = [number for number in (LAMP, ALARM, D0, D1) if guest.board.pin(number)]
    if on:
        raise BoardError(f"outputs {on} are on after the unit's ExecStopPost")
    return Result(f"lamp and controller: {sent}; the gate killed, all of it is off after the unit's ExecStopPost", f"shut after {took:.2f} s")


DOOR_UNIT = {
    "staff key before and after a `Refer`": staff_key,
    "exit button stuck since the start": stuck_and_free,
    "leaf opened and shut; leaf forced": went_through,
    "turnstile turned, door open": turnstile,
    "cover opened, door open, and after a restart": cover_opened,
    "lamp, alarm and Wiegand, gate killed": outputs,
}
