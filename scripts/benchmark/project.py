"""A throw-away project: hosts that share everything but their names and addresses."""
import hashlib
import os
import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from .measure import MIB, Cost, run

POOL = "var/lib/bench/pool"
SMALL = "usr/local/share/bench"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f bench\n"


@dataclass(frozen=True)
class Load:
    """What goes into every image. Its size is what pimg makes it; every way makes the same."""

    small: int  # files of some KiB that compress
    debs: int  # files that do not
    deb_bytes: int
    large: int  # of the one image that shows what size costs


FULL = Load(small=200, debs=300, deb_bytes=1 * MIB, large=32 << 30)
QUICK = Load(small=20, debs=8, deb_bytes=256 << 10, large=1 << 30)


class Project:
    """The project, and `pimg` in it."""

    def __init__(self, work: Path, pimg: Path, base: Path, load: Load) -> None:
        self.work, self.pimg, self.load = work, pimg, load
        self.dir, self.files = work / "project", work / "files"
        self.base = base
        self.make_files()
        self.make_overlay()
        (self.dir / "profiles").mkdir()
        self.write("key.pub", KEY)
        self.write("profiles/shared.toml", self.shared())

    def make_files(self) -> None:
        """`files/root` and `files/boot`, what every way to make the image puts into it."""
        words = random.Random(5)
        for number in range(self.load.small):
            path = self.files / "root" / SMALL / f"d{number % 10:02}" / f"f{number:03}.conf"
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"key-{words.randrange(1000)} = {words.random()}" for _ in range(words.randrange(2, 200))]
            path.write_text("\n".join(lines) + "\n")
        (self.files / "root" / POOL).mkdir(parents=True)
        for number in range(self.load.debs):
            content = random.Random(number).randbytes(self.load.deb_bytes + 7 * number)
            (self.files / "root" / POOL / f"p{number:03}_1.0_arm64.deb").write_bytes(content)
        (self.files / "boot").mkdir()
        (self.files / "boot" / "bench.txt").write_text("something on the boot partition\n")

    def make_overlay(self) -> None:
        """The small files as a tree, the large ones as downloads, which is how a build streams them."""
        overlay = self.dir / "overlays" / "bench"
        shutil.copytree(self.files / "root" / SMALL, overlay / "rootfs" / SMALL)
        shutil.copytree(self.files / "boot", overlay / "boot")
        lines = ['description = "files of the benchmark"']
        for deb in self.debs():
            digest = hashlib.sha256(deb.read_bytes()).hexdigest()
            lines += ["[[download]]", f'name = "{name_of(deb)}"', f'url = "https://example.org/{deb.name}"']
            lines += [f'sha256 = "{digest}"', f'path = "/{POOL}/{deb.name}"']
        (overlay / "overlay.toml").write_text("\n".join(lines) + "\n")

    def debs(self) -> list[Path]:
        return sorted((self.files / "root" / POOL).iterdir())

    def shared(self) -> str:
        """What all hosts have. An overlay names files on the web; mirrors make them files of this machine."""
        mirrors = "".join(f'{name_of(deb)} = "{deb.as_uri()}"\n' for deb in self.debs())
        return (
            f'overlays = ["bench"]\n[base]\nsource = "{self.base}"\n'
            '[user]\nname = "bench"\n[network]\ngateway = "10.9.0.1"\n'
            f"[mirrors]\n{mirrors}"
        )

    def write_host(self, number: int, more: str = "") -> str:
        """Writes the profile of a host, and returns its name."""
        text = f'extends = "shared"\nhostname = "h{number}"\n{more}[network]\naddress = "10.9.0.{number + 1}/16"\n'
        self.write(f"profiles/h{number}.toml", text)
        return f"h{number}"

    def write(self, path: str, text: str) -> None:
        (self.dir / path).write_text(text)

    def build(self, hosts: list[str], cache: Path, out: Path, file_format: str = "zst") -> Cost:
        """Builds hosts with this cache into that directory."""
        names = [part for host in hosts for part in ("--profile", host)]
        arguments = ["build", *names, "--format", file_format, "--out", str(out), "--ssh-key", str(self.dir / "key.pub")]
        return self.run_pimg(arguments, cache, out)

    def flash(self, host: str, cache: Path, card: Path) -> Cost:
        """Writes a host to a file as if it were a card."""
        arguments = ["flash", "--profile", host, str(card), "--ssh-key", str(self.dir / "key.pub")]
        return self.run_pimg(arguments, cache, card)

    def run_pimg(self, arguments: list[str], cache: Path, result: Path) -> Cost:
        # nothing of the caller's environment that counts
        env = {"PATH": os.environ["PATH"], "HOME": str(self.work), "XDG_CACHE_HOME": str(cache), "NO_COLOR": "1"}
        command = [str(self.pimg), "--project", str(self.dir), "--quiet", "--progress", "none", *arguments]
        return run(command, self.work / "pimg.log", env, result)


def name_of(deb: Path) -> str:
    return deb.name.split("_", 1)[0]
