"""Reading, writing and row policies, with supabase-py."""

import pytest
from postgrest.exceptions import APIError

from conftest import ADA, ADA_ID, BOB


def ids(query):
    return [row["id"] for row in query.order("id").execute().data]


def refusal(query):
    with pytest.raises(APIError) as caught:
        query.execute()
    return caught.value.json()


FILTERS = {
    "eq": (lambda q: q.eq("id", 2), [2]),
    "neq": (lambda q: q.neq("id", 2), [1, 3]),
    "gt": (lambda q: q.gt("views", 5), [1, 2]),
    "lte": (lambda q: q.lte("views", 10), [1, 3]),
    "like": (lambda q: q.like("title", "First%"), [1]),
    "ilike": (lambda q: q.ilike("title", "%THOUGHTS"), [2]),
    "is": (lambda q: q.is_("rating", "null"), [3]),
    "in": (lambda q: q.in_("id", [1, 3]), [1, 3]),
    "contains": (lambda q: q.contains("labels", ["news"]), [1, 3]),
    "contained by": (lambda q: q.contained_by("labels", ["essay", "x"]), [2]),
    "overlaps": (lambda q: q.overlaps("labels", ["intro", "x"]), [1]),
    "json": (lambda q: q.contains("meta", {"lang": "en"}), [1, 2]),
    "or": (lambda q: q.or_("id.eq.1,views.lt.6"), [1, 3]),
    "not": (lambda q: q.not_.in_("id", [1, 2]), [3]),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filters(basalt, name):
    apply, expected = FILTERS[name]
    assert ids(apply(basalt.anon().table("posts").select("id"))) == expected


def test_pages_and_counts(basalt):
    posts = basalt.anon().table("posts")
    answer = posts.select("id", count="exact").order("id").limit(2).execute()
    assert (answer.data, answer.count) == ([{"id": 1}, {"id": 2}], 3)
    assert posts.select("id").order("id").range(1, 2).execute().data == [{"id": 2}, {"id": 3}]
    assert posts.select("*", count="exact", head=True).execute().count == 3


def test_one_object(basalt):
    posts = basalt.anon().table("posts")
    assert posts.select("id").eq("id", 1).single().execute().data == {"id": 1}
    assert posts.select("id").eq("id", 99).maybe_single().execute() is None
    assert refusal(posts.select("id").single()) == {
        "code": "PGRST116", "details": "The result contains 3 rows", "hint": None, "message": "Cannot coerce the result to a single JSON object"
    }


def test_csv(basalt):
    assert basalt.anon().table("posts").select("id,title").eq("id", 1).csv().execute().data == 'id,title\n1,"First light"'


def test_embeds(basalt):
    posts = basalt.anon().table("posts")
    assert posts.select("id, author:profiles!author_id(username), tags(name)").eq("id", 2).execute().data == [
        {"id": 2, "author": {"username": "ada"}, "tags": [{"name": "sql"}]}
    ]
    assert posts.select("id, tags!inner(name)").eq("tags.name", "rust").execute().data == [{"id": 1, "tags": [{"name": "rust"}]}]


def test_writes(basalt):
    items = basalt.service().table("items")
    made = {"id": 200, "name": "p200", "qty": 1, "note": None}
    assert items.insert({"id": 200, "name": "p200"}).execute().data == [made]
    assert items.insert([{"id": 201, "name": "p201"}, {"id": 202, "name": "p202"}], count="exact").execute().count == 2
    assert items.upsert({**made, "qty": 5}).execute().data == [{**made, "qty": 5}]
    assert items.upsert({**made, "qty": 9}, ignore_duplicates=True).execute().data == []
    assert items.update({"note": "n"}).eq("id", 200).execute().data == [{**made, "qty": 5, "note": "n"}]
    assert items.delete().in_("id", [200, 201, 202]).execute().data[0] == {**made, "qty": 5, "note": "n"}
    assert refusal(items.insert({"id": 1, "name": "again"})) == {
        "code": "23505", "details": "Key (id)=(1) already exists.", "hint": None,
        "message": 'duplicate key value violates unique constraint "items_pkey"',
    }


def test_row_policies(basalt):
    ada, bob = basalt.signed_in(ADA), basalt.signed_in(BOB)
    note = ada.table("notes").insert({"body": "mine"}).execute().data[0]
    assert (note["owner"], note["body"]) == (ADA_ID, "mine")
    assert ids(ada.table("notes").select("id")) == [note["id"]]
    assert ids(bob.table("notes").select("id")) == []
    assert ids(basalt.anon().table("notes").select("id")) == []
    assert ids(basalt.service().table("notes").select("id")) == [note["id"]]
    assert bob.table("notes").update({"body": "stolen"}).eq("id", note["id"]).execute().data == []
    assert refusal(bob.table("notes").insert({"owner": ADA_ID, "body": "forged"})) == {
        "code": "42501", "details": None, "hint": None, "message": 'new row violates row-level security policy for table "notes"'
    }
    assert ids(bob.table("posts").select("id")) == [1, 2, 3, 4]
