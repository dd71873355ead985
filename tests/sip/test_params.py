"""Lists, quotes and parameters."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boringsdp.errors import SipError
from boringsdp.sip.limits import MAX_SECONDS
from boringsdp.sip.params import (
    end_of_quotes,
    params_text,
    parse_number,
    parse_params,
    parse_seconds,
    quote,
    split_list,
    unquote,
)

TEXT = st.text(st.characters(exclude_characters="\r\n"))
TOKEN = st.text("abcXYZ019-.!%*_+`'~", min_size=1)


@given(TEXT)
def test_quotes_come_off_again(text: str) -> None:
    quoted = quote(text)
    assert unquote(quoted) == text
    assert end_of_quotes(quoted + '";"', 0) == len(quoted)
    assert split_list(f"{quoted}, {quoted}") == [quoted, quoted]


@given(st.dictionaries(TOKEN.map(str.lower), st.none() | TOKEN | TEXT.map(quote), max_size=20))
def test_parameters_come_back(params: dict[str, str | None]) -> None:
    assert parse_params(params_text(params)) == params
    spaced = "".join(f" ; {name}" + ("" if value is None else f"\t= {value}") for name, value in params.items())
    assert parse_params(spaced) == params


@given(st.text())
def test_anything_is_read_or_refused(text: str) -> None:
    for read in (parse_params, split_list, lambda text: parse_number(text, 255), parse_seconds):
        with suppress(SipError):
            read(text)


@given(st.lists(TOKEN, min_size=1, max_size=100), st.sampled_from([",", " , ", ",\t"]))
def test_lists_come_apart(values: list[str], comma: str) -> None:
    assert split_list(comma.join(values)) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", []),
        ("  ", []),
        ("a", ["a"]),
        (' "a,b" <c,d> , e ', ['"a,b" <c,d>', "e"]),
        ('<a"b>,c', ['<a"b>', "c"]),
        ('"\\",", x', ['"\\","', "x"]),
    ],
)
def test_lists(text: str, values: list[str]) -> None:
    assert split_list(text) == values


@pytest.mark.parametrize("text", [",", "a,", ",a", "a,,b", '"a, b', "<a, b", '"a\\", b', " , "])
def test_broken_lists(text: str) -> None:
    with pytest.raises(SipError):
        split_list(text)


def test_numbers() -> None:
    assert [parse_number(text, 255) for text in ("0", "255", "00255", "0" * 99)] == [0, 255, 255, 0]
    assert [parse_seconds(text) for text in ("60", "9" * 11, "9" * 99, "0" * 50 + "7")] == [60, MAX_SECONDS, MAX_SECONDS, 7]
    for text in ("", "-1", "256", "9" * 99, "²", "1 ", "0x1"):
        with pytest.raises(SipError):
            parse_number(text, 255)


@pytest.mark.parametrize("text", [";a=1;", ";a=1; ", ";;a=1", ";a=1;;b", " ;\ta = 1 ; ;b"])
def test_one_semicolon_too_many_does_no_harm(text: str) -> None:
    assert parse_params(text)["a"] == "1"
    for worse in (text + ";;", text + ";=1", text + ";;=1"):
        with pytest.raises(SipError):
            parse_params(worse)
