"""``fhir-infusion token``: bearer tokens for starts beyond loopback."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from fhir_infusion.cli import load_settings
from fhir_infusion.cli.run import tell
from fhir_infusion.errors import SettingsError
from fhir_infusion.web.tokens import add_token, read_tokens, revoke_token

if TYPE_CHECKING:
    from pathlib import Path


@click.group("token")
def command() -> None:
    """Bearer tokens: add, list, revoke. They lie hashed in the file that the setting `tokens` names."""


@command.command("add")
@click.option("--tenant", default="default", show_default=True, help="Whose data the token opens.")
@click.option("--operator", is_flag=True, help="It may decide conflicts, and who is the same patient.")
@click.argument("name")
def add(name: str, tenant: str, *, operator: bool) -> None:
    """Make a token for NAME and show it once, on standard output."""
    token, text = add_token(_file(), name, tenant, _today(), operator=operator)
    tell(f"token {token.token_id} of tenant {token.tenant}; it is shown only now")
    click.echo(text)


@command.command("list")
def list_all() -> None:
    """List the tokens: id, tenant, state, day, role, name."""
    for token in read_tokens(_file()).values():
        state = f"revoked {token.revoked}" if token.revoked else "valid"
        role = "  operator" if token.operator else ""
        click.echo(f"{token.token_id}  {token.tenant}  {state}  since {token.created}{role}  {token.name}")


@command.command("revoke")
@click.argument("token_id")
def revoke(token_id: str) -> None:
    """Revoke a token; a running service refuses it from now on."""
    token = revoke_token(_file(), token_id, _today())
    click.echo(f"{token.token_id}  revoked {token.revoked}")


def _file() -> Path:
    path = load_settings().tokens
    if path is None:
        raise SettingsError("tokens: not set; name the file, such as FHIR_INFUSION_TOKENS=tokens.toml")
    return path


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
