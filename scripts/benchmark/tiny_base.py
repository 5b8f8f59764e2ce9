"""A base in the shape of Raspberry Pi OS, made in a second for `--quick`: `tests/support/tiny_base.rs` makes the same.

No root is needed: files belong to whoever runs this, which no build minds.
"""
import hashlib
import os
import random
import subprocess
from pathlib import Path

from .measure import MIB, BenchError

DISK_ID = "8a676486"
UUID = "5d5a7b1e-6f9c-4f0a-9b1e-0123456789ab"
BOOT_START, BOOT_SIZE, ROOT_SIZE = 4, 36, 64  # MiB

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/bin/bash\n"
    "systemd-timesync:x:991:991::/:/usr/sbin/nologin\n",
    "etc/shadow": "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\nsystemd-timesync:!*:20000::::::\n",
    "etc/group": "root:x:0:\nsudo:x:27:pi\nshadow:x:42:\nsystemd-timesync:x:991:\npi:x:1000:\n",
    "etc/gshadow": "root:*::\nsudo:*::pi\nshadow:*::\nsystemd-timesync:!*::\npi:!::\n",
    "etc/subuid": "pi:100000:65536\n",
    "etc/subgid": "pi:100000:65536\n",
    "etc/fstab": f"proc /proc proc defaults 0 0\nPARTUUID={DISK_ID}-01 /boot/firmware vfat defaults 0 2\n"
    f"PARTUUID={DISK_ID}-02 / ext4 defaults,noatime 0 1\n",
    "etc/hosts": "127.0.0.1 localhost\n127.0.1.1 raspberrypi\n",
    "etc/hostname": "raspberrypi\n",
    "etc/machine-id": "uninitialized\n",
    "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\n',
    "etc/locale.gen": "# en_AU.UTF-8 UTF-8\n# en_US.UTF-8 UTF-8\n",
    "etc/default/keyboard": 'XKBMODEL="pc105"\nXKBLAYOUT="gb"\n',
    "etc/cloud/cloud.cfg": "users:\n- default\n",
    "etc/cloud/templates/hosts.debian.tmpl": "127.0.1.1 {{fqdn}} {{hostname}}\n",
    "etc/initramfs-tools/initramfs.conf": "MODULES=dep\nBUSYBOX=auto\n",
    "etc/initramfs-tools/update-initramfs.conf": "update_initramfs=yes\nbackup_initramfs=no\n",
    "etc/skel/.bashrc": "alias ll='ls -l'\n",
    "etc/sudoers.d/010_pi-nopasswd": "pi ALL=(ALL) NOPASSWD: ALL\n",
    "etc/apt/sources.list.d/debian.sources": "Types: deb\nURIs: http://deb.example.org/debian\nSuites: trixie\n"
    "Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.pgp\n",
    "usr/lib/systemd/network/99-default.link": "[Match]\nOriginalName=*\n\n[Link]\n"
    "NamePolicy=keep kernel database onboard slot path\n",
    "usr/share/zoneinfo/Etc/UTC": "TZif2",
    "var/lib/dpkg/status": "Package: hello\nStatus: install ok installed\nPriority: optional\nArchitecture: arm64\n"
    "Maintainer: A. Person <a@example.org>\nVersion: 1.0-1\nDescription: says hello\n",
}
UNITS = {
    "ssh.service": "WantedBy=multi-user.target\nAlias=sshd.service",
    "NetworkManager.service": "WantedBy=multi-user.target",
    "rpi-resize.service": "WantedBy=local-fs.target",
    "userconfig.service": "WantedBy=multi-user.target",
    "fstrim.service": "",
    "fstrim.timer": "WantedBy=timers.target",
    "getty@.service": "WantedBy=getty.target\nDefaultInstance=tty1",
}
LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "sbin": "usr/sbin",
    "etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "etc/systemd/network/99-default.link": "/dev/null",
}
DIRS = ("boot/firmware", "home/pi", "proc", "root", "var/lib/dbus", "etc/ssh", "etc/systemd/network")


