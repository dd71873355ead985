"""SDP for people and tools: the JSON shape of sdp-transform, and a difference of two texts."""

from __future__ import annotations

import difflib
from typing import Any

from boringsdp.errors import ConfigError, SdpError
from boringsdp.sdp.lines import SessionDescription


def to_json(text: str) -> dict[str, Any]:
    """
    Return the SDP in the JSON shape of sdp-transform, which the JavaScript world knows. For showing, never for the wire: it loses lines.

    Raises `SdpError` for what is no SDP or beyond that library, and `ConfigError` when the extra `boringsdp[json]` is not installed.
    """
    SessionDescription.parse(text)
    try:
        import sdp_transform
    except ImportError:
        raise ConfigError("json", "needs the extra: pip install 'boringsdp[json]'") from None
    try:
        return dict(sdp_transform.parse(text))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise SdpError(f"sdp-transform cannot read it: {error!r}") from error


def difference(before: str, after: str) -> list[str]:
    """
    Return a line-wise difference for people: lines begin with `- `, `+ ` or two spaces.

    Sections are compared with their counterparts (session with session, first m-line with first m-line, …). Raises `SdpError`.
    """
    old, new = SessionDescription.parse(before), SessionDescription.parse(after)
    result = []
    olds, news = [old.session, *old.medias], [new.session, *new.medias]
    for position in range(max(len(olds), len(news))):
        left = [line for line in olds[position] if line] if position < len(olds) else []
        right = [line for line in news[position] if line] if position < len(news) else []
        matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
        for what, i, j, k, m in matcher.get_opcodes():
            if what == "equal":
                result += [f"  {line}" for line in left[i:j]]
            else:
                result += [f"- {line}" for line in left[i:j]] + [f"+ {line}" for line in right[k:m]]
    return result
