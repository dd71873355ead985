"""Requests beside the call: INFO, MESSAGE, REFER, SUBSCRIBE and NOTIFY, OPTIONS, and challenges within a dialog."""

from __future__ import annotations

import pytest

from tests.interop.sip.script import Callee, Caller, sdp
from tests.interop.sip.scripts.stage import Stage

pytestmark = pytest.mark.interop

TRYING, OK = "SIP/2.0 100 Trying", "SIP/2.0 200 OK"


def up(name: str, *headers: str) -> Callee:
    return Callee(name).recv("INVITE").send(200, body=sdp(), headers=headers).recv("ACK")  # type: ignore[return-value]


def down(script: Callee) -> Callee:
    return script.recv("BYE").send(200, tag="")  # type: ignore[return-value]


def notify(script: Callee, text: str, state: str) -> Callee:
    """A NOTIFY of a REFER."""
    headers = ["Event: refer", f"Subscription-State: {state}"]
    return script.ask("NOTIFY", body=text, headers=headers, content_type="message/sipfrag;version=2.0").recv(200)  # type: ignore[return-value]


async def test_info_both_ways(stage: Stage) -> None:
    script = up("INFO").recv("INFO", checks="Content-Type: text/one", body="first").send(200, tag="")
    script.ask("INFO", body="second", content_type="text/two").recv(200)
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.ask("info", type="text/one", content="first")
        await agent.until("infosent")
        assert (await agent.result("info"))["content"].strip() == "second"
        await agent.hang_up()


async def test_digits_by_info(stage: Stage) -> None:
    script = up("DTMF").recv("INFO", checks="Signal=5", body="Duration=250").send(200, tag="")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.ask("dtmf_info", digit="5", duration=250)
        await agent.until("dtmfsent")
        await agent.hang_up()


async def test_messages_within_the_call(stage: Stage) -> None:
    script = up("MESSAGE").recv("MESSAGE", checks="X-Mood: good", body="hello").send(202, tag="")
    script.ask("MESSAGE", body="hello yourself", content_type="text/plain").recv(200)
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.ask("message", content="hello", headers={"X-Mood": "good"})
        await agent.until("messagesent")
        assert (await agent.result("messagedelivery"))["code"] == 202
        assert (await agent.result("message"))["content"].strip() == "hello yourself"
        await agent.hang_up()


async def test_a_message_out_of_any_call(stage: Stage) -> None:
    script = Callee("MESSAGE").recv("MESSAGE", checks="Content-Type: text/plain", body="ahoy").send(200)
    async with stage.script(script) as phone:
        agent = await stage.agent()
        await agent.ask("message", uri=phone.uri, content="ahoy")
        assert (await agent.result("messagedelivery"))["code"] == 200


async def test_a_message_comes_out_of_any_call(stage: Stage) -> None:
    agent = await stage.agent()
    script = Caller("MESSAGE").ask("MESSAGE", body="ahoy", content_type="text/html").recv(200)
    async with stage.script(script, calls=agent.user):
        came = await agent.result("message")
        assert (came["content"].strip(), came["content_type"]) == ("ahoy", "text/html")


async def test_options_within_a_call_and_what_nobody_knows(stage: Stage) -> None:
    script = up("OPTIONS").ask("OPTIONS").recv(200, checks="Allow: ").ask("DANCE").recv(501)
    script.ask("INFO", headers=["Require: magic"]).recv(420, checks="Unsupported: magic")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await stage.settle()
        await agent.hang_up()


async def test_we_transfer(stage: Stage) -> None:
    script = up("is transferred").recv("REFER", checks="Refer-To: *<?sip:carol@127.0.0.1").send(202, tag="")
    script = notify(notify(script, TRYING, "active;expires=60"), OK, "terminated;reason=noresource")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        await agent.ask("transfer", uri="sip:carol@127.0.0.1:9")
        await agent.until("transferring")
        assert (await agent.result("notify", substate="active"))["content"].strip() == TRYING
        assert (await agent.result("notify", substate="terminated"))["content"].strip() == OK
        await agent.hang_up()


