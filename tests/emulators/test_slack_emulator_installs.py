"""Installing, replacing tokens, revoking and uninstalling, as docs.slack.dev describes them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from emulators.slack import HandClock, Manifest, SlackEmulator
from emulators.slack_client import client_of, refused

BACK = "https://bot.example/back"

# slack_sdk 3.47 makes the `Authorization` header with what aiohttp 3.14 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")


class Shop:
    """An emulator, and an app that asks people to install it."""

    def __init__(self, slack: SlackEmulator, session: aiohttp.ClientSession) -> None:
        self.slack = slack
        self._session = session
        self._client = AsyncWebClient(base_url=slack.api_url, retry_handlers=[])

    async def page(self, **more: str) -> tuple[int, str, dict[str, str]]:
        """The install page: status, text, and what comes back with the person."""
        query = {"client_id": self.slack.app.client_id, "scope": "chat:write", "redirect_uri": BACK}
        asked = {name: value for name, value in (query | more).items() if value}
        address = f"{self.slack.url}/oauth/v2/authorize"
        async with self._session.get(address, params=asked, allow_redirects=False) as answer:
            back = parse_qs(urlsplit(answer.headers.get("Location", "")).query)
            return answer.status, await answer.text(), {name: each[0] for name, each in back.items()}

    async def access(self, **form: str) -> dict[str, object]:
        """What `oauth.v2.access` gives."""
        app = self.slack.app
        asked = {"client_id": app.client_id, "client_secret": app.client_secret} | form
        told = await self._client.oauth_v2_access(**asked)
        return dict(told.data) if isinstance(told.data, dict) else {}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture
async def shop(clock: HandClock, session: aiohttp.ClientSession) -> AsyncIterator[Shop]:
    manifest = Manifest(events=frozenset(), rotates_tokens=True, redirect_urls=(BACK,))
    async with SlackEmulator(manifest, clock=clock, quotas=False, refresh_grace=30.0) as slack:
        yield Shop(slack, session)


async def test_the_page_wants_a_known_app_scopes_and_an_address_of_the_app(shop: Shop) -> None:
    """Four mistakes are told on the page and lead nowhere; the state comes back as it was given."""
    mistakes = ({"client_id": "9"}, {"scope": ""}, {"scope": "all"}, {"redirect_uri": "https://evil.example"})

    seen = [await shop.page(**mistake) for mistake in mistakes]
    status, _, back = await shop.page(state="s 1")

    assert [400] * 4 == [status for status, _, _ in seen]
    words = ["invalid_client_id", "invalid_scope", "invalid_scope", "bad_redirect_uri"]
    assert words == [text.rpartition(" ")[2] for _, text, _ in seen]
    assert (302, {"code", "state"}, "s 1") == (status, set(back), back["state"])


async def test_who_cancels_comes_back_without_a_code(shop: Shop) -> None:
    """`error=access_denied`, and the state."""
    shop.slack.consent(agrees=False)

    _, _, back = await shop.page(state="s")

    assert ("access_denied", "s", False) == (back["error"], back["state"], "code" in back)


async def test_a_code_is_good_once_for_ten_minutes_and_for_its_address(shop: Shop) -> None:
    """Another secret, address or grant, a second use and the 601st second are refused."""
    codes = [(await shop.page())[2]["code"] for _ in range(4)]

    told = [
        await refused(shop.access(code=codes[0], redirect_uri=BACK, client_secret="no")),
        await refused(shop.access(code=codes[0])),
        await refused(shop.access(code=codes[0], redirect_uri=BACK, grant_type="password")),
        await refused(shop.access(code="0", redirect_uri=BACK)),
    ]
    given = await shop.access(code=codes[0], redirect_uri=BACK)
    told.append(await refused(shop.access(code=codes[0], redirect_uri=BACK)))
    shop.slack.advance(601)
    told.append(await refused(shop.access(code=codes[1], redirect_uri=BACK)))

    words = ["bad_client_secret", "bad_redirect_uri", "invalid_grant_type", "invalid_code"]
    assert [*words, "code_already_used", "invalid_code"] == told
    assert (43_200, "bot", "chat:write") == (given["expires_in"], given["token_type"], given["scope"])


async def test_tokens_live_twelve_hours_and_the_one_before_the_newest_until_its_end(shop: Shop) -> None:
    """A refresh leaves the older token good; a third makes the first worthless; a used one has 30 s."""
    first = await shop.access(code=(await shop.page())[2]["code"], redirect_uri=BACK)
    renew = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}

    second = await shop.access(**renew)
    both = [await _test(shop, each) for each in (first, second)]
    third = await shop.access(**renew)
    after = [await _test(shop, each) for each in (first, second, third)]
    shop.slack.advance(31)
    used = await refused(shop.access(**renew))
    shop.slack.advance(43_200)
    late = await _test(shop, third)

    assert ["", ""] == both
    assert ["token_revoked", "", ""] == after
    assert ("invalid_refresh_token", "token_expired") == (used, late)


async def test_revoking_one_of_two_tokens_ends_no_installation(shop: Shop) -> None:
    """With token rotation only that token is worthless."""
    first = await shop.access(code=(await shop.page())[2]["code"], redirect_uri=BACK)
    renew = {"grant_type": "refresh_token", "refresh_token": str(first["refresh_token"])}
    second = await shop.access(**renew)

    await client_of(shop.slack, str(first["access_token"])).auth_revoke()

    assert ["token_revoked", ""] == [await _test(shop, each) for each in (first, second)]


async def test_an_organisation_gets_one_token_and_no_workspace(shop: Shop) -> None:
    """`is_enterprise_install`, and `team` is null."""
    shop.slack.consent(organisation="E1")

    given = await shop.access(code=(await shop.page())[2]["code"], redirect_uri=BACK)

    assert (True, None, {"id": "E1", "name": "Acme"}) == (
        given["is_enterprise_install"],
        given["team"],
        given["enterprise"],
    )


async def _test(shop: Shop, given: dict[str, object]) -> str:
    """Why a token is refused; empty when it is taken."""
    try:
        await client_of(shop.slack, str(given["access_token"])).auth_test()
    except SlackApiError as error:
        return str(error.response["error"])
    return ""
