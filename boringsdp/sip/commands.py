"""What a front asks for, begun: calls, requests, subscriptions and transfers of an account. Shell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from boringsdp.errors import Exhausted, SipError, WrongState
from boringsdp.sip import outgoing
from boringsdp.sip.account import AccountState, Hear
from boringsdp.sip.build import response
from boringsdp.sip.digest import Credentials
from boringsdp.sip.entries import RequestCame
from boringsdp.sip.facades import Account, NotifierHandle, Refer, Session, Subscription
from boringsdp.sip.flow import Flow
from boringsdp.sip.inspect import told
from boringsdp.sip.notifier import Notifier
from boringsdp.sip.refer import Referral, refer_to
from boringsdp.sip.uri import SipUri, parse_sip_uri

if TYPE_CHECKING:
    from boringsdp.sip.endpoint import Endpoint

Lines = Iterable[tuple[str, str]]


class Commands:
    """One for an endpoint; what they mean is said where the facades offer them."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def invite(
        self,
        account: Account,
        uri: SipUri | str,
        sdp: bytes | None,
        *,
        hear: Hear,
        headers: Lines,
        call_id: str | None,
        credentials: tuple[Credentials, ...] | None,
        identity: SipUri | None,
        display_name: str | None,
        replaces: Session | None,
        refer: Refer | None,
        flow: Flow | None,
        to: str,
        route: str = "",
    ) -> Session:
        _check_open(account)
        extra = [*headers]
        if replaces is not None:
            extra.append(("Replaces", replaces.replaces_text))
        if refer is not None:
            extra += refer.headers
        entry, core = outgoing.call(
            self._endpoint.ua,
            account.line,
            uri,
            sdp,
            headers=extra,
            call_id=call_id,
            credentials=credentials,
            identity=identity,
            display_name=display_name,
            flow=flow,
            to=to,
            route=route,
        )
        session = Session(self._endpoint, account, core, entry, hear, incoming=False)
        entry.face = session
        if refer is not None:
            refer.accept()
            entry.intercept = self._endpoint.reporting(refer)
        self._endpoint.run(entry, core.start(now=self._endpoint.now()))
        return session

    def request(
        self,
        account: Account,
        method: str,
        uri: SipUri | str,
        *,
        headers: Lines,
        content_type: str,
        body: bytes,
        call_id: str | None,
        identity: SipUri | None,
        credentials: tuple[Credentials, ...] | None,
        hear: Hear | None,
        flow: Flow | None,
        to: str,
        from_: str,
        cseq: int,
        contact: str | None,
        route: str,
    ) -> int:
        _check_open(account)
        entry, usage = outgoing.single(
            self._endpoint.ua,
            account.line,
            method,
            uri,
            headers=headers,
            content_type=content_type,
            body=body,
            call_id=call_id,
            identity=identity,
            credentials=credentials,
            flow=flow,
            to=to,
            from_=from_,
            cseq=cseq,
            contact=contact,
            route=route,
        )
        entry.face = hear or account
        self._endpoint.run(entry, usage.start())
        return usage.number

    def subscribe(
        self,
        account: Account,
        uri: SipUri | str,
        package: str,
        *,
        hear: Hear,
        expires: int,
        accept: str,
        headers: Lines,
        content_type: str,
        body: bytes,
        call_id: str | None,
        flow: Flow | None,
        to: str,
        from_: str,
        route: str,
    ) -> Subscription:
        _check_open(account)
        entry, core = outgoing.subscribe(
            self._endpoint.ua,
            account.line,
            uri,
            package,
            contact="",
            expires=expires,
            accept=accept,
            headers=headers,
            content_type=content_type,
            body=body,
            call_id=call_id,
            flow=flow,
            to=to,
            from_=from_,
            route=route,
        )
        subscription = Subscription(self._endpoint, core.call_id, hear)
        subscription.core, subscription.entry, entry.face = core, entry, subscription
        self._endpoint.run(entry, core.start(self._endpoint.now()))
        return subscription

    def refer(self, session: Session, uri: SipUri | str, *, hear: Hear, replaces: Session | None, headers: Lines) -> Subscription:
        dialog = session.core.dialog
        if dialog is None or session.over:
            raise WrongState(session.state.value, "a dialog")
        self._endpoint.ua.policy.check_target(parse_sip_uri(str(uri).partition("?")[0]))
        core = Referral(
            dialog,
            refer_to(str(uri), replaces.replaces_text if replaces else ""),
            referred_by=f"<{session.local_uri}>",
            headers=self._endpoint.check_headers(headers, session.entry.line),
        )
        own = (dialog.id.call_id, dialog.id.local_tag)
        entry = self._endpoint.ua.adopt(core, session.account.line, outlet=session.entry.outlet, dialog=own, beside=True)
        self._endpoint.ua.lead(entry, session.entry.way)
        subscription = Subscription(self._endpoint, dialog.id.call_id, hear)
        subscription.core, subscription.entry, entry.face = core, entry, subscription
        self._endpoint.run(entry, core.start(self._endpoint.now()))
        return subscription

    def accept_subscription(self, news: RequestCame, expires: int, hear: Hear | None) -> NotifierHandle:
        inside = news.entry.face if news.entry is not None and isinstance(news.entry.face, Session) else None
        account = self._endpoint.account_of(news.line)
        if account is None:
            raise WrongState("closed", "an account that is open")
        dialog = None if inside is None else inside.core.dialog
        try:
            event = news.request.headers.get("Event") or ""
            core = Notifier(news.request, news.transaction, event=event, dialog=dialog, expires=expires, token=self._endpoint.ua.token)
            own = (core.dialog.id.call_id, core.local_tag)
            entry = self._endpoint.ua.adopt(core, news.line, dialog=own, beside=dialog is not None)
        except (SipError, Exhausted) as problem:
            refused = told(400, problem.header, problem.reason) if isinstance(problem, SipError) else response(503)
            self._endpoint.reply(news.transaction, refused)
            raise
        ua = self._endpoint.ua
        ua.lead(entry, ua.doorway.way_by(news.flow) if news.entry is None else news.entry.way)
        entry.came = news.flow
        handle = entry.face = NotifierHandle(self._endpoint, account, core, entry, hear)
        self._endpoint.run(entry, core.accept(self._endpoint.now()))
        return handle


def _check_open(account: Account) -> None:
    if account.state is AccountState.CLOSED:
        raise WrongState("closed", "an account that is open")
