"""What the SIP programs and ffmpeg are asked to do for a capture."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.interop.sip_sink import Sink, open_sink
from tests.support.processes import end

OFFER = (
    "v=0\r\no=gateway 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40000 RTP/AVP 0 8 9 96 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)
SDES_OFFER = OFFER.replace("RTP/AVP", "RTP/SAVP") + (
    "a=crypto:1 AEAD_AES_256_GCM inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWZzYWx0c2FsdHNhbHQ=\r\n"
    "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk\r\n"
)
ANSWER = (
    "v=0\r\no=sink 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 40002 RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\na=sendrecv\r\n"
)


def program(name: str) -> str:
    """The path of an installed program. Raises FileNotFoundError."""
    found = shutil.which(name) or shutil.which(name, path="/usr/games:/usr/local/bin")
    if found is None:
        raise FileNotFoundError(name)
    return found


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def running(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program that is stopped at the end."""
    options = {"stdin": asyncio.subprocess.DEVNULL, "stdout": asyncio.subprocess.DEVNULL, "stderr": asyncio.subprocess.DEVNULL, **options}
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield process
    finally:
        await end(process, 5)


# --- baresip ---------------------------------------------------------------------------------------------------------------

BARESIP_MODULES = (
    *("account", "menu", "ctrl_tcp", "stun", "turn", "ice", "srtp", "dtls_srtp"),
    *("g711", "g722", "opus", "ausine", "aufile", "uuid"),
)


def baresip_config(folder: Path, sip_port: int, control_port: int, account: str, *, video: bool = False) -> None:
    """Writes a configuration that needs no sound card."""
    modules = (*BARESIP_MODULES, "fakevideo", "vp8") if video else BARESIP_MODULES
    lines = "".join(f"module{'_app' if name in ('account', 'menu', 'ctrl_tcp') else ''} {name}.so\n" for name in modules)
    (folder / "config").write_text(
        f"module_path /usr/lib/baresip/modules\n{lines}sip_listen 127.0.0.1:{sip_port}\nctrl_tcp_listen 127.0.0.1:{control_port}\n"
        "audio_player aufile,/dev/null\naudio_source ausine,440\naudio_alert aufile,/dev/null\nausrc_channels 2\n"
        "video_source fakevideo,nil\nvideo_display fakevideo,nil\ncall_local_timeout 60\n"
        "rtp_ports 30000-31000\naudio_telev_pt 101\n"
    )
    (folder / "accounts").write_text(account + "\n")


async def baresip_command(port: int, command: str, params: str = "") -> None:
    """Sends one command to ctrl_tcp (JSON in netstrings)."""
    text = json.dumps({"command": command, "params": params})
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    else:
        raise TimeoutError("baresip does not listen")
    writer.write(f"{len(text)}:{text},".encode())
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.close()


async def _baresip_offer(parameters: str, *, video: bool = False, hold: bool = False) -> list[str]:
    bodies = []
    async with open_sink(ANSWER if hold else None) as sink:
        with tempfile.TemporaryDirectory() as name:
            control = free_port(socket.SOCK_STREAM)
            baresip_config(Path(name), free_port(), control, f"<sip:alice@127.0.0.1>;regint=0{parameters}", video=video)
            async with running(program("baresip"), "-4", "-f", name):
                await baresip_command(control, "dial", f"sip:bob@127.0.0.1:{sink.port}")
                bodies.append(await sink.next_body())
                for step in ("hold", "resume") if hold else ():
                    await asyncio.sleep(1)
                    await baresip_command(control, step)
                    bodies.append(await sink.next_body())
    return bodies


async def _baresip_answer(parameters: str, offer: str) -> str:
    async with open_sink() as sink:
        with tempfile.TemporaryDirectory() as name:
            sip, control = free_port(), free_port(socket.SOCK_STREAM)
            baresip_config(
                Path(name), sip, control, f"<sip:phone@127.0.0.1>;regint=0;answermode=auto;audio_codecs=opus/48000/2{parameters}"
            )
            async with running(program("baresip"), "-4", "-f", name):
                await asyncio.sleep(1)
                return await sink.invite(("127.0.0.1", sip), offer)


async def of_baresip() -> dict[str, str]:
    program("baresip")
    out: dict[str, str] = {}

    async def keep(*names: str, work: Any) -> None:
        try:
            got = await work
        except TimeoutError:
            print(f"baresip: nothing for {names}")
            return
        out.update(zip(names, [got] if isinstance(got, str) else got, strict=False))

    await keep("offer-hold-0", "offer-hold-1", "offer-hold-2", work=_baresip_offer("", hold=True))
    await keep("offer-plain", work=_baresip_offer(""))
    await keep("offer-sdes-optional", work=_baresip_offer(";mediaenc=srtp"))
    await keep("offer-sdes-mandatory", work=_baresip_offer(";mediaenc=srtp-mand"))
    await keep("offer-sdes-avpf", work=_baresip_offer(";mediaenc=srtp-mandf"))
    await keep("offer-dtls", work=_baresip_offer(";mediaenc=dtls_srtp"))
    await keep("offer-ice", work=_baresip_offer(";medianat=ice"))
    await keep("offer-rtcp-mux", work=_baresip_offer(";rtcp_mux=yes"))
    await keep("offer-dtls-ice", work=_baresip_offer(";mediaenc=dtls_srtp;medianat=ice;rtcp_mux=yes"))
    await keep("offer-video", work=_baresip_offer("", video=True))
    await keep("offer-pcma-ptime", work=_baresip_offer(";audio_codecs=pcma;ptime=30"))
    await keep("answer-plain", work=_baresip_answer("", OFFER))
    await keep("answer-sdes", work=_baresip_answer(";mediaenc=srtp-mand", SDES_OFFER))
    return out


