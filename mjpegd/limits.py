"""Every limit on what the network may ask, in one place, each with its reason.

What bounds a format, such as the packets of an RTCP compound, stands beside its parser in
``wire/``.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on remote input; a daemon has one set of them.

    Attributes:
        line_bytes: One line of a request. Real request lines and headers stay below 1 kB; a
            Digest answer with a long URI is the longest.
        header_lines: Lines of a request before its body. Players send fewer than 15.
        header_bytes: All of these lines together.
        body_bytes: A request's body: lists of parameter names.
        request_s: Seconds to complete a request, or an interleaved packet, once it began. A slow
            writer sends bytes, so a limit on silence would never end it.
        idle_s: Seconds that a connection without a session may stay silent.
        login_s: Where there are users, seconds until a connection is closed that has neither
            logged in nor a session. A person types a password in less.
        requests_per_s: Requests a second on one connection; more are read more slowly.
        request_burst: Requests that may come at once before that.
        packets_per_s: Interleaved packets a second on one connection; more are read more slowly.
            A viewer sends a report every 5 s.
        packet_burst: Interleaved packets that may come at once before that.
        unread_answer_bytes: Answers that may wait for a client that does not read them, before
            no more of its requests are read. PAUSE still works in that space.
        connections: Connections in all.
        connections_per_address: Connections from one address. A NAT, a proxy or a load
            generator is one address with a thousand viewers, and some take two each.
        unauthenticated: Connections that have neither logged in nor a session, where there are
            users. A thousand viewers may come at the same moment.
        sessions: Sessions in all.
        sessions_per_address: Sessions of one address; likewise.
        sessions_per_user: Sessions of one user. Whether a thousand viewers share a password is
            the operator's affair.
        bits_per_s: What all sessions may need together, on average, without the headers of
            packets, about a twentieth more. Few machines have a network that takes this.
        viewer_bits_per_s: What one of them may need. A camera of 4K needs a tenth of it.
        sessions_per_connection: Sessions on one connection: interleaved has 128 channel pairs.
        session_timeout_s: The timeout that SETUP announces; a request or RTCP in this time
            keeps a session alive (RFC 2326 section 12.37).
        session_grace: The timeout is enforced this many times later than announced, because
            clients send their keep-alive when it has almost passed. A machine that acknowledges
            nothing over TCP is given up after the same time.
        tunnels: Tunnels over HTTP and WebSocket in all.
        half_tunnels: Tunnels over HTTP of which one half waits for the other. Both come within a
            round trip, mostly.
        half_tunnel_s: Seconds that a half waits.
        orphan_s: Seconds that a UDP session lives on at most without any connection that named it.
        interleaved_idle_s: Seconds that an interleaved session lives on an open connection on
            which nothing comes, or from which nothing is read: paused players do not send
            anything, and some pause by reading no more.
        nonce_s: Seconds that a nonce of Digest is good. Each costs a player one more request; what
            was overheard can be repeated as long.
        first_refusal_s: Seconds that the answer to a wrong login waits. Long enough to hide what
            looking at it took, short enough for a person who mistyped.
        longest_refusal_s: Each further one from an address, or for a user, waits twice as long,
            up to this.
        forget_refusals_s: Seconds without a wrong login after which an address, or a user, begins
            anew.
        remembered_refusals: Addresses, and as many names, whose wrong logins are remembered.
        parameters: Names in the body of a GET_PARAMETER.
        listed_streams: Streams in the answer to GET_PARAMETER ``streams``.
    """

    line_bytes: int = 8192
    header_lines: int = 64
    header_bytes: int = 32_768
    body_bytes: int = 16_384
    request_s: float = 15.0
    idle_s: float = 120.0
    login_s: float = 60.0
    requests_per_s: float = 50.0
    request_burst: int = 200
    packets_per_s: float = 500.0
    packet_burst: int = 1000
    unread_answer_bytes: int = 65_536
    connections: int = 4096
    connections_per_address: int = 2048
    unauthenticated: int = 1024
    sessions: int = 4096
    sessions_per_address: int = 2048
    sessions_per_user: int = 2048
    bits_per_s: int = 10_000_000_000
    viewer_bits_per_s: int = 1_000_000_000
    sessions_per_connection: int = 64
    session_timeout_s: int = 60
    session_grace: float = 1.2
    tunnels: int = 2048
    half_tunnels: int = 256
    half_tunnel_s: float = 10.0
    orphan_s: float = 10.0
    interleaved_idle_s: float = 3600.0
    nonce_s: float = 900.0
    first_refusal_s: float = 0.25
    longest_refusal_s: float = 16.0
    forget_refusals_s: float = 900.0
    remembered_refusals: int = 4096
    parameters: int = 64
    listed_streams: int = 10_000

    @property
    def silence_s(self) -> float:
        """Seconds without a sign of life after which a viewer is gone."""
        return self.session_timeout_s * self.session_grace
