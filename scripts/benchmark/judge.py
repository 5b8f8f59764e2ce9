"""A way that loses files is no yardstick: what every way made is looked through once, outside the measured time."""
import filecmp
import json
import shutil
import subprocess
from pathlib import Path

from .measure import BenchError


def expect_files(image: Path, files: Path, work: Path) -> None:
    """Fails unless the root file system of an image is clean and has all files of `files/root` as they are."""
    root = f"{image}?offset={root_offset(image)}"
    checked = tell("e2fsck", "-fn", root)
    if checked.returncode != 0:
        raise BenchError(f"e2fsck has complaints about {image.name}:\n{checked.stdout}")
    back = work / "read-back"
    for path in sorted(path for path in (files / "root").rglob("*") if path.is_dir()):
        (back / path.relative_to(files / "root")).mkdir(parents=True, exist_ok=True)
    wanted = sorted(path for path in (files / "root").rglob("*") if path.is_file())
    script = work / "read-back.debugfs"
    names = [str(path.relative_to(files / "root")) for path in wanted]
    script.write_text("".join(f"dump /{name} {back}/{name}\n" for name in names))
    tell("debugfs", "-f", str(script), root)
    _, differing, absent = filecmp.cmpfiles(files / "root", back, names, shallow=False)
    shutil.rmtree(back)
    if differing or absent:
        raise BenchError(f"{image.name} lacks {len(absent)} files, and {len(differing)} differ: {(absent + differing)[0]}")


def root_offset(image: Path) -> int:
    """Where the second partition begins, in bytes."""
    table = json.loads(tell("sfdisk", "--json", str(image)).stdout)["partitiontable"]
    return int(table["partitions"][1]["start"]) * int(table.get("sectorsize", 512))


def tell(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
