"""docs/b2bua.md: its example serves, its policy decides, its tables name what there is."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from boringsdp import config
from boringsdp.b2bua.configuration import b2bua_settings
from boringsdp.b2bua.policy import Asked, Refusal, Route, ToPbx, ToUser, load_routing
from boringsdp.b2bua.record import AttemptRecord, CallRecord, StreamRecord
from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Mode
from boringsdp.b2bua.trunk import called_back
from boringsdp.errors import ConfigError
from boringsdp.sip.build import request
from boringsdp.sip.uri import parse_sip_uri

TEXT = (Path(__file__).parents[2] / "docs" / "b2bua.md").read_text()
DOMAIN = DomainSettings(name="example.com", mode=Mode.REGISTRAR, pbx=(parse_sip_uri("sip:192.0.2.1"),))


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def block(kind: str) -> str:
    (found,) = blocks(kind)
    return found


@pytest.fixture
def office(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The policy of the document, as the configuration would load it, at noon."""
    module = ModuleType("my_routing")
    exec(block("python"), module.__dict__)
    monkeypatch.setitem(sys.modules, "my_routing", module)
    routing: Any = load_routing(B2buaSettings(routing="my_routing:Office"))
    routing.hour = lambda: 12
    return routing


def asked(called: str, **more: Any) -> Asked:
    made = request("INVITE", called, from_="<sip:x@y>;tag=1", to=f"<{called}>", call_id="c", cseq=1)
    return Asked(**({"domain": DOMAIN, "caller": None, "called": parse_sip_uri(called), "request": made} | more))


def read(text: str, folder: Path) -> DomainSettings:
    """The one domain of a configuration."""
    (folder / "users").write_text("alice:secret\n")
    text = re.sub(r"/etc/boringsdp/|/var/log/", f"{folder}/", text)
    tomllib.loads(text)
    (folder / "boringsdp.toml").write_text(text)
    settings = b2bua_settings(config.load(folder / "boringsdp.toml", {}, {}).config)
    assert settings is not None
    (domain,) = settings.domains.values()
    return domain


def test_the_configurations_can_be_read(tmp_path: Path):
    registrar, trunk, through = (read(text, tmp_path) for text in blocks("toml"))
    assert [each.mode for each in (registrar, trunk, through)] == [Mode.REGISTRAR, Mode.TRUNK, Mode.PASS_THROUGH]
    assert [len(each.pbx) for each in (registrar, trunk, through)] == [2, 1, 2]
    assert trunk.trunk is not None
    assert (trunk.trunk.identity.to_text(), trunk.trunk.register) == ("sip:gateway@pbx.example.net", True)
    assert called_back(trunk.trunk.caller, parse_sip_uri("sip:12@x"), trunk.trunk.identity).user == "+493012"


def test_the_policy_refuses_and_leads(office: Any):
    assert office.from_browser(asked("sip:0049@example.com")) == Refusal(403, "Not Abroad")
    assert isinstance(office.from_browser(asked("sip:bob@example.com")), Route)
    hunt = asyncio.run(office.from_pbx(asked("sip:100@192.0.2.9")))
    assert [type(group[0]) for group in hunt.groups] == [ToUser, ToUser, ToPbx]
    office.hour = lambda: 3
    assert asyncio.run(office.from_pbx(asked("sip:100@192.0.2.9"))).groups == ((ToPbx(parse_sip_uri("sip:mailbox@example.com")),),)
    assert inspect.iscoroutinefunction(office.from_pbx)


def test_every_field_of_a_record_is_named():
    part = TEXT.partition("## A record for each call")[2]
    for kind in (CallRecord, AttemptRecord, StreamRecord):
        assert {field.name for field in fields(kind) if f"`{field.name}`" not in part} == set()
    assert {field.name for field in fields(Asked) if f"| `{field.name}` |" not in TEXT} == set()


@pytest.mark.parametrize("name", ["nothing_here:It", "boringsdp.b2bua.policy:Nothing", "boringsdp.b2bua.policy:ToEcho", "json:dumps"])
def test_a_policy_that_cannot_be_had_is_complained_of(name: str):
    with pytest.raises(ConfigError, match=r"b2bua\.routing"):
        load_routing(B2buaSettings(routing=name))
