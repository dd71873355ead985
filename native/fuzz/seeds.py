"""Writes the first inputs of every target: whole packets for those that read octets, and long lists of acts for the others."""

from __future__ import annotations

import random
import sys
from pathlib import Path

ACTS = ("stun", "srtp", "plane", "snapshot")
RTP = (
    "800000640000138800001234" + "ff" * 20,
    "b1e0ffff000013880000123400000009bede00021061223330000000ff00ff00000003",
    "906f00010000000000001234100000020105aabbccddee00" + "00" * 8,
)


def write_seeds(corpus: Path) -> None:
    rng = random.Random(1)
    seeds = {"rtp": [bytes.fromhex(text) for text in RTP]}
    for target in ACTS:
        seeds[target] = [rng.randbytes(length) for length in (20, 200, 1000, 3000)]
    for target, inputs in seeds.items():
        folder = corpus / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (folder / f"seed-{number}").write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
