"""A drawing of how builds grow with their hosts, as SVG without any library."""
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .growth import Point

WIDTH, HEIGHT = 400, 260  # of what is inside the axes
LEFT, TOP, GAP = 70, 70, 110
STYLE = """    .axis { stroke: #57606a; } .grid { stroke: #57606a; stroke-opacity: .2; }
    .text { fill: #1f2328; } .dim { fill: #57606a; font-size: 12px; } .head { fill: #1f2328; font-weight: 600; }
    .a { stroke: #0969da; fill: #0969da; } .b { stroke: #9a6700; fill: #9a6700; } .one { stroke: #57606a; fill: #57606a; }
    .line { fill: none; stroke-width: 2; } .one.line { stroke-dasharray: 5 4; } .name { stroke: none; font-size: 12px; }
    @media (prefers-color-scheme: dark) {
      .axis, .grid { stroke: #8b949e; } .text, .head { fill: #e6edf3; } .dim { fill: #adb5bd; }
      .a { stroke: #58a6ff; fill: #58a6ff; } .b { stroke: #d29922; fill: #d29922; } .one { stroke: #8b949e; fill: #8b949e; }
      .line { fill: none; }
    }"""


@dataclass(frozen=True)
class Line:
    """One curve: its class of colour, its name, and a value for each point."""

    style: str
    name: str
    values: Sequence[float]


def draw(points: list[Point], caption: str) -> str:
    """Two panels over the number of hosts: seconds, and disk. Dashed: as many builds of one host each."""
    gib = 1 << 30
    seconds = [
        Line("one", "one build a host", alone(points, lambda p: p.wall)),
        Line("a", "wall", [p.wall for p in points]),
        Line("b", "CPU", [p.cpu for p in points]),
    ]
    disk = [
        Line("a", "images", [p.images / gib for p in points]),
        Line("b", "cache", [p.cache / gib for p in points]),
    ]
    hosts = [p.hosts for p in points]
    width, height = LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 82
    title = "What a build costs as hosts grow"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            'font-family="ui-sans-serif, system-ui, sans-serif" font-size="14" role="img" '
            f'aria-label="{title}: {escape(described(points))}">',
            f"  <style>\n{STYLE}\n  </style>",
            label(LEFT, 26, title, "head"),
            *panel(LEFT, "seconds", hosts, seconds),
            *panel(LEFT + WIDTH + GAP, "GiB on disk", hosts, disk),
            label(LEFT, height - 14, escape(caption), "dim"),
            "</svg>\n",
        ]
    )


def alone(points: list[Point], of: Callable[[Point], float]) -> list[float]:
    """What as many builds of one host each would cost, each from an empty cache."""
    first = points[0]
    return [of(first) / first.hosts * p.hosts for p in points]


def described(points: list[Point]) -> str:
    first, last = points[0], points[-1]
    return f"{first.hosts} in {first.wall:.1f} s, {last.hosts} in {last.wall:.1f} s"


def panel(left: float, unit: str, hosts: list[int], lines: list[Line]) -> list[str]:
    """Axes with labels, and the curves. A curve that leaves the panel is cut off at its upper edge."""
    measured = [value for line in lines if line.style != "one" for value in line.values]
    top, right = ceiling(max(measured)), ceiling(max(hosts))
    at_x = scale(right, left, WIDTH)
    at_y = scale(top, TOP + HEIGHT, -HEIGHT)
    clip = f"panel{left:.0f}"
    inside = f'<rect x="{left}" y="{TOP - 3}" width="{WIDTH + 3}" height="{HEIGHT + 6}"/>'
    parts = [f'  <clipPath id="{clip}">{inside}</clipPath>', label(left, TOP - 16, unit, "text")]
    for value in ticks(top):
        y = at_y(value)
        parts.append(f'  <path class="grid" d="M{left} {y:.1f}h{WIDTH}"/>')
        parts.append(label(left - 8, y + 4, f"{value:g}", "dim", "end"))
    for value in ticks(right):
        x = at_x(value)
        parts.append(f'  <path class="axis" d="M{x:.1f} {TOP + HEIGHT}v5"/>')
        parts.append(label(x, TOP + HEIGHT + 20, f"{value:g}", "dim", "middle"))
    parts.append(label(left + WIDTH / 2, TOP + HEIGHT + 40, "hosts", "text", "middle"))
    parts.append(f'  <path class="axis" fill="none" d="M{left} {TOP}v{HEIGHT}h{WIDTH}"/>')
    for line in lines:
        corners = [(at_x(host), at_y(value)) for host, value in zip(hosts, line.values, strict=True)]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners)
        parts.append(f'  <path class="{line.style} line" clip-path="url(#{clip})" d="{path}"/>')
        if line.style != "one":
            parts += [f'  <circle class="{line.style}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in corners]
    return parts + legend(left, lines)


def legend(left: float, lines: list[Line]) -> list[str]:
    """The names of the curves, in a row above the panel."""
    parts, x = [], left + WIDTH - 4
    for line in reversed(lines):
        parts.append(f'  <text class="{line.style} name" x="{x:.0f}" y="{TOP - 16}" text-anchor="end">{line.name}</text>')
        x -= 7 * len(line.name)
        parts.append(f'  <path class="{line.style} line" d="M{x - 28:.0f} {TOP - 20}h20"/>')
        x -= 42
    return parts


def scale(largest: float, start: float, length: float) -> Callable[[float], float]:
    return lambda value: start + length * value / largest


def ceiling(value: float) -> float:
    """The next number that divides into round ticks."""
    power = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * 0.999)


def ticks(top: float) -> list[float]:
    """Round numbers from 0 to `top`, about five."""
    power = 10.0 ** math.floor(math.log10(top / 4))
    step = next(unit * power for unit in (1, 2, 2.5, 5, 10) if top / (unit * power) <= 6)
    return [step * index for index in range(int(top / step + 1e-6) + 1)]


def label(x: float, y: float, text: str, style: str, anchor: str = "start") -> str:
    return f'  <text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
