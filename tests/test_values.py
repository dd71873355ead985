"""Values made in C must not differ from frozen dataclasses for those who use them."""

import dataclasses
import gc

import pytest

from boringsdp.relay import RouteRules
from boringsdp.sdp import Crypto, Description, describe
from boringsdp.values import Value, field, replace


class Place(Value, frozen=True, kw_only=True):
    HIDDEN = frozenset({"key"})

    name: str
    key: str = ""
    more: dict[str, int] = field(default_factory=dict)


def test_a_value_compares_by_what_it_holds_and_does_not_change():
    place = Place(name="a", key="secret")
    assert place == Place(name="a", key="secret") != Place(name="a")
    assert place != ("a", "secret", {})
    assert replace(place, name="b") == Place(name="b", key="secret")
    with pytest.raises(AttributeError):
        place.name = "b"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Place()  # type: ignore[call-arg]


def test_defaults_are_not_shared():
    assert Place(name="a").more is not Place(name="a").more


def test_dataclasses_tells_of_it():
    fields = dataclasses.fields(Place)
    assert [each.name for each in fields] == ["name", "key", "more"]
    assert fields[0].default is dataclasses.MISSING
    assert fields[1].default == ""
    assert fields[2].default_factory is dict
    assert dataclasses.is_dataclass(Place(name="a"))
    assert dataclasses.replace(Place(name="a"), key="b") == Place(name="a", key="b")
    assert dataclasses.asdict(Place(name="a")) == {"name": "a", "key": "", "more": {}}


def test_what_is_hidden_is_not_shown():
    assert repr(Place(name="a", key="secret")) == "Place(name='a', more={})"
    assert "secret" not in repr(Crypto(1, "AES_CM_128_HMAC_SHA1_80", b"secret", b"secret"))
    sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n"
    assert isinstance(found := describe(sdp), Description)
    assert found.medias[0].password == "secret"
    assert "secret" not in repr(found)


def test_the_collector_does_not_look_at_values():
    assert not gc.is_tracked(RouteRules(payload_types={0: 8}))
