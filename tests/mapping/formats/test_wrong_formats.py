"""wrong_formats.yaml is the table of wrong formats, with each complaint that ``mapping check`` has for one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_infusion.errors import DocumentError
from fhir_infusion.mapping.document import read_yaml
from fhir_infusion.mapping.formats.format import build_format
from tests.mapping.formats.kit import built, complaints

TABLE: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "wrong_formats.yaml").read_text("utf-8"))
PACKAGE = Path(__file__).parents[3] / "fhir_infusion" / "mapping" / "formats"


@pytest.mark.parametrize("row", TABLE["wrong"], ids=lambda row: row["wrong"])
def test_a_wrong_format_is_refused_with_its_place_and_what_would_be_accepted(row: dict[str, Any]):
    text = TABLE[row["of"]]
    for before, after in row["change"].items():
        assert before in text
        text = text.replace(before, after, 1)
    assert complaints(text) == [f"formats/small.yaml:{line}" for line in row["complaints"]]


@pytest.mark.parametrize("name", ["order", "feed"])
def test_the_formats_that_are_changed_are_right(name: str):
    assert built(TABLE[name]).name == "small"


@pytest.mark.parametrize(
    ("stem", "named"),
    [
        ("Clinic Orders", "clinic-orders"),
        ("clinic_orders", "clinic-orders"),
        ("Wärd-Orders.v2", "ward-orders-v2"),
        ("2nd-ward", "site-2nd-ward"),
        ("--", "site"),
        ("αβγ", "site"),
    ],
)
def test_a_file_that_is_badly_named_is_told_a_name_that_would_be_taken(stem: str, named: str):
    file = f"formats/{stem}.yaml"
    text = TABLE["order"].replace("format: small", f'format: "{stem}"')
    with pytest.raises(DocumentError) as told:
        build_format(file, read_yaml(file, text), {})
    what = "a format is named as its file, in small letters, digits and hyphens"
    assert told.value.complaints == (f"{file}:1: {what}; accepted: {named}, in a file {named}.yaml",)
    file = f"formats/{named}.yaml"
    assert build_format(file, read_yaml(file, text.replace(f'"{stem}"', named)), {}).name == named


def test_every_complaint_about_a_format_has_its_wrong_format():
    """The words between the values of each complaint in the code stand in some row of the table."""
    told = "\n".join(line for row in TABLE["wrong"] for line in row["complaints"])
    said = [
        text
        for name in ("document", "groups", "columns", "keeping", "packing", "format", "values", "times")
        for text in re.findall(
            r'(?:\{(?:\w+\.)*marks?(?:\[[^\]]*\])?\}: |what = f?"|return f"|_WANTED.*?, ")([^"]{12,})"',
            (PACKAGE / f"{name}.py").read_text("utf-8"),
        )
    ]
    words = [max(re.split(r"\{[^}]*\}", text), key=len).strip("'; :") for text in said if text[0] != "{"]
    missing = [text for text in words if text not in told]
    assert len(said) > 25
    assert missing == []
