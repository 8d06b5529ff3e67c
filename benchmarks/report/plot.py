"""Draws a line plot as SVG, without a library, for the README and docs/scaling.md."""

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
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
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
