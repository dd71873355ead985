"""SDP for people and tools: the JSON shape of sdp-transform, and a difference of two texts."""

from __future__ import annotations

from boringsdp.sdp.description import Description, describe


def to_json(text: str) -> dict[str, object]:
    """
    Return the SDP in the JSON shape of sdp-transform, which the JavaScript world knows. For showing, never for the wire: it loses lines.

    Raises `SdpError` for what is no SDP, and `ConfigError` when the extra `boringsdp[json]` is not installed.
    """
    raise NotImplementedError


def difference(before: str, after: str) -> list[str]:
    """Return a line-wise difference for people, section by section: lines begin with `- `, `+ ` or two spaces."""
    raise NotImplementedError


_ = (Description, describe)
