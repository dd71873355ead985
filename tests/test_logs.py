"""Log lines: constant texts, facts as fields, no secrets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from boringsdp import logs
from boringsdp.errors import SdpError, without_keys


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    logger = logging.getLogger(logs.ROOT)
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.level, logger.propagate = before[0], before[1], before[2]


def lines(style: str, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.setup(level, style, stream)
    return stream


def test_bound_fields_are_on_every_line():
    stream = lines("text")
    log = logs.bind("call", call="4f").bind(leg="caller")
    log.info("answered", extra={"codec": "opus", "reason": "two words"})
    line = stream.getvalue()
    assert line.endswith('INFO    call: answered call=4f leg=caller codec=opus reason="two words"\n')


def test_json_lines_can_be_read():
    stream = lines("json")
    logs.bind(call="4f").warning("slow", extra={"lost": 7})
    record = json.loads(stream.getvalue())
    assert (record["level"], record["text"], record["call"], record["lost"]) == ("warning", "slow", "4f", 7)
    assert record["at"].endswith("+00:00")


@pytest.mark.parametrize("style", ["text", "json"])
def test_secrets_are_masked_wherever_they_stand(style: str):
    stream = lines(style)
    logs.bind(password="alpha").info("seen", extra={"token": "beta", "request": {"apisecret": "gamma", "janus": "create"}})
    assert not any(secret in stream.getvalue() for secret in ("alpha", "beta", "gamma"))
    assert "create" in stream.getvalue()


@pytest.mark.parametrize("style", ["text", "json"])
def test_nobody_can_forge_a_line(style: str):
    stream = lines(style)
    logs.bind().info("refused", extra={"reason": "a\n12:00:00.000 ERROR   forged"})
    assert len(stream.getvalue().splitlines()) == 1


def test_the_level_decides_and_exceptions_are_shown():
    stream = lines("text", "warning")
    log = logs.bind()
    log.info("not shown")
    try:
        raise ValueError("why")
    except ValueError:
        log.exception("failed")
    assert "not shown" not in stream.getvalue()
    assert "ValueError: why" in stream.getvalue()


def test_sdp_is_shown_without_its_keys():
    crypto = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0|2^20|1:4\r\n"
    shown = crypto + "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\nk=clear:secret\r\na=mid:0\r\n"
    masked = without_keys(shown)
    assert "secret" not in masked
    assert "c2VjcmV0" not in masked
    assert masked.splitlines()[1::3] == ["a=ice-ufrag:abcd", "a=mid:0"]
    error = SdpError("control character inside the line", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\0", 7)
    assert "c2VjcmV0" not in str(error)
    assert "line 7" in str(error)
