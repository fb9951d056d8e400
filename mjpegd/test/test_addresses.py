from twisted.trial.unittest import SynchronousTestCase

from mjpegd.addresses import in_url, is_ipv6, plain_host


class PlainHostTests(SynchronousTestCase):
    def test_a_mapped_address_is_the_ipv4_address(self) -> None:
        for host in ("::ffff:192.0.2.1", "::FFFF:192.0.2.1", "::ffff:c000:201"):
            self.assertEqual(plain_host(host), "192.0.2.1")

    def test_other_addresses_have_one_spelling(self) -> None:
        for host, plain in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ]:
            self.assertEqual(plain_host(host), plain)

    def test_what_is_no_address_stays_as_it_is(self) -> None:
        for host in ("", "localhost", "192.0.2.256", "::ffff:"):
            self.assertEqual(plain_host(host), host)


class URLTests(SynchronousTestCase):
    def test_ipv6_stands_in_brackets(self) -> None:
        self.assertEqual(in_url("2001:db8::1", 8554), "[2001:db8::1]:8554")
        self.assertEqual(in_url("192.0.2.1", 8554), "192.0.2.1:8554")
        self.assertTrue(is_ipv6("::1"))
        self.assertFalse(is_ipv6("127.0.0.1"))
