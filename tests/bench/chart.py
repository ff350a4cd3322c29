# SPDX-License-Identifier: MIT
"""A picture of bars in groups, as SVG that looks right on light and dark pages."""

from xml.sax.saxutils import escape

WIDTH, LEFT, BAR, GAP, HEAD = 760, 110, 18, 26, 40
COLOURS = ("#0b6e99", "#9aa5ad", "#b8a27a", "#cfd4d8")


def text(x, y, words, more=""):
    return f'<text x="{x}" y="{y}" {more}>{escape(words)}</text>'


def bars(title, groups):
    """`groups` is {group: {name: number}}; the longest bar is the largest number."""
    longest = max(number for group in groups.values() for number in group.values())
    scale = (WIDTH - LEFT - 60) / longest
    drawn = [text(0, 18, title, 'font-weight="bold"')]
    y = HEAD
    for group, numbers in groups.items():
        drawn.append(text(0, y + 12, group))
        y += 20
        for (name, number), colour in zip(numbers.items(), COLOURS, strict=False):
            length = round(number * scale, 1)
            drawn.append(text(LEFT - 8, y + 13, name, 'text-anchor="end"'))
            drawn.append(f'<rect x="{LEFT}" y="{y}" width="{length}" height="{BAR - 3}" fill="{colour}"/>')
            drawn.append(text(LEFT + length + 6, y + 13, f"{number:.1f}"))
            y += BAR
        y += GAP - 10
    style = "text{font:13px sans-serif;fill:#24292f}@media(prefers-color-scheme:dark){text{fill:#e6edf3}}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img"><title>{escape(title)}</title>'
    return "\n".join([head, f"<style>{style}</style>", *drawn, "</svg>", ""])
