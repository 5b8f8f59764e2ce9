"""What builds cost as hosts grow: time, CPU, disk."""
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .measure import BenchError, Cost, disk_use
from .project import Project


@dataclass(frozen=True)
class Point:
    """A build of that many hosts, from an empty cache."""

    hosts: int
    wall: float  # seconds
    cpu: float  # seconds
    images: int  # bytes on the disk
    cache: int  # likewise
    batches: int  # builds that it took, where the disk cannot hold all images at once


def measure(project: Project, counts: list[int], say: Callable[[str], None]) -> list[Point]:
    """Builds each number of hosts. A batch is as many as the disk holds; the images of one are removed before the next."""
    for number in range(1, max(counts) + 1):
        project.write_host(number)
    points: list[Point] = []
    for count in counts:
        say(f"{count} host{'s' if count > 1 else ''}")
        points.append(grow(project, count, batch_size(project.work, points)))
    return points


def batch_size(work: Path, points: list[Point]) -> int:
    """How many images of the size seen so far fit on half of the free disk."""
    if not points:
        return 1
    last = points[-1]
    return max(1, shutil.disk_usage(work).free // 2 // max(1, last.images // last.hosts))


def grow(project: Project, count: int, batch: int) -> Point:
    cache, out = project.work / "cache", project.work / "out"
    shutil.rmtree(cache, ignore_errors=True)
    (project.dir / "pimg.lock").unlink(missing_ok=True)
    hosts = [f"h{number}" for number in range(1, count + 1)]
    costs: list[Cost] = []
    for start in range(0, count, batch):
        shutil.rmtree(out, ignore_errors=True)
        costs.append(project.build(hosts[start : start + batch], cache, out))
    point = Point(
        count,
        sum(cost.wall for cost in costs),
        sum(cost.cpu for cost in costs),
        sum(cost.written for cost in costs),
        disk_use(cache),
        len(costs),
    )
    shutil.rmtree(out)
    return point


def parse_counts(text: str) -> list[int]:
    """Numbers of hosts, such as `1,3,10`."""
    parts = text.split(",")
    if not all(part.isdigit() and 1 <= int(part) <= 200 for part in parts):
        raise BenchError(f"`{text}` is no list of numbers from 1 to 200, such as `1,3,10`")
    return sorted({int(part) for part in parts})


def table(points: list[Point]) -> str:
    lines = [f"{'hosts':>6} {'wall s':>8} {'CPU s':>8} {'images MiB':>11} {'cache MiB':>10} {'builds':>7}"]
    for p in points:
        images, cache = p.images >> 20, p.cache >> 20
        lines.append(f"{p.hosts:6} {p.wall:8.2f} {p.cpu:8.2f} {images:11} {cache:10} {p.batches:7}")
    return "\n".join(lines)
