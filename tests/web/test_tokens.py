"""Bearer tokens: shown once, kept as hashes, gone when revoked."""

from __future__ import annotations

import stat
import threading
from typing import TYPE_CHECKING

import pytest

from fhir_infusion.errors import SettingsError
from fhir_infusion.web.tokens import Token, TokenFile, add_token, find_token, read_tokens, revoke_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DAY = "2026-01-02"


@pytest.fixture
def path(tmp_path: Path):
    return tmp_path / "secrets" / "tokens.toml"


def test_a_token_is_found_by_its_text_and_names_its_tenant(path: Path):
    token, text = add_token(path, "pharmacy EHR", "ward-7", DAY)
    found = TokenFile(path).find(text)
    assert found is not None
    assert found == token
    assert found.tenant == "ward-7"


def test_the_file_holds_neither_the_token_nor_its_secret_and_is_the_owners_only(path: Path):
    _, text = add_token(path, "EHR", "default", DAY)
    kept = path.read_text()
    assert text not in kept
    assert text.rsplit("_", 1)[1] not in kept
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_equal_names_get_different_tokens_salts_and_hashes(path: Path):
    first, first_text = add_token(path, "EHR", "default", DAY)
    second, second_text = add_token(path, "EHR", "default", DAY)
    assert first_text != second_text
    assert first.salt != second.salt
    assert first.sha256 != second.sha256
    assert set(read_tokens(path)) == {first.token_id, second.token_id}


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text.replace("fhirinf_", "fhirinf_0000"),
        lambda text: "fhirinf_00000000_" + text.rsplit("_", 1)[1],
        lambda text: text.upper(),
        lambda _: "",
        lambda text: text + "\n",
    ],
)
def test_anything_but_the_exact_text_is_no_token(path: Path, change: Callable[[str], str]):
    _, text = add_token(path, "EHR", "default", DAY)
    assert find_token(read_tokens(path), change(text)) is None


def test_a_revoked_token_stops_working_in_a_service_that_has_read_the_file_before(path: Path):
    token, text = add_token(path, "EHR", "default", DAY)
    tokens = TokenFile(path)
    assert tokens.find(text) is not None
    revoke_token(path, token.token_id, "2026-02-03")
    assert tokens.find(text) is None
    assert read_tokens(path)[token.token_id].revoked == "2026-02-03"


def test_revoking_twice_keeps_the_first_day_and_an_unknown_id_is_refused(path: Path):
    token, _ = add_token(path, "EHR", "default", DAY)
    revoke_token(path, token.token_id, "2026-02-03")
    assert revoke_token(path, token.token_id, "2026-02-09").revoked == "2026-02-03"
    with pytest.raises(SettingsError, match="no such token"):
        revoke_token(path, "00000000", DAY)


def test_a_name_in_any_script_and_with_quotes_comes_back_as_it_was(path: Path):
    name = 'Ärztin "Ω" \\ 輸液'
    token, _ = add_token(path, name, "default", DAY)
    assert read_tokens(path)[token.token_id].name == name


@pytest.mark.parametrize(("name", "tenant"), [("EHR", "Ward 7"), ("EHR", ""), ("", "default"), ("a\nb", "default")])
def test_a_tenant_or_name_that_would_not_be_safe_is_refused(path: Path, name: str, tenant: str):
    with pytest.raises(SettingsError, match="accepted"):
        add_token(path, name, tenant, DAY)
    assert not path.exists()


def test_writers_at_the_same_time_lose_no_token(path: Path):
    made: list[tuple[Token, str]] = []
    threads = [threading.Thread(target=lambda: made.append(add_token(path, "EHR", "default", DAY))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tokens = read_tokens(path)
    assert len(tokens) == len(made) == 12
    assert all(find_token(tokens, text) == token for token, text in made)


def test_a_file_that_is_not_of_tokens_is_refused_without_its_content(path: Path):
    path.parent.mkdir()
    path.write_text("[x]\nsecret = 'abc'")
    with pytest.raises(SettingsError) as caught:
        read_tokens(path)
    assert "abc" not in str(caught.value)


def test_no_file_is_no_tokens(path: Path):
    assert TokenFile(path).find("fhirinf_00000000_" + "A" * 43) is None


def test_a_token_is_an_operators_only_where_it_was_made_for_that(path: Path):
    _, plain = add_token(path, "EHR", "default", DAY)
    made, text = add_token(path, "ward desk", "default", DAY, operator=True)
    tokens = TokenFile(path)
    assert [one.operator for one in (tokens.find(plain), tokens.find(text)) if one is not None] == [False, True]
    revoke_token(path, made.token_id, DAY)
    assert read_tokens(path)[made.token_id].operator


@pytest.mark.parametrize("value", ['"true"', '"false"', "1", "[]"])
def test_a_role_that_is_no_plain_true_is_refused(path: Path, value: str):
    add_token(path, "EHR", "default", DAY)
    path.write_text(f"{path.read_text().rstrip()}\noperator = {value}\n")
    with pytest.raises(SettingsError, match="not a file of tokens"):
        read_tokens(path)
