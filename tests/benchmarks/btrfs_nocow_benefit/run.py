# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NOCOW is good for: a file that is written to at random places, before and after its conversion. Needs root.

python3 tests/benchmarks/btrfs_nocow_benefit/run.py --size small|full [--directory WHERE_THE_IMAGE_LIES]

In full size it also draws docs/btrfs_nocow_benefit.svg.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pathlib
import random
import sys
import time
from collections.abc import Sequence

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parent / "btrfs_nocow"))

results = importlib.import_module("results")
filesystems = importlib.import_module("loop_btrfs.filesystem")
conversions = importlib.import_module("run")

MIB = 1 << 20
BLOCK = 8192
WRITES_PER_SYNC = 8
SIZES = {
    "small": {"file_bytes": 64 * MIB, "writes": 800, "points": 4},
    "full": {"file_bytes": 512 * MIB, "writes": 24_000, "points": 12},
}


class Trial:
    """One file, what is done to it, and what was seen."""

    def __init__(self, filesystem: object, size: dict[str, int]) -> None:
        self._filesystem = filesystem
        self._size = size
        self._chance = random.Random(1)
        self._directory = f"{filesystem.path}/data"
        self._path = f"{self._directory}/file"
        self._written = 0
        self.points: list[dict[str, float]] = []
        self.reads: dict[str, float] = {}
        os.mkdir(self._directory)
        with open(self._path, "wb") as stream:
            for _block in range(size["file_bytes"] // MIB):
                stream.write(os.urandom(MIB))
        filesystems.command("sync", "-f", self._path)

    def read(self, name: str) -> None:
        """How fast the file is read from the beginning to the end when nothing of it is cached."""
        self._filesystem.remount()
        started = time.monotonic()
        with open(self._path, "rb", buffering=0) as stream:
            while stream.read(MIB):
                pass
        self.reads[name] = round(self._size["file_bytes"] / MIB / (time.monotonic() - started))

    def write(self, state: str) -> None:
        """Write blocks at random places, as a database does."""
        blocks = self._size["file_bytes"] // BLOCK
        each = self._size["writes"] // self._size["points"]
        for _point in range(self._size["points"]):
            data = [os.urandom(BLOCK) for _block in range(WRITES_PER_SYNC)]
            started = time.monotonic()
            with open(self._path, "r+b", buffering=0) as stream:
                for number in range(each):
                    os.pwrite(stream.fileno(), data[number % WRITES_PER_SYNC], self._chance.randrange(blocks) * BLOCK)
                    if number % WRITES_PER_SYNC == WRITES_PER_SYNC - 1:
                        os.fdatasync(stream.fileno())
            rate = each / (time.monotonic() - started)
            self._written += each
            self.points.append(
                {"writes": self._written, "state": state, "rate": round(rate), "extents": self.extents()}
            )

    def extents(self) -> int:
        """How many extents the file has on disk."""
        filesystems.command("sync", "-f", self._path)
        return int(filesystems.command("filefrag", self._path).rpartition(": ")[2].split()[0])

    def convert(self) -> None:
        """Make it NOCOW."""
        conversions.converted(self._directory)


def measure(size: dict[str, int], directory: str | None) -> Trial:
    """The whole trial."""
    with filesystems.Filesystem(str(size["file_bytes"] * 4 + (1 << 30)), owner=directory) as filesystem:
        trial = Trial(filesystem, size)
        trial.read("new")
        trial.write("copy-on-write")
        trial.read("copy-on-write, written to")
        trial.convert()
        trial.read("converted")
        trial.write("NOCOW")
        trial.read("NOCOW, written to")
        return trial


# --- Drawing ---

WIDTH, HEIGHT, MARGIN = 300, 190, 58
COLOURS = {"copy-on-write": "#c0392b", "NOCOW": "#1f6fb2"}


def _text(x: float, y: float, words: str, anchor: str = "middle", size: int = 11, colour: str = "#333") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}">{words}</text>'


