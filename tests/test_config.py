"""Settings: each source overrides the one before, and what would not be safe is refused by name, never by value."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_infusion import config
from fhir_infusion.config import Remote, Settings, check_start, is_loopback, load, read_secret
from fhir_infusion.errors import DocumentError, SettingsError
from fhir_infusion.remotes import filter_parameters

OWN = {
    "order_system": "https://hospital.example/infusion-orders",
    "administration_system": "https://hospital.example/infusion-administrations",
}


def write(directory: Path, text: str) -> Path:
    path = directory / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_any_source_the_defaults_serve_on_loopback():
    settings = load()
    assert settings == Settings()
    assert is_loopback(settings.host)
    check_start(settings)


def test_each_source_overrides_the_one_before(tmp_path: Path):
    path = write(tmp_path, 'host = "127.0.0.2"\nport = 1\nlog_level = "debug"\n')
    settings = load(path, {"FHIR_INFUSION_PORT": "2", "FHIR_INFUSION_HOST": "127.0.0.3"}, {"port": 3, "host": None})
    assert (settings.log_level, settings.host, settings.port) == ("debug", "127.0.0.3", 3)


def test_the_environment_names_the_file_and_can_set_everything_but_remotes(tmp_path: Path):
    path = write(tmp_path, "port = 1\n")
    environment = {
        "FHIR_INFUSION_SETTINGS": str(path),
        "FHIR_INFUSION_ALLOWED_ORIGINS": "https://a.example, https://b.example:8443",
        "FHIR_INFUSION_STRICT_SAMPLE": "0.25",
        "FHIR_INFUSION_FINDINGS": "refuse",
        "FHIR_INFUSION_TOKENS": "tokens.toml",
        "PATH": "ignored",
    }
    assert load(environment=environment) == Settings(
        port=1,
        allowed_origins=("https://a.example", "https://b.example:8443"),
        strict_sample=Decimal("0.25"),
        findings="refuse",
        tokens=Path("tokens.toml"),
    )


def test_a_remote_is_a_section_and_paths_are_relative_to_the_file(tmp_path: Path):
    path = write(
        tmp_path,
        'tokens = "tokens.toml"\n[remotes.pharmacy]\nbase_url = "https://fhir.pharmacy.example/r4"\n'
        'auth = "bearer"\ntoken_file = "pharmacy.token"\ndirection = "push"\n[remotes.ward]\n'
        'base_url = "http://localhost:8090/fhir"\nrelease = "R5"\npoll_seconds = 5\ntenant = "ward-3"\n',
    )
    settings = load(path)
    assert settings.tokens == tmp_path / "tokens.toml"
    assert settings.remotes == (
        Remote(
            name="pharmacy",
            base_url="https://fhir.pharmacy.example/r4",
            auth="bearer",
            token_file=tmp_path / "pharmacy.token",
            direction="push",
        ),
        Remote(name="ward", base_url="http://localhost:8090/fhir", release="R5", tenant="ward-3", poll_seconds=5),
    )
    assert settings.remote("ward").release == "R5"
    with pytest.raises(SettingsError, match="known: pharmacy, ward"):
        settings.remote("other")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me@db.example:5432,other.example/infusions?sslmode=verify-full&target_session_attrs=read-write",
        "postgresql://me@[::1]/infusions",
        "postgresql:///infusions?host=/run/postgresql",
        "postgresql://?service=infusions",
    ],
)
def test_an_address_of_postgresql_is_taken_as_libpq_takes_it(url: str):
    assert load(overrides={"database": url, "workers": 4}).database == url


SMART = "[remotes.a]\nbase_url = 'https://a.example'\nauth = 'smart'\n"
REFUSED = [
    ("findngs = 'refuse'", "findngs: no such setting; known: host, port"),
    ("findings = 'sometimes'", "findings: accepted are report, refuse"),
    ("port = '8080'", "port: accepted is a whole number"),
    ("port = true", "port: accepted is a whole number"),
    ("port = 65536", "port: accepted is a number from 0 to 65535"),
    ("strict_sample = 1.01", "strict_sample: accepted is a number from 0 to 1"),
    ("answers_days = 0", "answers_days: accepted is a number of days from 1 to 3650"),
    ("answers_days = 3651", "answers_days: accepted is a number of days from 1 to 3650"),
    ("strict_sample = nan", "strict_sample: accepted is a number from 0 to 1"),
    ("host = ''", "host: accepted"),
    ("database = 'mysql://secret@host/db'", "database: accepted is sqlite:///PATH"),
    ("database = 'postgresql://me:secret@host/db'", "without a password"),
    ("database = 'postgresql:///db?password=secret'", "without a password"),
    ("database = 'postgresql:///db?sslmode=disable&sslpassword=secret'", "without a password"),
    ("database_password_file = 'secret'", "accepted with postgresql:// only"),
    ("workers = 0", "from 1 to 64"),
    ("order_system = 'orders'", "order_system: accepted is an absolute URI"),
    ("administration_system = 'https://example.org/fhir-infusion/orders'", "another URI than order_system"),
    ("overlay = '../other'", "overlay: accepted is the name of a file"),
    ("allowed_origins = ['https://a.example/path']", "allowed_origins: accepted are origins"),
    ("allowed_origins = ['*']", "allowed_origins: accepted are origins"),
    ("allowed_origins = 'https://a.example'", "allowed_origins: accepted is a list of texts"),
    ("public_url = 'h.example'", "public_url: accepted is http or https, host and path"),
    ("public_url = 'https://h.example/'", "public_url: accepted is http or https, host and path"),
    ("public_url = 'https://h.example?x=1'", "public_url: accepted is http or https, host and path"),
    ("public_url = 'https://user:secret@h.example'", "public_url: accepted is http or https, host and path"),
    ("public_url = 'ftp://h.example'", "public_url: accepted is http or https, host and path"),
    ("tokens = ''", "tokens: accepted is the path of a file"),
    ("remotes = 3", r"remotes: accepted are sections \[remotes.<name>\]"),
    ("[remotes.a]", r"\[remotes.a\]: base_url: required"),
    ("[remotes.A]\nbase_url = 'https://a.example'", "a name is of lower-case letters"),
    ("[remotes.a]\nname = 'b'\nbase_url = 'https://a.example'", "name: it is the name of the section"),
    ("[remotes.a]\nbase_url = 'http://a.example'", "base_url: accepted is https"),
    (f"{SMART}key_file = 'k'\nscope = 'system/*.rs'", "client_id: goes with auth smart"),
    (f"{SMART}client_id = 'c'\nscope = 'system/*.rs'", "key_file: goes with auth smart"),
    (f"{SMART}client_id = 'c'\nkey_file = 'k'", "scope: goes with auth smart"),
    (f"{SMART}client_id = 'c'\nkey_file = 'k'\nscope = 'a  b'", "scope: accepted are words"),
    (f"{SMART}client_id = 'c'\nkey_file = 'k'\nscope = 'a'\ntoken_file = 't'", "token_file: goes with auth basic"),
    (
        f"{SMART}client_id = 'c'\nkey_file = 'k'\nscope = 'a'\ntoken_url = 'http://a.example'",
        "token_url: accepted is https",
    ),
    (
        f"{SMART}client_id = 'c'\nkey_file = 'k'\nscope = 'a'\ntoken_url = 'https://a?b'",
        "token_url: accepted is scheme",
    ),
    (f"{SMART}client_id = 'c'\nkey_file = 'k'\nscope = 'a'\ntoken_url = 'https://[a'", "token_url: not a URL"),
    ("[remotes.a]\nbase_url = 'https://a.example'\nclient_id = 'c'", "client_id: goes with auth smart"),
    ("[remotes.a]\nbase_url = 'https://a.example'\ntoken_url = 'https://a'", "token_url: goes with auth smart"),
    ("[remotes.a]\nbase_url = 'https://a.example'\ncert_file = 'c'", "cert_file and cert_key_file go together"),
    ("[remotes.a]\nbase_url = 'http://localhost'\nca_file = 'c'", "accepted with https only"),
    *(
        (f"[remotes.'{name}']\nbase_url = 'https://a.example'", "a name is of lower-case letters, digits and hyphens")
        for name in ("", "a/b", "a?b", "<script>", "..", "a b", "a" * 65)
    ),
    *(
        (f"[remotes.a]\nbase_url = 'https://a.example'\n{line}", complaint)
        for line, complaint in (
            ("resources = []", "resources: accepted are one or more, each once, of MedicationRequest, Med"),
            ("resources = ['Patient']", "resources: accepted is Patient only beside one of MedicationRequest"),
            ("resources = ['MedicationRequest', 'MedicationRequest']", "resources: accepted are one or more"),
            ("intents = ['orders']", "intents: accepted are one or more, each once, of proposal, plan, order"),
            ("intents = 'order'", "intents: accepted is a list of texts"),
            ("overlay = '../x'", "overlay: accepted is the name of a file"),
            ("feed = 'bulk'", "feed: accepted are auto, history, search"),
            ("senders = 0", "senders: accepted is a number from 1 to 16"),
            ("senders = 17", "senders: accepted is a number from 1 to 16"),
            ("pull_filter = 'x'", "pull_filter: accepted is a search"),
            ("pull_filter = 'a=1&&b=2'", "pull_filter: accepted is a search"),
            ("pull_filter = 'status='", "pull_filter: accepted are parameters with a value"),
            ("pull_filter = '_lastUpdated=gt2020'", "pull_filter: accepted are parameters with a value"),
            ("pull_filter = '_count=1'", "pull_filter: accepted are parameters with a value"),
            ("pull_filter = '_sort=status'", "pull_filter: accepted are parameters with a value"),
            ("pull_filter = 'status=active'\nfeed = 'history'", "a history cannot be filtered"),
        )
    ),
    ("[remotes.a]\nbase_url = 'https://a.example'\nverify = false", "verify: no such setting"),
    ("[remotes.a]\nbase_url = 'ftp://localhost'", "base_url: accepted is https"),
    ("[remotes.a]\nbase_url = 'https://user:secret@a.example'", "base_url: accepted is scheme, host and path only"),
    ("[remotes.a]\nbase_url = 'https://a.example?x=1'", "base_url: accepted is scheme, host and path only"),
    ("[remotes.a]\nbase_url = 'https://a.example:99999'", "base_url: not a URL"),
    ("[remotes.a]\nbase_url = 'https://a.example'\nauth = 'bearer'", "token_file: goes with auth"),
    ("[remotes.a]\nbase_url = 'https://a.example'\ntoken_file = 't'", "token_file: goes with auth"),
    ("[remotes.a]\nbase_url = 'https://a.example'\ntoken = 'secret'", "token: no such setting"),
    ("[remotes.a]\nbase_url = 'https://a.example'\npoll_seconds = 0", "poll_seconds: accepted is a number above 0"),
    ("[remotes.a]\nbase_url = 'https://a.example'\noverlap_seconds = -1", "overlap_seconds: accepted is 0 or more"),
    ("[remotes.a]\nbase_url = 'https://a.example'\ntenant = 'Ward 3'", "tenant: accepted are lower-case letters"),
    ("[remotes.a]\nbase_url = 'https://a.example'\nrelease = 'R3'", "release: accepted are R4, R4B, R5"),
    ("[remotes.a]\nbase_url = 'https://a.example'\nowns_orders = 'both'", "owns_orders: accepted are ours, theirs"),
    (
        "[remotes.a]\nbase_url = 'https://a.example/r4'\n[remotes.b]\nbase_url = 'https://A.example:443/r4/'",
        r"\[remotes.b\]: base_url: this server stands in \[remotes.a\] already; accepted is one section a server",
    ),
    (
        "[remotes.a]\nbase_url = 'http://localhost:8090/fhir'\n[remotes.b]\nbase_url = 'http://127.0.0.1:8090/fhir'",
        r"\[remotes.b\]: base_url: this server stands in \[remotes.a\] already; accepted is one section a server",
    ),
    ("port = ", "not TOML"),
]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[row[0].replace("\n", " ") for row in REFUSED])
def test_what_cannot_hold_is_refused_with_what_would_be_accepted(tmp_path: Path, text: str, said: str):
    with pytest.raises(SettingsError, match=said) as refusal:
        load(write(tmp_path, text))
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        ("FHIR_INFUSION_FINDNGS", "refuse", "FHIR_INFUSION_FINDNGS: no such setting"),
        ("FHIR_INFUSION_PORT", "tcp://10.0.0.1:8080", "FHIR_INFUSION_PORT: accepted is a whole number"),
        ("FHIR_INFUSION_PORT", "٣", "FHIR_INFUSION_PORT: accepted is a whole number"),
        ("FHIR_INFUSION_STRICT_SAMPLE", "some", "FHIR_INFUSION_STRICT_SAMPLE: accepted is a number from 0 to 1"),
        ("FHIR_INFUSION_REMOTES", "x", "remotes stand in the settings file only"),
        ("FHIR_INFUSION_SETTINGS", "nowhere.toml", "the settings file cannot be read"),
    ],
)
def test_a_variable_that_cannot_hold_is_refused_by_its_name(variable: str, text: str, said: str):
    with pytest.raises(SettingsError, match=said):
        load(environment={variable: text})


@pytest.mark.parametrize("variable", ["FHIR_INFUSION_COUNT", "FHIR_INFUSION_TEST_X", "FHIR_INFUSION_SERVICE_HOST"])
def test_variables_of_tests_and_of_kubernetes_are_no_settings(variable: str):
    assert load(environment={variable: "x"}) == Settings()


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *(("127.0.0.1", True), ("127.8.9.10", True), ("::1", True), ("[::1]", True), ("localhost", True)),
        *(("192.0.2.1", False), ("::", False), ("10.0.0.1", False), ("hospital.example", False)),
        *(("localhost.example", False), ("127.0.0.1.example", False)),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool):  # noqa: FBT001  # a table of cases
    assert is_loopback(host) is loopback


def test_beyond_loopback_everything_that_is_missing_is_said_at_once():
    with pytest.raises(SettingsError) as refusal:
        check_start(load(overrides={"host": "0.0.0.0"}))  # noqa: S104  # nothing is bound here
    for name in ("order_system: still the example", "administration_system: still the example", "tokens: not set"):
        assert name in str(refusal.value)


@pytest.mark.parametrize("lacking", ["order_system", "administration_system", "tokens", "tokens file"])
def test_beyond_loopback_a_start_needs_own_systems_and_tokens(tmp_path: Path, lacking: str):
    tokens = tmp_path / "tokens.toml"
    tokens.touch()
    whole: dict[str, Any] = {"host": "10.0.0.1", "tokens": tokens, **OWN}
    check_start(load(overrides=whole))
    if lacking == "tokens file":
        tokens.unlink()
    else:
        del whole[lacking]
    with pytest.raises(SettingsError, match=lacking.partition(" ")[0]):
        check_start(load(overrides=whole))


def test_a_secret_is_the_one_line_of_its_file(tmp_path: Path):
    path = tmp_path / "token"
    path.write_text("s3cret\n", encoding="utf-8")
    assert read_secret(path) == "s3cret"
    for text in ("", "\n", "two\nlines\n"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SettingsError):
            read_secret(path)
    with pytest.raises(SettingsError):
        read_secret(tmp_path / "absent")


def test_settings_show_where_a_secret_lies_and_not_the_secret(tmp_path: Path):
    (tmp_path / "pharmacy.token").write_text("s3cret", encoding="utf-8")
    path = write(
        tmp_path,
        '[remotes.a]\nbase_url = "https://a.example"\nauth = "basic"\ntoken_file = "pharmacy.token"\n',
    )
    assert "s3cret" not in repr(load(path))


def test_the_documents_are_found_in_the_checkout():
    assert (config.mappings_dir() / "r4").is_dir()
    assert config.profiles_dir().name == "profiles"


def test_an_installed_package_uses_the_documents_that_it_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = tmp_path / "site-packages" / "fhir_infusion" / "config.py"
    carried = module.parent / "_data" / "mappings"
    carried.mkdir(parents=True)
    (module.parent.parent / "mappings").mkdir()  # another package of that name is not ours
    monkeypatch.setattr(config, "__file__", str(module))
    assert config.mappings_dir() == carried
    with pytest.raises(SettingsError, match="profiles is missing"):
        config.profiles_dir()


def test_a_site_can_bring_documents_of_its_own(tmp_path: Path):
    path = write(tmp_path, 'mappings = "own"\n')
    assert config.mappings_dir(load(path)) == tmp_path / "own"


@pytest.mark.parametrize("name", ["formats/clinic.yml", "clinic.YAML"])
def test_a_document_whose_name_nobody_reads_is_a_complaint(tmp_path: Path, name: str):
    (tmp_path / "formats").mkdir()
    (tmp_path / "a.yaml").write_text("a: 1")
    assert config.mapping_texts(tmp_path) == {"a.yaml": "a: 1"}
    (tmp_path / name).write_text("b: 1")
    with pytest.raises(DocumentError) as told:
        config.mapping_texts(tmp_path)
    assert told.value.complaints == (f"{name}:1: the name of a document ends in .yaml; this one is not read",)


def test_a_document_that_is_not_utf8_is_a_complaint_with_its_line_and_no_word_of_it(tmp_path: Path):
    (tmp_path / "a.yaml").write_bytes("a: 1\nb: Müller\n".encode("latin-1"))
    with pytest.raises(DocumentError) as told:
        config.mapping_texts(tmp_path)
    assert told.value.complaints == ("a.yaml:2: this is not UTF-8; accepted: the file saved as UTF-8",)


def test_texts_are_read_by_suffix_in_the_order_of_their_paths(tmp_path: Path):
    for name in ("r5/b.yaml", "r4/a.yaml", "r4/readme.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, encoding="utf-8")
    texts = config.read_texts(tmp_path, ".yaml")
    assert list(texts.items()) == [("r4/a.yaml", "r4/a.yaml"), ("r5/b.yaml", "r5/b.yaml")]
    with pytest.raises(SettingsError, match="not a directory"):
        config.read_texts(tmp_path / "absent", ".yaml")


def test_only_the_five_order_intents_are_sent_unless_it_is_set_otherwise():
    orders = {"order", "original-order", "reflex-order", "filler-order", "instance-order"}
    both, plans = Remote("a", "https://a.example"), Remote("a", "https://a.example", intents=("plan",))
    for intent in (*orders, "proposal", "plan", "option"):
        assert both.is_told("default", "MedicationRequest", intent) == (intent in orders)
        assert plans.is_told("default", "MedicationRequest", intent) == (intent == "plan")
        assert plans.is_told("default", "MedicationRequest", intent, known=True) == (intent in {*orders, "plan"})
        assert not both.is_told("other", "MedicationRequest", intent)
    assert both.is_told("default", "MedicationAdministration", None)
    orders_only = Remote("a", "https://a.example", resources=("MedicationRequest",))
    assert not orders_only.is_told("default", "MedicationAdministration", None, known=True)
    assert not Remote("a", "https://a.example", direction="pull").is_told("default", "MedicationRequest", "order")


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("", []),
        ("patient.organization=Organization/9", [("patient.organization", "Organization/9")]),
        ("code=http%3A%2F%2Fs%7C1&status=active,on-hold", [("code", "http://s|1"), ("status", "active,on-hold")]),
        ("patient:Patient.organization=9", [("patient:Patient.organization", "9")]),
        ("_tag=x&_has:Provenance:target:agent=3", [("_tag", "x"), ("_has:Provenance:target:agent", "3")]),
    ],
)
def test_a_filter_of_what_is_pulled_is_a_search(tmp_path: Path, text: str, pairs: list[tuple[str, str]]):
    found = load(write(tmp_path, f"[remotes.a]\nbase_url = 'https://a.example'\npull_filter = '{text}'\n"))
    assert filter_parameters(found.remote("a"), "MedicationRequest") == pairs
