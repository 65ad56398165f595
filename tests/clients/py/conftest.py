"""A running Basalt for each test file, on a fresh copy of tests/projects/blog. See js/basalt.mjs, which does the same."""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

import pytest
from supabase import Client, ClientOptions, create_client

ROOT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("BASALT_BIN") or os.path.join(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), "debug", "basalt")

ADA = {"email": "ada@example.com", "password": "correct horse"}
BOB = {"email": "bob@example.com", "password": "battery staple"}
ADA_ID = "00000000-0000-4000-8000-00000000000a"
BOB_ID = "00000000-0000-4000-8000-00000000000b"


class Basalt:
    """The server's address and keys, and clients of it."""

    def __init__(self, url: str, anon_key: str, service_key: str):
        self.url, self.anon_key, self.service_key = url, anon_key, service_key

    def client(self, key: str) -> Client:
        return create_client(self.url, key, ClientOptions(auto_refresh_token=False, persist_session=False))

    def anon(self) -> Client:
        return self.client(self.anon_key)

    def service(self) -> Client:
        return self.client(self.service_key)

    def signed_in(self, who: dict) -> Client:
        client = self.anon()
        client.auth.sign_in_with_password(who)
        return client

    def signed_up(self, name: str):
        """A client signed in as a new user, and the answer of the sign-up."""
        client = self.anon()
        answer = client.auth.sign_up(
            {"email": f"{name}@example.com", "password": f"{name} secret", "options": {"data": {"username": name}}}
        )
        return client, answer


def fresh_database(folder: str) -> "list[str]":
    """The arguments that serve an empty database; taking its file away makes it ours."""
    databases = os.environ.get("BASALT_TEST_DATABASES")
    if not databases:
        return []
    taken = os.path.join(folder, "database")
    for name in filter(str.isdecimal, os.listdir(databases)):
        try:
            os.rename(os.path.join(databases, name), taken)
        except FileNotFoundError:
            continue
        return ["--database", pathlib.Path(taken).read_text()]
    raise RuntimeError(f"no database is left in {databases}")


def start(folder: str) -> "tuple[subprocess.Popen, str]":
    database = fresh_database(folder)
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with open(os.path.join(folder, "server.log"), "w+b") as log:
            process = subprocess.Popen(
                [PROGRAM, "serve", "--project", folder, "--listen", f"127.0.0.1:{port}", *database],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                urllib.request.urlopen(f"{url}/health/ready", timeout=5).close()
                return process, url
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.01)
        process.kill()
        process.wait()
        text = pathlib.Path(folder, "server.log").read_text(errors="replace")
        if "in use" not in text:
            break
    raise RuntimeError(f"Basalt did not start:\n{text}")


@pytest.fixture(scope="module")
def basalt(request):
    if url := os.environ.get("BASALT_TEST_URL"):
        yield Basalt(url, os.environ["BASALT_TEST_ANON_KEY"], os.environ["BASALT_TEST_SERVICE_KEY"])
        return
    with tempfile.TemporaryDirectory(prefix="basalt-py-") as temporary:
        folder = os.path.join(temporary, "blog")
        shutil.copytree(ROOT / "tests/projects/blog", folder, ignore=shutil.ignore_patterns(".basalt"))
        # A module may name a file of tests/fixtures to apply behind the project's own migrations; SQLite takes none of them.
        migration = getattr(request.module, "MIGRATION", None)
        if migration and "BASALT_TEST_DATABASES" in os.environ:
            target = os.path.join(folder, f"supabase/migrations/20260103000000_{migration}.sql")
            shutil.copy(ROOT / f"tests/fixtures/{migration}.sql", target)
        process, url = start(folder)
        try:
            status = subprocess.run([PROGRAM, "status", "--project", folder, "-o", "env"], check=True, capture_output=True, text=True).stdout
            settings = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', status, flags=re.M))
            yield Basalt(url, settings["ANON_KEY"], settings["SERVICE_ROLE_KEY"])
        finally:
            process.terminate()
            process.wait()
