"""What is measured: the ways without pimg, their limits, and pimg itself."""
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .judge import expect_files
from .measure import MIB, Cost, run
from .project import Project

BY_HAND = Path(__file__).with_name("by-hand")


@dataclass(frozen=True)
class Case:
    """One row of the table: how it is run, or why it is not."""

    name: str
    title: str
    run: Callable[[int], Cost]  # takes the number of the round
    skipped: str = ""


class Cases:
    """The cases on one project. All of one round share a cache, which is empty when the round begins."""

    def __init__(self, project: Project, decoded: Path, finished: Path, with_xz: bool) -> None:
        self.project, self.work = project, project.work
        self.decoded, self.finished, self.with_xz = decoded, finished, with_xz
        self.size = finished.stat().st_size
        self.hand, self.out, self.cache = (self.work / name for name in ("hand", "out", "cache"))
        self.write_profiles()

    def all(self) -> list[Case]:
        return self.by_hand() + self.limits() + self.pimg()

    def by_hand(self) -> list[Case]:
        base, needs_root = self.project.base, "" if os.geteuid() == 0 else "needs root"
        needs_tool = "" if shutil.which("virt-customize") else "not installed"
        return [
            Case("rootless", "(a) xz, debugfs, mtools, zstd", self.hand_of("rootless", base)),
            Case("mounted", "(b) xz, loop mount, cp, zstd", self.hand_of("mounted", base), needs_root),
            Case("mounted-warm", "(b) from the decompressed base", self.hand_of("mounted", self.decoded), needs_root),
            Case("virt-customize", "(c) virt-customize", self.hand_of("virt-customize", base), needs_tool),
        ]

    def limits(self) -> list[Case]:
        base, raw, copy = self.project.base, self.finished, self.work / "copy"
        result = raw.with_suffix(".img.zst")
        cases = [
            Case("xz-dc", "(d) xz -dc -T0 alone", self.shell('xz -dc -T0 "$1" >/dev/null', base)),
            Case("zstd", "(d) zstd -T0 -3 alone", self.shell('zstd -q -f -T0 -3 "$1" -o "$2"', raw, result)),
            Case("cp", "(d) cp and sync of the result", self.shell('cp --reflink=never "$1" "$2" && sync "$2"', result, copy)),
        ]
        if self.with_xz:
            packed = raw.with_suffix(".img.xz")
            cases.append(Case("xz-6", "(d) xz -T0 -6 alone", self.shell('xz -T0 -6 -c "$1" >"$2"', raw, packed)))
        return cases

    def pimg(self) -> list[Case]:
        """In this order: `cold` empties the cache, and those behind it find what it left there."""
        cases = [
            Case("cold", "pimg, cold", lambda _: self.cold(["h1"])),
            Case("second", "pimg, second host", lambda _: self.build(["h2"])),
            Case("change", "pimg, one line changed", self.change),
            Case("flash", "pimg flash to a file", lambda _: self.flash(), "" if self.has_flash() else "pimg has no flash"),
            Case("large", f"pimg, image of {self.project.load.large >> 30} GiB", lambda _: self.build(["large"])),
            Case("ten", "pimg, ten hosts, cold", lambda _: self.cold([f"h{number}" for number in range(1, 11)])),
        ]
        if self.with_xz:
            cases.append(Case("xz-cold", "pimg, .img.xz, cold", lambda _: self.cold(["h1"], "xz")))
            cases.append(Case("xz-second", "pimg, .img.xz, second host", lambda _: self.build(["h2"], "xz")))
        return cases

    def write_profiles(self) -> None:
        for number in range(1, 11):
            self.project.write_host(number)
        size = f'[image]\nsize = "{self.project.load.large // MIB}MiB"\n'
        text = f'extends = "shared"\nhostname = "large"\n{size}[network]\naddress = "10.9.1.1/16"\n'
        self.project.write("profiles/large.toml", text)

    def hand_of(self, how: str, base: Path) -> Callable[[int], Cost]:
        return lambda number: self.make_by_hand(how, base, number)

    def make_by_hand(self, how: str, base: Path, number: int) -> Cost:
        shutil.rmtree(self.hand, ignore_errors=True)
        self.hand.mkdir()
        command = [str(BY_HAND), how, str(base), str(self.project.files), str(self.size), str(self.hand)]
        cost = run(command, self.work / "by-hand.log", result=self.hand / "image.img.zst")
        if number == 0:
            expect_files(self.hand / "image.img", self.project.files, self.work)
        shutil.rmtree(self.hand)
        return cost

    def shell(self, text: str, source: Path, result: Path | None = None) -> Callable[[int], Cost]:
        """A line of bash that reads `$1` and writes `$2`."""
        command = ["bash", "-c", text, "bash", str(source), *([str(result)] if result else [])]
        return lambda _: run(command, self.work / "shell.log", result=result)

    def cold(self, hosts: list[str], file_format: str = "zst") -> Cost:
        shutil.rmtree(self.cache, ignore_errors=True)
        (self.project.dir / "pimg.lock").unlink(missing_ok=True)
        return self.build(hosts, file_format)

    def build(self, hosts: list[str], file_format: str = "zst") -> Cost:
        shutil.rmtree(self.out, ignore_errors=True)
        return self.project.build(hosts, self.cache, self.out, file_format)

    def change(self, number: int) -> Cost:
        """The same host with another name of its user: one line that no round had before."""
        self.project.write_host(1, f'[user]\nfull_name = "Round {number}"\n')
        try:
            return self.build(["h1"])
        finally:
            self.project.write_host(1)

    def flash(self) -> Cost:
        card = self.work / "card.img"
        card.unlink(missing_ok=True)
        return self.project.flash("h1", self.cache, card)

    def has_flash(self) -> bool:
        command = [str(self.project.pimg), "flash", "--help"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
