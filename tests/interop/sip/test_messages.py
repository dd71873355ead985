"""MESSAGE both ways, inside and outside of calls; INFO; subscriptions and their notifications."""

import asyncio

import pytest

from tests.interop.sip.registrar import has_presence
from tests.interop.sip.script import Callee, Caller, listening, running_script

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("browser_name", ["chromium", "firefox"]),
]


async def test_messages_between_users(company, browser):
    here, there = await asyncio.gather(company.registered(browser), company.registered(browser))
    for sender, receiver, text in ((here, there, "Grüße — 1"), (there, here, "and back")):
        await sender.ask("message", uri=company.uri(receiver), content=text)
        sent = await sender.until_message("messagesent")
        told = await receiver.until("message")
        assert told["sender"] == company.uri(sender)
        assert told["content"] == text
        assert told["content_type"] == "text/plain"
        delivered = await sender.until_message("messagedelivery")
        assert delivered["result"]["code"] == 200
        assert delivered["call_id"] == sent["result"]["call_id"]
    await here.place(company.uri(there))
    await there.take()
    await here.talking()
    for user in (here, there):
        await user.forget()
    for sender, receiver in ((here, there), (there, here)):
        await sender.ask("message", content="<p>inside</p>", content_type="text/html")
        told = await receiver.until("message")
        assert (told["content"], told["content_type"]) == ("<p>inside</p>", "text/html")
        assert (await sender.until("messagedelivery"))["code"] == 200
        await sender.ask("info", type="text/plain", content="by the way")
        assert (await receiver.until("info"))["content"] == "by the way"
    await here.ask("message", uri=f"sip:nobody@{company.pbx.domain}", content="?")
    assert (await here.until("messagedelivery", code=404))["reason"]
    await here.hang_up()


async def test_a_phone_writes_to_a_user(company, browser):
    user = await company.registered(browser)
    letter = Caller("MESSAGE").ask("MESSAGE", body="from a phone", content_type="text/plain").recv(200)
    async with running_script(letter, calls=user.user, at=company.pbx.domain) as phone:
        told = await user.until("message")
        assert told["content"].strip() == "from a phone"
        await phone.done()


async def test_a_subscription(company, browser):
    state = ["Event: message-summary", "Subscription-State: active;expires=600"]
    over = ["Event: message-summary", "Subscription-State: terminated;reason=timeout"]
    kind = "application/simple-message-summary"
    notifier = Callee("MWI").recv("SUBSCRIBE", checks="Event: message-summary", saves=DIALOG).send(200, headers=["Expires: 600"])
    notifier.ask("NOTIFY", body="Messages-Waiting: yes\n", headers=state, content_type=kind).recv(200)
    notifier.recv("SUBSCRIBE", checks="Expires: 0").send(200, tag="", headers=["Expires: 0"])
    notifier.ask("NOTIFY", headers=over).recv(200)
    user = await company.registered(browser)
    async with running_script(notifier) as phone:
        await listening(int(phone.uri.rpartition(":")[2]))
        await user.ask("subscribe", event="message-summary", to=phone.uri, accept=kind, subscribe_ttl=600)
        await user.until("subscribing")
        assert (await user.until("subscribe_succeeded"))["code"] == 200
        told = await user.until("notify")
        assert (told["notify"], told["substate"]) == ("message-summary", "active")
        assert told["content"].startswith("Messages-Waiting: yes")
        assert told["content-type"] == kind
        await user.ask("unsubscribe", event="message-summary", to=phone.uri)
        await user.until("unsubscribing")
        await phone.done()


async def test_presence_at_the_pbx(company, browser):
    if not has_presence():
        pytest.skip("apt-get install kamailio kamailio-presence-modules")
    watcher, watched = await asyncio.gather(company.registered(browser), company.phone())
    await watcher.ask("subscribe", event="presence", to=company.uri(watched), accept="application/pidf+xml", subscribe_ttl=300)
    assert (await watcher.until("subscribe_succeeded"))["expires"] == 300
    first = await watcher.until("notify")
    assert (first["notify"], first["substate"]) == ("presence", "active")
    publisher = Caller("PUBLISH").ask("PUBLISH", body=PIDF, headers=["Event: presence"], content_type="application/pidf+xml").recv(200)
    async with running_script(publisher, calls=watched.user, at=company.pbx.domain) as script:
        told = await watcher.until("notify", 2)
        assert told["content-type"] == "application/pidf+xml"
        assert "<basic>open</basic>" in told["content"]
        await script.done()
    await watcher.ask("unsubscribe", event="presence", to=company.uri(watched))
    await watcher.until("unsubscribing")
    assert await watcher.until("notify", substate="terminated")


async def test_a_subscription_is_refused(company, browser):
    user = await company.registered(browser)
    await user.ask("subscribe", event="dialog", to=f"sip:nobody@{company.pbx.domain}")
    assert (await user.until("subscribe_failed"))["code"] == 404


PIDF = """<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:[service]@[remote_ip]:[remote_port]">
<tuple id="one"><status><basic>open</basic></status></tuple>
</presence>"""
DIALOG = {
    "caller": r"[\r\n]From: *([^\r\n]*)",
    "callee": r"[\r\n]To: *([^\r\n]*)",
    "target": r"[\r\n]Contact:[^<]*<([^>]*)>",
}
