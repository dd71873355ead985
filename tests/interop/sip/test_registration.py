"""The gateway registers at Kamailio in a browser user's name."""

import hashlib

import pytest

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_the_right_password(company, browser):
    user = await company.user(browser)
    told = await user.register(company.pbx)
    assert told["event"] == "registered"
    assert told["username"] == user.user
    assert told["register_sent"] is True
    assert "unique_id" in told
    await user.ask("unregister")
    assert (await user.until("unregistered"))["username"] == user.user


async def test_a_wrong_password(company, browser):
    user = await company.user(browser)
    told = await user.register(company.pbx, secret="not that one")
    assert told["event"] == "registration_failed"
    assert told["result"]["code"] == 401


@pytest.mark.parametrize("right", [True, False])
async def test_digest_with_sha_256(company, browser, pbx_sha256, right):
    user = await company.user(browser)
    told = await user.register(pbx_sha256, secret=None if right else "not that one")
    assert told["event"] == ("registered" if right else "registration_failed")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_over_a_stream(company, browser, transport):
    user = await company.user(browser)
    assert (await user.register(company.pbx, transport=transport))["event"] == "registered"


async def test_over_ipv6(company, browser, pbx_v6):
    user = await company.user(browser)
    assert (await user.register(pbx_v6))["event"] == "registered"


async def test_a_hash_instead_of_a_password(company, browser):
    user = await company.user(browser)
    ha1 = hashlib.md5(f"{user.user}:{company.pbx.host}:{company.pbx.secret}".encode()).hexdigest()
    await user.ask("register", username=company.uri(user), proxy=f"sip:{company.pbx.domain}", ha1_secret=ha1)
    await user.until("registered")


async def test_it_is_refreshed(company, browser):
    user = await company.user(browser)
    assert (await user.register(company.pbx, register_ttl=6))["event"] == "registered"
    await user.until("registered", count=2)
