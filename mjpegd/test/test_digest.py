"""Tests of `mjpegd.wire.digest`."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.wire.digest import (
    MAX_CHARACTERS,
    Algorithm,
    Authorization,
    BasicAuthorization,
    Challenge,
    DigestAuthorization,
    Scheme,
    answer,
    ha1,
    parse_authorization,
    strongest,
)
from mjpegd.wire.errors import ParseError

BASIC = Challenge(Scheme.BASIC, "cam")
PLAIN = Challenge(Scheme.DIGEST, "cam", "n0")
MD5 = replace(PLAIN, algorithm=Algorithm.MD5)
SHA_256 = replace(PLAIN, algorithm=Algorithm.SHA_256)

CHALLENGES = [
    ('Basic realm="cam"', BASIC),
    ('Digest realm="cam", nonce="n0", stale=false', PLAIN),
    ('Digest realm="cam", nonce="n0", stale=true', replace(PLAIN, stale=True)),
    ('Digest realm="cam", nonce="n0", stale=false, algorithm="MD5"', MD5),
    (
        'Digest realm="a \\"b\\", \\\\c", nonce="", stale=false, algorithm="SHA-256", qop="auth", '
        'opaque=""',
        Challenge(Scheme.DIGEST, 'a "b", \\c', "", Algorithm.SHA_256, ("auth",), ""),
    ),
]

TOLERATED_CHALLENGES = [
    ("BASIC", Challenge(Scheme.BASIC, "")),
    ('  basic  realm="cam", charset="UTF-8",', BASIC),
    ("digest nonce=n0,,realm = cam ;", replace(PLAIN, realm="cam ;")),
    ('Digest algorithm=md5,\trealm="cam",nonce="n0"', MD5),
    ('Digest realm="cam", nonce="n0", qop="auth-int, AUTH"', replace(PLAIN, qop=("auth",))),
    ('Digest realm="cam", nonce="n0", qop="", stale="TRUE"', replace(PLAIN, stale=True)),
    ('Digest realm="cam", domain="/a /b", nonce="n0", opaque="o"', replace(PLAIN, opaque="o")),
]

UNKNOWN_CHALLENGES = [
    "",
    ",",
    'realm="cam"',
    '="cam"',
    'Bearer realm="cam"',
    "Negotiate",
    "NTLM TlRMTVNTUAAC/AAA==",
    'Digest realm="cam"',
    'Digest realm="cam", nonce="n0", algorithm=MD5-sess',
    'Digest realm="cam", nonce="n0", algorithm=SHA-512-256',
    'Digest realm="cam", nonce="n0", qop="auth-int"',
    'Digest realm="cam", nonce="n0',
    'Digest realm="cam", nonce="n0\\',
    'Digest realm="cam"x, nonce="n0"',
    'Digest realm="cam", nonce="n0", =x',
    f'Digest realm="{"x" * MAX_CHARACTERS}", nonce="n0"',
]

# RFC 2617 section 3.5 and its errata, RFC 7616 section 3.9.1.
OLD = Challenge(
    Scheme.DIGEST,
    "testrealm@host.com",
    "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    qop=("auth",),
    opaque="5ccc069c403ebaf9f0171e9517f40e41",
)
NEW = Challenge(
    Scheme.DIGEST,
    "http-auth@example.org",
    "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    Algorithm.MD5,
    ("auth",),
    "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
)
NEW_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
VECTORS = [
    (OLD, "Circle Of Life", "0a4f113b", "6629fae49393a05397450978507c4ef1"),
    (replace(OLD, qop=()), "Circle Of Life", "", "670fd8c2df070c60b045671b8b24ff02"),
    (NEW, "Circle of Life", NEW_CNONCE, "8ca523f5e9506fed4657c9700eebdbec"),
    (
        replace(NEW, algorithm=Algorithm.SHA_256),
        "Circle of Life",
        NEW_CNONCE,
        "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
    ),
]

PROOF = "6629fae49393a05397450978507c4ef1"
ANSWERED = DigestAuthorization("u", "cam", "n0", "rtsp://h/a", PROOF)
COUNTED = replace(ANSWERED, nc="0000000a", cnonce="c0")

AUTHORIZATIONS: list[tuple[str, Authorization]] = [
    ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", BasicAuthorization("Aladdin", "open sesame")),
    ("Basic Ojo6", BasicAuthorization("", "::")),
    (
        f'Digest username="u", realm="cam", nonce="n0", uri="rtsp://h/a", response="{PROOF}"',
        ANSWERED,
    ),
    (
        'Digest username="\\"", realm="", nonce="n0", uri="rtsp://h/a", '
        f'response="{PROOF * 2}", algorithm=SHA-256, opaque="o", qop=auth, nc=0000000a, '
        'cnonce="c0"',
        DigestAuthorization(
            '"', "", "n0", "rtsp://h/a", PROOF * 2, Algorithm.SHA_256, "o", "0000000a", "c0"
        ),
    ),
]

REQUIRED = f'username="u", realm="cam", nonce="n0", uri="rtsp://h/a", response="{PROOF}"'

TOLERATED_AUTHORIZATIONS = [
    (f'digest {REQUIRED}, algorithm="MD5"', replace(ANSWERED, algorithm=Algorithm.MD5)),
    (f'Digest qop="auth",nc="0000000a",cnonce=c0,{REQUIRED}', COUNTED),
    # Without qop these two are not part of the proof.
    (f'Digest {REQUIRED}, nc=0000000a, cnonce="c0"', ANSWERED),
]

MALFORMED_AUTHORIZATIONS = [
    ("", "auth-scheme"),
    (f"Digest {REQUIRED}, Basic Ojo6", "auth-scheme"),
    (f"Digest {REQUIRED}, x={'x' * MAX_CHARACTERS}", "auth-scheme"),
    ("Bearer abc", "auth-scheme"),
    ("Basic", "basic-credentials"),
    ("Basic Ojo", "basic-credentials"),
    ("Basic Oj*6", "basic-credentials"),
    ("Basic \xe4", "basic-credentials"),
    ("Basic YWJj", "basic-credentials"),
    (f"Digest {REQUIRED}, x", "auth-scheme"),
    (f"Digest {REQUIRED}, x y", "auth-scheme"),
    (f'Digest {REQUIRED}, x="y', "auth-param"),
    (f"Digest {REQUIRED}, algorithm=MD5-sess", "algorithm"),
    (f"Digest {REQUIRED}, qop=auth-int", "qop"),
    (f"Digest {REQUIRED}, qop=auth, cnonce=c0", "nc"),
    (f"Digest {REQUIRED}, qop=auth, nc=a, cnonce=c0", "nc"),
    (f"Digest {REQUIRED}, qop=auth, nc=0000000a", "cnonce"),
    (f"Digest {REQUIRED.replace(PROOF, PROOF[1:])}", "response"),
    (f"Digest {REQUIRED.replace(PROOF, PROOF[1:] + 'g')}", "response"),
    *(
        (f"Digest {REQUIRED.replace(f'{name}=', 'x=')}", name)
        for name in ("username", "realm", "nonce", "uri", "response")
    ),
]

# What a header can carry; surrogate escapes are bytes that are no UTF-8.
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\udcff"), max_size=20)
HEXADECIMAL = "0123456789abcdef"


def challenges() -> st.SearchStrategy[Challenge]:
    return st.builds(Challenge, st.just(Scheme.BASIC), TEXTS) | st.builds(
        Challenge,
        st.just(Scheme.DIGEST),
        TEXTS,
        TEXTS,
        st.sampled_from([None, *Algorithm]),
        st.sampled_from([(), ("auth",)]),
        st.none() | TEXTS,
        st.booleans(),
    )


class ChallengeTests(SynchronousTestCase):
    def test_known_forms_are_read_and_written(self) -> None:
        for text, challenge in CHALLENGES:
            self.assertEqual(Challenge.parse(text), challenge)
            self.assertEqual(challenge.to_text(), text)

    def test_what_devices_send_is_read(self) -> None:
        for text, challenge in TOLERATED_CHALLENGES:
            self.assertEqual(Challenge.parse(text), challenge, text)

    def test_what_is_unknown_or_malformed_is_refused(self) -> None:
        for text in UNKNOWN_CHALLENGES:
            self.assertRaises(ParseError, Challenge.parse, text)

    def test_two_challenges_are_not_one(self) -> None:
        self.assertRaises(ParseError, Challenge.parse, f"{BASIC.to_text()}, {MD5.to_text()}")

    @given(challenges())
    def test_parse_reads_what_to_text_writes(self, challenge: Challenge) -> None:
        self.assertEqual(Challenge.parse(challenge.to_text()), challenge)


class ChallengeListTests(SynchronousTestCase):
    def test_all_headers_are_read_in_their_order(self) -> None:
        values = [BASIC.to_text(), SHA_256.to_text(), MD5.to_text()]

        self.assertEqual(Challenge.parse_list(values), [BASIC, SHA_256, MD5])

    def test_what_is_unknown_is_left_out(self) -> None:
        for text in UNKNOWN_CHALLENGES:
            found = Challenge.parse_list([BASIC.to_text(), text, MD5.to_text()])

            self.assertEqual(found, [BASIC, MD5], text)

    def test_unknown_schemes_between_known_ones(self) -> None:
        text = f'Negotiate, {BASIC.to_text()}, NTLM TlRM==, Bearer realm="x", {MD5.to_text()}'

        self.assertEqual(Challenge.parse_list([text]), [BASIC, MD5])

    @given(st.lists(challenges(), max_size=4), st.sampled_from([", ", ",", " ,, "]))
    def test_one_header_may_hold_them_all(self, wanted: list[Challenge], comma: str) -> None:
        text = comma.join(challenge.to_text() for challenge in wanted)

        self.assertEqual(Challenge.parse_list([text]), wanted)

    @given(st.lists(st.text('aB =,"\\-9\x00\udcff') | st.text(), max_size=3))
    def test_any_text_may_come(self, values: list[str]) -> None:
        Challenge.parse_list([*values, *(f"Digest {value}" for value in values)])

    def test_long_values_are_read_in_linear_time(self) -> None:
        for piece in ('"', '\\"', '"\\', " ", "\t=", 'a="', "a ", "a=,", ","):
            text = f"Digest {piece * (MAX_CHARACTERS // len(piece) - 10)}"

            self.assertEqual(Challenge.parse_list([text] * 20), [])


class StrongestTests(SynchronousTestCase):
    def test_sha_256_before_md5_before_basic(self) -> None:
        for offered, best in (
            ([BASIC, MD5, SHA_256], SHA_256),
            ([SHA_256, MD5, BASIC], SHA_256),
            ([BASIC, PLAIN], PLAIN),
            ([BASIC], BASIC),
            ([], None),
        ):
            self.assertEqual(strongest(offered), best)

    def test_the_first_of_equals(self) -> None:
        self.assertIs(strongest([PLAIN, MD5]), PLAIN)
        self.assertIs(strongest([MD5, PLAIN]), MD5)


class AnswerTests(SynchronousTestCase):
    def test_the_examples_of_the_rfcs(self) -> None:
        for challenge, password, cnonce, response in VECTORS:
            given = answer(challenge, "Mufasa", password, "GET", "/dir/index.html", cnonce, 1)

            expected = DigestAuthorization(
                "Mufasa",
                challenge.realm,
                challenge.nonce,
                "/dir/index.html",
                response,
                challenge.algorithm,
                challenge.opaque,
                "00000001" if challenge.qop else "",
                cnonce,
            )
            self.assertEqual(given, expected)

    def test_without_qop_nothing_is_counted(self) -> None:
        once = answer(PLAIN, "u", "p", "PLAY", "rtsp://h/a", "c0", 1)

        self.assertEqual(answer(PLAIN, "u", "p", "PLAY", "rtsp://h/a", "c1", 2), once)

    def test_basic_tells_user_and_password(self) -> None:
        given = answer(BASIC, "u", "p", "PLAY", "rtsp://h/a", "c0", 1)

        self.assertEqual(given, BasicAuthorization("u", "p"))


class AuthorizationTests(SynchronousTestCase):
    def test_known_forms_are_read_and_written(self) -> None:
        for text, authorization in AUTHORIZATIONS:
            self.assertEqual(parse_authorization(text), authorization)
            self.assertEqual(authorization.to_text(), text)

    def test_what_players_send_is_read(self) -> None:
        for text, authorization in TOLERATED_AUTHORIZATIONS:
            self.assertEqual(parse_authorization(text), authorization, text)

    def test_malformed_ones_are_refused_and_the_field_is_named(self) -> None:
        for text, rule in MALFORMED_AUTHORIZATIONS:
            error = self.assertRaises(ParseError, parse_authorization, text)
            self.assertEqual(error.rule, rule, text)

    def test_a_password_is_not_shown(self) -> None:
        self.assertNotIn("sesame", repr(BasicAuthorization("Aladdin", "sesame")))

    @given(TEXTS.filter(lambda user: ":" not in user), TEXTS)
    def test_basic_is_read_as_written(self, user: str, password: str) -> None:
        authorization = BasicAuthorization(user, password)

        self.assertEqual(parse_authorization(authorization.to_text()), authorization)

    @given(challenges(), TEXTS, TEXTS, TEXTS, TEXTS, st.integers(1, 0xFFFFFFFF))
    def test_answers_are_read_as_written(
        self, challenge: Challenge, user: str, password: str, uri: str, cnonce: str, count: int
    ) -> None:
        given = answer(
            replace(challenge, scheme=Scheme.DIGEST), user, password, "PLAY", uri, cnonce, count
        )

        self.assertEqual(parse_authorization(given.to_text()), given)

    @given(st.text(alphabet='aB =,"\\-9:/\x00\udcff') | st.text())
    def test_any_text_is_read_or_refused(self, text: str) -> None:
        for value in (text, f"Basic {text}", f"Digest {REQUIRED}, {text}"):
            try:
                parse_authorization(value)
            except ParseError:
                continue


class RightTests(SynchronousTestCase):
    @given(challenges(), TEXTS, TEXTS, TEXTS)
    def test_answers_with_the_right_password_only(
        self, challenge: Challenge, user: str, password: str, other: str
    ) -> None:
        challenge = replace(challenge, scheme=Scheme.DIGEST)
        given = answer(challenge, user, password, "PLAY", "rtsp://h/a", "c0", 1)

        assert isinstance(given, DigestAuthorization)
        for attempt in (password, other):
            secret = ha1(challenge.algorithm, user, challenge.realm, attempt)
            self.assertEqual(given.is_right(secret, "PLAY"), attempt == password)

    def test_every_part_of_a_request_is_proved(self) -> None:
        secret = ha1(None, "u", "cam", "p")
        right = answer(replace(PLAIN, qop=("auth",)), "u", "p", "PLAY", "rtsp://h/a", "c0", 1)

        assert isinstance(right, DigestAuthorization)
        self.assertTrue(right.is_right(secret, "PLAY"))
        self.assertFalse(right.is_right(secret, "PAUSE"))
        for other in (
            replace(right, uri="rtsp://h/b"),
            replace(right, nonce="n1"),
            replace(right, nc="00000002"),
            replace(right, cnonce="c1"),
            replace(right, nc=""),
            replace(right, algorithm=Algorithm.SHA_256),
            replace(right, response="\xe4" * 32),
        ):
            self.assertFalse(other.is_right(secret, "PLAY"))

    def test_proofs_may_be_in_capitals(self) -> None:
        right = answer(PLAIN, "u", "p", "PLAY", "rtsp://h/a", "c0", 1)

        assert isinstance(right, DigestAuthorization)
        shouted = replace(right, response=right.response.upper())
        self.assertTrue(shouted.is_right(ha1(None, "u", "cam", "p"), "PLAY"))

    def test_basic_with_the_right_password_only(self) -> None:
        for algorithm in Algorithm:
            secret = ha1(algorithm, "u", "cam", "p")

            self.assertTrue(BasicAuthorization("u", "p").is_right(secret, "cam", algorithm))
            self.assertFalse(BasicAuthorization("u", "P").is_right(secret, "cam", algorithm))
            self.assertFalse(BasicAuthorization("v", "p").is_right(secret, "cam", algorithm))
