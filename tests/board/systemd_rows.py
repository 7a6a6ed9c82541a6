"""What the package promises under systemd: each row is done on the running board, in this order, and measured from outside."""

import re

from emulator import BoardError, TooLate
from faults import device_classes, shut_after, stays_shut
from guest import OPEN_SECONDS, Result
from systemd_board import CONFIGURATION, RELAY, STARTS_WITHIN, UNIT, DebianBoard

SCREEN = 240 * 320 * 2
DROP_INS = f"/etc/systemd/system/{UNIT}.d"


def open_for(guest: DebianBoard, seconds: float) -> str:
    """Shows the adult and measures the opening."""
    opened = guest.opened()
    took = guest.door.wait(False, seconds + 8) - opened
    if abs(took - seconds) > 0.3:
        raise BoardError(f"open for {took:.2f} s, in force: {seconds} s")
    return f"open for {took:.2f} s"


def killed(guest: DebianBoard, command: str, limit: float, restarts: bool) -> str:
    """Kills with the door open; the gate must be whole again afterwards, and open for the next adult."""
    daemon = guest.daemon()
    door = shut_after(guest, command, limit)
    guest.sh("play nobody")
    if restarts:
        guest.restarted(daemon)
    elif guest.runs() != daemon:
        raise BoardError("the daemon must live on")
    return door


def installed(guest: DebianBoard) -> Result:
    guest.sh("apt-get install -y --no-install-recommends /root/agegate.deb >/tmp/apt.log 2>&1 || { cat /tmp/apt.log; false; }", 1200)
    guest.configure(**RELAY)
    guest.follow_journal()
    guest.sh("play nobody")
    began = guest.board.now()
    guest.start("enable --now")
    took = guest.board.now() - began
    groups = guest.sh("id -nG agegate").split()
    if not {"video", "gpio", "spi"} <= set(groups):
        raise BoardError(f"the user is in {groups}")
    return Result(f"`apt install ./agegate.deb`, the pins named, `systemctl enable --now agegate`: the gate has told systemd that it is ready after {took:.1f} s", stays_shut(guest, 1))


def devices(guest: DebianBoard) -> Result:
    shown = guest.shown("DevicePolicy", "DeviceAllow")
    if shown["DevicePolicy"] != "closed":
        raise BoardError(f"the policy for devices is {shown['DevicePolicy']}")
    # The driver of a board's USB ports brings it; the emulated ones have none.
    guest.sh("modprobe usbcore")
    named = device_classes(guest, guest.sh(f"cat /usr/lib/systemd/system/{UNIT} /usr/share/doc/agegate/agegate-libcamera.conf"))
    return Result(f"`DevicePolicy=closed` is in force; the kernel has each class that unit and drop-in name: {named}", "-")


def display(guest: DebianBoard) -> Result:
    sent = guest.board.wait_until(lambda: guest.bytes_shown() if guest.bytes_shown() >= SCREEN else None, 5, 0.3)
    if sent is None:
        raise BoardError(f"the display got {guest.bytes_shown()} bytes; a screen has {SCREEN}:\n{guest.sh('tail -n 20 /tmp/gate.log')}")
    return Result(f"{sent:,} bytes over SPI since the start: more than a full screen ({SCREEN:,})", "-")


def former_class(guest: DebianBoard) -> Result:
    """The counter-check: with the class that the unit named before, the same board's display stays dark."""
    guest.sh(f"mkdir -p {DROP_INS}; (echo '[Service]'; echo DeviceAllow=; grep ^DeviceAllow= /usr/lib/systemd/system/{UNIT} | sed s/char-spi/char-spidev/) >{DROP_INS}/former.conf; systemctl daemon-reload")
    try:
        guest.sh(f"systemctl stop {UNIT}")
        before = guest.bytes_shown()
        guest.start()
        guest.board.sleep(3)
        sent = guest.bytes_shown() - before
        if sent:
            raise BoardError(f"the display got {sent} bytes through a class that does not exist")
        guest.gate_says("goes on without it", 5)
    finally:
        guest.sh(f"rm -r {DROP_INS}; systemctl daemon-reload")
        guest.start("restart")
    display(guest)
    return Result("with `char-spidev`, as the unit had it, the display gets 0 bytes and the gate says so; with `char-spi` again it shows", "-")


def visitors(guest: DebianBoard) -> Result:
    began = guest.board.now()
    outcome = guest.decides("child")
    guest.board.sleep(0.5)
    if outcome != "Refer" or guest.door.openings(began):
        raise BoardError(f"child: decided {outcome}, openings {guest.door.openings(began)}")
    guest.leave()
    said = open_for(guest, OPEN_SECONDS)
    guest.leave()
    return Result("camera, models and pin under the unit's sandbox", f"child: shut, adult: {said}")


def daemon_killed(guest: DebianBoard) -> Result:
    door = killed(guest, f"kill -9 {guest.daemon()}", 1.0, restarts=True)
    return Result("the keeper releases the relay; systemd starts the gate again", door)


