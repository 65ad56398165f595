"""Every public method of postgrest-py, one by one; see js/methods.test.mjs. A method that a release adds fails the last test."""

import os

import httpx
import pytest
from postgrest import (
    SyncFilterRequestBuilder,
    SyncMaybeSingleRequestBuilder,
    SyncPostgrestClient,
    SyncRequestBuilder,
    SyncRPCFilterRequestBuilder,
    SyncSelectRequestBuilder,
    SyncSingleRequestBuilder,
)
from postgrest.exceptions import APIError

from conftest import ADA

MIGRATION = "blog_methods"
ON_POSTGRES = "BASALT_TEST_DATABASES" in os.environ

NOT_ONE = "Cannot coerce the result to a single JSON object"
NO_SEARCH = ("0A000", "full-text search is not supported on SQLite", None, None, 400)
NO_COLUMN = ("42703", "column posts.nope does not exist", None, None, 400)
TESTS = {}


def method(name):
    """Registers the test of one method."""

    def add(function):
        assert name not in TESTS
        TESTS[name] = function
        return function

    return add


def answer(query):
    """Data, count and status; of an error its code, message, details, hint and status."""
    statuses = []
    session = query.request.session

    async def note(response):
        statuses.append(response.status_code)

    hook = note if isinstance(session, httpx.AsyncClient) else lambda response: statuses.append(response.status_code)
    session.event_hooks = {"response": [hook]}
    try:
        result = query.execute()
    except APIError as error:
        return error.code, error.message, error.details, error.hint, *statuses
    return None if result is None else result.data, None if result is None else result.count, *statuses


def rows(*ids):
    return [{"id": each} for each in ids]


def item(id, name, qty=1, note=None):
    return {"id": id, "name": name, "qty": qty, "note": note}


class On:
    """The tables that the tests ask, as anon and as the service role."""

    def __init__(self, basalt):
        self.basalt = basalt
        self.anon = basalt.anon()
        self.service = basalt.service()

    def postgrest(self, **options):
        """A client of the REST library alone."""
        return SyncPostgrestClient(f"{self.basalt.url}/rest/v1", **options)

    def session(self, transport):
        return httpx.Client(transport=transport)

    def finish(self, result):
        return result

    def posts(self, columns="id", **options):
        return self.anon.table("posts").select(columns, **options)

    def items(self):
        return self.service.table("items")

    def stays(self):
        return self.anon.table("stays").select("id").order("id")


@pytest.fixture(scope="module")
def on(basalt):
    return On(basalt)


def closed(name):
    return "42501", f"permission denied for table {name}", None, None, 401


@method("client.from_")
def _(on):
    assert answer(on.anon.postgrest.from_("tags").select("name").eq("id", 1)) == ([{"name": "rust"}], None, 200)
    assert answer(on.anon.from_("vault").select("*")) == closed("vault")


@method("client.from_table")
def _(on):
    assert answer(on.anon.postgrest.from_table("tags").select("name").eq("id", 1)) == ([{"name": "rust"}], None, 200)


@method("client.table")
def _(on):
    assert answer(on.anon.postgrest.table("tags").select("name").eq("id", 1)) == ([{"name": "rust"}], None, 200)
    assert answer(on.anon.table("zzzzzzzz").select("*")) == (
        "PGRST205", "Could not find the table 'public.zzzzzzzz' in the schema cache", None, None, 404
    )


@method("client.schema")
def _(on):
    assert answer(on.anon.schema("public").from_("tags").select("name").eq("id", 1)) == ([{"name": "rust"}], None, 200)
    refusal = ("PGRST106", "Invalid schema: auth", None, "Only the following schemas are exposed: public, graphql_public", 406)
    assert answer(on.anon.schema("auth").from_("users").select("*")) == refusal
    assert answer(on.service.schema("auth").from_("users").insert({"email": "x"})) == refusal


