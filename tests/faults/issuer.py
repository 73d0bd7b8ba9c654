"""A token endpoint that takes signed assertions as SMART Backend Services wants them, each once, and looks closely."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import jwt

from tests.faults.peer import Act, Asked

if TYPE_CHECKING:
    from collections.abc import Callable

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLIENT = "infusions"
SCOPE = "system/*.cruds"


@dataclass(frozen=True)
class Answer:
    status: int = 400
    body: bytes = b'{"error":"invalid_client","error_description":"CANARY"}'
    headers: dict[str, str] = field(default_factory=dict)


class Issuer:
    """``keys`` are the registered ones by kid; ``valid`` the tokens that hold; ``lies`` answers in place of a token."""

    def __init__(self, keys: dict[str, Any] | None = None) -> None:
        self.keys = {one["kid"]: one for one in (keys or {"keys": []})["keys"]}
        self.valid: set[str] = set()
        self.seen: set[str] = set()
        self.claims: list[dict[str, Any]] = []
        self.headers: list[dict[str, Any]] = []
        self.asked = 0
        self.life: object = 300
        self.slow = 0.0
        self.lies: list[Callable[[], Answer | None]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/token"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def register(self, keys: dict[str, Any]) -> None:
        self.keys = {one["kid"]: one for one in keys["keys"]}

    def guard(self, asked: Asked) -> Act | None:
        """Refuse, as a lie of a peer, what comes without a token that holds."""
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if asked.type == ".well-known" or token in self.valid:
            return None
        return Act(effect=False, status=401)

    def answer(self, form: dict[str, list[str]]) -> Answer:
        with self._lock:
            self.asked += 1
            said = next((found for lie in self.lies if (found := lie()) is not None), None)
        time.sleep(self.slow)
        if said is not None:
            return said
        with self._lock:
            if not self._holds(form):
                return Answer()
            token = f"token-{len(self.seen)}"
            self.valid.add(token)
        body: dict[str, object] = {"access_token": token, "token_type": "Bearer", "scope": SCOPE}
        if self.life is not None:
            body["expires_in"] = self.life
        return Answer(200, json.dumps(body).encode())

    def _holds(self, form: dict[str, list[str]]) -> bool:
        wanted = {"grant_type": ["client_credentials"], "scope": [SCOPE], "client_assertion_type": [ASSERTION]}
        if {**form, "client_assertion": []} != {**wanted, "client_assertion": []}:
            return False
        (assertion,) = form["client_assertion"]
        head = jwt.get_unverified_header(assertion)
        key = self.keys.get(head.get("kid", ""))
        if key is None or head["alg"] not in {"RS384", "ES384"} or head["typ"] != "JWT":
            return False
        try:
            claims = jwt.decode(
                assertion,
                jwt.PyJWK(key, head["alg"]).key,
                algorithms=[head["alg"]],
                audience=self.url,
                issuer=CLIENT,
                options={"require": ["iss", "sub", "aud", "exp", "jti"]},
            )
        except jwt.InvalidTokenError:
            return False
        if claims["sub"] != CLIENT or claims["exp"] > time.time() + 300 or claims["jti"] in self.seen:
            return False
        self.seen.add(claims["jti"])
        self.claims.append(claims)
        self.headers.append(head)
        return True


def _handler(issuer: Issuer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            is_form = self.headers["Content-Type"] == "application/x-www-form-urlencoded"
            bare = "Authorization" not in self.headers and self.path == "/token"
            answer = issuer.answer(parse_qs(raw)) if is_form and bare else Answer()
            self.send_response_only(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
