"""The routes, with a double of KSR: what they make of a decision, and what they do when Kamailio or the gateway refuses."""

import json

import pytest

from tests.kamailio.conftest import Double

WEB_WORDS = "UDP/TLS/RTP/SAVPF ICE=force SDES-off rtcp-mux-offer rtcp-mux-require generate-mid replace-origin replace-session-connection"
PHONE_WORDS = "RTP/AVP ICE=remove rtcp-mux-demux replace-origin replace-session-connection"
BROWSER = "sip:203.0.113.9:50123;transport=ws"
INVITE = {
    "$rm": "INVITE",
    "$proto": "ws",
    "$ru": "sip:bob@example.org",
    "$rU": "bob",
    "$ci": "call-1",
    "$ft": "alice",
    "$cT": "application/sdp",
    "$bs": 300,
    "$rb": "v=0\r\n",
}
CALM = {"tmx.t_precheck_trans": -1, "nathelper.nat_uac_test": -1, "siputils.is_reply": -1, "isbflagset": False, "kx.ifdef": False}


class Proxy:
    """The script at one message and those that follow it; flags that are set stay set."""

    def __init__(self, load, variables=None, answers=None):
        self.ksr = Double(INVITE | (variables or {}), CALM | (answers or {}))
        self.routes = load("proxy", self.ksr).mod_init()

    def request(self, **variables):
        """Runs the request route; `rm="BYE"` is $rm."""
        return self.run("ksr_request_route", variables)

    def branch(self, index=0, **variables):
        return self.run("ksr_branch", {"T_branch_idx": index} | variables)

    def reply(self, code, index=0, **variables):
        return self.run("ksr_reply", {"rs": code, "T_branch_idx": index} | variables)

    def run(self, route, variables=None):
        self.ksr.variables.update({f"${name}": value for name, value in (variables or {}).items()})
        self.ksr.calls.clear()
        assert getattr(self.routes, route)(None) == 1
        return self.ksr

    def replies(self):
        return self.ksr.called("sl.send_reply") + self.ksr.called("sl.sl_send_reply")


@pytest.fixture
def proxy(load):
    """Makes the script, with pseudo-variables and answers of Kamailio's functions."""
    return lambda variables=None, **answers: Proxy(load, variables, {name.replace("__", "."): value for name, value in answers.items()})


def test_a_browser_calls_a_phone(proxy):
    one = proxy()
    ksr = one.request()
    assert ksr.called("registrar.lookup") == [("location",)]
    assert ksr.called("rr.record_route") == ksr.called("dialog.dlg_manage") == ksr.called("tm.t_relay") == [()]
    assert ksr.called("nathelper.set_contact_alias") == [()]
    for route in ("on_branch", "on_reply", "on_failure", "on_branch_failure"):
        [(name,)] = ksr.called(f"tm.t_{route}")
        assert callable(getattr(one.routes, name)), route
    offer = one.branch(du="sip:192.0.2.7:5060").called("rtpengine.rtpengine_offer")
    assert sorted(offer[0][0].split()) == sorted([*PHONE_WORDS.split(), "address-family=IP4", "label=caller", "via-branch=extra"])
    assert ksr.variables["$avp(leg)"] == "leg-0"
    answer = one.reply(200, proto="udp").called("rtpengine.rtpengine_answer")
    assert sorted(answer[0][0].split()) == sorted([*WEB_WORDS.split(), "label=called", "via-branch=extra"])


def test_a_phone_calls_a_browser_and_a_phone_at_once(proxy):
    one = proxy({"$proto": "udp"})
    assert not one.request().called("nathelper.set_contact_alias")
    kinds = []
    for index, place in enumerate([BROWSER, "sip:192.0.2.7:5060"]):
        [(words,)] = one.branch(index, du=place).called("rtpengine.rtpengine_offer")
        kinds.append((words.split()[0], one.ksr.variables["$avp(leg)"]))
    assert kinds == [("UDP/TLS/RTP/SAVPF", "leg-0"), ("RTP/AVP", "leg-1")]
    [(words,)] = one.reply(183, 1, proto="udp").called("rtpengine.rtpengine_answer")
    assert words.startswith("RTP/AVP ")
    assert one.ksr.variables["$avp(leg)"] == "leg-1"