@method("client.auth")
def _(on):
    token = on.basalt.signed_in(ADA).auth.get_session().access_token
    client = on.basalt.anon().postgrest.auth(token)
    assert answer(client.from_("posts").select("id").order("id")) == (rows(1, 2, 3, 5), None, 200)
    code, *_, status = answer(client.auth("x").from_("posts").select("id"))
    assert (code, status) == ("PGRST301", 401)


@method("client.aclose")
def _(on):
    headers = {"apikey": on.basalt.anon_key}
    client = on.postgrest(headers=headers)
    assert answer(client.from_("posts").select("id").eq("id", 1)) == (rows(1), None, 200)
    on.finish(client.aclose())
    with pytest.raises(RuntimeError):
        client.from_("posts").select("id").execute()


@method("client.rpc")
def _(on):
    call = on.anon.rpc
    assert answer(call("zzz", {}, get=True))[::4] == ("PGRST202", 404)
    if not ON_POSTGRES:
        return
    assert answer(call("add", {"a": 1, "b": 2})) == (3, None, 200)
    assert answer(call("add", {"a": 1}, get=True, count="exact")) == (11, 1, 200)
    assert answer(call("add", {"a": 1}, head=True, count="exact")) == ([], 1, 200)
    with_night = lambda night: call("stays_with", {"night": night}).select("id")
    assert answer(with_night(3).order("id", desc=True).limit(1)) == (rows(3), None, 200)
    assert answer(with_night(3).order("id").range(1, 5)) == (rows(3), None, 200)
    assert answer(with_night(1).single()) == ({"id": 1}, None, 200)
    assert answer(with_night(3).single()) == ("PGRST116", NOT_ONE, "The result contains 2 rows", None, 406)
    assert answer(with_night(99).maybe_single()) == (None, None, 200)
    assert answer(with_night(1).csv()) == ("id\n1", None, 200)


@method("builder.select")
def _(on):
    assert answer(on.posts("id, title").eq("id", 1)) == ([{"id": 1, "title": "First light"}], None, 200)
    assert answer(on.posts(count="exact").order("id")) == (rows(1, 2, 3), 3, 200)
    assert answer(on.posts("*", count="exact", head=True)) == ([], 3, 200)
    assert answer(on.posts("nope")) == NO_COLUMN


@method("builder.insert")
def _(on):
    items = on.items()
    assert answer(items.insert({"id": 400, "name": "i400"})) == ([item(400, "i400")], None, 201)
    assert answer(items.insert([item(401, "i401"), item(402, "i402")], count="exact", returning="minimal")) == ([], 2, 201)
    missing = [{"id": 403, "name": "i403", "qty": 3}, {"id": 404, "name": "i404"}]
    assert answer(items.insert(missing))[::4] == ("23502", 400)
    assert answer(items.insert(missing, default_to_null=False)) == ([item(403, "i403", 3), item(404, "i404")], None, 201)
    assert answer(items.insert(item(404, "i404", 4), upsert=True)) == ([item(404, "i404", 4)], None, 200)
    assert answer(items.insert(item(1, "again"))) == (
        "23505", 'duplicate key value violates unique constraint "items_pkey"', "Key (id)=(1) already exists.", None, 409
    )
    assert answer(on.anon.table("items").insert(item(405, "i405"))) == closed("items")


@method("builder.upsert")
def _(on):
    items = on.items()
    assert answer(items.upsert(item(410, "i410"))) == ([item(410, "i410")], None, 201)
    assert answer(items.upsert([item(410, "i410", 2), item(411, "i411")], count="exact")) == ([item(410, "i410", 2), item(411, "i411")], 2, 201)
    assert answer(items.upsert(item(411, "i411", 3), on_conflict="name")) == ([item(411, "i411", 3)], None, 200)
    assert answer(items.upsert([item(410, "changed"), item(412, "i412")], ignore_duplicates=True)) == ([item(412, "i412")], None, 201)
    missing = [{"id": 413, "name": "i413", "qty": 9}, {"id": 414, "name": "i414"}]
    assert answer(items.upsert(missing, default_to_null=False)) == ([item(413, "i413", 9), item(414, "i414")], None, 201)
    assert answer(items.upsert(item(415, "i415"), on_conflict="qty")) == (
        "42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification", None, None, 400
    )


