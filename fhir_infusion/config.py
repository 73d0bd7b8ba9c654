"""The settings, and where the shipped documents lie.

1. Defaults, 2. one TOML file, 3. ``FHIR_INFUSION_*`` variables, 4. the command line: each overrides the one before.
A setting that does not exist, has another type, or would not be safe where it is used, is refused with
:class:`SettingsError`, never ignored: ``findngs = "refuse"`` must not start a service that does not refuse.

A settings file::

    order_system = "https://hospital.example/infusion-orders"
    tokens = "tokens.toml"                      # beside this file

    [remotes.pharmacy]
    base_url = "https://fhir.pharmacy.example/r4"
    auth = "bearer"
    token_file = "pharmacy.token"

Secrets stand in files of their own and are read when they are used; a :class:`Settings` holds paths only, so that
printing it gives nothing away. Files are read here and nowhere below: the pure layers are given text.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, get_args, get_type_hints

from fhir_infusion.errors import DocumentError, SettingsError
from fhir_infusion.remotes import TENANT, TENANT_ACCEPTED, Owner, Release, Remote, check_remotes, is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "EXAMPLE_ADMINISTRATION_SYSTEM",
    "EXAMPLE_ORDER_SYSTEM",
    "NOT_SETTINGS",
    "PREFIX",
    "TENANT",
    "TENANT_ACCEPTED",
    "Findings",
    "LogLevel",
    "Owner",
    "Release",
    "Remote",
    "Settings",
    "check_start",
    "is_loopback",
    "load",
    "mappings_dir",
    "profiles_dir",
    "read_secret",
    "read_texts",
]

Findings = Literal["report", "refuse"]
LogLevel = Literal["debug", "info", "warning", "error"]

EXAMPLE_ORDER_SYSTEM: Final = "https://example.org/fhir-infusion/orders"
EXAMPLE_ADMINISTRATION_SYSTEM: Final = "https://example.org/fhir-infusion/administrations"
"""Identifier systems for trying out on loopback. Two sites that kept them would mint colliding identifiers."""

PREFIX: Final = "FHIR_INFUSION_"

NOT_SETTINGS: Final = ("SETTINGS", "COUNT", "TEST_", "SERVICE_", "PORT_")
"""Variables that begin like settings: the settings file, the tests' own, and what Kubernetes adds for a service."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. README.md explains each; tests/house holds it to that.

    ``strict_sample`` is the share, 0 to 1, of accepted resources that fhir.resources checks as well.
    ``database_password_file`` holds the password of PostgreSQL, where libpq does not find it by itself; ``workers`` are
    processes of ``serve``.
    ``public_url`` begins every address that we give out; without it that is the ``Host`` of the request, over http.
    ``answers_days`` is how long what was answered under an Idempotency-Key is kept.
    ``mappings`` is a directory used instead of the shipped documents, for sites with overlays of their own.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    database: str = "sqlite:///data/fhir-infusion.db"
    database_password_file: Path | None = None
    workers: int = 1
    order_system: str = EXAMPLE_ORDER_SYSTEM
    administration_system: str = EXAMPLE_ADMINISTRATION_SYSTEM
    tokens: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    subscription_hosts: tuple[str, ...] = ()
    overlay: str = ""
    mappings: Path | None = None
    findings: Findings = "report"
    strict_sample: Decimal = Decimal("0.01")
    log_level: LogLevel = "info"
    answers_days: int = 30
    remotes: tuple[Remote, ...] = ()

    def remote(self, name: str) -> Remote:
        """Return the remote called ``name``.

        Raises:
            SettingsError: there is no such section.
        """
        for remote in self.remotes:
            if remote.name == name:
                return remote
        known = ", ".join(remote.name for remote in self.remotes) or "none is set"
        raise SettingsError(f"no section [remotes.{name}] in the settings; known: {known}")