def _line_panel(left: float, title: str, key: str, points: Sequence[dict[str, float]]) -> list[str]:
    most_x = max(point["writes"] for point in points)
    most_y = max(point[key] for point in points) or 1
    shapes = [_text(left + WIDTH / 2, 24, title, size=13), *_frame(left, most_y)]
    for state, colour in COLOURS.items():
        places = [
            (left + WIDTH * point["writes"] / most_x, MARGIN + HEIGHT * (1 - point[key] / most_y))
            for point in points
            if point["state"] == state
        ]
        track = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        shapes.append(f'<polyline points="{track}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        shapes += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
        shapes.append(
            _text(
                left + WIDTH * (0.25 if state == "copy-on-write" else 0.75), MARGIN + HEIGHT / 2, state, colour=colour
            )
        )
    middle = left + WIDTH / 2
    shapes.append(
        f'<line x1="{middle}" x2="{middle}" y1="{MARGIN}" y2="{MARGIN + HEIGHT}" stroke="#888" stroke-dasharray="4 3"/>'
    )
    shapes.append(_text(middle, MARGIN - 6, "converted"))
    shapes.append(_text(left + WIDTH / 2, MARGIN + HEIGHT + 32, "writes of 8 KiB at random places"))
    shapes += [_text(left, MARGIN + HEIGHT + 16, "0"), _text(left + WIDTH, MARGIN + HEIGHT + 16, f"{most_x:,}")]
    return shapes


def _frame(left: float, most: float) -> list[str]:
    return [
        f'<rect x="{left}" y="{MARGIN}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>',
        _text(left - 6, MARGIN + 10, f"{most:,.0f}", "end"),
        _text(left - 6, MARGIN + HEIGHT, "0", "end"),
    ]


def _bar_panel(left: float, title: str, reads: dict[str, float]) -> list[str]:
    most = max(reads.values())
    shapes = [_text(left + WIDTH / 2, 24, title, size=13), *_frame(left, most)]
    wide = WIDTH / len(reads)
    for number, (name, rate) in enumerate(reads.items()):
        tall = HEIGHT * rate / most
        colour = COLOURS["NOCOW" if number >= len(reads) / 2 else "copy-on-write"]
        x = left + wide * number
        shapes.append(
            f'<rect x="{x + 12:.1f}" y="{MARGIN + HEIGHT - tall:.1f}" width="{wide - 24:.1f}" height="{tall:.1f}" fill="{colour}"/>'
        )
        shapes.append(_text(x + wide / 2, MARGIN + HEIGHT - tall - 4, f"{rate:,.0f}"))
        first, _comma, second = name.partition(", ")
        shapes.append(_text(x + wide / 2, MARGIN + HEIGHT + 16, first))
        shapes.append(_text(x + wide / 2, MARGIN + HEIGHT + 32, second))
    return shapes


def drawn(points: Sequence[dict[str, float]], reads: dict[str, float]) -> str:
    """The picture, as SVG."""
    step = WIDTH + 80
    shapes = [
        *_line_panel(70, "Extents of the file", "extents", points),
        *_line_panel(70 + step, "Writes per second", "rate", points),
        *_bar_panel(70 + 2 * step, "Reading it all, not cached, MiB/s", reads),
    ]
    size = f'width="{3 * step + 40}" height="{HEIGHT + MARGIN + 50}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="#333">\n'
        '<rect width="100%" height="100%" fill="white"/>\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--directory", help="where the image lies; without it, in memory")
    given = parser.parse_args()
    trial = measure(SIZES[given.size], given.directory)
    for point in trial.points:
        print(f"{point['state']:<14}{point['writes']:>8} writes{point['rate']:>8}/s{point['extents']:>8} extents")
    for name, rate in trial.reads.items():
        print(f"{name:<28}{rate:>6} MiB/s")
    if given.size == "full" and not given.directory:
        figures = {"size": SIZES["full"], "points": trial.points, "reads_mib_per_second": trial.reads}
        results.write("btrfs_nocow_benefit", figures)
        picture = results.CHECKOUT / "docs" / "btrfs_nocow_benefit.svg"
        picture.write_text(drawn(trial.points, trial.reads), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