async def test_our_transfer_is_refused(stage: Stage) -> None:
    script = down(up("will not go").recv("REFER").send(603, tag=""))
    async with stage.calling(script) as agent:
        await agent.answered()
        await agent.ask("transfer", uri="sip:carol@127.0.0.1:9")
        assert (await agent.result("transfer_progress"))["code"] == 603
        await agent.hang_up()


async def test_we_transfer_to_a_call_that_we_have(stage: Stage) -> None:
    """Replaces names the other call's Call-ID and tags (RFC 3891)."""
    second = down(up("the other call"))
    async with stage.calling(second) as other:
        await other.answered()
        call_id = other.call_id
        first = (
            up("goes to the other").recv("REFER", checks=f"Refer-To: [^\r\n]*Replaces={call_id}%3B", body="Referred-By: ").send(202, tag="")
        )
        async with stage.calling(down(notify(first, OK, "terminated"))) as agent:
            await agent.answered()
            await agent.ask("transfer", uri="sip:callee@127.0.0.1:9", replace=call_id)
            await agent.until("transferring")
            await agent.until("notify", substate="terminated")
            await agent.hang_up()
        await other.hang_up()


async def test_the_peer_transfers_us_and_hears_how_it_goes(stage: Stage) -> None:
    target = Callee("the target").recv("INVITE", checks="Referred-By: ").send(180).send(200, body=sdp()).recv("ACK")
    async with stage.script(target.ask("BYE").recv(200)) as phone:  # type: ignore[attr-defined]
        script = up("transfers").ask("REFER", headers=[f"Refer-To: <{phone.uri}>", "Referred-By: <sip:boss@127.0.0.1>"]).recv(202)
        script.recv("NOTIFY", checks="Event: refer", body="SIP/2.0 100").send(200, tag="")
        script.recv("NOTIFY", body="SIP/2.0 180").send(200, tag="")
        script.recv("NOTIFY", checks="Subscription-State: terminated", body="SIP/2.0 200").send(200, tag="")
        async with stage.calling(down(script)) as agent:
            await agent.answered()
            transfer = await agent.result("transfer")
            assert transfer["refer_to"].strip("<>") == phone.uri
            further = await stage.helper(agent)
            await further.place(phone.uri, refer_id=transfer["refer_id"])
            await further.answered()
            await further.until("hangup")
            await agent.hang_up()


async def test_we_refuse_a_transfer(stage: Stage) -> None:
    script = up("transfers in vain").ask("REFER", headers=["Refer-To: <sip:carol@127.0.0.1:9>"]).recv(202)
    script.recv("NOTIFY", checks="Subscription-State: active", body="SIP/2.0 100").send(200, tag="")
    script.recv("NOTIFY", checks="Subscription-State: terminated", body="SIP/2.0 603").send(200, tag="")
    async with stage.calling(down(script)) as agent:
        await agent.answered()
        transfer = await agent.result("transfer")
        await agent.ask("decline", refer_id=transfer["refer_id"], code=603)
        await agent.until("declining", refer_id=transfer["refer_id"])
        await stage.settle()
        await agent.hang_up()


async def test_a_subscription_and_its_end(stage: Stage) -> None:
    script = Callee("presence").recv(
        "SUBSCRIBE",
        checks="Event: presence",
        body="Accept: application/pidf",
        saves={
            "caller": r"[\r\n]From: *([^\r\n]*)",
            "callee": r"[\r\n]To: *([^\r\n]*)",
            "target": r"[\r\n]Contact:[^<]*<([^>]*)>",
        },
    )
    script.send(200, headers=["Expires: 600"])
    headers = ["Event: presence", "Subscription-State: active;expires=600"]
    script.ask("NOTIFY", body="<presence/>", headers=headers, content_type="application/pidf+xml").recv(200)
    script.recv("SUBSCRIBE", checks="Expires: 0").send(200, headers=["Expires: 0"], tag="")
    script.ask("NOTIFY", headers=["Event: presence", "Subscription-State: terminated;reason=timeout"]).recv(200)
    async with stage.script(script) as phone:
        agent = await stage.agent()
        await agent.ask("subscribe", event="presence", to=phone.uri, accept="application/pidf+xml", subscribe_ttl=600)
        await agent.until("subscribe_succeeded", code=200)
        assert (await agent.result("notify"))["content"].strip() == "<presence/>"
        await agent.ask("unsubscribe", event="presence", to=phone.uri)
        await agent.until("unsubscribing")
        await agent.until("notify", substate="terminated")


