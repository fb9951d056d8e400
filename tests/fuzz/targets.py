"""All that is fuzzed, and where each search begins."""

from base64 import b64encode

from mjpegd.test.films import (
    avi,
    fragmented,
    laboratory,
    matroska,
    multipart,
    opendml_avi,
    pictures,
    quicktime,
)
from mjpegd.wire.headers import KeyManagement
from mjpegd.wire.jpeg_frame import rtp_frame
from mjpegd.wire.jpeg_image import JpegImage
from mjpegd.wire.jpeg_payload import MIN_PAYLOAD_BYTES, fragment
from mjpegd.wire.mikey import CryptoSession, KeyMessage, Suite
from mjpegd.wire.packets import RTPPacket
from mjpegd.wire.reports import (
    Bye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    compound,
)
from tests.fuzz import connections, files, jpegs, packets, texts
from tests.fuzz import pictures as jpeg_readers
from tests.fuzz.target import Target

_HEADERS = (
    *(b"CSeq: ", b"Session: ", b"Transport: ", b"Range: ", b"Scale: ", b"Speed: ", b"Require: "),
    *(b"Content-Length: ", b"Content-Base: ", b"Authorization: ", b"User-Agent: ", b"Accept: "),
    *(b"Blocksize: ", b"Rate-Control: ", b"Connection: ", b"Public: ", b"WWW-Authenticate: "),
)
_METHODS = (
    *(b"OPTIONS ", b"DESCRIBE ", b"SETUP ", b"PLAY ", b"PAUSE ", b"TEARDOWN ", b"ANNOUNCE "),
    *(b"GET_PARAMETER ", b"SET_PARAMETER ", b"RECORD ", b"REDIRECT ", b"GET ", b"POST "),
)
_RTSP = (
    *(b" RTSP/1.0\r\n", b" HTTP/1.1\r\n", b"\r\n\r\n", b"\r\n", b"rtsp://", b"trackID=0"),
    *(b"RTSP/1.0 200 OK\r\n", b"application/sdp"),
    *_METHODS,
    *_HEADERS,
)
_TRANSPORT = (
    *(b"RTP/AVP", b"RTP/SAVP", b"RTP/AVPF", b"/TCP", b"/UDP", b";unicast", b";multicast"),
    *(b";client_port=", b";server_port=", b";port=", b";interleaved=", b";ssrc=", b";ttl="),
    *(b";destination=", b";source=", b';mode="PLAY"', b"4000-4001", b"65535", b"0-1"),
)
_TIME = (b"npt=", b"clock=", b"smpte=", b"now", b"-", b":59", b".5", b"20261231T235959Z", b"1e9")
_LABORATORY = (
    *(b"RTSP/1.0\n", b"CSeq: 1\n", b"Transport: RTP/UDP; client_port= 25000", b"Session: 123456"),
    *(b"Range: npt=", b"Range: frame=", b"\n", *_METHODS),
)
_DIGEST = (
    *(b"Digest ", b"Basic ", b"username=", b"realm=", b"nonce=", b"uri=", b"response=", b"opaque="),
    *(b"algorithm=", b"SHA-256", b"MD5", b"-sess", b"qop=", b"auth", b"nc=00000001", b"cnonce="),
    *(b"stale=true", b'"', b"\\", b", "),
)
_SDP = (
    *(b"v=0\r\n", b"o=- 1 1 IN IP4 0.0.0.0\r\n", b"s=", b"m=video 0 RTP/AVP 26", b"a=control:"),
    *(b"a=range:npt=0-5", b"a=rtpmap:26 JPEG/90000", b"a=framerate:", b"a=x-dimensions:"),
    *(b"a=x-framerate:", b"trackID=0", b"\r\n", b"*"),
)
_USERS = (
    *(b'realm = "mjpegd"\n', b"[everyone]\n", b"[users.anna]\n", b'md5 = "', b'sha256 = "'),
    *(b"watch = [", b"list = [", b"networks = [", b'"**"', b'"10.0.0.0/8"', b'"garden/*"'),
    *(b"[users]\n", b'"""', b"'''", b"{", b"}", b"]\n", b"\0"),
)
_HTTP = (
    *(b" HTTP/1.0\r\n", b" HTTP/1.1\r\n", b"x-sessioncookie: ", b"Upgrade: websocket\r\n"),
    *(b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Version: 13\r\n", b"Transfer-Encoding: chunked"),
    *(b"Sec-WebSocket-Protocol: rtsp.onvif.org\r\n", b"Connection: Upgrade\r\n", b"=="),
)
_CONTAINERS = (
    *(b"RIFF", b"AVI ", b"AVIX", b"LIST", b"hdrl", b"movi", b"idx1", b"indx", b"ix00", b"00dc"),
    *(b"strl", b"strh", b"strf", b"vids", b"MJPG", b"rec ", b"ftyp", b"moov", b"trak", b"mdia"),
    *(b"minf", b"stbl", b"stsd", b"stsz", b"stz2", b"stco", b"co64", b"stsc", b"stts", b"mdat"),
    *(b"moof", b"traf", b"tfhd", b"tfdt", b"trun", b"mvex", b"trex", b"mdhd", b"hdlr", b"vide"),
    *(b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75", b"\x16\x54\xae\x6b"),
    *(b"\xa3", b"\xa0", b"\xa1", b"\xae", b"V_MJPEG", b"--boundary\r\n", b"Content-Length: "),
    *(b"\xff\xd8\xff", b"\xff\xd9", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x01\xff\xff\xff"),
)

_REQUEST = (
    b"SETUP rtsp://192.0.2.1:8554/movie.Mjpeg/trackID=0 RTSP/1.0\r\nCSeq: 2\r\n"
    b"Transport: RTP/AVP;unicast;client_port=5000-5001\r\n\r\n"
)
_PLAY = (
    b"PLAY rtsp://192.0.2.1:8554/movie.Mjpeg RTSP/1.0\r\nCSeq: 3\r\n"
    b"Session: {session}\r\nRange: npt=0.1-\r\nScale: 2\r\n\r\n"
)
_ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc$\0\0\x04data"
_BODY = (
    b"GET_PARAMETER rtsp://192.0.2.1:8554/ RTSP/1.0\r\nCSeq: 5\r\n"
    b"Content-Type: text/parameters\r\nContent-Length: 9\r\n\r\nstreams\r\n"
)
_GET = b"GET /film.avi HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n"
_POST = b"POST /film.avi HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n" + b64encode(_REQUEST)
_UPGRADE = (
    b"GET /film.avi HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: rtsp.onvif.org\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_CONVERSATION = b"\0".join(
    (
        _REQUEST.replace(b"/AVP;unicast;client_port=5000-5001", b"/AVP/TCP;interleaved=0-1"),
        _PLAY,
        b"$\x01\0\x08\x80\xc9\0\x01\0\0\0\x01",
        _BODY,
        _PLAY.replace(b"PLAY", b"PAUSE"),
        _PLAY.replace(b"PLAY", b"TEARDOWN"),
    )
)
_LABORATORY_REQUEST = b"SETUP movie.Mjpeg RTSP/1.0\nCSeq: 1\nTransport: RTP/UDP; client_port= 25000"
_DESCRIPTION = (
    b"rtsp://192.0.2.1/film.avi/\n\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=film\r\n"
    b"a=range:npt=0-5\r\nm=video 0 RTP/AVP 26\r\na=framerate:25\r\na=control:trackID=0\r\n"
)
_USERS_FILE = b"""realm = "mjpegd"
[everyone]
watch = ["testcard"]
[users.anna]
md5 = "0123456789abcdef0123456789abcdef"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
watch = ["garden/**", "*.avi"]
networks = ["192.168.0.0/16"]
"""
_LOGIN = (
    b'Digest username="anna", realm="mjpegd", nonce="n", uri="rtsp://192.0.2.1/film.avi", '
    b'response="0123456789abcdef0123456789abcdef", algorithm=MD5, qop=auth, nc=00000001, '
    b'cnonce="c"'
)
_CHALLENGES = b'Digest realm="mjpegd", nonce="n", stale=true, algorithm="SHA-256", qop="auth"'
_BLOCK = ReportBlock(packets.SSRC, 1, -1, 9, 90, 1, 1)


_KEYS, _GCM_KEYS = (
    KeyMessage(
        1, (CryptoSession(7),), 2, bytes(16), suite, bytes(suite.key_bytes + suite.salt_bytes)
    ).to_bytes()
    for suite in (Suite.AES_CM_128_HMAC_SHA1_80, Suite.AEAD_AES_256_GCM)
)


def _packets_of(number: int) -> list[bytes]:
    """A small picture in RTP, in several packets."""
    payloads = fragment(rtp_frame(JpegImage.parse(pictures(4)[number])), MIN_PAYLOAD_BYTES)
    return [
        RTPPacket(26, place == len(payloads), place + 20 * number, 3600 * number, 7, payload)
        .to_bytes()
        for place, payload in enumerate(payloads, 1)
    ]  # fmt: skip


_RTP = [_packets_of(number) for number in range(4)]
_FRAMES = pictures(3)
_SENDER_REPORT = compound(SenderReport(1, 2, 3, 4, 5, (_BLOCK,)))
_RTCP = compound(
    ReceiverReport(1, (_BLOCK,)), SourceDescription(1, "viewer@test"), Bye((1,), "gone")
)

TARGETS = (
    Target(
        "message",
        texts.message,
        [_REQUEST, _BODY, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\nabc"],
        _RTSP,
        8192,
    ),
    Target(
        "transport",
        texts.transport,
        [
            b"RTP/AVP;unicast;client_port=5000-5001",
            b'RTP/AVP/TCP;unicast;interleaved=0-1;mode="PLAY",RTP/AVP;multicast;ttl=5',
            b"RTP/SAVP/UDP;unicast;destination=192.0.2.7;ssrc=0000A1B2;server_port=1-2",
        ],
        _TRANSPORT,
        8192,
    ),
    Target(
        "range",
        texts.time_range,
        [
            b"npt=0-5.5",
            b"npt=now-",
            b"npt=1:02:03.4-",
            b"npt=-5;time=1",
            b"-0.5",
            b"30000/1001",
        ],
        _TIME,
        8192,
    ),
    Target(
        "header",
        texts.header,
        [b"12345;timeout=60", b"url=rtsp://192.0.2.1/a,b;c/trackID=0;seq=1;rtptime=2,url=x;seq=1"],
        (b";timeout=", b"url=", b";seq=", b";rtptime=", b",", b'"'),
        8192,
    ),
    Target(
        "login",
        texts.login,
        [_LOGIN, _CHALLENGES, b"Basic YW5uYTpzZWNyZXQ=", b'Basic realm="mjpegd"'],
        _DIGEST,
        10_000,
    ),
    Target(
        "url",
        texts.url,
        [b"rtsp://192.0.2.1:8554/a%20b/film.avi?fps=25/trackID=0", b"rtsp://[::1]/x//y/", b"movie"],
        (b"rtsp://", b"rtsps://", b"trackID=", b"?fps=", b"&loop=1", b"%2f", b"..", b"@", b"[::1]"),
        8192,
    ),
    Target("description", texts.description, [_DESCRIPTION], _SDP, 8192),
    Target(
        "location",
        texts.location,
        [b"rtsp://anna:secret@camera.example:554/axis?x=1", b"[fe80::1%25eth0]:8554/film", b"host"],
        (b"rtsp://", b"rtsps://", b"@", b":", b"[", b"]", b"%25", "ü".encode(), b"xn--"),
        2100,
    ),
    Target("laboratory", texts.laboratory, [_LABORATORY_REQUEST], _LABORATORY, 8192),
    Target("users", texts.users, [_USERS_FILE, b"garden/**/[a-z]*\0garden/a/b"], _USERS, 4096),
    Target("rtcp", packets.rtcp, [_RTCP, _SENDER_REPORT], (), 2048),
    Target(
        "keys",
        packets.keys,
        [_KEYS, _GCM_KEYS, KeyManagement(_KEYS, "rtsp://192.0.2.1/a").to_text().encode()],
        (b"prot=mikey", b";uri=", b";data=", b"\0\0\x22\0\x20", b"\x0b\0", b"\x0a\x10"),
        3000,
    ),
    Target("rtp", packets.rtp, [packets.together(*picture) for picture in _RTP]),
    Target(
        "reception",
        packets.reception,
        [packets.together(*_RTP[0], _RTCP, *_RTP[1], compound(Bye((7,))))],
        (),
        8192,
    ),
    Target("jpeg", jpeg_readers.jpeg, jpegs.seeds(), (), jpegs.MOST_BYTES, jpegs.change),
    Target(
        "film",
        files.film,
        [
            avi(_FRAMES),
            avi(_FRAMES, sound=b"ab", in_rec_lists=True, is_finished=False, idx1_base=None),
            opendml_avi([_FRAMES[:1], _FRAMES[1:]]),
            quicktime(_FRAMES, moov_first=True),
            quicktime(_FRAMES, is_wide=True, field_bits=16),
            fragmented([_FRAMES[:1], _FRAMES[1:]]),
            matroska(_FRAMES, [0, 40, 80]),
            matroska(_FRAMES, [0, 40, 80], is_known=False, in_groups=True),
            multipart(_FRAMES),
            multipart(_FRAMES, lengths=False, newline=b"\n"),
            laboratory(_FRAMES),
            b"".join(_FRAMES),
        ],
        _CONTAINERS,
        16_384,
    ),
    Target(
        "server",
        connections.server,
        [_CONVERSATION, _REQUEST, _LABORATORY_REQUEST, _GET, _POST, _UPGRADE],
        (*_RTSP, *_TRANSPORT, *_TIME, *_LABORATORY, connections.SESSION, connections.PAUSE, b"$"),
        8192,
    ),
    Target(
        "session",
        connections.session,
        [
            b"U\nPnpt=0.1-|2|\nW\nH\nP\nW\nE\n",
            b"T\nPnpt=0.3-0.1|-1|2\nW\nU\nPclock=1-||\nE\nU\n",
        ],
        (b"U\n", b"T\n", b"P", b"H\n", b"E\n", b"W", b"|", *_TIME, *_TRANSPORT),
        400,
    ),
    Target(
        "proxy",
        connections.proxy,
        [
            b"PROXY TCP4 198.51.100.7 203.0.113.1 40000 554\r\n" + _REQUEST,
            b"PROXY UNKNOWN\r\n" + _REQUEST,
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x07\xcb\0\x71\x01\x9c\x40\x02\x2a"
            + _REQUEST,
        ],
        (b"PROXY ", b"TCP4 ", b"TCP6 ", b"UNKNOWN", b"\r\n\r\n\0\r\nQUIT\n", b"\x21", *_METHODS),
        2048,
    ),
    Target(
        "first-words",
        connections.first_words,
        [_PLAY.replace(b"{session}", b"0112345678901234567890"), b"\r\n\r\n" + _REQUEST, b"\x16\3"],
        (b"\nSession: 0112345678901234567890", b"\r\n\r\n", b"\n\n", *_METHODS),
        9000,
    ),
    Target("tunnel", connections.tunnel, [_GET, _POST, _UPGRADE], (*_HTTP, *_METHODS), 8192),
    Target("answers", connections.answers, [_ANSWER, _REQUEST], _RTSP, 8192),
)

BY_NAME = {target.name: target for target in TARGETS}
