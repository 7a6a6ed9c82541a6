"""Builds the board that runs Debian: a card with Debian's root, and the small first file system that finds the card.

Kernel, modules and device tree are those of the other board (image.py). What is done to Debian itself is listed in
`CHANGES`, which the test writes into its page: nothing else differs from what debootstrap made.
"""

import shutil
import subprocess
from pathlib import Path

import debian_root
from image import MODULES, kernel_and_tree, fetch, module_files, run

GUEST = Path(__file__).with_name("systemd_guest")
CARD_MODULES = ["ext4", "sdhci_iproc", "bcm2835", "mmc_block"]
# Found by udev from the device tree on a real board, so here too: only put where modprobe looks.
ROOT_MODULES = [*MODULES, "bcm2835_rng"]
CARD_BYTES = 1 << 30
MASKED = ["apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer",
          "systemd-tmpfiles-clean.timer", "systemd-pstore.service", "systemd-random-seed.service", "systemd-update-utmp.service",
          "systemd-update-utmp-runlevel.service", "getty.target", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service", "modprobe@configfs.service"]
CHANGES = [
    f"Debian's minimal root (debootstrap's `minbase`) with {', '.join(debian_root.PACKAGES)}; of the kernel's modules only those that the board needs; no initramfs-tools, a small first file system of the test's own finds the card.",
    "Two services of the test: one plugs the camera in (`vivid`), one is a root shell on the serial line. No login on any console.",
    f"To save time under emulation these are masked: {', '.join(f'`{unit}`' for unit in MASKED)}. The journal is kept in memory, as on many boards.",
]


def console_files() -> dict[str, Path]:
    scripts = {f"/usr/local/bin/{name}": GUEST / name for name in ("board-console", "board-camera")}
    scripts |= {f"/usr/local/bin/{name}": GUEST.with_name("guest") / name for name in ("play", "plug-camera")}
    return scripts


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def first_file_system(folder: Path, packages: Path) -> None:
    """An initramfs: BusyBox and the drivers of the card."""
    root = folder / "initramfs.d"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "dev", "proc", "sys", "mnt", "modules"):
        (root / name).mkdir(parents=True)
    shutil.copy(packages / "bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    files = module_files(packages, CARD_MODULES)
    for module in files:
        shutil.copy(module, root / "modules")
    write(root / "modules/order", "".join(f"{module.name}\n" for module in files))
    shutil.copy(GUEST / "init", root / "init")
    (root / "init").chmod(0o755)
    archive = subprocess.run("find . | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, check=True, stdout=subprocess.PIPE).stdout
    (folder / "initramfs").write_bytes(archive)


def modules(root: Path, packages: Path) -> None:
    """The needed modules in Debian's places, and the camera's where `plug-camera` looks for it."""
    release = next((packages / "lib/modules").iterdir()).name
    target = root / "usr/lib/modules" / release
    for module in module_files(packages, ROOT_MODULES):
        place = target / module.relative_to(packages / "lib/modules" / release)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(module, place)
        if module.stem == "vivid":
            (root / "modules").mkdir()
            (root / "modules/vivid.ko").symlink_to(Path("/") / place.relative_to(root))
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(packages / "lib/modules" / release / name, target)
    run("depmod", "-b", root, release)


def settle(root: Path) -> None:
    """What `CHANGES` says of Debian's own files."""
    system = root / "etc/systemd/system"
    for unit in MASKED:
        (system / unit).symlink_to("/dev/null")
    for service in GUEST.glob("*.service"):
        shutil.copy(service, system)
        wanted = system / "multi-user.target.wants"
        wanted.mkdir(exist_ok=True)
        (wanted / service.name).symlink_to(f"/etc/systemd/system/{service.name}")
    write(root / "etc/systemd/journald.conf.d/board.conf", "[Journal]\nStorage=volatile\n")
    write(root / "etc/fstab", "/dev/mmcblk0 / ext4 noatime 0 0\ntmpfs /tmp tmpfs mode=1777 0 0\n")
    write(root / "etc/hostname", "board\n")
    write(root / "etc/hosts", "127.0.0.1 localhost board\n")
    # With a number of its own the system does not take this for its very first boot.
    write(root / "etc/machine-id", "a6e6a7e0a6e64a7e8a6e6a7e0a6e6a7e\n")


def build(folder: Path, packages_folder: Path, files: dict[str, Path]) -> Path:
    """Makes kernel, first file system and card in `folder`; `files` maps paths on the card to files here. The card's file."""
    folder.mkdir(parents=True, exist_ok=True)
    fetch(packages_folder)
    packages = packages_folder / "root"
    debian_root.make(folder / "root")
    first_file_system(folder, packages)
    kernel_and_tree(folder, packages)
    root = folder / "card.d"
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(["cp", "-a", folder / "root", root], check=True)
    modules(root, packages)
    settle(root)
    for place, file in {**console_files(), **files}.items():
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
        if target.parent.name == "bin":
            target.chmod(0o755)
    card = folder / "card.img"
    card.unlink(missing_ok=True)
    with open(card, "wb") as image:
        image.truncate(CARD_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-d", root, card], check=True)
    shutil.rmtree(root)
    return card
