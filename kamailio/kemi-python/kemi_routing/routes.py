"""The routes that Kamailio runs: each reads the message, lets `decisions` decide, and does it."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import KSR

from kemi_routing import decisions, sip_message
from kemi_routing.decisions import Hooks, Request, Respond, Step
from kemi_routing.media import Command, Delete, Media, Side
from kemi_routing.settings import Settings
from kemi_routing.sip_message import FROM_WEB, LATE_OFFER, WITHIN_DIALOG, number, text

BEHIND_NAT, TO_PING = 6, 7
"""Flags of a branch, kept with a registration."""


class Routes:
    """What `mod_init` gives to Kamailio, which calls the methods by name."""

    def __init__(self, settings: Settings, media: Media) -> None:
        self._settings, self._media = settings, media

    def child_init(self, _rank: int) -> int:
        """Begin in a process of Kamailio's; 0 for success."""
        return 0

    # --- requests ----------------------------------------------------------------------------------------------------------------------

    def ksr_request_route(self, _message: object) -> int:
        """Route a request."""
        return _run(self._request, otherwise=lambda: KSR.sl.send_reply(500, "Server Internal Error"))

    def _request(self) -> None:
        if KSR.maxfwd.process_maxfwd(10) < 0:
            KSR.sl.sl_send_reply(483, "Too Many Hops")
            return
        if KSR.sanity.sanity_check(17895, 7) < 0:
            return
        request = sip_message.request()
        KSR.force_rport()
        _note_source(request)
        if request.method == "CANCEL":
            if KSR.tm.t_check_trans() > 0:
                _relay(request)
            return
        if request.method != "ACK":
            if KSR.tmx.t_precheck_trans() > 0:
                KSR.tm.t_check_trans()  # a repetition: the reply goes out once more
                return
            KSR.tm.t_check_trans()
        step = decisions.first_step(request)
        known = self._settings.trunk != "" and decisions.comes_from(self._settings.trunk, text("$si"), number("$sp"))
        asked = step is Step.REGISTER or (step is Step.CALL and not known)
        if asked and self._settings.with_auth and not _authenticated(request):
            return
        match step:
            case Respond(code, reason):
                KSR.sl.send_reply(code, reason)
            case Step.WITHIN_DIALOG:
                self._within_dialog(request)
            case Step.REGISTER:
                if KSR.registrar.save("location", 0) < 0:
                    KSR.sl.sl_reply_error()
            case Step.CALL:
                self._call(request, "" if known else self._settings.trunk)

    def _call(self, request: Request, trunk: str) -> None:
        """Look for whom a request outside of a dialog is; `trunk` takes it when nobody is registered."""
        KSR.textops.remove_hf("Route")
        if request.method in ("INVITE", "SUBSCRIBE"):
            KSR.rr.record_route()
        if request.method == "INVITE":
            KSR.dialog.dlg_manage()
        found = KSR.registrar.lookup("location")
        if found < 0:
            if not trunk:
                response = decisions.unregistered(found)
                KSR.sl.send_reply(response.code, response.reason)
                return
            KSR.setdsturi(trunk)
        _relay(request)

    def _within_dialog(self, request: Request) -> None:
        """Send on a re-INVITE, UPDATE, ACK, BYE, and all else that belongs to a call."""
        KSR.setflag(WITHIN_DIALOG)
        if KSR.rr.loose_route() < 0:
            if request.method != "ACK":
                KSR.sl.send_reply(404, "Not Here")
            elif KSR.tm.t_check_trans() > 0:
                KSR.tm.t_relay()
            return
        if not text("$du"):
            KSR.nathelper.handle_ruri_alias()  # the address that `_note_source` put into the Contact
        request = sip_message.request(from_caller=KSR.rr.is_direction("downstream") > 0)
        command, response = decisions.within_dialog(request)
        if command is not None:
            self._ask(command)
        if response is not None:
            KSR.sl.send_reply(response.code, response.reason)
            return
        if request.method == "NOTIFY":
            KSR.rr.record_route()
        _relay(request)

    def ksr_branch(self, _message: object) -> int:
        """Offer an SDP to one of the places that a request goes to."""
        return _run(self._branch, otherwise=_give_up_branch)

    def _branch(self) -> None:
        command = decisions.on_branch(sip_message.request(), sip_message.branch())
        if command is not None and not self._ask(command):
            _give_up_branch()

    def ksr_tm_event(self, _message: object, event: str) -> int:
        """Send a BYE of Kamailio's own (see `_notice`) where the Contact's alias says, as those of the parties go."""
        if event == "tm:local-request" and text("$rm") == "BYE":
            KSR.nathelper.handle_ruri_alias()
        return 1

    # --- replies -----------------------------------------------------------------------------------------------------------------------

    def ksr_reply(self, _message: object) -> int:
        """Look at a reply before it goes to whoever sent the request."""
        return _run(self._reply)

    def _reply(self) -> None:
        if decisions.side_of_protocol(text("$proto")) is Side.WEB or KSR.isbflagset(BEHIND_NAT) or KSR.nathelper.nat_uac_test(1) > 0:
            KSR.nathelper.set_contact_alias()
        command = decisions.on_reply(sip_message.reply(), sip_message.branch())
        if command is not None:
            self._ask(command)

    def ksr_lost_branch(self, _message: object) -> int:
        """One branch of a fork is lost while others still ring: its ports are not needed any more."""
        return _run(lambda: self._ask(Delete(decisions.leg(sip_message.branch()))))

    def ksr_failure(self, _message: object) -> int:
        """Nobody took the call, or the caller gave up."""
        return _run(lambda: self._ask(Delete()))

    # --- HTTP --------------------------------------------------------------------------------------------------------------------------

    def ksr_xhttp_event(self, _message: object, _event: str) -> int:
        """Open a WebSocket, or take a notice of the gateway's."""
        return _run(self._http)

    def _http(self) -> None:
        KSR.set_reply_close()
        KSR.set_reply_no_connect()
        method, path = text("$rm"), text("$hu")
        if method == "GET" and "websocket" in text("$hdr(Upgrade)").lower():
            # The place to compare $hdr(Origin) with the names of your own pages.
            if KSR.websocket.handle_handshake() < 0:
                KSR.xhttp.xhttp_reply(400, "Bad Request", "text/plain", "")
        elif method == "POST" and path == "/gateway":
            self._notice()
        else:
            KSR.xhttp.xhttp_reply(404, "Not Found", "text/plain", "")

    def _notice(self) -> None:
        """The gateway ended a call, for instance because no media came for a minute. Both parties think that they talk: each gets a BYE."""
        if text("$si") != self._settings.gateway_address:
            KSR.warn(f"notice from {text('$si')} refused: GATEWAY_ADDRESS is {self._settings.gateway_address}\n")
            KSR.xhttp.xhttp_reply(403, "Forbidden", "text/plain", "")
            return
        notice = decisions.parse_notice(text("$rb"))
        if notice is None:
            KSR.xhttp.xhttp_reply(400, "Bad Request", "text/plain", "")
            return
        for other in notice.tags[1:]:
            if KSR.dialog.dlg_get(notice.call_id, notice.tags[0], other) > 0:
                KSR.notice(f"call {notice.call_id}: {notice.reason} at the gateway, both sides get a BYE\n")
                KSR.dialog.dlg_bye("all")
        KSR.xhttp.xhttp_reply(200, "OK", "text/plain", "")

    def _ask(self, command: Command) -> bool:
        done = self._media.perform(command)
        if not done:
            KSR.err(f"call {text('$ci')}: the gateway did not take {command}\n")
        return done


