"""A visitor of each kind before the camera: the door opens for the adult, for the configured time, and for nobody else."""

from emulator import BoardError, TooLate
from guest import DECIDED_WITHIN, OPEN_SECONDS, Guest, Result


def visitors_with(guest: Guest, driver: str, kinds: list[tuple[str, str]]) -> Result:
    guest.configure(relay__driver=f'"{driver}"')
    guest.sh("play nobody")
    sent = int(guest.sh("cat /sys/class/spi_master/spi0/statistics/bytes_tx"))
    guest.start()
    said, decided = [], 0
    for kind, expected in kinds:
        began = guest.board.now()
        guest.sh(f"play {kind}")
        if expected != "nothing":
            decided += 1
            outcome = guest.gate_says(r"decision \d+: (\w+)", DECIDED_WITHIN, decided)
            if outcome != expected:
                raise BoardError(f"{kind}: decided {outcome}, expected {expected}:\n{guest.judged()}")
        else:
            guest.board.sleep(2.0)
        # A door that opens wrongly opens at the decision.
        guest.board.sleep(OPEN_SECONDS + 0.5 if expected == "Allow" else 0.5)
        times = guest.door.openings(began)
        if expected == "Allow":
            if len(times) != 1:
                raise BoardError(f"{kind}: the door was open for {times}, expected once")
            if abs(times[0] - OPEN_SECONDS) > 0.3:
                raise TooLate(f"{kind}: the door was open for {times[0]:.2f} s, configured: {OPEN_SECONDS} s")
            said.append(f"{kind}: open for {times[0]:.2f} s")
        else:
            if times:
                raise BoardError(f"{kind}: the door was open for {times}, expected never")
            said.append(f"{kind}: shut")
        if kind != kinds[-1][0]:
            guest.leave()
    sent = int(guest.sh("cat /sys/class/spi_master/spi0/statistics/bytes_tx")) - sent
    # At least one full screen of 240x320 in 16 bits.
    if sent < 240 * 320 * 2:
        raise BoardError(f"the display got only {sent} bytes")
    guest.stop()
    return Result(f"the display got {sent:,} bytes over SPI. {guest.log_verifies()}", ", ".join(said))


def visitors_rppal(guest: Guest) -> Result:
    return visitors_with(guest, "rppal", [("nobody", "nothing"), ("child", "Refer"), ("adult", "Allow"), ("teenager", "Refer"), ("adult-with-a-child-behind", "Refer")])


def visitors_cdev(guest: Guest) -> Result:
    return visitors_with(guest, "cdev", [("nobody", "nothing"), ("child", "Refer"), ("pensioner", "Allow"), ("teenager", "Refer"), ("adult-with-a-child-behind", "Refer")])


VISITS = {
    "visitors, relay through rppal": visitors_rppal,
    "visitors, relay through the character device": visitors_cdev,
}
