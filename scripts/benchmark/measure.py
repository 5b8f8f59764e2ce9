"""Running one command and saying what it cost."""
import os
import statistics
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1 << 20


class BenchError(Exception):
    """Why a benchmark cannot go on, for people."""


@dataclass(frozen=True)
class Cost:
    """What one run of a command took."""

    wall: float  # seconds
    cpu: float  # seconds of user and system time of the whole process tree, not of the kernel's own threads
    peak: float  # MiB of memory of the largest process in it
    written: int  # bytes on the disk of what it left as its result


def run(command: list[str], log: Path, env: dict[str, str] | None = None, result: Path | None = None) -> Cost:
    """Runs a command and measures it. What it says goes to `log`; a failure shows the end of that.

    `wait4` adds up a process and all that it has waited for. Of memory the kernel tells the maximum of a process and not
    a sum, and never less than what this interpreter held when it forked, some 40 MiB.
    """
    settle()
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        said = log.read_text(errors="replace").strip().splitlines()[-15:]
        shown = command[:4] + (["…"] if len(command) > 4 else [])
        raise BenchError(f"`{' '.join(shown)}` ended with {process.returncode}:\n  " + "\n  ".join(said))
    cpu = usage.ru_utime + usage.ru_stime
    return Cost(wall, cpu, usage.ru_maxrss / 1024, disk_use(result) if result else 0)


def settle() -> None:
    """Nobody starts with what others left to be written."""
    os.sync()


def disk_use(path: Path) -> int:
    """Bytes that a file, or all files below a directory, take on the disk: holes cost nothing."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.lstat().st_blocks * 512 for file in files)


def median(costs: list[Cost]) -> Cost:
    """The median of each figure; of memory the worst."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak for cost in costs),
        round(statistics.median(cost.written for cost in costs)),
    )


def as_json(costs: list[Cost]) -> dict[str, list[float]]:
    """Every round of a case, by figure."""
    names = ("wall", "cpu", "peak", "written")
    return {name: [round(asdict(cost)[name], 4) for cost in costs] for name in names}
