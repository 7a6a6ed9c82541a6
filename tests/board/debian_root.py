"""Makes a folder with a minimal Debian for arm64: systemd, udev and the tools that an installer finds on a board.

Suite and mirror are those of this machine's own apt. debootstrap's second stage runs arm64 programs; QEMU is entered for
them as their interpreter in a user namespace of its own, so that this machine's other programs never see it.
"""

import os
import shutil
import subprocess
import time
from pathlib import Path

from image import run

PACKAGES = ["systemd", "systemd-sysv", "udev", "kmod", "procps", "psmisc", "v4l-utils"]
# Tells arm64 programs by the head of their file (systemd-binfmt has the same); F: QEMU is opened now, outside the root.
INTERPRETER = (
    r":qemu-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
    r":\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-aarch64-static:F"
)
SECOND_STAGE = """
read -r mapped
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && printf '%s' "$2" >/proc/sys/fs/binfmt_misc/register ||
	echo "arm64 programs run here only if this machine is set up for it" >&2
# No device can be made in a user namespace, and debootstrap knows that of this kind of container.
container=lxc exec chroot "$1" /debootstrap/debootstrap --second-stage
"""


def mirror() -> tuple[str, str]:
    """This machine's suite, and where its apt gets the arm64 packages of it."""
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    suite = release["VERSION_CODENAME"].strip('"')
    for line in run("apt-get", "indextargets", "--format", "$(ARCHITECTURE) $(CODENAME) $(REPO_URI)", "Created-By: Packages").splitlines():
        architecture, codename, uri = line.split()
        if (architecture, codename) == ("arm64", suite):
            return suite, uri
    raise SystemExit(f"apt on this machine has no source of arm64 packages for {suite}")


def second_stage(root: Path) -> None:
    """Configures the unpacked packages, as their own root user, in namespaces of their own."""
    command = ["unshare", "--user", "--mount", "--pid", "--fork", "sh", "-c", SECOND_STAGE, "second-stage", str(root), INTERPRETER]
    log = root.with_name("second-stage.log")
    with open(log, "w") as output, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, text=True) as process:
        # All users of the root are the same users here: what it makes belongs to whom it should.
        until_unshared(process.pid)
        for kind in ("uid", "gid"):
            Path(f"/proc/{process.pid}/{kind}_map").write_text("0 0 65536")
        process.communicate("mapped\n")
    if process.returncode:
        raise SystemExit(f"debootstrap's second stage failed ({log}):\n{log.read_text()[-3000:]}")


def until_unshared(pid: int) -> None:
    own = os.readlink("/proc/self/ns/user")
    while os.readlink(f"/proc/{pid}/ns/user") == own:
        time.sleep(0.01)


def make(root: Path) -> None:
    """Makes the folder, once; a later call finds it."""
    complete = root.with_name(root.name + ".complete")
    if complete.exists() and complete.read_text() == " ".join(PACKAGES):
        return
    if os.geteuid() != 0:
        raise SystemExit("a Debian root folder holds files of several users: run this as root")
    complete.unlink(missing_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    root.parent.mkdir(parents=True, exist_ok=True)
    suite, uri = mirror()
    print(f"making a Debian {suite} root for arm64 (debootstrap): some minutes", flush=True)
    subprocess.run(["debootstrap", "--foreign", "--arch=arm64", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, root, uri], check=True, stdout=subprocess.DEVNULL)
    # In a container debootstrap links it to this machine's own.
    if (root / "proc").is_symlink():
        (root / "proc").unlink()
        (root / "proc").mkdir()
    second_stage(root)
    shutil.rmtree(root / "var/cache/apt")
    (root / "var/cache/apt/archives/partial").mkdir(parents=True)
    complete.write_text(" ".join(PACKAGES))
