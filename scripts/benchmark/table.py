"""The tables that people read."""
from .cases import Case
from .measure import Cost
from .ratios import Ratio


def costs_table(cases: list[Case], medians: dict[str, Cost]) -> str:
    """One line a case: the medians, or why there are none."""
    width = max(len(case.title) for case in cases)
    lines = [f"{'':{width}} {'wall s':>8} {'CPU s':>8} {'peak MiB':>9} {'MiB on disk':>12}"]
    for case in cases:
        lines.append(f"{case.title:{width}} {cost_cells(case, medians.get(case.name))}")
    return "\n".join(lines)


def cost_cells(case: Case, cost: Cost | None) -> str:
    if cost is None:
        return f"  {case.skipped}"
    written = f"{cost.written / (1 << 20):12.1f}" if cost.written else f"{'-':>12}"
    return f"{cost.wall:8.2f} {cost.cpu:8.2f} {cost.peak:9.0f} {written}"


def ratios_table(ratios: list[Ratio]) -> str:
    """One line a ratio, with its bound and whether it is kept."""
    width = max(len(ratio.name) for ratio in ratios)
    lines = [f"{'':{width}} {'ratio':>8} {'at most':>8}"]
    for ratio in ratios:
        value = "-" if ratio.value is None else number(ratio.value)
        bound = "-" if ratio.at_most is None else number(ratio.at_most)
        lines.append(f"{ratio.name:{width}} {value:>8} {bound:>8}  {ratio.verdict}".rstrip())
    return "\n".join(lines)


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}"
