"""Draws a line plot and a bar chart as SVG, without a library, for the README and docs/scaling.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

COLORS = ("#6b7280", "#2563eb", "#15803d", "#7e22ce", "#c2410c", "#0e7490")
WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 720, 340, 70, 170, 50, 20


def lines(
    caption: str,
    across: Sequence[str],
    series: Mapping[str, Sequence[float]],
    levels: Mapping[float, str],
    share: Callable[[float], float],
    mark: float | None = None,
) -> str:
    """One line per series, over evenly spaced positions labelled by `across`.

    `share` maps a value to its height from 0 to 1; `levels` are the values with a grid line and a label; `mark` has a
    dashed line.
    """

    def x(index: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * index / max(len(across) - 1, 1)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share(value)

    end = WIDTH - RIGHT
    parts = [_opening(HEIGHT)]
    for level, label in levels.items():
        parts.append(f'<path d="M{LEFT} {y(level):.0f}H{end}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(level) + 4:.0f}" text-anchor="end">{label}</text>')
    for index, place in enumerate(across):
        parts.append(f'<text x="{x(index):.0f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{place}</text>')
    if mark is not None:
        parts.append(f'<path d="M{LEFT} {y(mark):.0f}H{end}" stroke="#888" stroke-dasharray="4"/>')
    parts.append(f'<text x="{(LEFT + end) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{caption}</text>')
    free = float("inf")  # labels, from the lowest line up, keep their distance
    for color, (name, values) in sorted(zip(COLORS, series.items(), strict=False), key=lambda pair: pair[1][1][-1]):
        line = " ".join(f"{x(index):.0f},{y(value):.0f}" for index, value in enumerate(values))
        free = min(y(values[-1]) + 4, free - 14)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{end + 8}" y="{free:.0f}" fill="{color}">{name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def bars(caption: str, series: Mapping[str, Mapping[str, float]]) -> str:
    """For each name a bar of each series, labelled with its value; all series have the same names."""
    names = list(next(iter(series.values())))
    most = max(max(values.values()) for values in series.values())
    height, parts = TOP + 36 * len(names) + BOTTOM, []
    for row, name in enumerate(names):
        top = TOP + 36 * row
        parts.append(f'<text x="{RIGHT - 8}" y="{top + 18}" text-anchor="end">{name}</text>')
        for at, (color, values) in enumerate(zip(COLORS, series.values(), strict=False)):
            y, width = top + 14 * at, (WIDTH - RIGHT - LEFT) * values[name] / most
            parts.append(f'<rect x="{RIGHT}" y="{y}" width="{width:.0f}" height="12" fill="{color}"/>')
            parts.append(f'<text x="{RIGHT + width + 6:.0f}" y="{y + 10}" fill="{color}">{values[name]:.0f}</text>')
    told = " ".join(
        f'<tspan fill="{color}" dx="12">{name}</tspan>' for color, name in zip(COLORS, series, strict=False)
    )
    parts.append(f'<text x="{WIDTH / 2:.0f}" y="{height - 18}" text-anchor="middle">{caption} {told}</text>')
    return "\n".join([_opening(height), *parts, "</svg>"]) + "\n"


def _opening(height: int) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    )
