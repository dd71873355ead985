"""What the browsers and aiortc are asked to do for a capture."""

from __future__ import annotations

FINGERPRINT = "a=fingerprint:sha-256 " + ":".join(f"{byte:02X}" for byte in range(32))


def gateway_offer(*medias: str) -> str:
    """A WebRTC offer as a gateway writes it: ice-lite, one candidate, few codecs."""
    head = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE " + " ".join(
        str(index) for index in range(len(medias))
    )
    common = (
        "c=IN IP4 192.0.2.1\r\na=mid:%d\r\na=sendrecv\r\na=rtcp-mux\r\na=ice-ufrag:gate\r\na=ice-pwd:gatewaygatewaygatewaygate\r\n"
        f"{FINGERPRINT}\r\na=setup:actpass\r\na=candidate:1 1 udp 2130706431 192.0.2.1 10000 typ host\r\na=end-of-candidates"
    )
    return "\r\n".join([head, *(f"{media}\r\n{common % index}" for index, media in enumerate(medias))]) + "\r\n"


PCMA = "m=audio 10000 UDP/TLS/RTP/SAVPF 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16"
OPUS = (
    "m=audio 10000 UDP/TLS/RTP/SAVPF 96 97\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    "a=rtpmap:97 telephone-event/48000\r\na=fmtp:97 0-16"
)
VP8 = "m=video 10000 UDP/TLS/RTP/SAVPF 98\r\na=rtpmap:98 VP8/90000\r\na=rtcp-fb:98 nack pli\r\na=rtcp-fb:98 ccm fir"

GATEWAY_OFFERS = {
    "pcma": gateway_offer(PCMA),
    "opus": gateway_offer(OPUS),
    "opus-vp8": gateway_offer(OPUS, VP8),
}

SCENARIOS = """async ({gateway}) => {
    const out = {};
    const context = new AudioContext();
    const canvas = document.createElement('canvas');
    canvas.getContext('2d').fillRect(0, 0, 10, 10);
    const sound = () => context.createMediaStreamDestination().stream;
    const picture = () => canvas.captureStream(5);
    const gathered = pc => new Promise(done => {
        const check = () => pc.iceGatheringState === 'complete' && done();
        pc.addEventListener('icegatheringstatechange', check);
        setTimeout(done, 5000);
        check();
    });
    const add = (pc, stream) => pc.addTrack(stream.getTracks()[0], stream);
    const offer = async (pc, name, options) => {
        const made = await pc.createOffer(options);
        if (name) out['offer-' + name + '-trickle'] = made.sdp;
        await pc.setLocalDescription(made);
        await gathered(pc);
        if (name) out['offer-' + name] = pc.localDescription.sdp;
        return pc.localDescription;
    };
    const answer = async (pc, remote, name) => {
        await pc.setRemoteDescription(remote);
        const made = await pc.createAnswer();
        await pc.setLocalDescription(made);
        await gathered(pc);
        if (name) out['answer-' + name] = pc.localDescription.sdp;
        return pc.localDescription;
    };
    const round = async (a, b, name, options) => {
        const first = await offer(a, name, options);
        await a.setRemoteDescription(await answer(b, first, name));
    };
    const pair = () => [new RTCPeerConnection(), new RTCPeerConnection()];

    let [a, b] = pair();
    const sender = add(a, sound());
    add(b, sound());
    await round(a, b, 'audio');
    const audio = a.getTransceivers()[0];
    audio.direction = 'sendonly';
    await round(a, b, 'hold');
    audio.direction = 'inactive';
    await round(a, b, 'inactive');
    audio.direction = 'sendrecv';
    await round(a, b, 'resume');
    add(a, picture());
    await round(a, b, 'video-added');
    await round(a, b, 'ice-restart', {iceRestart: true});
    a.getTransceivers()[1].stop();
    await round(a, b, 'video-removed');
    a.close(); b.close();

    [a, b] = pair();
    add(a, sound()); add(a, picture()); add(b, sound()); add(b, picture());
    await round(a, b, 'audio-video');
    a.close(); b.close();

    [a, b] = pair();
    a.createDataChannel('x');
    await round(a, b, 'data');
    a.close(); b.close();

    [a, b] = pair();
    add(a, sound()); add(a, picture()); a.createDataChannel('x');
    await round(a, b, 'audio-video-data');
    a.close(); b.close();

    [a, b] = pair();
    a.addTransceiver('audio', {direction: 'recvonly'});
    await round(a, b, 'recvonly');
    a.close(); b.close();

    a = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    add(a, sound()); add(a, picture());
    await offer(a, 'max-bundle');
    a.close();

    a = new RTCPeerConnection();
    await offer(a, 'empty');
    a.close();

    for (const [name, sdp] of Object.entries(gateway)) {
        a = new RTCPeerConnection();
        add(a, sound());
        if (name.includes('vp8')) add(a, picture());
        await answer(a, {type: 'offer', sdp}, 'to-gateway-' + name);
        a.close();
    }

    a = new RTCPeerConnection();
    add(a, sound());
    const preferred = RTCRtpReceiver.getCapabilities('audio').codecs.filter(c => /pcm[ua]|telephone/i.test(c.mimeType));
    a.getTransceivers()[0].setCodecPreferences(preferred);
    await offer(a, 'pcm-only');
    a.close();
    await context.close();
    return out;
}"""


async def of_aiortc() -> dict[str, str]:
    try:
        from aiortc import RTCPeerConnection
        from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack
    except ImportError:
        raise FileNotFoundError("pip install aiortc") from None
    out = {}
    for name in ("audio", "audio-video", "data"):
        a, b = RTCPeerConnection(), RTCPeerConnection()
        if "audio" in name:
            a.addTrack(AudioStreamTrack())
            b.addTrack(AudioStreamTrack())
        if "video" in name:
            a.addTrack(VideoStreamTrack())
        if "data" in name:
            a.createDataChannel("x")
        await a.setLocalDescription(await a.createOffer())
        out["offer-" + name] = a.localDescription.sdp
        await b.setRemoteDescription(a.localDescription)
        await b.setLocalDescription(await b.createAnswer())
        out["answer-" + name] = b.localDescription.sdp
        await a.close()
        await b.close()
    return out
