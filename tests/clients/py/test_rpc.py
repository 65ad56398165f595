"""Functions with rpc(), on PostgreSQL. See js/rpc.test.mjs."""

import os

import pytest
from postgrest.exceptions import APIError

from conftest import ADA, ADA_ID

MIGRATION = "blog_functions"
on_postgres = pytest.mark.skipif("BASALT_TEST_DATABASES" not in os.environ, reason="functions of users run on PostgreSQL")


def refusal(query):
    with pytest.raises(APIError) as caught:
        query.execute()
    return caught.value.json()


def test_a_function_that_does_not_exist(basalt):
    error = refusal(basalt.anon().rpc("zzz", {"a": 1}))
    assert error["code"] == "PGRST202"
    assert error["message"] == "Could not find the function public.zzz(a) in the schema cache"


@on_postgres
@pytest.mark.parametrize(
    "name, arguments, expected",
    [
        ("add", {"a": 1, "b": 2}, 3),
        ("add", {"a": 1}, 11),
        ("hello", {}, "hello"),
        ("labels_of", {"list": ["a", "b"]}, "a|b"),
        ("total", {"n": [1, 2, 3]}, 6),
        ("document", {"doc": {"a": [1, None]}}, {"a": [1, None], "seen": True}),
        ("over", {"a": 1, "b": 2}, "two"),
        ("numbers", {}, [1, 2, 3]),
    ],
)
def test_calls(basalt, name, arguments, expected):
    assert basalt.anon().rpc(name, arguments).execute().data == expected


@on_postgres
def test_by_get(basalt):
    assert basalt.anon().rpc("add", {"a": 1, "b": 2}, get=True).execute().data == 3


@on_postgres
def test_as_who_is_signed_in(basalt):
    assert basalt.signed_in(ADA).rpc("whoami", {}).execute().data == ADA_ID


@on_postgres
def test_rows(basalt):
    rows = basalt.anon().rpc("posts_of", {"name": "ada"}).select("id, title").gt("views", 5).order("id", desc=True).limit(1).execute()
    assert rows.data == [{"id": 2, "title": "Second thoughts"}]


@on_postgres
def test_one_row(basalt):
    assert basalt.anon().rpc("posts_of", {"name": "bob"}).select("id").single().execute().data == {"id": 3}


@on_postgres
def test_refusals(basalt):
    error = refusal(basalt.anon().rpc("refuse", {"reason": "No!"}))
    assert error == {"code": "PT402", "details": "the detail", "hint": "the hint", "message": "No!"}
    assert refusal(basalt.anon().rpc("only_service", {}))["code"] == "42501"