def load(
    path: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of a file, an environment and a command line.

    Args:
        path: the TOML file; without it the one named by ``FHIR_INFUSION_SETTINGS``, if any.
        environment: usually ``os.environ``; lists are separated by commas, remotes stand in the file only.
        overrides: setting name to value; None means not given.

    Raises:
        SettingsError: names the setting and what would be accepted, never the value.
    """
    environment = environment or {}
    if path is None and environment.get(PREFIX + "SETTINGS"):
        path = Path(environment[PREFIX + "SETTINGS"])
    values: dict[str, object] = {}
    if path is not None:
        values.update(_from_file(path))
    values.update(_from_environment(environment))
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    values.update({name: _typed(Settings, name, value, name) for name, value in given.items()})
    settings = Settings(**values)  # type: ignore[arg-type]  # each value was checked against its field
    _check(settings)
    return settings


def check_start(settings: Settings) -> None:
    """Refuse to serve where other machines can reach us before it is safe.

    On loopback anything starts, for trying out. Elsewhere identifier systems of one's own and tokens are required.

    Raises:
        SettingsError: says everything that is missing, at once.
    """
    if is_loopback(settings.host):
        return
    missing = []
    for name, example in (
        ("order_system", EXAMPLE_ORDER_SYSTEM),
        ("administration_system", EXAMPLE_ADMINISTRATION_SYSTEM),
    ):
        if getattr(settings, name) == example:
            missing.append(f"{name}: still the example; set a URI that your organisation owns")
    if settings.tokens is None:
        missing.append("tokens: not set; name a file of tokens, for there is no service without authentication")
    elif not settings.tokens.is_file():
        missing.append("tokens: the file is not there")
    if missing:
        raise SettingsError("beyond loopback the service does not start: " + "; ".join(missing))


def read_secret(path: Path) -> str:
    """Return the secret that stands alone in a file, without the line end.

    Raises:
        SettingsError: the file cannot be read, is empty or has several lines.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("a secret file cannot be read; accepted: a readable file with one line") from error
    secret, rest = lines[0].strip(), "".join(lines[1:]).strip()
    if not secret or rest:
        raise SettingsError("a secret file does not hold exactly one line")
    return secret


def mappings_dir(settings: Settings | None = None) -> Path:
    """Return the directory of the mapping documents: the site's, the checkout's or the installed package's."""
    if settings is not None and settings.mappings is not None:
        return settings.mappings
    return shipped("mappings")


def profiles_dir() -> Path:
    """Return the directory of our StructureDefinitions, SearchParameters, ValueSets and CodeSystems."""
    return shipped("profiles")


def read_texts(directory: Path, *suffixes: str) -> dict[str, str]:
    """Return the files below a directory: path relative to it, with ``/``, to text; in the order of the paths.

    Raises:
        SettingsError: the directory is not there.
    """
    if not directory.is_dir():
        raise SettingsError(f"{directory}: not a directory")
    found = sorted(path for path in directory.rglob("*") if path.suffix in suffixes and path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8") for path in found}


def mapping_texts(directory: Path) -> dict[str, str]:
    """Return the mapping documents below a directory, as :func:`read_texts` does.

    Raises:
        SettingsError: the directory is not there.
        DocumentError: a file is not UTF-8, or its name ends in what nobody reads.
    """
    try:
        found = read_texts(directory, ".yaml")
    except UnicodeDecodeError:
        raise DocumentError(
            *(line for path in directory.rglob("*.yaml") for line in _not_utf8(directory, path))
        ) from None
    others = sorted(
        path for path in directory.rglob("*") if path.suffix.lower() in {".yml", ".yaml"} and path.is_file()
    )
    unread = [name for path in others if (name := path.relative_to(directory).as_posix()) not in found]
    if unread:
        raise DocumentError(
            *(f"{name}:1: the name of a document ends in .yaml; this one is not read" for name in unread)
        )
    return found


def _not_utf8(directory: Path, path: Path) -> Iterator[str]:
    """Yield a complaint with the line where a file is not UTF-8."""
    data = path.read_bytes()
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        yield f"{path.relative_to(directory).as_posix()}:{line}: this is not UTF-8; accepted: the file saved as UTF-8"


def shipped(name: str) -> Path:
    """Return a file or directory that stands at the top of the checkout, and travels inside the installed package."""
    package = Path(__file__).parent
    checkout = package.parent
    # An installed package has other packages beside it; a checkout has the project file.
    if (checkout / "pyproject.toml").is_file() and (checkout / name).exists():
        return checkout / name
    installed = package / "_data" / name
    if installed.exists():
        return installed
    raise SettingsError(f"the package is incomplete: {name} is missing; install it again")


def _from_file(path: Path) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SettingsError(f"{path}: the settings file cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        place = re.search(r"\(at [^)]*\)", str(error))
        raise SettingsError(f"{path}: not TOML {place.group() if place else ''}".rstrip()) from error
    values: dict[str, object] = {}
    for name, value in document.items():
        if name == "remotes":
            values[name] = _remotes(value, path)
        else:
            values[name] = _typed(Settings, name, value, f"{path}: {name}", path.parent)
    return values


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {}
    for variable, text in sorted(environment.items()):
        rest = variable.removeprefix(PREFIX)
        if rest == variable or rest.startswith(NOT_SETTINGS):
            continue
        name = rest.lower()
        if name == "remotes":
            raise SettingsError(f"{variable}: remotes stand in the settings file only")
        values[name] = _typed(Settings, name, _parsed(name, text, variable), variable)
    return values


def _parsed(name: str, text: str, where: str) -> object:
    """Read the text of a variable as the plain TOML value that its setting takes."""
    wanted = get_type_hints(Settings).get(name)
    if wanted is int:
        if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
            raise SettingsError(f"{where}: accepted is a whole number")
        return int(text)
    if wanted is Decimal:
        try:
            return Decimal(text)
        except InvalidOperation as error:
            raise SettingsError(f"{where}: accepted is a number from 0 to 1") from error
    if wanted == tuple[str, ...]:
        return [part.strip() for part in text.split(",") if part.strip()]
    return text


def _remotes(sections: object, path: Path) -> tuple[Remote, ...]:
    if not isinstance(sections, dict) or not all(isinstance(section, dict) for section in sections.values()):
        raise SettingsError(f"{path}: remotes: accepted are sections [remotes.<name>]")
    remotes = []
    for name, section in sections.items():
        where = f"{path}: [remotes.{name}]"
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", name):
            raise SettingsError(f"{where}: a name is of lower-case letters, digits and hyphens")
        if "name" in section:
            raise SettingsError(f"{where}: name: it is the name of the section, leave it out")
        values = {key: _typed(Remote, key, value, f"{where}: {key}", path.parent) for key, value in section.items()}
        if "base_url" not in values:
            raise SettingsError(f"{where}: base_url: required, such as https://fhir.example/r4")
        remote = Remote(name=name, **values)  # type: ignore[arg-type]  # each value was checked against its field
        remotes.append(remote)
    check_remotes(remotes, f"{path}: ")
    return tuple(remotes)


def _typed(owner: type, name: str, value: object, where: str, base: Path = Path()) -> object:
    """Check one plain value against the field it is for; a path is taken relative to ``base``."""
    wanted = get_type_hints(owner).get(name)
    if wanted is None or name == "remotes":
        known = ", ".join(f.name for f in fields(owner) if f.name not in {"name", "remotes"})
        raise SettingsError(f"{where}: no such setting; known: {known}")
    choices = get_args(wanted)
    if choices and all(isinstance(choice, str) for choice in choices):
        if value not in choices:
            raise SettingsError(f"{where}: accepted are {', '.join(choices)}")
        return value
    if wanted == Path | None and isinstance(value, str | Path) and str(value):
        return base / value
    if wanted == tuple[str, ...] and isinstance(value, list | tuple) and all(isinstance(x, str) for x in value):
        return tuple(value)
    if wanted is Decimal and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    if wanted is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if wanted in {str, bool} and isinstance(value, wanted):
        return value
    raise SettingsError(f"{where}: accepted is {_ACCEPTED[wanted]}")


_ACCEPTED: Final[Mapping[object, str]] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    Decimal: "a number from 0 to 1",
    Path | None: "the path of a file",
    tuple[str, ...]: "a list of texts",
}


_POSTGRESQL: Final = r"postgresql://([^:@/?#\s]*@)?[^@?#\s]*(\?(?!([^#]*&)?(ssl)?password=)[^#\s]*)?"
"""Without a password, which would be printed with the settings."""
_HOST: Final = r"[0-9A-Za-z.-]+|\[?[0-9A-Fa-f:.]+\]?"
# As a browser sends it (RFC 6454 section 6.2): lower case, no path.
_ORIGIN: Final = r"https?://(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?"


def _check(settings: Settings) -> None:
    embedded = settings.database.startswith("sqlite:")
    uri = r"[a-z][a-z0-9+.-]*:[^\s<>\"{}|\\^`]+"
    complaints = {
        "port: accepted is a number from 0 to 65535": not 0 <= settings.port <= 65535,
        "strict_sample: accepted is a number from 0 to 1": (
            not settings.strict_sample.is_finite() or not 0 <= settings.strict_sample <= 1
        ),
        "answers_days: accepted is a number of days from 1 to 3650": not 1 <= settings.answers_days <= 3650,
        "host: accepted is an address or a name": not re.fullmatch(r"[0-9A-Za-z.:\[\]_-]+", settings.host),
        "public_url: accepted is http or https, host and path, without a slash at the end": (
            not re.fullmatch(rf"({_ORIGIN}(/[A-Za-z0-9._~-]+)*)?", settings.public_url)
        ),
        "database: accepted is sqlite:///PATH or postgresql://USER@HOST/NAME, without a password": (
            not re.fullmatch(rf"sqlite:///[^?#]+|{_POSTGRESQL}", settings.database)
        ),
        "database_password_file: accepted with postgresql:// only": bool(settings.database_password_file) and embedded,
        "workers: accepted is a number from 1 to 64": not 1 <= settings.workers <= 64,
        "order_system: accepted is an absolute URI": not re.fullmatch(uri, settings.order_system),
        "administration_system: accepted is an absolute URI": not re.fullmatch(uri, settings.administration_system),
        "administration_system: accepted is another URI than order_system": (
            settings.order_system == settings.administration_system
        ),
        "overlay: accepted is the name of a file in mappings/overlays, without .yaml": (
            not re.fullmatch(r"[a-z0-9-]{0,63}", settings.overlay)
        ),
        "allowed_origins: accepted are origins, such as https://workbench.example:8443": (
            not all(re.fullmatch(_ORIGIN, origin) for origin in settings.allowed_origins)
        ),
        "subscription_hosts: accepted are names and addresses of hosts, without a port": (
            not all(re.fullmatch(_HOST, host) for host in settings.subscription_hosts)
        ),
    }
    broken = [complaint for complaint, applies in complaints.items() if applies]
    if broken:
        raise SettingsError("; ".join(broken))