def test_a_late_offer(proxy):
    one = proxy({"$bs": 0, "$cT": None})
    one.request()
    assert not one.branch(du=BROWSER).called("rtpengine.rtpengine_offer")
    [(words,)] = one.reply(200, cT="application/sdp", bs=300).called("rtpengine.rtpengine_offer")
    assert words.startswith("UDP/TLS/RTP/SAVPF ")
    assert "label=called" in words.split()
    [(words,)] = one.request(rm="ACK", tt="bob", du="sip:192.0.2.7").called("rtpengine.rtpengine_answer")
    assert words.startswith("RTP/AVP ")
    assert "via-branch" not in words
    assert "label=caller" in words.split()


def test_the_called_sides_answer_is_not_the_callers(proxy):
    one = proxy({"$rm": "ACK", "$tt": "alice", "$du": BROWSER}, rr__is_direction=lambda direction: -1 if direction == "downstream" else 1)
    [(words,)] = one.request().called("rtpengine.rtpengine_answer")
    assert "label" not in words


def test_a_phone_at_ipv6(proxy):
    one = proxy()
    [(words,)] = one.branch(du="sip:[2001:db8::7]:5060").called("rtpengine.rtpengine_offer")
    assert "address-family=IP6" in words.split()
    [(words,)] = one.branch(du=BROWSER).called("rtpengine.rtpengine_offer")
    assert "address-family" not in words


def test_other_flags_for_phones(proxy):
    one = proxy(kx__ifdef=lambda name: name == "FOR_PHONE", kx__get_def=lambda name: '"RTP/SAVP DTLS=off SDES-pad"')
    [(words,)] = one.branch(du="sip:192.0.2.7:5060").called("rtpengine.rtpengine_offer")
    assert words.split()[:3] == ["RTP/SAVP", "DTLS=off", "SDES-pad"]
    [(words,)] = one.branch(du=BROWSER).called("rtpengine.rtpengine_offer")
    assert words.startswith(WEB_WORDS.split()[0])


def test_a_re_invite_names_no_branch(proxy):
    one = proxy({"$tt": "bob", "$du": BROWSER, "$proto": "udp"})
    ksr = one.request()
    assert ksr.called("rr.loose_route") == ksr.called("tm.t_relay") == [()]
    assert not ksr.called("registrar.lookup") + ksr.called("tm.t_on_failure")
    [(words,)] = one.branch().called("rtpengine.rtpengine_offer")
    assert not {"via-branch", "label"} & {word.partition("=")[0] for word in words.split()}
    assert "via-branch" not in one.reply(200).called("rtpengine.rtpengine_answer")[0][0]


def test_the_alias_in_a_contact_is_followed_where_no_route_says_else(proxy):
    assert proxy({"$tt": "bob"}).request().called("nathelper.handle_ruri_alias") == [()]
    assert not proxy({"$tt": "bob", "$du": BROWSER}).request().called("nathelper.handle_ruri_alias")


def test_the_ends_of_a_call_are_told_to_the_gateway(proxy):
    one = proxy()
    assert one.request(rm="BYE", tt="bob", bs=0).called("rtpengine.rtpengine_delete") == [("",)]
    assert one.run("ksr_failure").called("rtpengine.rtpengine_delete") == [("",)]
    assert one.run("ksr_lost_branch", {"T_branch_idx": 2}).called("rtpengine.rtpengine_delete") == [("via-branch=extra",)]
    assert one.ksr.variables["$avp(leg)"] == "leg-2"


def test_a_cancel_goes_where_its_invite_went_and_no_other(proxy):
    assert proxy().request(rm="CANCEL").called("tm.t_relay") == [()]
    unknown = proxy(tm__t_check_trans=-1)
    assert not unknown.request(rm="CANCEL").called("tm.t_relay")


def test_a_repeated_request_gets_its_reply_once_more(proxy):
    one = proxy(tmx__t_precheck_trans=1)
    ksr = one.request()
    assert ksr.called("tm.t_check_trans") == [()]
    assert not ksr.called("tm.t_relay") + one.replies()


def test_candidates_stop_at_the_gateway(proxy):
    one = proxy({"$tt": "bob", "$rm": "INFO", "$cT": "application/trickle-ice-sdpfrag"})
    ksr = one.request()
    assert ksr.called("rtpengine.rtpengine_offer") == [("fragment trickle-ICE",)]
    assert one.replies() == [(200, "OK")]
    assert not ksr.called("tm.t_relay")


