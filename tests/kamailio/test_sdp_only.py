"""The way to the gateway over HTTP: what is asked, a connection that stays open, and a gateway that is away."""

import http.server
import json
import socket
import threading

import pytest
from kemi_routing.media import Answer, Candidates, Delete, Offer, Side, wishes
from sdp_only.client import GatewayClient
from sdp_only.ng import Dialog, GatewayError, parse_reply, parse_sdp, request_for

from tests.kamailio.conftest import Double

ALICE = Dialog(call_id="call-1", from_tag="alice", body="v=0\r\n")
BOTH = Dialog(call_id="call-1", from_tag="alice", to_tag="bob", body="v=0\r\n")
REPLY = Dialog(call_id="call-1", from_tag="alice", to_tag="bob", in_reply=True, body="v=0\r\n")


@pytest.mark.parametrize(
    ("command", "dialog", "wanted"),
    [
        (Offer(Side.PHONE, "leg-0"), ALICE, {"command": "offer", "from-tag": "alice", "via-branch": "leg-0", "ICE": "remove"}),
        (
            Offer(Side.PHONE, "leg-0", "IP6", "caller"),
            ALICE,
            {"command": "offer", "via-branch": "leg-0", "address-family": "IP6", "label": "caller"},
        ),
        (Answer(Side.WEB, "leg-0"), REPLY, {"command": "answer", "from-tag": "alice", "to-tag": "bob", "via-branch": "leg-0"}),
        pytest.param(Offer(Side.WEB), BOTH, {"command": "offer", "from-tag": "alice", "to-tag": "bob"}, id="re-INVITE"),
        pytest.param(Offer(Side.WEB), REPLY, {"command": "offer", "from-tag": "bob", "to-tag": "alice"}, id="late offer"),
        pytest.param(Answer(Side.WEB), BOTH, {"command": "answer", "from-tag": "bob", "to-tag": "alice"}, id="its answer"),
        (Candidates(), BOTH, {"command": "offer", "flags": ["fragment", "trickle-ICE"], "from-tag": "alice", "to-tag": "bob"}),
        (Delete(), BOTH, {"command": "delete", "call-id": "call-1", "from-tag": "alice"}),
        (Delete("leg-1"), ALICE, {"command": "delete", "from-tag": "alice", "via-branch": "leg-1"}),
    ],
)
def test_what_is_asked(command, dialog, wanted):
    keys = request_for(command, dialog)
    assert keys | wanted == keys
    assert ("via-branch" in keys) is ("via-branch" in wanted)
    assert ("to-tag" in keys) is ("to-tag" in wanted)
    assert ("sdp" in keys) is (keys["command"] != "delete")


def test_other_flags_for_phones_are_asked_for():
    wanted = wishes("RTP/SAVP DTLS=off SDES-pad ICE=remove")
    keys = request_for(Offer(Side.PHONE, "leg-0"), ALICE, wanted)
    assert (keys["transport-protocol"], keys["DTLS"], keys["SDES"]) == ("RTP/SAVP", "off", ["pad"])
    assert request_for(Offer(Side.WEB), ALICE, wanted)["transport-protocol"] == "UDP/TLS/RTP/SAVPF"


