"""Builds what the emulated board starts from: Debian's arm64 kernel and its modules, BusyBox, v4l2-ctl, our binary.

Nothing is patched but the device tree, which gets what an installer turns on with `dtparam=spi=on`: the SPI bus with a
`spidev` on it. Packages are unpacked, not installed: this machine stays as it is.
"""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# In the order in which they are loaded; dependencies come by themselves.
# usbcore: the unit names its class of devices, whose port a hanging camera is reset by.
MODULES = ["usbcore", "bcm2835_wdt", "spidev", "spi_bcm2835", "spi_gpio", "vivid", "ext4", "sdhci_iproc", "bcm2835", "mmc_block"]
PACKAGES = ["busybox-static", "v4l-utils", "libv4l-0", "libv4l2rds0", "libv4lconvert0", "libjpeg62-turbo", "libstdc++6", "libudev1", "libgcc-s1", "libc6", "zlib1g"]


def run(*command, **options) -> str:
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def fetch(folder: Path) -> None:
    """Downloads and unpacks the packages, once."""
    if (folder / "complete").exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "debs").mkdir(parents=True)
    depends = run("apt-cache", "depends", "linux-image-arm64:arm64")
    kernel = next(line.split()[1] for line in depends.splitlines() if "Depends: linux-image" in line)
    run("apt-get", "download", "-q", kernel, *[f"{name}:arm64" for name in PACKAGES], cwd=folder / "debs")
    for deb in (folder / "debs").glob("*.deb"):
        run("dpkg", "-x", deb, folder / "root")
    (folder / "complete").touch()


def module_files(root: Path, names: list[str]) -> list[Path]:
    """The named modules with their dependencies, in loading order, relative to `root`."""
    release = next((root / "lib/modules").iterdir()).name
    if not (root / "lib/modules" / release / "modules.dep.bin").exists():
        run("depmod", "-b", root, release)
    files: list[Path] = []
    for name in names:
        output = run("modprobe", "--show-depends", "-d", root, "-S", release, name)
        for line in output.splitlines():
            kind, _, path = line.partition(" ")
            path = Path(path.strip().split()[0])
            if kind == "insmod" and path not in files:
                files.append(path)
    return files


def device_tree(source: Path, target: Path, gpio_spi: bool) -> None:
    """The board's tree with the SPI bus on: its own controller, or one made of pins where the emulator's does not work."""
    shutil.copy(source, target)
    # The console's port belongs to Bluetooth otherwise (`dtoverlay=disable-bt`).
    run("fdtput", "-r", target, "/soc/serial@7e201000/bluetooth")
    gpio = run("fdtget", target, "/soc/gpio@7e200000", "phandle").strip()
    bus = "/soc/spi@7e204000"
    if gpio_spi:
        bus = "/spi"
        run("fdtput", "-c", target, bus)
        run("fdtput", "-t", "s", target, "/soc/spi@7e204000", "status", "disabled")
        run("fdtput", "-t", "s", target, bus, "compatible", "spi-gpio")
        run("fdtput", "-t", "i", target, bus, "#address-cells", "1")
        run("fdtput", "-t", "i", target, bus, "#size-cells", "0")
        run("fdtput", "-t", "i", target, bus, "num-chipselects", "1")
        for name, pin, flags in (("sck", 11, 0), ("mosi", 10, 0), ("miso", 9, 0), ("cs", 8, 1)):
            run("fdtput", "-t", "i", target, bus, f"{name}-gpios", gpio, pin, flags)
    else:
        # The emulator has no DMA for this controller.
        for name in ("dmas", "dma-names"):
            run("fdtput", "-d", target, bus, name)
        run("fdtput", "-t", "s", target, bus, "status", "okay")
    run("fdtput", "-c", target, f"{bus}/display@0")
    run("fdtput", "-t", "s", target, f"{bus}/display@0", "compatible", "rohm,dh2228fv")
    run("fdtput", "-t", "i", target, f"{bus}/display@0", "reg", "0")
    run("fdtput", "-t", "i", target, f"{bus}/display@0", "spi-max-frequency", "32000000")
    run("fdtput", "-t", "s", target, "/aliases", "spi0", bus)


def emulator_version() -> int:
    text = run("qemu-system-aarch64", "--version")
    return int(text.split("version ")[1].split(".")[0])


def build(folder: Path, binary: Path, files: dict[str, Path]) -> Path:
    """Makes the image in `folder`; `files` maps paths in the guest to files here."""
    fetch(folder / "packages")
    packages = folder / "packages/root"
    root = folder / "initramfs.d"
    shutil.rmtree(root, ignore_errors=True)
    for name in ("bin", "dev", "proc", "sys", "run", "tmp", "mnt", "lib", "etc/agegate", "modules", "usr/bin", "var/lib/agegate"):
        (root / name).mkdir(parents=True)
    shutil.copy(packages / "bin/busybox", root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    libraries = packages / "lib/aarch64-linux-gnu"
    for library in list(libraries.glob("*.so*")) + list((packages / "usr/lib/aarch64-linux-gnu").glob("*.so*")):
        if library.name.split(".so")[0] in NEEDED:
            shutil.copy(library, root / "lib" / library.name)
    shutil.copy(libraries / "ld-linux-aarch64.so.1", root / "lib/ld-linux-aarch64.so.1")
    shutil.copy(packages / "usr/bin/v4l2-ctl", root / "usr/bin/v4l2-ctl")
    shutil.copy(binary, root / "usr/bin/agegate")
    order = []
    for module in module_files(packages, MODULES):
        shutil.copy(module, root / "modules" / module.name)
        order.append(module.name)
    (root / "modules/order").write_text("\n".join(order) + "\n")
    for script in Path(__file__).with_name("guest").iterdir():
        target = root / ("init" if script.name == "init" else f"bin/{script.name}")
        shutil.copy(script, target)
        target.chmod(0o755)
    for place, file in files.items():
        target = root / place.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    archive = subprocess.run("find . | cpio --quiet -o -H newc -R 0:0", shell=True, cwd=root, check=True, stdout=subprocess.PIPE).stdout
    (folder / "initramfs").write_bytes(archive)
    kernel_and_tree(folder, packages)
    return folder


def kernel_and_tree(folder: Path, packages: Path) -> None:
    """Puts the kernel and the board's device tree into `folder`."""
    kernel = next((packages / "boot").glob("vmlinuz-*"))
    shutil.copy(kernel, folder / "kernel")
    tree = next((packages / "usr/lib").glob("linux-image-*/broadcom/bcm2837-rpi-3-b.dtb"))
    device_tree(tree, folder / "board.dtb", gpio_spi=emulator_version() < 8)


NEEDED = {"libc", "libm", "libgcc_s", "libpthread", "libdl", "librt", "libstdc++", "libudev", "libv4l2", "libv4l1", "libv4l2rds", "libv4lconvert", "libjpeg", "libz"}