def test_no_gateway_no_call(proxy):
    one = proxy(rtpengine__rtpengine_offer=-1, tm__t_relay=lambda: -1)
    one.ksr.module.pv.sets("$du", BROWSER)
    assert one.branch().called("set_drop") == [()]
    assert "did not take" in one.ksr.called("err")[0][0]
    one.request()
    assert one.replies() == [(503, "No Media Gateway")]


def test_what_cannot_be_sent_gets_the_reply_of_the_proxy(proxy):
    one = proxy(tm__t_relay=-1)
    assert one.request().called("sl.sl_reply_error") == [()]


@pytest.mark.parametrize(
    ("variables", "answers", "reply"),
    [
        ({}, {"maxfwd__process_maxfwd": -1}, (483, "Too Many Hops")),
        ({}, {"registrar__lookup": -1}, (404, "Not Found")),
        ({}, {"registrar__lookup": -2}, (405, "Method Not Allowed")),
        ({}, {"is_myself_ruri": False}, (403, "Not Here")),
        ({"$rU": None}, {}, (484, "Address Incomplete")),
        ({"$rm": "OPTIONS", "$rU": None}, {}, (200, "OK")),
        ({"$tt": "bob"}, {"rr__loose_route": -1}, (404, "Not Here")),
    ],
)
def test_refusals(proxy, variables, answers, reply):
    one = proxy(variables, **answers)
    assert not one.request().called("tm.t_relay")
    assert one.replies() == [reply]


def test_a_message_that_makes_no_sense_is_dropped(proxy):
    one = proxy(sanity__sanity_check=-1)
    assert [name for name, _ in one.request().calls] == ["maxfwd.process_maxfwd", "sanity.sanity_check"]


def test_a_trunk_takes_what_is_not_registered(proxy):
    one = proxy(registrar__lookup=-1, kx__ifdef=lambda name: name == "TRUNK", kx__get_def=lambda name: '"sip:198.51.100.20:5060"')
    ksr = one.request()
    assert ksr.called("tm.t_relay") == [()]
    assert ksr.variables["$du"] == "sip:198.51.100.20:5060"
    assert one.branch().called("rtpengine.rtpengine_offer")[0][0].startswith("RTP/AVP ")


def test_the_trunk_itself_needs_no_password_and_gets_nothing_back(proxy):
    trunk = {"$si": "198.51.100.20", "$sp": 5060}
    given = {"kx__ifdef": lambda name: name != "GATEWAY_ADDRESS", "kx__get_def": lambda name: '"sip:198.51.100.20:5060"'}
    one = proxy(trunk, auth__pv_auth_check=-1, registrar__lookup=-1, **given)
    assert not one.request().called("tm.t_relay")
    assert one.replies() == [(404, "Not Found")]
    other = proxy(trunk | {"$si": "198.51.100.21"}, auth__pv_auth_check=-1, **given)
    assert other.request().called("auth.auth_challenge")


def test_a_fault_of_the_script_is_told_and_answered(proxy):
    def broken(*_):
        raise SystemError("a function returned a result with an exception set")

    one = proxy(registrar__lookup=broken)
    one.request()
    assert one.replies() == [(500, "Server Internal Error")]
    assert "call-1" in one.ksr.called("err")[0][0]


def test_a_fault_while_offering_lets_no_untranslated_offer_pass(proxy):
    def broken(*_):
        raise SystemError

    one = proxy(rtpengine__rtpengine_offer=broken)
    assert one.branch(du=BROWSER).called("set_drop") == [()]


@pytest.mark.parametrize("route", ["ksr_reply", "ksr_failure", "ksr_lost_branch"])
def test_faults_in_other_routes_are_told(proxy, route):
    def broken(*_):
        raise SystemError

    one = proxy({"$rs": 200, "$T_branch_idx": 0}, rtpengine__rtpengine_answer=broken, rtpengine__rtpengine_delete=broken)
    assert "SystemError" in one.run(route).called("err")[0][0]


def test_text_that_is_not_utf_8(proxy):
    raw = b"v=0\r\ns=caf\xe9\r\n"
    hexed = "$(rb{s.encode.hexa})"
    proxy({hexed: raw.hex()}, pv__get=lambda name: raw.decode() if name == "$rb" else raw.hex() if name == hexed else None)
    from kemi_routing.sip_message import text

    assert (text("$rb"), text("$ci")) == ("v=0\r\ns=caf\N{REPLACEMENT CHARACTER}\r\n", "")


