"""What the costs mean: each ratio, and the bound that it is to keep."""
import os
from collections.abc import Callable
from dataclasses import dataclass

from .measure import Cost

HOSTS = 10


@dataclass(frozen=True)
class Ratio:
    """A ratio that was asked for: `value` is missing where one of its cases was not run."""

    name: str
    value: float | None
    at_most: float | None

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        if self.at_most is None:
            return ""
        return "met" if self.value <= self.at_most else "MISSED"


@dataclass(frozen=True)
class Rule:
    """How a ratio follows from the medians of some cases."""

    name: str
    cases: tuple[str, ...]
    of: Callable[..., float]
    at_most: float | None


def cores() -> int:
    return len(os.sched_getaffinity(0))


def beyond_limit(ours: Cost, decode: Cost, compress: Cost) -> float:
    """To the seconds that decoding and compressing take at least, where both keep all cores busy."""
    return ours.wall * cores() / (decode.cpu + compress.cpu)


def beyond_writing(ten: Cost, copy: Cost) -> float:
    """Seconds of ten hosts without those that a copy of their images takes."""
    return ten.wall - HOSTS * copy.wall


def wall(ours: Cost, theirs: Cost) -> float:
    return ours.wall / theirs.wall


RULES = (
    Rule("cold : (a)", ("cold", "rootless"), wall, 0.6),
    Rule("cold : (b)", ("cold", "mounted"), wall, 0.8),
    Rule("cold : (c)", ("cold", "virt-customize"), wall, None),
    Rule("cold : CPU of xz -dc and zstd, over the cores", ("cold", "xz-dc", "zstd"), beyond_limit, 1.15),
    Rule("one line changed : (b) from the decompressed base", ("change", "mounted-warm"), wall, 0.1),
    Rule("one line changed, seconds of CPU", ("change",), lambda change: change.cpu, 1.0),
    Rule("second host : first, CPU", ("second", "cold"), lambda second, first: second.cpu / first.cpu, 0.05),
    Rule("ten hosts without writing : one", ("ten", "cold", "cp"), lambda t, one, cp: beyond_writing(t, cp) / one.wall, 1.5),
    Rule("ten hosts, share that is writing", ("ten", "cp"), lambda ten, copy: HOSTS * copy.wall / ten.wall, None),
    Rule("flash to a file : (b) from the decompressed base", ("flash", "mounted-warm"), wall, None),
    Rule("memory of one host, MiB", ("cold", "second", "change"), lambda *costs: max(c.peak for c in costs), 300),
    Rule("memory of one host, large image, MiB", ("large",), lambda large: large.peak, 300),
    Rule(".img.xz, cold : xz -T0 -6", ("xz-cold", "xz-6"), wall, 0.25),
    Rule(".img.xz, second host : xz -T0 -6", ("xz-second", "xz-6"), wall, 0.05),
    Rule(".img.xz : what xz -T0 -6 makes, bytes", ("xz-cold", "xz-6"), lambda o, t: o.written / t.written, 1.05),
)


def ratios(medians: dict[str, Cost], with_xz: bool) -> list[Ratio]:
    """All ratios, those of `.img.xz` only where they were asked for."""
    found = []
    for rule in RULES:
        if rule.name.startswith(".img.xz") and not with_xz:
            continue
        costs = [medians[name] for name in rule.cases if name in medians]
        value = rule.of(*costs) if len(costs) == len(rule.cases) else None
        found.append(Ratio(rule.name, value, rule.at_most))
    return found
