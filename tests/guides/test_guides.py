"""What the guides say is what happens: each is followed from its first line to its last."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guides.running import Reader, blocks, says, steps

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "fhir_infusion" / "guides"
FOLLOWED = sorted(path.stem for path in GUIDES.glob("*.md") if "```console" in path.read_text(encoding="utf-8"))
TUTORIALS = {"place-orders", "pull-administrations", "change-a-mapping", "map-your-own-json"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FOLLOWED)
def test_who_follows_a_guide_sees_what_it_says(tmp_path: Path, name: str):
    reader = Reader(tmp_path)
    try:
        assert reader.follow((GUIDES / f"{name}.md").read_text(encoding="utf-8")) > 0
    finally:
        reader.end()


@pytest.mark.timeout(600)
def test_who_follows_the_readme_sees_what_it_says_in_five_minutes(tmp_path: Path):
    """Its reader stands in the sources, where ``make run`` serves."""
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    reader = Reader(tmp_path)
    try:
        assert reader.follow("```console\n$ fhir-infusion serve &\n```\n" + (ROOT / "README.md").read_text("utf-8")) > 5
    finally:
        reader.end()


def test_each_user_has_a_tutorial_that_is_followed():
    assert set(FOLLOWED) >= TUTORIALS


def test_the_reader_of_a_guide_sees_what_is_not_as_it_says(tmp_path: Path):
    text = (
        "```json file=a/b.json\n{}\n```\n```console\n$ cat a/b.json; \\\n  echo done\n{}\ndone\n$ echo 1.50\n1.5\n```\n"
    )
    (block,) = (one for one in blocks(text) if one.info == "console")
    assert [(one.command, one.printed) for one in steps(block)] == [
        ("cat a/b.json; \\\n  echo done", "{}\ndone\n"),
        ("echo 1.50", "1.5\n"),
    ]
    with pytest.raises(AssertionError, match=r"line 9: echo 1\.50"):
        Reader(tmp_path).follow(text)
    assert says("a …\nb", "a 1\n2\nb\n")
    assert not says("a …b", "a b c")
