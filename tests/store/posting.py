"""A process that posts from many threads until it is killed; started by the tests of crashes and faults.

Usage: posting.py DATABASE ROUND THREADS [LIMIT] (keys to be tried again on standard input, one a line). DATABASE
is a URL, or the path of SQLite's file. It prints
``try KEY`` before and ``ack KEY VERSION`` after each post, ``refused KEY`` where the store was not available.
"""

import os
import sys
import threading
from datetime import UTC, datetime

from fhir_infusion.errors import Unavailable
from fhir_infusion.store import open_store
from tests.store.helpers import TENANT, effect


def say(line):
    os.write(1, f"{line}\n".encode())  # one write is one line, however the process ends


def main(path, round_, threads, limit="1000000"):
    again = sys.stdin.read().split()
    url = path if "://" in path else f"sqlite:///{path}"
    store = open_store(url, lambda: datetime.now(UTC), wait_seconds=5)
    say("open")

    def post(key):
        say(f"try {key}")
        try:
            stored, _ = store.transact(TENANT, effect(key))
        except Unavailable:
            say(f"refused {key}")
        else:
            say(f"ack {key} {stored.version}")

    def run(thread):
        for key in again[thread :: int(threads)]:
            post(key)
        for number in range(int(limit)):
            post(f"r{round_}-t{thread}-{number}")

    running = [threading.Thread(target=run, args=(thread,), daemon=True) for thread in range(int(threads))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