def keeper_killed(guest: DebianBoard) -> Result:
    door = killed(guest, f"kill -9 {guest.keeper()}", 1.0, restarts=False)
    return Result("the gate releases the relay and starts another keeper; the daemon lives on", door)


def both_killed(guest: DebianBoard) -> Result:
    door = killed(guest, f"kill -9 {guest.keeper()} {guest.daemon()}", 2.0, restarts=True)
    return Result("the unit's `ExecStopPost` releases the relay; systemd starts the gate again", door)


def daemon_hangs(guest: DebianBoard) -> Result:
    daemon, restarts = guest.daemon(), guest.restarts()
    opened = guest.opened()
    stopped = guest.board.now()
    guest.sh(f"kill -STOP {daemon}")
    took = guest.door.wait(False, OPEN_SECONDS + 0.5) - opened
    if took > OPEN_SECONDS + 0.3:
        raise TooLate(f"open for {took:.2f} s")
    shut = opened + took - stopped
    guest.sh("play nobody")
    if guest.board.wait_until(lambda: guest.restarts() > restarts or None, 15 + 5, 0.5) is None:
        raise TooLate(f"the watchdog has not acted after {guest.board.now() - stopped:.1f} s")
    acted = guest.board.now() - stopped
    guest.gate_says("Watchdog timeout", 5)
    guest.restarted(daemon)
    return Result(f"SIGSTOP: the lease ends {OPEN_SECONDS:.0f} s after the opening; systemd's watchdog has killed the gate and starts it again after {acted:.0f} s", f"shut after {shut:.2f} s")


def reload_good(guest: DebianBoard) -> Result:
    daemon = guest.runs()
    guest.edit("open_seconds", "1.5")
    times = guest.said("configuration read anew")
    guest.sh(f"systemctl reload {UNIT}")
    guest.gate_says("configuration read anew", STARTS_WITHIN, times + 1)
    if guest.runs() != daemon:
        raise BoardError("a reload must not restart the daemon")
    door = open_for(guest, 1.5)
    guest.leave()
    return Result("`open_seconds` from 3 to 1.5: in force for the next visitor, the daemon is the same", door)


def reload_broken(guest: DebianBoard) -> Result:
    """The running gate has 1.5 s from here on, whatever the file says."""
    guest.configure(relay__open_seconds="1.5", **RELAY)
    guest.start("restart")
    daemon = guest.runs()
    guest.sh(f"sed -i 's|^open_seconds = .*|open_seconds = 9.0|; s|^pin = .*|pin = 22|; s|^keep_days|keep_dayz|' {CONFIGURATION}")
    times = guest.said("old one stays in force|is not used")
    guest.sh(f"systemctl reload {UNIT}", check=False)
    guest.gate_says("old one stays in force|is not used", STARTS_WITHIN, times + 1)
    guest.board.sleep(3)
    if guest.daemon() != daemon:
        raise BoardError(f"a refused file must not end the daemon:\n{guest.sh('tail -n 20 /tmp/gate.log')}")
    first = open_for(guest, 1.5)
    guest.leave()
    keeper = guest.keeper()
    guest.sh(f"kill -9 {keeper}")
    if guest.board.wait_until(lambda: guest.keepers() not in ([], [keeper]) or None, STARTS_WITHIN, 0.3) is None:
        raise TooLate("the gate has not started another keeper")
    second = open_for(guest, 1.5)
    if guest.runs() != daemon:
        raise BoardError("the daemon must live on")
    guest.leave()
    return Result("an unknown key, and 9 s and another pin: the gate says so and goes on with 1.5 s, also after `kill -9` of the keeper", f"{first}; after the keeper's death {second}")


def broken_then_killed(guest: DebianBoard) -> Result:
    """The file is broken while both die: what the last running gate drove is released, and a good file brings it back."""
    guest.configure(**RELAY)
    guest.start("restart")
    daemon = guest.daemon()
    guest.sh(f"sed -i 's|^pin = .*|pin = 22|; s|^keep_days|keep_dayz|' {CONFIGURATION}")
    door = shut_after(guest, f"kill -9 {guest.keeper()} {daemon}", 2.0)
    guest.sh("play nobody")
    guest.board.sleep(3)
    guest.configure(**RELAY)
    guest.restarted(daemon)
    return Result("an edited file with an unknown key and another pin: `ExecStopPost` releases what the gate drove; with the file mended systemd's next try starts it", door)


def stopped(guest: DebianBoard) -> Result:
    door = shut_after(guest, f"systemctl stop {UNIT}", 1.0)
    if guest.keepers() or guest.daemon() != "0":
        raise BoardError("a stopped service must leave no process")
    stays_shut(guest, 2)
    guest.sh("play nobody")
    guest.start()
    return Result("`systemctl stop`: no process is left, the pin stays low", door)


