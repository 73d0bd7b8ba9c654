"""Builds and starts the Java programs that tests talk to: HL7's validator and the HAPI server.

Maven compiles a project once; what it made is used until a source or the pom is newer. Nothing is fetched then.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from tests import programs

if TYPE_CHECKING:
    from pathlib import Path

BUILD_SECONDS = 1500  # a first build fetches some 300 MB of jars


def missing() -> str:
    """Return why no Java program can be started here, or an empty text."""
    return programs.missing("java", "javac", "mvn")


def classpath(project: Path) -> str:
    """Return the class path of a Maven project, building it first where it is new or has changed.

    Raises:
        RuntimeError: Maven failed; the message holds the end of its output.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    jars = target / "classpath"
    with (target / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
        sources = [project / "pom.xml", *(path for path in (project / "src").rglob("*") if path.is_file())]
        if not jars.is_file() or jars.stat().st_mtime < max(path.stat().st_mtime for path in sources):
            _build(project, jars)
        return f"{target / 'classes'}{os.pathsep}{jars.read_text(encoding='utf-8').strip()}"


def _build(project: Path, jars: Path) -> None:
    made = jars.with_suffix(".new")
    command = [
        *("mvn", "-B", "-q", "-ntp", "compile", "dependency:build-classpath"),
        f"-Dmdep.outputFile={made}",
    ]
    programs.run(command, project, BUILD_SECONDS)
    if not made.is_file():
        raise RuntimeError(f"mvn made no class path in {project.name}")
    made.replace(jars)
