"""Malformed SIP messages at the parser and at every view: defects and SipError, and nothing else."""

from __future__ import annotations

import pytest

from tests.fuzz.campaign import cases, check_count, told
from tests.fuzz.sip_mutations import messages, mutate_sip
from tests.fuzz.sip_oracles import read_sip

pytestmark = pytest.mark.load


def test_sip_is_read_or_found_defect() -> None:
    for case in cases("sip-messages"):
        case.input = mutate_sip(case.rng, case.rng.choice(messages()))
        took = False
        with told(case):
            took = read_sip(case.input)
        case.count(took=took)
    check_count("sip-messages", least_taken=0.2, most_taken=0.8)