def test_the_sdp_of_a_reply():
    assert parse_sdp(b'{"result": "ok", "sdp": "v=0"}') == "v=0"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"result": "error", "error-reason": "Ran out of ports"}', "Ran out of ports"),
        (b'{"result": "load limit", "message": "full"}', "full"),
        (b'{"result": ["ok"]}', "result"),
        (b'{"sdp": "v=0"}', "result None"),
        (b"[]", "not an NG reply"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_replies_that_are_not_ok(body, reason):
    with pytest.raises(GatewayError, match=reason):
        parse_reply(body)


@pytest.mark.parametrize("sdp", [b'""', b"7", b"null"])
def test_a_reply_without_sdp(sdp):
    with pytest.raises(GatewayError, match="without SDP"):
        parse_sdp(b'{"result": "ok", "sdp": %b}' % sdp)


# --- the connection --------------------------------------------------------------------------------------------------------------------


class Gateway(http.server.ThreadingHTTPServer):
    """Says what it was asked; `status` and `silent` spoil that, `lonely` closes each connection after a reply without a word."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked, self.connections, self.status, self.lonely = [], 0, 200, False
        self.silent = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/ng-plain"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.connections += 1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers["Content-Type"], json.loads(body)))
        if self.server.silent.is_set():
            self.close_connection = True
            return
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.server.lonely

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    with Gateway() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_requests_are_json_on_one_connection(gateway):
    client = GatewayClient(gateway.url)
    assert [json.loads(client.ask({"command": "ping", "n": n})) for n in range(3)] == [{"command": "ping", "n": n} for n in range(3)]
    assert gateway.asked[0] == ("/ng-plain", "application/json", {"command": "ping", "n": 0})
    assert gateway.connections == 1
    client.close()


def test_a_connection_that_the_gateway_closed_is_opened_again(gateway):
    gateway.lonely = True
    client = GatewayClient(gateway.url)
    for _ in range(3):
        assert client.ask({"command": "ping"}) == b'{"command": "ping"}'
    assert gateway.connections == 3
    assert len(gateway.asked) == 3
    client.close()


def test_a_status_is_an_error_but_the_gateway_is_up(gateway):
    client = GatewayClient(gateway.url)
    gateway.status = 503
    with pytest.raises(GatewayError, match="status 503"):
        client.ask({"command": "ping"})
    gateway.status = 200
    assert client.ask({"command": "ping"}) == b'{"command": "ping"}'
    client.close()


def test_a_gateway_that_is_away_is_left_alone_for_a_while(gateway):
    clock = Clock()
    client = GatewayClient(gateway.url, pause=5.0, clock=clock)
    gateway.silent.set()
    with pytest.raises(GatewayError, match="no reply from 127"):
        client.ask({"command": "ping"})
    gateway.silent.clear()
    clock.now += 4.9
    with pytest.raises(GatewayError, match="a moment ago"):
        client.ask({"command": "ping"})
    assert len(gateway.asked) == 1
    clock.now += 0.2
    assert client.ask({"command": "ping"})
    client.close()


def test_nobody_waits_longer_than_was_said():
    with socket.create_server(("127.0.0.1", 0)) as mute:
        client = GatewayClient(f"http://127.0.0.1:{mute.getsockname()[1]}", wait=0.05)
        with pytest.raises(GatewayError, match="timed out"):
            client.ask({"command": "ping"})


def test_a_process_does_not_use_its_parents_connection(gateway, monkeypatch):
    client = GatewayClient(gateway.url)
    client.ask({"command": "ping"})
    parents = client._connection
    monkeypatch.setattr("os.getpid", lambda: 1)
    client.ask({"command": "ping"})
    assert client._connection is not parents
    assert parents.sock is not None
    parents.close()
    client.close()


@pytest.mark.parametrize("url", ["https://127.0.0.1/ng-plain", "127.0.0.1:2224", "http:///ng-plain", ""])
def test_a_bad_url_is_refused_at_the_start(url):
    with pytest.raises(ValueError, match="not an http:// URL"):
        GatewayClient(url)


# --- in Kamailio -----------------------------------------------------------------------------------------------------------------------

MESSAGE = {"$ci": "call-1", "$ft": "alice", "$tt": "bob", "$rb": "v=0\r\ns=theirs\r\n"}


class FakeClient:
    def __init__(self, reply):
        self.reply, self.asked = reply, []

    def ask(self, request):
        self.asked.append(request)
        return self.reply


def perform(load, command, reply=b'{"result": "ok", "sdp": "v=0\\r\\ns=ours\\r\\n"}', is_reply=-1):
    ksr = Double(MESSAGE, {"siputils.is_reply": is_reply})
    client = FakeClient(reply)
    media = load("sdp_only.http_media", ksr).HttpMedia(client)
    commands = load("kemi_routing.media", ksr)
    done = media.perform(command(commands))
    return done, client.asked, ksr


def test_the_body_is_replaced(load):
    done, [asked], ksr = perform(load, lambda media: media.Offer(media.Side.WEB, "leg-0"))
    assert done
    assert (asked["sdp"], asked["via-branch"], asked["transport-protocol"]) == (MESSAGE["$rb"], "leg-0", "UDP/TLS/RTP/SAVPF")
    assert ksr.called("textops.set_body") == [("v=0\r\ns=ours\r\n", "application/sdp")]


def test_a_late_offer_turns_the_tags_round(load):
    _, [asked], _ = perform(load, lambda media: media.Offer(media.Side.WEB), is_reply=1)
    assert (asked["from-tag"], asked["to-tag"]) == ("bob", "alice")


@pytest.mark.parametrize("reply", [b'{"result": "error", "error-reason": "Unknown call-id"}', b'{"result": "ok"}', b""])
def test_a_refusal_leaves_the_body_and_is_told(load, reply):
    done, _, ksr = perform(load, lambda media: media.Answer(media.Side.WEB), reply)
    assert not done
    assert not ksr.called("textops.set_body")
    assert ksr.called("err")[0][0].startswith("call call-1: ")


@pytest.mark.parametrize("name", ["Delete", "Candidates"])
def test_what_has_no_sdp_leaves_the_body(load, name):
    done, [asked], ksr = perform(load, lambda media: getattr(media, name)(), b'{"result": "ok"}')
    assert done
    assert ("sdp" in asked) is (name == "Candidates")
    assert not ksr.called("textops.set_body")


def test_the_script_reads_its_definitions(load):
    known = {"NG_URL": '"http://192.0.2.1:2224/ng-plain"', "NG_WAIT_MS": "250", "NG_DISABLE_S": "7", "FOR_PHONE": '"RTP/SAVP"'}
    ksr = Double(answers={"kx.ifdef": lambda name: name in known, "kx.get_def": known.get})
    media = load("sdp_proxy", ksr).mod_init()._media
    assert sorted(wish.protocol for wish in media._wishes.values()) == ["RTP/SAVP", "UDP/TLS/RTP/SAVPF"]
    client = media._client
    assert (client._host, client._port, client._path, client._wait, client._pause) == ("192.0.2.1", 2224, "/ng-plain", 0.25, 7.0)
