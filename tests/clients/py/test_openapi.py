"""The OpenAPI documents: valid by a public validator, true by schemathesis, browsable by a page of ours.

BASALT_SCHEMATHESIS_EXAMPLES says how many requests schemathesis makes up for each operation (3), BASALT_SCHEMATHESIS_PHASES in which of its
phases (fuzzing): `tools/nightly.sh schemathesis` asks for more.
"""

import json
import os
import pathlib
import subprocess
import sys
import urllib.error
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator

NEWER = {"Accept": "application/openapi+json;version=3.1"}


def fetch(url: str, headers: dict, method: str = "GET"):
    """Status, headers and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers, method=method)) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def with_key(key: str) -> dict:
    return {"apikey": key}


def document(basalt) -> dict:
    status, _, body = fetch(f"{basalt.url}/rest/v1/openapi.json", with_key(basalt.service_key))
    assert status == 200
    return json.loads(body)


def test_the_document_is_valid(basalt):
    found = document(basalt)
    assert found["openapi"].startswith("3.1")
    OpenAPIV31SpecValidator(found).validate()


def test_both_ways_lead_to_it(basalt):
    status, headers, body = fetch(f"{basalt.url}/rest/v1/", with_key(basalt.service_key) | NEWER)
    assert (status, headers["Content-Type"]) == (200, "application/openapi+json;version=3.1; charset=utf-8")
    assert json.loads(body) == document(basalt)


def test_the_root_is_what_it_was(basalt):
    status, headers, body = fetch(f"{basalt.url}/rest/v1/", with_key(basalt.service_key))
    assert (status, headers["Content-Type"]) == (200, "application/openapi+json; charset=utf-8")
    assert json.loads(body)["swagger"] == "2.0"


def test_the_schema_is_not_for_everybody(basalt):
    for path in ("/rest/v1/", "/rest/v1/openapi.json"):
        status, _, body = fetch(f"{basalt.url}{path}", with_key(basalt.anon_key))
        assert status == 403
        assert b"posts" not in body


def test_the_page_loads_nothing_foreign(basalt):
    for path in ("api", "api.js", "api.css"):
        status, headers, body = fetch(f"{basalt.url}/.well-known/basalt/{path}", {})
        assert status == 200 and body
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert b"://" not in body


def test_every_answer_is_documented(basalt, tmp_path):
    """No 5xx, no status that the document does not have, whatever is sent."""
    described = tmp_path / "openapi.json"
    described.write_text(json.dumps(document(basalt)))
    command = [
        pathlib.Path(sys.executable).with_name("schemathesis"),
        "run",
        described,
        f"--url={basalt.url}/rest/v1",
        f"--header=apikey: {basalt.service_key}",
        "--checks=not_a_server_error,status_code_conformance",
        f"--phases={os.environ.get('BASALT_SCHEMATHESIS_PHASES', 'fuzzing')}",
        f"--max-examples={os.environ.get('BASALT_SCHEMATHESIS_EXAMPLES', '3')}",
        "--seed=1",
        "--no-color",
        "--generation-database=none",
    ]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    print(found.stdout[-6000:])
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
