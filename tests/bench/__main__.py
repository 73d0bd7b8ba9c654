"""``python -m tests.bench``: how fast translation is, beside translation by hand and beside the naive path.

``make bench`` runs it with 1,000 distinct orders and writes bench.json. Its numbers are never a test.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from tests.bench.inputs import inputs
from tests.bench.measure import measure
from tests.bench.report import as_json, as_table
from tests.golden_write import translator


@click.command()
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here.")
@click.option("--count", default=1000, show_default=True, type=click.IntRange(1), help="Distinct orders, each way.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="The median of so many is told.")
@click.option("--seed", type=int, help="Makes the orders; by default the time, so that no run has seen them.")
def main(file: Path | None, count: int, rounds: int, seed: int | None) -> None:
    """Measure, check the results, print a table."""
    chosen = int(time.time()) if seed is None else seed
    timings = measure(translator(), count, rounds, chosen)
    lengths = [len(one.fhir) for one in inputs(translator(), 60, chosen)]
    report = as_json(timings, count, rounds, (min(lengths), max(lengths)))
    click.echo(as_table(report))
    if file is not None:
        file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        click.echo(f"written to {file}")


main()
