"""Runs a guide as its reader would: its files are written, its commands run in order, what they print is what it says.

In a guide's text a block ``json file=order.json`` is a file. A block ``console`` holds commands, each behind ``$ ``
(a line that ends in a backslash goes on in the next), and behind each what it prints; ``…`` there stands for anything.
What is exported stays for the next command. A command that ends in ``&`` goes on beside the others: the next one waits until its port answers.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 120
EXPORTED = "[ ! -f .exported ] || . ./.exported\n"
PORT = re.compile(r"(127\.0\.0\.1:|--port |port = |localhost:)(\d{4})\b")


@dataclass(frozen=True)
class Block:
    """One fenced block of a guide; ``line`` is where it begins."""

    info: str
    text: str
    line: int


@dataclass(frozen=True)
class Step:
    """A command and what it prints."""

    command: str
    printed: str
    line: int


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a guide, in order."""
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(one[1].strip(), one[2], text.count("\n", 0, one.start()) + 1) for one in found]


def steps(block: Block) -> list[Step]:
    """Return the commands of a console block."""
    found: list[Step] = []
    lines = iter(enumerate(block.text.splitlines(), block.line + 1))
    for number, line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)[1]
            found.append(Step(command, "", number))
        else:
            assert found, f"line {number}: output without a command"
            found[-1] = Step(found[-1].command, f"{found[-1].printed}{line}\n", found[-1].line)
    return found


def says(expected: str, printed: str) -> bool:
    """Whether what was printed is what a guide says, line ends aside; ``…`` stands for anything."""
    pattern = r"[\s\S]*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip()) is not None


@dataclass
class Reader:
    """Follows one guide in a folder of its own, on ports of its own."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self, text: str) -> int:
        """Do what a guide says; return how many commands were run.

        Raises:
            AssertionError: a command failed without the guide saying so, or printed something else.
        """
        ran = 0
        for block in blocks(text):
            language, _, rest = block.info.partition(" ")
            if rest.startswith("file="):
                path = self.folder / rest.removeprefix("file=")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._placed(block.text), encoding="utf-8")
            elif language == "console":
                for step in steps(block):
                    self._take(step)
                    ran += 1
        return ran

    def end(self) -> None:
        """End what goes on beside the commands."""
        for process in reversed(self.started):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _take(self, step: Step) -> None:
        command = self._placed(step.command)
        if command.endswith("&"):
            self._start(command.removesuffix("&"), step)
            return
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{EXPORTED}{command}\nexport -p > .exported"],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        printed = done.stdout
        for told, used in self.ports.items():
            printed = printed.replace(f":{used}", f":{told}")
        assert says(step.printed, printed), (
            f"line {step.line}: {step.command}\n--- the guide\n{step.printed}--- printed\n{printed}"
        )

    def _start(self, command: str, step: Step) -> None:
        with (self.folder / "beside.log").open("ab") as log:
            process = subprocess.Popen(
                ["bash", "-c", f"{EXPORTED}exec {command}"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started.append(process)
        named = PORT.search(step.command)
        port = self._port(named[2] if named else "8080")
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and process.poll() is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.1)
        raise AssertionError(f"line {step.line}: {command}\n{(self.folder / 'beside.log').read_text()[-3000:]}")

    def _placed(self, text: str) -> str:
        """Put ports of our own in the place of those that a guide names."""
        return PORT.sub(lambda found: f"{found[1]}{self._port(found[2])}", text)

    def _port(self, told: str) -> int:
        if told not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[told] = free.getsockname()[1]
        return self.ports[told]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FHIR_INFUSION_")}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
            "FHIR_INFUSION_PORT": str(self._port("8080")),
            "FHIR_INFUSION_LOG_LEVEL": "warning",
            "COLUMNS": "120",
        }
