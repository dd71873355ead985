"""Everything that an NG message says, from whichever place it says it: keys, flags, prefixed flags, the flag string, templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boringsdp.ng.flag_string import parse_flag_string
from boringsdp.ng.values import host_of, members_of, number_of, spelled, text_of, words_of
from boringsdp.ng.vocabulary import (
    CODEC_LISTS,
    FLAG_SYNONYMS,
    FLAGS,
    KEPT_FLAGS,
    KEYS,
    PREFIXES,
    QUIET_KEYS,
    RECORDING,
    RECORDING_WARNING,
    SYNONYMS,
    UNAVAILABLE,
    VIA_BRANCH_CHOICES,
    WHOLE_WORDS,
    WITHOUT_EFFECT,
    Kind,
)

MAX_NOTES = 32
"""Ignored words and warnings that are remembered for one message."""
LONGEST_NOTE = 64

_EDITS = ("add", "remove", "substitute")


class Gathered:
    """What a message says, sorted by canonical key. Filled by `take`; the later of two values counts, lists add up."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.words: dict[str, list[str]] = {}
        self.flags: set[str] = set()
        self.codecs: dict[str, list[str]] = {}
        self.extmaps: dict[str, list[str]] = {}
        self.edits: dict[str, dict[str, list[Any]]] = {}
        self.protocol_words: list[str] = []
        self.ignored: dict[str, None] = {}
        self.warnings: dict[str, None] = {}
        self._depth = 0

    # --- reading what was gathered -----------------------------------------------------------------------------------------------------

    def text(self, key: str) -> str:
        """A key's value as text, empty when not given."""
        value = self.values.get(key)
        return "" if value is None else text_of(value)

    def number(self, key: str) -> int | None:
        """A key's value as a whole number; None when not given or not a number, which is then warned of."""
        value = self.values.get(key)
        if value is None:
            return None
        number = number_of(value)
        if number is None:
            self.unknown(f"{key}={text_of(value)}")
        return number

    def host(self, key: str) -> str:
        """The numeric address in a key's value, empty when there is none, which is then warned of."""
        value = self.values.get(key)
        if value is None:
            return ""
        host = host_of(value)
        if not host:
            self.unknown(f"{key}={text_of(value)}")
        return host

    def choice(self, key: str, *allowed: str) -> str:
        """A key's value when it is one of `allowed`, else empty and warned of."""
        text = self.text(key)
        if text and text not in allowed:
            self.unknown(f"{key}={text}")
            return ""
        return text

    def choices(self, key: str, allowed: frozenset[str]) -> frozenset[str]:
        """The words of a key that are among `allowed` (compared as spelled); the others are warned of."""
        if key not in self.words:
            return frozenset()
        found: set[str] = set()
        for word in self.words[key]:
            if spelled(word) in allowed:
                found.add(spelled(word))
            else:
                self.unknown(f"{key}-{word}")
        return frozenset(found)

    def ignore(self, word: str) -> None:
        """Note a word that does nothing."""
        if len(self.ignored) < MAX_NOTES:
            self.ignored[word[:LONGEST_NOTE]] = None

    def unknown(self, word: str) -> None:
        """Note a value that a known key does not have: a slip of the pen, which its writer should hear of."""
        self.ignore(word)
        self.warn(f"{word[:LONGEST_NOTE]} is not known")

    def warn(self, warning: str) -> None:
        """Note what was asked and cannot be had."""
        if len(self.warnings) < MAX_NOTES:
            self.warnings[warning[: 2 * LONGEST_NOTE]] = None

    # --- gathering ---------------------------------------------------------------------------------------------------------------------

    def take_message(self, message: Mapping[str, Any]) -> None:
        """Take every entry of a dictionary."""
        for key, value in message.items():
            if isinstance(key, str):
                self.take(key, value)

    def take_string(self, flags: str) -> None:
        """Take a flag string (`rtpp-flags`, a template)."""
        if self._depth > 1:  # a flag string names a flag string in a flag string
            return self.ignore("rtpp-flags")
        self._depth += 1
        for key, value in parse_flag_string(flags):
            if value is None:
                self.take_flag(key)
            elif spelled(key) == "via-branch" and text_of(value) in VIA_BRANCH_CHOICES:
                pass  # told to the proxy's module, which sends the branch itself beside the string
            elif key:
                if spelled(key) == "from-tag":  # named on purpose, where a proxy sends one with every message
                    self.flags.add("directional")
                self.take(key, value, in_string=True)
        self._depth -= 1
        return None

    def take(self, key: str, value: Any, *, in_string: bool = False) -> None:
        """Take a key and its value. Of keys in a flag string those count as flags that are flags only."""
        if value is None:
            return
        name = spelled(key)
        name = SYNONYMS.get(name, name)
        if name == "flags":
            self._take_flags(value)
        elif name == "rtpp-flags":
            self.take_string(text_of(value))
        elif (kind := KEYS.get(name)) is not None:
            self._take_known(name, kind, value)
        elif not self._take_prefixed_list(name, value):
            self._take_other(name, value, in_string)

    def _take_known(self, name: str, kind: Kind, value: Any) -> None:
        if kind is Kind.VALUE:
            self.values[name] = value
        elif kind is Kind.WORDS:
            self._take_words(name, value)
        elif name == "codec":
            self._take_codec(value)
        elif name == "extmap":
            for each, uris in members_of(value):
                self.extmaps.setdefault(spelled(each), []).extend(words_of(uris))
        else:
            self._take_edits(value)

    def _take_words(self, name: str, value: Any) -> None:
        words = words_of(value)
        if isinstance(value, str) and (name == "supports" or (name == "replace" and " " in value)):
            words = _phrases(words)
        self.words.setdefault(name, []).extend(words)

    def _take_flags(self, value: Any) -> None:
        if isinstance(value, str):
            if spelled(value) in FLAGS:
                self.take_flag(value)
            else:
                self.take_string(value)
            return
        for word in words_of(value):
            self.take_flag(word)

    def _take_prefixed_list(self, name: str, value: Any) -> bool:
        """Take `codec-strip=…`, `transcode=…`, `extmap-strip=…`; False when the key is none of these."""
        which = name.removeprefix("codec-")
        if (name.startswith("codec-") or name == "transcode") and which in CODEC_LISTS:
            self.codecs.setdefault(CODEC_LISTS[which], []).extend(_unescaped(word) for word in words_of(value))
            return True
        if name in {"extmap-strip", "extmap-mask"}:
            self.extmaps.setdefault(name[7:], []).extend(words_of(value))
            return True
        return False

    def _take_other(self, name: str, value: Any, in_string: bool) -> None:
        """Take a key that is no key of ours: a flag with a value, a prefixed flag that has `=` in it, or something to pass over."""
        text = text_of(value)
        if name in RECORDING:
            if text not in {"no", "off", "0", ""}:
                self.warn(RECORDING_WARNING)
        elif name in UNAVAILABLE:
            if text not in {"off", "no", "default", "0"} and not (name == "drop-traffic" and text == "stop"):
                self.warn(UNAVAILABLE[name])
        elif FLAG_SYNONYMS.get(name, name) in FLAGS | KEPT_FLAGS:
            if text.lower() not in {"no", "off", "0", "false"}:
                self.take_flag(name)
            elif name in KEPT_FLAGS:
                self.ignore(name)  # what we do anyway cannot be turned off
        elif in_string and any(name.startswith(prefix) for prefix, _ in PREFIXES + _NESTED_PREFIXES):
            self.take_flag(f"{name}={text}")
        elif name not in QUIET_KEYS:
            self.ignore(name)

    def take_flag(self, word: str) -> None:
        """Take one flag in any of its spellings."""
        name = spelled(word)
        name = FLAG_SYNONYMS.get(name, name)
        if name in FLAGS:
            self.flags.add(name)
        elif name in KEPT_FLAGS or not name:
            pass
        elif name in RECORDING:
            self.warn(RECORDING_WARNING)
        elif name in UNAVAILABLE:
            self.warn(UNAVAILABLE[name])
        elif name in WITHOUT_EFFECT:
            self.ignore(name)
        elif name in WHOLE_WORDS:
            self.take(*WHOLE_WORDS[name])
        elif name in PROTOCOL_WORDS:
            self.protocol_words.append(name)
        elif not self._take_prefixed(word.strip(), name):
            key, equals, value = word.partition("=")
            if equals and SYNONYMS.get(spelled(key), spelled(key)) in KEYS:
                self.take(key, value)
            else:
                self.ignore(name)

    def _take_prefixed(self, word: str, name: str) -> bool:
        """Take `SDES-off`, `codec-strip-PCMA`, `sdp-attr-add-audio-x:y` and the like; `name` is `word` as spelled, of the same length."""
        for prefix in ("codec-transcode-", "transcode-"):
            if name.startswith(prefix):
                self.codecs.setdefault("transcode", []).append(_unescaped(word[len(prefix) :]))
                return True
        if name.startswith("codec-"):
            which, _, codec = word[6:].partition("-")
            if which in CODEC_LISTS and codec:
                self.codecs.setdefault(CODEC_LISTS[which], []).append(_unescaped(codec))
                return True
            return False
        for prefix in ("extmap-strip-", "extmap-mask-"):
            if name.startswith(prefix):
                self.extmaps.setdefault(prefix[7:-1], []).append(word[len(prefix) :])
                return True
        if name.startswith("sdp-attr-"):
            return self._take_edit_flag(word[9:])
        for prefix, key in PREFIXES:
            if name.startswith(prefix) and len(word) > len(prefix):
                self.take(key, word[len(prefix) :])
                return True
        return False

    # --- nested keys -------------------------------------------------------------------------------------------------------------------

    def _take_codec(self, value: Any) -> None:
        if isinstance(value, Mapping):
            for each, names in members_of(value):
                if not self._take_prefixed_list(f"codec-{spelled(each)}", names):
                    self.ignore(f"codec-{each}")
            return
        for word in words_of(value):
            self.take_flag(f"codec-{word}")

    def _take_edits(self, value: Any) -> None:
        for section, commands in members_of(value):
            for command, lines in members_of(commands):
                if command in _EDITS:
                    self._edit(section, command, _pairs(lines) if command == "substitute" else [*_lines(lines)])
                else:
                    self.ignore(f"sdp-attr-{command}")

    def _take_edit_flag(self, word: str) -> bool:
        """Take `add-audio-ptime:20` or `substitute-none-a>b`: two dashes stand for `=`, two full stops for a space."""
        command, _, rest = word.partition("-")
        section, _, line = rest.partition("-")
        if command not in _EDITS or not line:
            return False
        text = _unescaped(line).replace("..", " ")
        if command == "substitute":
            before, arrow, after = text.partition(">")
            if not arrow:
                return False
            self._edit(section, command, [(before, after)])
        else:
            self._edit(section, command, [text])
        return True

    def _edit(self, section: str, command: str, lines: list[Any]) -> None:
        self.edits.setdefault("none" if section == "global" else section, {}).setdefault(command, []).extend(lines)