# --- linphone --------------------------------------------------------------------------------------------------------------


async def _linphone_offer(sink: Sink, settings: str) -> str:
    with tempfile.TemporaryDirectory() as name:
        config = Path(name, "rc")
        config.write_text(f"[sip]\nsip_port={free_port()}\nuse_ipv6=0\n{settings}\n")
        Path(name, ".local/share/linphone").mkdir(parents=True)
        async with running(
            *(program("linphonec"), "-c", str(config)),
            stdin=asyncio.subprocess.PIPE,
            env={"HOME": name, "PATH": "/usr/bin:/bin", "TERM": "dumb"},
        ) as process:
            assert process.stdin is not None
            await asyncio.sleep(1.5)
            process.stdin.write(f"soundcard use files\ncall sip:bob@127.0.0.1:{sink.port}\n".encode())
            await process.stdin.drain()
            body = await sink.next_body()
            process.stdin.write(b"quit\n")
            return body


async def of_linphone() -> dict[str, str]:
    program("linphonec")
    cases = {
        "offer-plain": "media_encryption=none",
        "offer-sdes": "media_encryption=srtp\nmedia_encryption_mandatory=1",
        "offer-sdes-optional": "media_encryption=srtp\nmedia_encryption_mandatory=0",
        "offer-dtls": "media_encryption=dtls",
        "offer-ice": "media_encryption=none\n[net]\nfirewall_policy=3\nstun_server=127.0.0.1",
        "offer-avpf": "media_encryption=none\n[rtp]\navpf=1\nrtcp_mux=1",
        "offer-zrtp": "media_encryption=zrtp",
    }
    out = {}
    for case, settings in cases.items():
        async with open_sink() as sink:
            try:
                out[case] = await _linphone_offer(sink, settings)
            except TimeoutError:
                print(f"linphone: nothing for {case}")
    return out


# --- sipp, ffmpeg ----------------------------------------------------------------------------------------------------------


async def of_sipp() -> dict[str, str]:
    sipp = program("sipp")
    out = {}
    for scenario in ("uac", "uac_pcap"):
        async with open_sink() as sink:
            with tempfile.TemporaryDirectory() as name:
                async with running(sipp, "-sn", scenario, f"127.0.0.1:{sink.port}", "-m", "1", "-i", "127.0.0.1", "-nostdin", cwd=name):
                    with contextlib.suppress(TimeoutError):
                        out[f"offer-{scenario.replace('_', '-')}"] = await sink.next_body(5)
    async with open_sink() as sink:
        with tempfile.TemporaryDirectory() as name:
            port = free_port()
            async with running(sipp, "-sn", "uas", "-p", str(port), "-i", "127.0.0.1", "-nostdin", cwd=name):
                await asyncio.sleep(0.7)
                out["answer-uas"] = await sink.invite(("127.0.0.1", port), OFFER)
    return out


async def of_ffmpeg() -> dict[str, str]:
    ffmpeg = program("ffmpeg")
    audio = ("-f", "lavfi", "-i", "sine=440", "-t", "0.2")
    video = ("-f", "lavfi", "-i", "testsrc=size=160x120:rate=5", "-t", "0.4", "-pix_fmt", "yuv420p")
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk"
    cases = {
        "pcmu": (*audio, "-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw", "-f", "rtp", "rtp://127.0.0.1:40004"),
        "pcma-dynamic": (*audio, "-ar", "8000", "-c:a", "pcm_alaw", "-f", "rtp", "-payload_type", "97", "rtp://127.0.0.1:40004"),
        "g722": (*audio, "-ar", "16000", "-ac", "1", "-c:a", "g722", "-f", "rtp", "rtp://127.0.0.1:40004"),
        "opus": (*audio, "-ar", "48000", "-ac", "2", "-c:a", "libopus", "-f", "rtp", "rtp://127.0.0.1:40004"),
        "vp8": (*video, "-c:v", "libvpx", "-f", "rtp", "rtp://127.0.0.1:40004"),
        "h264": (*video, "-c:v", "libx264", "-profile:v", "baseline", "-f", "rtp", "rtp://127.0.0.1:40004"),
        "srtp": (
            *(*audio, "-ar", "8000", "-ac", "1", "-c:a", "pcm_mulaw", "-f", "rtp"),
            *("-srtp_out_suite", "AES_CM_128_HMAC_SHA1_80", "-srtp_out_params", key, "srtp://127.0.0.1:40004"),
        ),
    }
    out = {}
    for case, arguments in cases.items():
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "sdp")
            process = await asyncio.create_subprocess_exec(
                *(ffmpeg, "-nostdin", "-loglevel", "error", *arguments, "-sdp_file", str(path)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
            )
            await process.wait()
            out[case] = path.read_bytes().decode() if path.exists() else ""
    return out
