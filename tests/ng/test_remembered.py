"""What is remembered of a message must never show in another call's request."""

from __future__ import annotations

from typing import Any

import pytest

from boringsdp.errors import NgError
from boringsdp.ng import remembered
from boringsdp.ng.parse import parse_request
from boringsdp.ng.remembered import RequestReader

OFFER: dict[str, Any] = {"command": "offer", "call-id": "1", "from-tag": "a", "sdp": "v=0\r\n", "ICE": "force", "flags": ["trust-address"]}
FIRST_AND_SECOND: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (OFFER, OFFER | {"call-id": "2", "from-tag": "b", "sdp": "v=0\r\ns=x\r\n"}),
    (OFFER, OFFER | {"ICE": "remove"}),
    (OFFER, OFFER | {"flags": ["trust-address", "asymmetric"]}),
    (OFFER, OFFER | {"via-branch": "z"}),
    (OFFER | {"command": "answer", "to-tag": "x"}, OFFER | {"command": "answer", "to-tag": "y"}),
    (OFFER | {"received-from": ["IP4", "192.0.2.1"]}, OFFER | {"received-from": ["IP4", "192.0.2.2"]}),
    (OFFER | {"received-from": ["IP4", "192.0.2.1"]}, OFFER | {"received-from": "nonsense"}),
    (OFFER | {"metadata": "x"}, OFFER | {"metadata": "y"}),
    (OFFER | {"rtpp-flags": "from-tag=a"}, OFFER | {"rtpp-flags": "from-tag=a", "from-tag": "b"}),
    (OFFER | {"rtpp-flags": "metadata=m via-branch=v"}, OFFER | {"rtpp-flags": "metadata=m via-branch=v", "metadata": "mine"}),
    (OFFER | {"call_id": "other"}, OFFER | {"call_id": "other", "call-id": "3"}),
    (OFFER | {"template": "mine"}, OFFER | {"template": "mine", "from-tag": "b"}),
    (OFFER, OFFER | {"sdp": "caf\udce9"}),
    (OFFER, OFFER | {"call-id": 7}),
    (OFFER | {"sdp": ["v=0\r\n"]}, OFFER | {"sdp": ["v=0\r\ns=x\r\n"]}),
]


@pytest.mark.parametrize(("first", "second"), FIRST_AND_SECOND)
def test_the_second_of_two_calls_is_read_as_if_it_were_the_first(first: dict[str, Any], second: dict[str, Any]):
    templates = {"mine": "from-tag=t ICE=optional"}
    reader = RequestReader(templates)
    for message in (first, second, first, second):
        assert reader.read(message) == parse_request(message, templates)


@pytest.mark.parametrize("missing", ["call-id", "from-tag", "sdp"])
def test_what_a_message_lacks_is_missed_although_the_one_before_had_it(missing: str):
    reader = RequestReader()
    reader.read(OFFER)
    for lacking in ({key: value for key, value in OFFER.items() if key != missing}, OFFER | {missing: ""}):
        with pytest.raises(NgError):
            reader.read(lacking)


def test_a_proxys_calls_are_read_once(monkeypatch: pytest.MonkeyPatch):
    reader = RequestReader()
    reader.read(OFFER)
    monkeypatch.setattr(remembered, "parse_request", None)
    for number in range(3):
        request = reader.read(OFFER | {"call-id": str(number)})
        assert request == parse_request(OFFER | {"call-id": str(number)})


def test_memory_is_bounded():
    reader = RequestReader()
    for number in range(3 * remembered.MOST):
        reader.read(OFFER | {"flags": [f"unknown-{number}"]})
    reader.read(OFFER | {"flags": ["x" * remembered.LONGEST]})
    assert 0 < len(reader._known) <= remembered.MOST
    assert all(len(said) <= remembered.LONGEST for _, said in reader._known)