PROTOCOL_WORDS = frozenset({
    "RTP", "SRTP", "AVP", "AVPF", "SAVP", "SAVPF", "DTLS", "UDPTL", "RTP/AVP", "RTP/AVPF", "RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVP",
    "UDP/TLS/RTP/SAVPF",
})  # fmt: skip
"""Flags that name the transport protocol, or say one thing about it."""

_NESTED_PREFIXES = (("codec-", ""), ("transcode-", ""), ("sdp-attr-", ""))


def _unescaped(word: str) -> str:
    """In a flag `=` may be written as two dashes, where it would be read as key and value otherwise."""
    return word.replace("--", "=")


def _phrases(words: list[str]) -> list[str]:
    """Words of a list that was given as one string, with the two-word members put together again."""
    whole = [" ".join(words)] if len(words) > 1 else []
    known = {"session connection", "SDP version", "zero address", "session name", "load limit"}
    if whole and whole[0] in known:
        return whole
    result: list[str] = []
    for word in words:
        if result and f"{result[-1]} {word}" in known:
            result[-1] = f"{result[-1]} {word}"
        else:
            result.append(word)
    return result


def _lines(value: Any) -> list[str]:
    """Attribute lines: a string is one line although it has spaces."""
    return [value] if isinstance(value, str) else words_of(value)


def _pairs(value: Any) -> list[tuple[str, str]]:
    """Substitutions: `[from, to]`, a list of such pairs, or a dictionary."""
    if isinstance(value, Mapping):
        return [(key, text_of(each)) for key, each in members_of(value)]
    if not isinstance(value, list | tuple):
        return []
    if any(isinstance(each, list | tuple) for each in value):
        return [(text_of(each[0]), text_of(each[1])) for each in value if isinstance(each, list | tuple) and len(each) >= 2]
    texts = words_of(value)
    return [(texts[0], texts[1])] if len(texts) >= 2 else []