def _run(route: Callable[[], object], otherwise: Callable[[], object] = lambda: None) -> int:
    """Run a route, and `otherwise` after a fault of ours: Kamailio would log that too, and let the message pass as it is."""
    try:
        route()
    except Exception:
        KSR.err(f"call {text('$ci')}: {traceback.format_exc()}")
        otherwise()
    return 1


def _give_up_branch() -> None:
    """A browser cannot read a telephone's SDP, nor the other way round: better no call than a silent one."""
    KSR.pv.seti("$avp(refused)", 1)
    KSR.set_drop()


def _note_source(request: Request) -> None:
    """
    Note where a request came from, in the registration or in the Contact that the other side will see.

    A WebSocket client writes a host name that does not exist into its Contact, a telephone behind a NAT a private address.
    """
    if request.sender is Side.WEB:
        KSR.setflag(FROM_WEB)
    elif KSR.nathelper.nat_uac_test(19) < 0:
        return
    if request.method != "REGISTER":
        KSR.nathelper.set_contact_alias()
        return
    KSR.nathelper.fix_nated_register()
    KSR.setbflag(BEHIND_NAT)
    if request.sender is Side.PHONE:
        KSR.setbflag(TO_PING)


def _relay(request: Request) -> None:
    """Send a request on, and have those routes run that it needs."""
    hooks: Hooks = decisions.hooks(request)
    if hooks.offer_is_late:
        KSR.setflag(LATE_OFFER)
    if hooks.replies:
        KSR.tm.t_on_reply("ksr_reply")
    if hooks.branches:
        KSR.tm.t_on_branch("ksr_branch")
    if hooks.failure:
        KSR.tm.t_on_failure("ksr_failure")
        KSR.tm.t_on_branch_failure("ksr_lost_branch")
    if KSR.tm.t_relay() > 0:
        return
    if text("$avp(refused)"):
        KSR.sl.send_reply(503, "No Media Gateway")
    else:
        KSR.sl.sl_reply_error()


def _authenticated(request: Request) -> bool:
    """
    Check the password; without the right one the request is challenged.

    Passwords are in memory, for the start:   kamcmd htable.sets passwords alice secret
    A real set-up asks a database: auth_db does the same work.
    """
    registers = request.method == "REGISTER"
    user, realm = (text("$tU"), text("$td")) if registers else (text("$fU"), text("$fd"))
    password = KSR.htable.sht_get("passwords", user)
    if password is None or KSR.auth.pv_auth_check(realm, str(password), 0, 0) < 0 or text("$au") != user:
        KSR.auth.auth_challenge(realm, 1)
        return False
    KSR.auth.consume_credentials()
    return True