@method("builder.update")
def _(on):
    items = on.items()
    items.insert([item(420, "i420"), item(421, "i421")]).execute()
    assert answer(items.update({"qty": 3}).eq("id", 420)) == ([item(420, "i420", 3)], None, 200)
    assert answer(items.update({"qty": 4}, count="exact", returning="minimal").in_("id", [420, 421])) == ([], 2, 204)
    assert answer(items.update({"name": "bolt"}).eq("id", 420))[::4] == ("23505", 409)


@method("builder.delete")
def _(on):
    items = on.items()
    items.insert([item(430, "i430"), item(431, "i431")]).execute()
    assert answer(items.delete().eq("id", 430)) == ([item(430, "i430")], None, 200)
    assert answer(items.delete(count="exact", returning="minimal").in_("id", [430, 431])) == ([], 1, 204)
    assert answer(on.anon.table("items").delete().eq("id", 1)) == closed("items")


FILTERS = {
    "eq": (lambda q: q.eq("title", 'Über alles, was "bleibt"'), [3]),
    "neq": (lambda q: q.neq("id", 2), [1, 3]),
    "gt": (lambda q: q.gt("views", 5), [1, 2]),
    "gte": (lambda q: q.gte("published_on", "2026-01-20"), [2, 3]),
    "lt": (lambda q: q.lt("views", 10), [3]),
    "lte": (lambda q: q.lte("views", 10), [1, 3]),
    "is_": (lambda q: q.is_("rating", None), [3]),
    "like": (lambda q: q.like("title", "First%"), [1]),
    "like_all_of": (lambda q: q.like_all_of("title", "%light%,First%"), [1]),
    "like_any_of": (lambda q: q.like_any_of("title", "First%,Second%"), [1, 2]),
    "ilike": (lambda q: q.ilike("title", "%THOUGHTS"), [2]),
    "ilike_all_of": (lambda q: q.ilike_all_of("title", "%LIGHT%,first%"), [1]),
    "ilike_any_of": (lambda q: q.ilike_any_of("title", "first%,SECOND%"), [1, 2]),
    "in_": (lambda q: q.in_("title", ["First light", "a,b", "(c)"]), [1]),
    "contains": (lambda q: q.contains("labels", ["news"]).contains("meta", {"lang": "en"}), [1]),
    "cs": (lambda q: q.cs("labels", ["news"]), [1, 3]),
    "contained_by": (lambda q: q.contained_by("labels", ["essay", "x"]).contained_by("meta", {"lang": "en", "words": 2}), [2]),
    "cd": (lambda q: q.cd("labels", ["essay", "x"]), [2]),
    "overlaps": (lambda q: q.overlaps("labels", ["intro", "a,b"]), [1]),
    "ov": (lambda q: q.ov("labels", ["essay"]), [2, 3]),
    "match": (lambda q: q.match({"status": "published", "views": 25}), [2]),
    "not_": (lambda q: q.not_.is_("rating", "null").not_.in_("id", [2]), [1]),
    "or_": (lambda q: q.or_("id.eq.2,and(views.gt.1,views.lt.6)"), [2, 3]),
    "filter": (lambda q: q.filter("id", "in", "(1,3)").filter("meta->>lang", "eq", "de"), [3]),
}


def test_filter(apply, ids):
    def test(on):
        assert answer(apply(on.posts()).order("id")) == (rows(*ids), None, 200)
        assert answer(apply(on.posts("*", count="exact", head=True))) == ([], len(ids), 200)
        assert answer(apply(on.posts(count="exact")).eq("nope", 1)) == NO_COLUMN

    return test


test_filter.__test__ = False
TESTS |= {name: test_filter(*each) for name, each in FILTERS.items()}