def make(directory: Path) -> Path:
    """Makes `base.img.xz` in a directory, and `base.img` beside it."""
    image = directory / "base.img"
    sparse(image, BOOT_START + BOOT_SIZE + ROOT_SIZE)
    table = f"label: dos\nlabel-id: 0x{DISK_ID}\nstart={BOOT_START}MiB, size={BOOT_SIZE}MiB, type=c\n"
    table += f"start={BOOT_START + BOOT_SIZE}MiB, type=83\n"
    call("sfdisk", "--quiet", str(image), stdin=table)
    splice(make_boot(directory), image, BOOT_START)
    splice(make_root(directory), image, BOOT_START + BOOT_SIZE)
    # blocks, so that it is decoded by several threads as the vendor's is
    call("xz", "--keep", "-T0", "-1", "--block-size=16MiB", str(image))
    return directory / "base.img.xz"


def make_boot(directory: Path) -> Path:
    volume, files = directory / "boot.fat", directory / "boot"
    sparse(volume, BOOT_SIZE)
    call("mkfs.vfat", "-F", "32", "-s", "1", "-n", "bootfs", "-i", DISK_ID, "--invariant", str(volume))
    files.mkdir()
    cmdline = f"console=tty1 root=PARTUUID={DISK_ID}-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n"
    (files / "cmdline.txt").write_text(cmdline)
    (files / "config.txt").write_text("auto_initramfs=1\n\n[all]\n")
    (files / "kernel8.img").write_bytes(noise(1 * MIB))
    for name in ("initramfs8", "initramfs_2712"):
        (files / name).write_bytes(initramfs())
    call("mcopy", "-i", str(volume), *map(str, sorted(files.iterdir())), "::/")
    return volume


def make_root(directory: Path) -> Path:
    volume, tree = directory / "root.ext4", directory / "root"
    for path in DIRS:
        (tree / path).mkdir(parents=True)
    for path, text in TEXTS.items():
        put(tree / path, text.encode())
    for name, install in UNITS.items():
        text = f"[Unit]\nDescription={name}\n\n[Service]\nExecStart=/usr/bin/{name}\n\n[Install]\n{install}\n"
        put(tree / "usr/lib/systemd/system" / name, text.encode())
    hello = noise(8 * MIB)
    put(tree / "usr/bin/hello", hello)
    digest = hashlib.md5(hello, usedforsecurity=False).hexdigest()
    put(tree / "var/lib/dpkg/info/hello.md5sums", f"{digest}  usr/bin/hello\n".encode())
    for path, target in LINKS.items():
        (tree / path).symlink_to(target)
    sparse(volume, ROOT_SIZE)
    options = ["-b", "4096", "-O", "^64bit,^huge_file", "-L", "rootfs", "-U", UUID, "-E", f"root_owner=0:0,hash_seed={UUID}"]
    call("mke2fs", "-q", "-F", "-t", "ext4", *options, "-d", str(tree), str(volume))
    return volume


def initramfs() -> bytes:
    """An archive of one empty file: `newc` of cpio(5), padded as the kernel wants it."""
    archive = b""
    for name, mode in (("init", 0o100755), ("TRAILER!!!", 0)):
        fields = [1, mode, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(name) + 1, 0]
        entry = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        archive += entry + bytes(-len(entry) % 4)
    return archive + bytes(-len(archive) % 512)


def noise(length: int) -> bytes:
    """Bytes that nothing compresses, the same in every run."""
    return random.Random(length).randbytes(length)


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def sparse(path: Path, mib: int) -> None:
    path.touch()
    os.truncate(path, mib * MIB)


def splice(part: Path, image: Path, at: int) -> None:
    call("dd", f"if={part}", f"of={image}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")


def call(*command: str, stdin: str = "") -> None:
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip()}")