def with_libcamera(guest: DebianBoard) -> Result:
    guest.sh(f"install -D -m 0644 /usr/share/doc/agegate/agegate-libcamera.conf {DROP_INS}/libcamera.conf; systemctl daemon-reload")
    try:
        guest.start("restart")
        allowed = guest.shown("DeviceAllow")["DeviceAllow"]
        if "char-media" not in allowed or "char-dma_heap" not in allowed:
            raise BoardError(f"the drop-in is not in force: {allowed}")
        levels = [guest.sh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1")]
    finally:
        guest.sh(f"rm -r {DROP_INS}; systemctl daemon-reload")
        guest.start("restart")
    levels.append(guest.sh(f"systemd-analyze security --no-pager {UNIT} | tail -n 1"))
    found = [re.search(r"service: ([\d.]+)", level) for level in levels]
    if None in found or any(float(level[1]) >= 1.0 for level in found):
        raise BoardError(f"exposure must stay under 1.0: {levels}")
    return Result(f"the gate runs with it; exposure as Debian's systemd computes it: {found[0][1]} with it, {found[1][1]} without", "-")


def power_cut(guest: DebianBoard) -> Result:
    """The second boot: the card is as the power cut left it, and the gate starts by itself."""
    guest.follow_journal()
    guest.runs()
    at = guest.board.now()
    early = [change for change in guest.door.changes if change[1]]
    if early:
        raise BoardError(f"the pin was high {early[0][0]:.2f} s after power on")
    guest.sh("play nobody")
    said = open_for(guest, OPEN_SECONDS)
    first = next(moment for moment, level in guest.door.changes if level)
    guest.leave()
    verified = guest.log_verifies()
    if "whole" not in verified:
        raise BoardError(verified)
    return Result(f"power cut with the gate enabled, and on again: up {at:.0f} s after power on. {verified}", f"low from power on to the first adult ({first:.0f} s), then {said}")


def upgraded(guest: DebianBoard) -> Result:
    daemon = guest.daemon()
    opened = guest.opened()
    guest.sh("dpkg -i /root/agegate.deb >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; false; }", 1200)
    took = guest.door.wait(False, OPEN_SECONDS + 1) - opened
    if took > OPEN_SECONDS + 0.3:
        raise TooLate(f"open for {took:.2f} s")
    guest.sh("play nobody")
    guest.restarted(daemon)
    guest.leave()
    after = open_for(guest, OPEN_SECONDS)
    guest.leave()
    return Result("`dpkg -i` over the running gate: the new program runs, the edited configuration stays", f"open for {took:.2f} s; {after} for the next adult")


def removed(guest: DebianBoard) -> Result:
    door = shut_after(guest, "(dpkg --remove agegate >/tmp/dpkg.log 2>&1; echo dpkg ended with $? >>/tmp/dpkg.log) &", 5.0)
    said = guest.board.wait_until(lambda: re.search(r"ended with \d+", guest.sh("cat /tmp/dpkg.log")), 60, 0.5)
    if said is None or said[0] != "ended with 0":
        raise BoardError(guest.sh("cat /tmp/dpkg.log"))
    if guest.sh("pgrep -x agegate", check=False):
        raise BoardError("a removed package must leave no process")
    stays_shut(guest, 1)
    guest.sh(f"test -s {CONFIGURATION} && ls /var/lib/agegate/log/decisions-*.jsonl")
    return Result("`dpkg --remove` with the door open: the service is stopped; log and configuration stay", door)


def purged(guest: DebianBoard) -> Result:
    guest.sh("touch /var/lib/agegate/of-the-operator; rm /etc/agegate/slow-board.toml")
    guest.sh("dpkg --purge agegate")
    left = guest.sh("find / -xdev -ipath '*agegate*' -not -path '/root/*' -not -path '/var/log/*' -not -path '/var/lib/dpkg/*'").split()
    if left != ["/var/lib/agegate", "/var/lib/agegate/of-the-operator"]:
        raise BoardError(f"after the purge there are still {left}")
    guest.sh("rm -r /var/lib/agegate")
    return Result("`dpkg --purge`: configuration, link in systemd and the decision log are gone; a file that the gate did not make stays", stays_shut(guest, 1))


FIRST_BOOT = {
    "package installed, service enabled": installed,
    "devices that unit and drop-in allow": devices,
    "display": display,
    "display, unit with the former class": former_class,
    "camera and pin": visitors,
    "daemon killed (`kill -9`), door open": daemon_killed,
    "keeper killed, door open": keeper_killed,
    "daemon and keeper killed, door open": both_killed,
    "daemon hangs, door open": daemon_hangs,
    "`systemctl reload`, good file": reload_good,
    "`systemctl reload`, broken file": reload_broken,
    "daemon and keeper killed, door open, file broken meanwhile": broken_then_killed,
    "`systemctl stop`, door open": stopped,
    "drop-in for cameras through libcamera": with_libcamera,
}
SECOND_BOOT = {
    "boot with the door wired": power_cut,
    "package upgraded, door open": upgraded,
    "package removed, door open": removed,
    "package purged": purged,
}
