# SPDX-License-Identifier: Apache-2.0
"""Figures and tables for people, as text and as HTML; in the units of the command. Tags and sites
are foreign text: what a terminal or a browser would not just show is escaped, as \\xNN here."""
import html
from typing import Any, List, Optional, Sequence, Tuple

ROWS_SHOWN = 20

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")


def bytes_text(amount: Optional[int]) -> str:
    """"14.07 MB" (1 MB is 1,048,576 bytes), "-" where it is not known."""
    if amount is None:
        return "-"
    value, unit = float(abs(amount)), 0
    while unit < 6 and value >= (1023.995 if unit else 1024):
        value /= 1024
        unit += 1
    sign = "-" if amount < 0 else ""
    return f"{sign}{value:.2f} {_UNITS[unit]}" if unit else f"{sign}{int(value)} B"


def change_text(amount: int) -> str:
    return ("+" if amount >= 0 else "") + bytes_text(amount)


def count_text(count: Optional[int]) -> str:
    return "-" if count is None else f"{count:,}"


def counted(count: int, what: str) -> str:
    """"1 device", "2 devices"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def safe(text: Optional[str]) -> str:
    if text is None:
        return "-"
    return "".join(c if c.isprintable() else "".join(f"\\x{b:02x}" for b in c.encode())
                   for c in text)


def ranges(labels: Sequence[str]) -> str:
    """"0-3,5" of numbers; other names as they are."""
    numbers = sorted({int(label) for label in labels if label.isdigit()})
    parts: List[str] = []
    start = 0
    for i, number in enumerate(numbers):
        if i + 1 == len(numbers) or numbers[i + 1] != number + 1:
            first = numbers[start]
            parts.append(str(number) if first == number else f"{first}-{number}")
            start = i + 1
    parts += sorted({label for label in labels if not label.isdigit()})
    return ",".join(parts) or "-"


class Table:
    """Columns are names; one that ends in ">" is of figures, which are aligned right. A title, a
    row per line, and what is below."""

    def __init__(self, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]],
                 total_rows: Optional[int] = None, notes: Sequence[str] = ()) -> None:
        self.title = title
        self.columns: List[Tuple[str, bool]] = [
            (column.rstrip(">"), column.endswith(">")) for column in columns]
        self.rows = [[safe(cell) for cell in row] for row in rows]
        more = (total_rows if total_rows is not None else len(rows)) - len(rows)
        self.notes = list(notes)
        if more > 0:
            self.notes.insert(0, f"... and {more:,} more")

    def text(self) -> str:
        lines = [self.title]
        if self.rows:
            grid = [[name for name, _ in self.columns], *self.rows]
            widths = [max(len(row[i]) for row in grid) for i in range(len(self.columns))]
            for row in grid:
                cells = [cell.rjust(width) if right else cell.ljust(width)
                         for cell, width, (_, right) in zip(row, widths, self.columns)]
                lines.append("  ".join(cells).rstrip())
        return "\n".join(lines + [safe(note) for note in self.notes])

    def html(self) -> str:
        def cell(kind: str, text: str, right: bool) -> str:
            side = "right" if right else "left"
            return f'<{kind} style="text-align:{side}">{html.escape(text)}</{kind}>'

        def line(kind: str, cells: Sequence[str]) -> str:
            return "<tr>" + "".join(cell(kind, text, right) for text, (_, right)
                                    in zip(cells, self.columns)) + "</tr>"

        out = [f"<div><b>{html.escape(safe(self.title))}</b>"]
        if self.rows:
            head = line("th", [name for name, _ in self.columns])
            body = "".join(line("td", row) for row in self.rows)
            out.append(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")
        out += [f"<div>{html.escape(safe(note))}</div>" for note in self.notes]
        return "".join(out) + "</div>"


class Shown:
    """What can be printed, and shown in a notebook."""

    def _table(self) -> Table:
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._table().text()

    def _repr_html_(self) -> str:
        return self._table().html()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))