# Of a number, two of these operators are PostgreSQL's shifts of bits, and the others nothing.
RANGES = {
    ("sr", "range_gt"): ((0, 4), ">>", [2]),
    ("nxl", "range_gte"): ((2, 5), "&>", [2, 3]),
    ("sl", "range_lt"): ((4, 20), "<<", [1]),
    ("nxr", "range_lte"): ((4, 7), "&<", [1, 3]),
    ("adj", "range_adjacent"): ((9, 12), "-|-", [2]),
}


def range_test(name, bounds, operator, ids):
    def test(on):
        if ON_POSTGRES:
            assert answer(getattr(on.stays(), name)("nights", bounds)) == (rows(*ids), None, 200)
        hint = "No operator matches the given name and argument types. You might need to add explicit type casts."
        assert answer(getattr(on.posts(), name)("id", bounds)) == (
            ("42804", "argument of WHERE must be type boolean, not type bigint", None, None, 400)
            if operator in ("<<", ">>")
            else ("42883", f"operator does not exist: bigint {operator} unknown", None, hint, 404)
        )

    return test


TESTS |= {name: range_test(name, *each) for names, each in RANGES.items() for name in names}

SEARCHES = {"fts": ("cat & fat", [1]), "plfts": ("fat cat", [1]), "phfts": ("fat cats", [1]), "wfts": ("rat -cat", [3])}


def search_test(name, query, ids):
    def test(on):
        if ON_POSTGRES:
            assert answer(getattr(on.stays(), name)("words", query)) == (rows(*ids), None, 200)
        assert answer(getattr(on.posts(), name)("title", "light")) == ((rows(1), None, 200) if ON_POSTGRES else NO_SEARCH)

    return test


TESTS |= {name: search_test(name, *each) for name, each in SEARCHES.items()}


@method("text_search")
def _(on):
    for kind in [None, "plain", "phrase", "web_search"]:
        search = on.posts().text_search("title", "light", {"type": kind, "config": "english"})
        assert answer(search) == ((rows(1), None, 200) if ON_POSTGRES else NO_SEARCH)


@method("select")
def _(on):
    assert answer(on.items().insert(item(440, "i440")).select("name, n:qty")) == ([{"name": "i440", "n": 1}], None, 201)
    assert answer(on.items().update({"qty": 2}, returning="minimal").eq("id", 440).select("qty")) == ([{"qty": 2}], None, 200)


@method("order")
def _(on):
    assert answer(on.posts().order("rating", nullsfirst=True)) == (rows(3, 2, 1), None, 200)
    assert answer(on.posts().order("rating", desc=True, nullsfirst=False)) == (rows(1, 2, 3), None, 200)
    assert answer(on.posts().order("author_id").order("views", desc=True)) == (rows(2, 1, 3), None, 200)
    comments = on.posts("id, comments(body)").eq("id", 1).order("body", foreign_table="comments")
    assert answer(comments) == ([{"id": 1, "comments": [{"body": "Thanks"}, {"body": "Welcome!"}]}], None, 200)
    assert answer(on.posts().order("nope")) == NO_COLUMN


@method("limit")
def _(on):
    assert answer(on.posts(count="exact").order("id").limit(2)) == (rows(1, 2), 3, 206)
    comments = on.posts("id, comments(id)").eq("id", 1).order("id", foreign_table="comments")
    assert answer(comments.limit(1, foreign_table="comments")) == ([{"id": 1, "comments": rows(1)}], None, 200)


@method("offset")
def _(on):
    assert answer(on.posts().order("id").offset(1)) == (rows(2, 3), None, 200)
    assert answer(on.posts(count="exact").offset(5)) == (
        "PGRST103", "Requested range not satisfiable", "An offset of 5 was requested, but there are only 3 rows.", None, 416
    )


@method("range")
def _(on):
    assert answer(on.posts(count="exact").order("id").range(1, 1)) == (rows(2), 3, 206)
    comments = on.posts("id, comments(id)").eq("id", 1).order("id", foreign_table="comments")
    assert answer(comments.range(1, 5, foreign_table="comments")) == ([{"id": 1, "comments": rows(2)}], None, 200)


