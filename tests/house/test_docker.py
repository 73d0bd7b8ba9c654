"""The container files, as far as a machine without a container engine can show them.

The image's process runs from the wheel as the Dockerfile says: its environment, entry point, command and health check,
as a user that owns nothing but the data, where the whole file system but the data and /tmp is read-only. How the image is
built is shown by ``test_wheel.py`` only; no image was pulled.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhir_infusion import cli, config
from fhir_infusion.web.examples import texts
from fhir_infusion.web.tokens import add_token
from tests import programs
from tests.real.server import call

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
COMPOSE = sorted(path.name for path in DOCKER.glob("compose*.yaml"))
GIVEN = {
    "FHIR_INFUSION_ORDER_SYSTEM": "https://hospital.example/orders",
    "FHIR_INFUSION_ADMINISTRATION_SYSTEM": "https://hospital.example/administrations",
}


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the last stage of the Dockerfile, and those before it: name and arguments."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [(line.split(None, 1)[0], line.split(None, 1)[1].strip()) for line in joined.splitlines() if line.strip()]


def stage() -> dict[str, str]:
    """Return the last stage: each instruction by its name."""
    found = instructions()
    begin = max(place for place, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[begin:])


def environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", stage()["ENV"]))


def test_the_build_copies_what_there_is_and_nothing_that_is_left_out():
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for name, arguments in instructions():
        if name == "COPY" and "--from" not in arguments:
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert source.split("/")[0] not in ignored


def loaded(name: str) -> dict[str, Any]:
    """Return a compose file; ``!reset`` and the like would need an engine to be understood, and are not used."""
    found: dict[str, Any] = yaml.safe_load((DOCKER / name).read_text(encoding="utf-8"))
    return found


def merged(*names: str) -> dict[str, Any]:
    """Lay compose files over each other, as far as ours need: tables merge, all else is replaced."""

    def lay(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
        return base | {
            key: lay(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in change.items()
        }

    whole: dict[str, Any] = {}
    for name in names:
        whole = lay(whole, loaded(name))
    return whole


SETS = [
    ("compose.yaml",),
    ("compose.yaml", "compose.postgresql.yaml"),
    ("compose.yaml", "compose.postgresql.yaml", "compose.worker.yaml"),
    ("compose.yaml", "compose.hapi.yaml"),
]


def test_every_compose_file_is_tried_and_says_how_it_is_used():
    assert {name for names in SETS for name in names} == set(COMPOSE)
    for names in SETS:
        used = " ".join(f"-f docker/{name}" for name in names)
        assert f"docker compose {used} up" in (DOCKER / names[-1]).read_text(encoding="utf-8")


@pytest.mark.parametrize("names", SETS, ids=[names[-1] for names in SETS])
def test_what_a_compose_file_sets_are_settings_with_which_our_containers_start(names: tuple[str, ...], tmp_path: Path):
    services = merged(*names)["services"]
    ours = {name: one for name, one in services.items() if "build" in one}
    assert "service" in ours
    for name, one in ours.items():
        assert one["read_only"] is True, name
        assert (one["cap_drop"], one["security_opt"]) == (["ALL"], ["no-new-privileges:true"])
        assert all(port.startswith("127.0.0.1:") for port in one.get("ports", ()))
        (command,) = one.get("command", ["serve"])
        assert command in cli.root.list_commands(None)  # type: ignore[arg-type]  # it needs no context
        told = environment() | {key: GIVEN.get(key, value) for key, value in one["environment"].items()}
        told = {key: value for key, value in told.items() if key.startswith(config.PREFIX)}
        told |= {key: "" for key, value in told.items() if value == "${FHIR_INFUSION_PUBLIC_URL:-}"}
        settings = told.pop("FHIR_INFUSION_SETTINGS", "")
        (tmp_path / "tokens.toml").touch()
        told["FHIR_INFUSION_TOKENS"] = str(tmp_path / "tokens.toml")
        path = DOCKER / Path(settings).name if settings else None
        if path is not None and not path.is_file():  # the operator's own file of remotes
            path = DOCKER / "hapi.toml"
        read = config.load(path, told)
        config.check_start(read)
        assert bool(read.remotes) == bool(settings)
        if name == "worker":
            assert read.database.startswith("postgresql://"), "with SQLite the service keeps remotes in step itself"


def test_what_the_settings_of_remotes_name_beside_them_is_in_the_container_too():
    names = SETS[2]
    for one in ("service", "worker"):
        found = merged(*names)["services"][one]
        mounted = {target: source for source, target, *_ in (each.split(":") for each in found["volumes"])}
        settings = Path(found["environment"]["FHIR_INFUSION_SETTINGS"])
        # A file that is mounted alone has nothing beside it: no token, no key, no certificate.
        assert mounted[str(settings.parent)] == "./remotes", one
    assert "docker/remotes/" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_what_begins_and_ends_a_container_gives_it_the_time_that_the_service_takes():
    for names in SETS:
        for name, one in merged(*names)["services"].items():
            if "build" in one:
                assert int(one["stop_grace_period"].removesuffix("s")) > 30, name


# ------------------------------------------------------------------------------------------------ the image's process


SECONDS = 300
USER = 10001


def contained(elsewhere: Path, data: Path, told: dict[str, str], command: list[str]) -> list[str]:
    """Return the command line that runs a command as the image would: its user, its environment, what it may write.

    ``/mnt`` is the environment of the image, ``/srv`` its volume, ``/media`` its ``/tmp``.
    """
    mounts = [
        f"mount --bind {elsewhere.parent} /mnt",
        f"mount --bind {data} /srv",
        "mount -t tmpfs -o size=64m,mode=1777 tmpfs /media",
        "mount -o remount,bind,ro /",
        "cd /srv",
    ]
    as_user = ["setpriv", "--reuid", str(USER), "--regid", str(USER), "--clear-groups", "--no-new-privs"]
    variables = [f"{name}={value}" for name, value in told.items()]
    line = [*as_user, "--bounding-set", "-all", "--inh-caps", "-all", "env", "-i", *variables, *command]
    return [
        "unshare",
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        "; ".join([*mounts, f"exec {shlex.join(line)}"]),
    ]


def cannot() -> str:
    """Return why no process can be contained here, or an empty text."""
    if missing := programs.missing("unshare", "setpriv", "mount"):
        return missing
    if any(not Path(place).is_dir() for place in ("/mnt", "/srv", "/media")):
        return "there is no /mnt, /srv and /media to mount on"
    tried = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "mount -t tmpfs tmpfs /media"],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "nobody may mount here: it takes root, or a user namespace"


@pytest.mark.skipif(bool(cannot()), reason=cannot())
def test_the_image_serves_is_healthy_and_ends_in_order_where_it_may_write_its_volume_only(
    elsewhere: Path, tmp_path: Path
):
    data = tmp_path / "volume"
    data.mkdir()
    _, token = add_token(data / "tokens.toml", "EHR", "default", "2026-01-02")
    for path in (data, *data.iterdir()):
        os.chown(path, USER, USER)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # On loopback, since nothing of a test may be reached from outside; what else is set is the image's and compose's.
    told = {name: value.replace("/data/", "/srv/") for name, value in environment().items()} | GIVEN
    told |= {"FHIR_INFUSION_HOST": "127.0.0.1", "FHIR_INFUSION_PORT": str(port), "TMPDIR": "/media"}
    told |= {"FHIR_INFUSION_TOKENS": "/srv/tokens.toml", "PATH": "/mnt/bin:/usr/bin:/bin", "HOME": "/srv"}
    assert (json.loads(stage()["ENTRYPOINT"]), json.loads(stage()["CMD"])) == (["fhir-infusion"], ["serve"])
    serve = contained(elsewhere, data, told, ["python", "-m", "fhir_infusion", "serve"])
    check = json.loads(stage()["HEALTHCHECK"].partition("CMD ")[2])
    healthy = contained(elsewhere, data, told, check)
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(serve, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + SECONDS
        while subprocess.run(healthy, capture_output=True, check=False).returncode != 0:
            assert process.poll() is None, (tmp_path / "log").read_text(encoding="utf-8")
            assert time.monotonic() < until, (tmp_path / "log").read_text(encoding="utf-8")
            time.sleep(0.5)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        reply = call(f"http://127.0.0.1:{port}/api/orders", "POST", next(iter(texts().values())), headers)
        assert reply.status == 201
        outside = contained(
            elsewhere, data, told, ["sh", "-c", "touch /srv/own /media/own && ! touch /mnt/x /var/tmp/x"]
        )
        assert subprocess.run(outside, capture_output=True, check=False).returncode == 0
        assert {path.name for path in data.iterdir()} >= {"fhir-infusion.db", "tokens.toml"}
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        ended = process.wait(40)
    assert ended == 0, (tmp_path / "log").read_text(encoding="utf-8")
    assert subprocess.run(healthy, capture_output=True, check=False).returncode != 0
