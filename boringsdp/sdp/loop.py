"""The mark by which a gateway knows a text of its own when it comes back."""

from __future__ import annotations

from boringsdp.sdp.description import Description

LOOP_ATTRIBUTE = "boringsdp"


def loop_marks(description: Description) -> frozenset[str]:
    """
    Return the marks that gateways have left in a text: the values of its `a=boringsdp:` session attributes.

    A text with a mark of one's own has been translated already and must not be again. What is no mark (twelve hex digits) is left out.
    """
    prefix = f"a={LOOP_ATTRIBUTE}:"
    values = [line[len(prefix) :].strip() for line in description.others if line.startswith(prefix)]
    return frozenset(value for value in values if len(value) == 12 and all(digit in "0123456789abcdef" for digit in value))
