"""The board with Debian on its card, where the gate is installed from its package and run by systemd."""

import re

from emulator import BoardError, TooLate
from guest import DECIDED_WITHIN, Guest

# In the board's time: a stop and a start of the service, the models' loading included.
STARTS_WITHIN = 15.0
UNIT = "agegate.service"
CONFIGURATION = "/etc/agegate/agegate.toml"
# Debian's kernel has no /dev/gpiomem, which is what `rppal` opens on Raspberry Pi OS.
RELAY = {"relay__driver": '"cdev"'}


class DebianBoard(Guest):
    """What the tests of the other board use, told by systemd's means."""

    BOOTS_WITHIN = 1800.0

    def sh(self, command: str, seconds: float = 600, check: bool = True) -> str:
        return super().sh(command, seconds, check)

    def follow_journal(self) -> None:
        """The gate's messages of this boot, from now on in the file that `gate_says` reads."""
        self.sh(f"journalctl -f -n all -b -u {UNIT} -o cat >/tmp/gate.log 2>/dev/null &")

    def said(self, pattern: str) -> int:
        """How often the gate has said a pattern, so that one can wait for the next time."""
        return len(re.findall(pattern, self.sh("cat /tmp/gate.log", check=False)))

    def shown(self, *properties: str) -> dict[str, str]:
        """Properties as systemd has them in force; lists, which it shows a line for each part, in one line."""
        found = {name: [] for name in properties}
        for line in self.sh(f"systemctl show {UNIT} {' '.join(f'-p {name}' for name in properties)}").splitlines():
            name, equals, value = line.partition("=")
            if equals and name in found:
                found[name].append(value)
        return {name: "; ".join(values) for name, values in found.items()}

    def daemon(self) -> str:
        return self.shown("MainPID")["MainPID"]

    def restarts(self) -> int:
        return int(self.shown("NRestarts")["NRestarts"])

    def start(self, how: str = "start") -> None:
        """Starts the service; with `Type=notify` the command returns when the gate is ready."""
        self.sh(f"systemctl {how} {UNIT}")
        self.runs()

    def runs(self) -> str:
        """Waits until the service is up with its keeper; its process number."""
        def up() -> str | None:
            shown = self.shown("ActiveState", "SubState", "MainPID")
            if (shown["ActiveState"], shown["SubState"]) != ("active", "running"):
                return None
            return shown["MainPID"] if self.keepers() else None

        pid = self.board.wait_until(up, STARTS_WITHIN, 0.3)
        if pid is None:
            raise TooLate(f"the service does not run: {self.shown('ActiveState', 'SubState', 'Result', 'ExecMainStatus')}\n{self.sh('tail -n 20 /tmp/gate.log', check=False)}")
        return pid

    def keepers(self) -> list[str]:
        return self.sh("pgrep -f 'agegate relay-keeper'", check=False).split()

    def keeper(self) -> str:
        keepers = self.keepers()
        if len(keepers) != 1:
            raise BoardError(f"one keeper was expected: {keepers}")
        return keepers[0]

    def restarted(self, former: str) -> None:
        """Waits until systemd runs another daemon than the `former` one."""
        if self.board.wait_until(lambda: self.daemon() not in (former, "0") or None, STARTS_WITHIN, 0.3) is None:
            raise TooLate(f"systemd has not started the gate again within {STARTS_WITHIN} s")
        if self.runs() == former:
            raise BoardError(f"the daemon is still {former}")

    def bytes_shown(self) -> int:
        """What the SPI controller's driver has sent since boot."""
        return int(self.sh("cat /sys/class/spi_master/spi0/statistics/bytes_tx"))

    def edit(self, key: str, value: str) -> None:
        self.sh(f"sed -i 's|^{key} = .*|{key} = {value}|' {CONFIGURATION} && grep -q '^{key} = {value}' {CONFIGURATION}")

    def decides(self, kind: str) -> str:
        """Shows a visitor and waits for the decision about them."""
        before = self.said(r"decision \d+: ")
        self.sh(f"play {kind}")
        return self.gate_says(r"decision \d+: (\w+)", DECIDED_WITHIN, before + 1)