async def test_a_subscription_is_refused(stage: Stage) -> None:
    script = Callee("no presence").recv("SUBSCRIBE").send(489, tag="none")
    async with stage.script(script) as phone:
        agent = await stage.agent()
        await agent.ask("subscribe", event="presence", to=phone.uri)
        assert (await agent.result("subscribe_failed"))["code"] == 489


# --- challenges -----------------------------------------------------------------------------------------------------------------------

PROXY = 'Proxy-Authenticate: Digest realm="pbx", nonce="{}", qop="auth", algorithm=SHA-256{}'
ANSWER = 'Proxy-Authorization: Digest [^\r\n]*nonce="{}"'
SECRET = {"secret": "opensesame", "authuser": "agent"}


async def test_407_to_the_invite_and_within_the_dialog(stage: Stage) -> None:
    """The INVITE, then INFO with what was learnt; then a stale nonce, and BYE with the new one."""
    script = Callee("407").recv("INVITE").send(407, headers=[PROXY.format("one", "")], tag="no").recv("ACK")
    script.recv("INVITE", checks=ANSWER.format("one")).send(200, body=sdp()).recv("ACK")
    script.recv("INFO", checks=ANSWER.format("one"), body="nc=00000002|nc=00000003").send(
        407, headers=[PROXY.format("two", ", stale=true")], tag=""
    )
    script.recv("INFO", checks=ANSWER.format("two")).send(200, tag="").recv("BYE", checks=ANSWER.format("two")).send(200, tag="")
    async with stage.calling(script, **SECRET) as agent:
        await agent.answered()
        await agent.ask("info", type="text/plain", content="x")
        await stage.settle()
        await agent.hang_up()


@pytest.mark.parametrize("method", ["BYE", "INVITE", "REFER"])
async def test_401_within_the_dialog(stage: Stage, method: str) -> None:
    challenge = ['WWW-Authenticate: Digest realm="peer", nonce="abc", qop="auth", algorithm=MD5']
    script = up(f"401 to {method}").recv(method).send(401, headers=challenge, tag="")
    if method == "INVITE":
        script.recv("ACK")
    script.recv(method, checks='[\r\n]Authorization: Digest [^\r\n]*realm="peer"')
    if method == "INVITE":
        script.send(200, body=sdp(2, "recvonly"), tag="").recv("ACK")
    else:
        script.send(200 if method == "BYE" else 202, tag="")
    if method != "BYE":
        down(script)
    async with stage.calling(script, **SECRET) as agent:
        await agent.answered()
        if method == "INVITE":
            await agent.ask("hold")
            await agent.until("held")
        elif method == "REFER":
            await agent.ask("transfer", uri="sip:carol@127.0.0.1:9")
            await stage.settle()
        await agent.hang_up()


async def test_a_wrong_password_is_not_tried_again(stage: Stage) -> None:
    script = Callee("407 twice").recv("INVITE").send(407, headers=[PROXY.format("one", "")], tag="no").recv("ACK")
    script.recv("INVITE").send(407, headers=[PROXY.format("two", "")], tag="no").recv("ACK")
    async with stage.calling(script, **SECRET) as agent:
        assert (await agent.result("hangup"))["code"] == 407


async def test_nobody_has_given_credentials(stage: Stage) -> None:
    script = Callee("407").recv("INVITE").send(407, headers=[PROXY.format("one", "")], tag="no").recv("ACK")
    async with stage.calling(script) as agent:
        assert (await agent.result("hangup"))["code"] == 407