@method("single")
def _(on):
    assert answer(on.posts(count="exact").eq("id", 1).single()) == ({"id": 1}, 1, 200)
    assert answer(on.posts().eq("id", 99).single()) == ("PGRST116", NOT_ONE, "The result contains 0 rows", None, 406)


@method("maybe_single")
def _(on):
    assert answer(on.posts(count="exact").eq("id", 1).maybe_single()) == ({"id": 1}, 1, 200)
    assert answer(on.posts().eq("id", 99).maybe_single()) == (None, None, 200)
    assert answer(on.posts().maybe_single())[:2] == ("406", NOT_ONE)


@method("csv")
def _(on):
    assert answer(on.posts("id,title", count="exact").eq("id", 1).csv()) == ('id,title\n1,"First light"', 1, 200)


@method("strip_nulls")
def _(on):
    assert answer(on.posts("id, rating").eq("id", 3).strip_nulls()) == ([{"id": 3}], None, 200)
    assert answer(on.posts("id, rating").eq("id", 3).strip_nulls().single()) == ({"id": 3}, None, 200)


@method("explain")
def _(on):
    for shown in ["text", "json"]:
        code, message, _, _, status = answer(on.posts().explain(analyze=True, format=shown))
        assert (code, status) == ("PGRST107", 406)
        assert message.startswith(f"None of these media types are available: application/vnd.pgrst.plan+{shown}")


@method("max_affected")
def _(on):
    on.items().insert([item(441, "i441"), item(442, "i442")]).execute()
    assert answer(on.items().update({"qty": 7}, returning="minimal").in_("id", [441, 442]).max_affected(2)) == ([], None, 204)
    assert answer(on.items().delete().in_("id", [441, 442]).max_affected(1)) == (
        "PGRST124", "Query result exceeds max-affected preference constraint", "The query affects 2 rows", None, 400
    )
    assert answer(on.items().select("qty").in_("id", [441, 442])) == ([{"qty": 7}, {"qty": 7}], None, 200)


@method("execute")
def _(on):
    assert on.posts(count="exact").eq("id", 1).execute().model_dump() == {"data": rows(1), "count": 1}
    with pytest.raises(APIError) as caught:
        on.posts("nope").execute()
    assert caught.value.json() == {"code": "42703", "message": "column posts.nope does not exist", "details": None, "hint": None}


@method("retry")
def _(on):
    asked = []

    def busy(request):
        asked.append(request.method)
        return httpx.Response(503, json={"code": "PGRST002", "message": "busy", "details": None, "hint": None})

    client = on.postgrest(http_client=on.session(httpx.MockTransport(busy)))
    assert answer(client.from_("posts").select("id").retry(False)) == ("PGRST002", "busy", None, None, 503)
    on.finish(client.aclose())
    assert asked == ["GET"]
    assert answer(on.posts().eq("id", 1).retry(True)) == (rows(1), None, 200)
    assert answer(on.posts().eq("id", 1).single().retry(True)) == ({"id": 1}, None, 200)
    assert answer(on.posts().eq("id", 1).maybe_single().retry(True)) == ({"id": 1}, None, 200)


@pytest.mark.parametrize("name", TESTS)
def test_method(on, name):
    TESTS[name](on)


def test_no_method_is_without_a_test():
    public = lambda *classes: {name for each in classes for name in dir(each) if not name.startswith("_")}
    queries = public(
        SyncFilterRequestBuilder,
        SyncMaybeSingleRequestBuilder,
        SyncRPCFilterRequestBuilder,
        SyncSelectRequestBuilder,
        SyncSingleRequestBuilder,
    )
    methods = {f"client.{name}" for name in public(SyncPostgrestClient)} | {f"builder.{name}" for name in public(SyncRequestBuilder)} | queries
    assert methods == set(TESTS)
