"""The same methods with the async classes of postgrest-py: every test of test_methods.py, over a loop of its own."""

import asyncio

import httpx
import pytest
from postgrest import (
    AsyncFilterRequestBuilder,
    AsyncMaybeSingleRequestBuilder,
    AsyncPostgrestClient,
    AsyncRequestBuilder,
    AsyncRPCFilterRequestBuilder,
    AsyncSelectRequestBuilder,
    AsyncSingleRequestBuilder,
)
from postgrest._async import request_builder

import test_methods
from test_methods import TESTS

MIGRATION = test_methods.MIGRATION

BUILDERS = [
    AsyncFilterRequestBuilder,
    AsyncMaybeSingleRequestBuilder,
    AsyncRPCFilterRequestBuilder,
    AsyncSelectRequestBuilder,
    AsyncSingleRequestBuilder,
]


class Client:
    """What a client of supabase-py has for tables, over the async library."""

    def __init__(self, on, key):
        self.postgrest = on.postgrest(headers={"apikey": key, "Authorization": f"Bearer {key}"})
        self.from_ = self.table = self.postgrest.from_
        self.rpc = self.postgrest.rpc
        self.schema = self.postgrest.schema


class OnAsync(test_methods.On):
    def __init__(self, basalt, loop):
        self.loop, self.basalt = loop, Keys(basalt, self)
        self.anon, self.service = self.basalt.anon(), self.basalt.service()

    def postgrest(self, **options):
        return AsyncPostgrestClient(f"{self.basalt.url}/rest/v1", **options)

    def session(self, transport):
        return httpx.AsyncClient(transport=transport)

    def finish(self, result):
        return self.loop.run_until_complete(result)


class Keys:
    """The server, whose clients are async; signing in is the auth library's."""

    def __init__(self, basalt, on):
        self.of, self.on, self.url, self.anon_key, self.service_key = basalt, on, basalt.url, basalt.anon_key, basalt.service_key

    def anon(self):
        return Client(self.on, self.anon_key)

    def service(self):
        return Client(self.on, self.service_key)

    def signed_in(self, who):
        return self.of.signed_in(who)


@pytest.fixture(scope="module")
def on(basalt):
    """The tests end their queries with execute(): outside of the loop it waits for the answer."""
    loop = asyncio.new_event_loop()
    patch = pytest.MonkeyPatch()

    def waiting(execute):
        def run(self):
            result = execute(self)
            return result if asyncio._get_running_loop() else loop.run_until_complete(result)

        return run

    for each in vars(request_builder).values():
        if isinstance(each, type) and "execute" in vars(each):
            patch.setattr(each, "execute", waiting(each.execute))
    try:
        yield OnAsync(basalt, loop)
    finally:
        patch.undo()
        loop.close()


@pytest.mark.parametrize("name", TESTS)
def test_method(on, name):
    TESTS[name](on)


def test_no_method_is_without_a_test():
    public = lambda *classes: {name for each in classes for name in dir(each) if not name.startswith("_")}
    methods = {f"client.{name}" for name in public(AsyncPostgrestClient)} | {f"builder.{name}" for name in public(AsyncRequestBuilder)}
    assert methods | public(*BUILDERS) == set(TESTS)