# --- registrations ---------------------------------------------------------------------------------------------------------------------

REGISTER = {"$rm": "REGISTER", "$rU": None, "$bs": 0, "$cT": None, "$tU": "alice", "$td": "example.org"}


def test_a_browser_registers(proxy):
    ksr = proxy(REGISTER).request()
    assert ksr.called("registrar.save") == [("location", 0)]
    assert ksr.called("nathelper.fix_nated_register") == [()]
    assert ksr.called("setbflag") == [(6,)]


def test_a_phone_behind_nat_is_pinged_and_another_is_not(proxy):
    assert proxy(REGISTER | {"$proto": "udp"}, nathelper__nat_uac_test=1).request().called("setbflag") == [(6,), (7,)]
    assert not proxy(REGISTER | {"$proto": "udp"}).request().called("setbflag")


def test_a_registration_that_fails_is_answered(proxy):
    assert proxy(REGISTER, registrar__save=-1).request().called("sl.sl_reply_error") == [()]


@pytest.mark.parametrize(
    ("password", "check", "user", "let_in"),
    [("secret", 1, "alice", True), (None, 1, "alice", False), ("secret", -2, "alice", False), ("secret", 1, "mallory", False)],
)
def test_passwords(proxy, password, check, user, let_in):
    with_auth = {"kx__ifdef": lambda name: name == "WITH_AUTH"}
    one = proxy(REGISTER | {"$au": user}, htable__sht_get=password, auth__pv_auth_check=check, **with_auth)
    ksr = one.request()
    assert bool(ksr.called("registrar.save")) is let_in
    assert bool(ksr.called("auth.auth_challenge")) is not let_in


# --- HTTP ------------------------------------------------------------------------------------------------------------------------------

NOTICE = json.dumps({"event": "timeout", "reason": "media timeout", "call-id": "call-1", "tags": ["alice", "bob", "carol"]})


def post(proxy, body=NOTICE, source="127.0.0.1", **answers):
    one = proxy({"$rm": "POST", "$hu": "/gateway", "$rb": body, "$si": source}, **answers)
    one.routes.ksr_xhttp_event(None, "xhttp:request")
    return one.ksr


def test_a_websocket_is_opened(proxy):
    one = proxy({"$rm": "GET", "$hdr(Upgrade)": "WebSocket"})
    one.routes.ksr_xhttp_event(None, "xhttp:request")
    assert one.ksr.called("websocket.handle_handshake") == [()]
    assert not one.ksr.called("xhttp.xhttp_reply")


def test_other_resources_are_not_found(proxy):
    one = proxy({"$rm": "GET", "$hu": "/"})
    one.routes.ksr_xhttp_event(None, "xhttp:request")
    assert one.ksr.called("xhttp.xhttp_reply") == [(404, "Not Found", "text/plain", "")]


def test_both_sides_of_a_call_that_the_gateway_ended_get_a_bye(proxy):
    known = {("call-1", "alice", "carol")}
    ksr = post(proxy, dialog__dlg_get=lambda *tags: 1 if tags in known else -1)
    assert ksr.called("dialog.dlg_get") == [("call-1", "alice", "bob"), ("call-1", "alice", "carol")]
    assert ksr.called("dialog.dlg_bye") == [("all",)]
    assert ksr.called("xhttp.xhttp_reply") == [(200, "OK", "text/plain", "")]


def test_a_bye_of_the_proxys_own_goes_where_the_alias_says(proxy):
    one = proxy({"$rm": "BYE"})
    one.routes.ksr_tm_event(None, "tm:local-request")
    assert one.ksr.called("nathelper.handle_ruri_alias") == [()]
    one.routes.ksr_tm_event(None, "tm:local-response")
    assert one.ksr.called("nathelper.handle_ruri_alias") == [()]


@pytest.mark.parametrize(("body", "source", "code"), [(NOTICE, "192.0.2.66", 403), ("x", "127.0.0.1", 400), (None, "127.0.0.1", 400)])
def test_notices_that_are_not_taken(proxy, body, source, code):
    ksr = post(proxy, body, source)
    assert not ksr.called("dialog.dlg_bye")
    assert [arguments[0] for arguments in ksr.called("xhttp.xhttp_reply")] == [code]
    refused = [(f"notice from {source} refused: GATEWAY_ADDRESS is 127.0.0.1\n",)] if code == 403 else []
    assert ksr.called("warn") == refused
