"""The command line: `boringsdp serve | demo | translate | check-config | ng-send`."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from boringsdp import __version__, config, translate
from boringsdp.errors import ConfigError, NgError, PeerTimeout, SdpError

OK, FAILED, BAD_CONFIG = 0, 1, 2

_FLAG = re.compile(r"--([a-z0-9]+\.[a-z0-9_]+)(?:=(.*))?", re.DOTALL)

_EPILOG = """\
Every key of the configuration is a flag as well, --section.key=value, and an environment variable, BORINGSDP_SECTION_KEY.
A list is written a,b and a table a=b,c=d (--webrtc.advertised=10.0.0.5=203.0.113.9), or either as in TOML.
Flags win over the environment, the environment over the file. `boringsdp check-config --example` prints an annotated file.

examples:
  boringsdp demo                                              try it: prints the address of a page to open
  boringsdp serve --config boringsdp.toml --log.level=debug
  boringsdp translate --to RTP/AVP < offer.sdp                what a telephone would be offered
  boringsdp ng-send ping                                      whether the NG port answers
"""

_NG_EPILOG = """\
A KEY=VALUE is sent as it stands; a VALUE that begins with [ or { is read as JSON. The SDP of the reply goes to standard output, what else
the reply says to standard error; a reply without SDP is printed as JSON. Exit status 1: an error, or no reply.

examples:
  boringsdp ng-send ping
  boringsdp ng-send list limit=5
  boringsdp ng-send offer call-id=1 from-tag=a --flags "RTP/AVP ICE=remove" < webrtc-offer.sdp > offer.sdp
  boringsdp ng-send answer call-id=1 from-tag=a to-tag=b < answer.sdp
  boringsdp ng-send query call-id=1 --to 192.0.2.1:2223 --tcp
  boringsdp ng-send delete call-id=1 "delete delay=0"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 good, 1 failed, 2 bad usage or configuration."""
    flags, rest = _take_flags(list(sys.argv[1:] if arguments is None else arguments))
    options = _parse(rest)
    try:
        if options.command == "translate":
            return _translate(options)
        if options.command == "ng-send":
            return _ng_send(options)
        return _with_config(options, flags)
    except config.ConfigErrors as error:
        for complaint in error.complaints:
            print(f"boringsdp: {complaint}", file=sys.stderr)
        return BAD_CONFIG
    except ConfigError as error:
        print(f"boringsdp: {error}", file=sys.stderr)
        return BAD_CONFIG
    except BrokenPipeError:
        return FAILED


def _parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line; keys of `ng-send` may stand anywhere among its options, which argparse does not do by itself."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if options.command == "ng-send" and not any(argument.startswith("-") for argument in more):
        try:
            options.keys += map(_pair, more)
        except argparse.ArgumentTypeError as error:
            parser.error(str(error))
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    return options


def _with_config(options: argparse.Namespace, flags: dict[str, str]) -> int:
    if options.command == "check-config" and options.example:
        print(config.example(_plugins()), end="")
        return OK
    if getattr(options, "engine", None):
        flags["engine.kind"] = options.engine
    named = options.config or getattr(options, "file", None) or os.environ.get(config.FILE_VARIABLE)
    loaded = config.load(Path(named) if named else None, os.environ, flags, _plugins())
    _find_policy(loaded.config, Path(named) if named else None)
    if options.command == "check-config":
        print(config.effective(loaded), end="")
        return OK
    from boringsdp import app  # translate and check-config start without the network parts

    return app.run(loaded, demo=options.command == "demo")


def _find_policy(loaded: config.Config, file: Path | None) -> None:
    """Let the policy of web phones lie beside the configuration file. Raises ConfigError when it is not to be found anywhere."""
    if not (loaded.b2bua.enabled and loaded.b2bua.routing):
        return
    from boringsdp.b2bua.policy import find_policy

    if file is not None:
        sys.path.append(str(file.resolve().parent))  # last: no file there takes the place of a library
    find_policy(loaded.b2bua.routing)


def _plugins() -> config.PluginKinds:
    from boringsdp.janus_api.plugins import plugin_settings  # translate and ng-send start without plugins

    return plugin_settings()


def _translate(options: argparse.Namespace) -> int:
    try:
        text = sys.stdin.buffer.read() if options.file in (None, "-") else Path(options.file).read_bytes()
    except OSError as error:
        print(f"boringsdp translate: {options.file}: {error.strerror or error}", file=sys.stderr)
        return FAILED
    try:
        result = translate.translate(text, to=options.to, sdes=options.sdes, prefer=options.prefer, remove=options.remove)
        shown = translate.show(result, options.output)
    except SdpError as error:
        print(f"boringsdp translate: {_visible(str(error))}", file=sys.stderr)
        return FAILED
    for note in result.notes:
        print(f"boringsdp translate: note: {_visible(note)}", file=sys.stderr)
    sys.stdout.buffer.write(shown.encode())
    sys.stdout.flush()
    return OK


def _ng_send(options: argparse.Namespace) -> int:
    from boringsdp.listening import joined
    from boringsdp.ng.client import exchange
    from boringsdp.ng.message import Format

    request: dict[str, Any] = {"command": options.ng_command, **dict(options.keys)}
    if options.flags is not None:
        request["rtpp-flags"] = options.flags
    about = options.sdp or "-"
    try:
        if options.sdp is not None or (options.ng_command in ("offer", "answer") and "sdp" not in request):
            data = sys.stdin.buffer.read() if about == "-" else Path(about).read_bytes()
            request["sdp"] = data.decode("utf-8", "surrogateescape")
        about = joined(*options.to)
        form = Format.JSON if options.json else Format.BENCODE
        reply = exchange(options.to, request, tcp=options.tcp, form=form, timeout_s=options.timeout)
    except (OSError, NgError, PeerTimeout) as error:
        print(f"boringsdp ng-send: {_visible(f'{about}: {_why_not_sent(error)}')}", file=sys.stderr)
        return FAILED
    sdp = reply.pop("sdp", None)
    told = json.dumps(reply, indent=2)
    print(told, file=sys.stderr if isinstance(sdp, str) else sys.stdout)
    if isinstance(sdp, str):
        sys.stdout.buffer.write(sdp.encode("utf-8", "surrogateescape"))
    sys.stdout.flush()
    return FAILED if reply.get("result") == "error" else OK


def _why_not_sent(error: OSError | NgError | PeerTimeout) -> str:
    match error:
        case ConnectionRefusedError():
            return "nobody listens there; is `boringsdp serve` running, and is this its `ng.listen`?"
        case NgError():
            return f"what it sends is not NG: {error}"
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return str(error)


def _visible(text: str) -> str:
    """Return the text with what a terminal would obey, or could not show, escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def _take_flags(arguments: list[str]) -> tuple[dict[str, str], list[str]]:
    """Split `--section.key=value` and `--section.key value` from the other arguments."""
    flags: dict[str, str] = {}
    rest: list[str] = []
    while arguments:
        argument = arguments.pop(0)
        found = _FLAG.fullmatch(argument)
        if not found:
            rest.append(argument)
        elif found[2] is not None:
            flags[found[1]] = found[2]
        elif arguments and not arguments[0].startswith("--"):
            flags[found[1]] = arguments.pop(0)
        else:
            key = config.KEYS.get(found[1])
            flags[found[1]] = "true" if key is not None and key.type is bool else ""
    return flags, rest


class _Parser(argparse.ArgumentParser):
    """Says which keys a flag without its section may have meant."""

    def error(self, message: str) -> NoReturn:
        words = re.findall(r"--([a-z_-]+)", message) if message.startswith("unrecognized") else []
        names = [word.replace("-", "_") for word in words]
        near = [key.dotted for name in names for key in config.KEYS.values() if f"_{key.name}".endswith(f"_{name}")]
        super().error(message + (f"; did you mean --{' or --'.join(near)}?" if near else ""))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="boringsdp",
        description="A media gateway between WebRTC and SIP: translates the SDP, relays the media.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"boringsdp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the gateway", epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    demo = commands.add_parser(
        "demo",
        help="run the gateway, an echo peer and a page to call it from",
        description="Run the gateway with a plain RTP echo peer and a page that calls it. Needs no configuration; listens on this machine.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check = commands.add_parser("check-config", help="print the configuration in effect, secrets masked, or every complaint")
    check.add_argument("file", nargs="?", help="TOML file (also --config, or BORINGSDP_CONFIG)")
    check.add_argument("--example", action="store_true", help="print an annotated file with every key and its default")
    for command in (serve, demo, check):
        command.add_argument("-c", "--config", metavar="FILE", help="TOML file; also by BORINGSDP_CONFIG")
    for command in (serve, demo, check):
        command.add_argument("--engine", metavar="auto|asyncio|native", help="what moves the packets, short for --engine.kind")
    _add_translate(commands)
    _add_ng_send(commands)
    return parser


def _add_ng_send(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "ng-send",
        help="send one NG command to a running gateway, or to rtpengine, and print the reply",
        epilog=_NG_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("ng_command", metavar="COMMAND", help='ping, offer, answer, delete, query, list, statistics, "block media", ...')
    command.add_argument("keys", nargs="*", type=_pair, metavar="KEY=VALUE", help="further keys of the request, such as call-id=1")
    command.add_argument("--flags", metavar="TEXT", help="a flag string as in Kamailio's rtpengine_offer(), sent as rtpp-flags")
    command.add_argument("--sdp", metavar="FILE", help="file with the SDP, - for standard input; offer and answer read that by default")
    command.add_argument("--to", type=_host_and_port, default=("127.0.0.1", 2223), metavar="HOST:PORT", help="default: 127.0.0.1:2223")
    command.add_argument("--tcp", action="store_true", help="over TCP instead of UDP")
    command.add_argument("--json", action="store_true", help="in JSON instead of bencode")
    command.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="how long to wait, repeating over UDP (default: 5)")


def _pair(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise argparse.ArgumentTypeError(f"wanted KEY=VALUE, not {text!r}")
    try:
        return key, json.loads(value) if value[:1] in ("[", "{") else value
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{key}: not JSON: {error}") from error


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"wanted HOST:PORT, not {text!r}")
    return host.strip("[]"), int(port)


def _add_translate(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = commands.add_parser(
        "translate",
        help="translate an SDP from standard input to its counterpart",
        description="Translate an offer from WebRTC to plain RTP or back, as the gateway would, with invented addresses and keys.",
    )
    command.add_argument("file", nargs="?", help="file with the SDP; standard input without it")
    command.add_argument(
        "--to",
        type=str.lower,
        choices=("webrtc", "rtp/avp", "rtp/avpf", "rtp/savp", "rtp/savpf"),
        help="what the other side speaks; by default RTP/AVP for a WebRTC SDP and WebRTC for any other; rtp/savp and rtp/savpf imply SDES",
    )
    command.add_argument(
        "--sdes", choices=("off", "optional", "mandatory"), default="off", help="SRTP keys in the plain SDP (default: off)"
    )
    command.add_argument("--prefer", type=_names, default=(), metavar="CODECS", help="codecs to put first, e.g. PCMU,opus")
    command.add_argument("--remove", type=_names, default=(), metavar="CODECS", help="codecs to leave out")
    shape = command.add_mutually_exclusive_group()
    shape.add_argument("--diff", dest="output", action="store_const", const="diff", help="what was translated, line by line (default)")
    shape.add_argument("--sdp", dest="output", action="store_const", const="sdp", help="only the translated SDP")
    shape.add_argument("--json", dest="output", action="store_const", const="json", help="both as JSON, in the shape of sdp-transform")
    command.set_defaults(output="diff")


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
