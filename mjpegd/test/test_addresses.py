from twisted.trial.unittest import SynchronousTestCase

from mjpegd.addresses import Networks, household, in_url, is_ipv6, is_one_host, plain_host


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


class OneHostTests(SynchronousTestCase):
    def test_what_a_machine_has_is_one_hosts(self) -> None:
        for host in ("192.0.2.255", "127.0.0.1", "10.0.0.1", "::1", "fe80::1%eth0", "64:ff9b::1"):
            self.assertTrue(is_one_host(host), host)

    def test_what_is_a_groups_everybodys_or_nobodys_is_not(self) -> None:
        for host in ("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "0.0.0.0"):
            self.assertFalse(is_one_host(host), host)
        for host in ("ff02::1", "ff02::1%eth0", "::", "", "localhost"):
            self.assertFalse(is_one_host(host), host)


class URLTests(SynchronousTestCase):
    def test_ipv6_stands_in_brackets(self) -> None:
        self.assertEqual(in_url("2001:db8::1", 8554), "[2001:db8::1]:8554")
        self.assertEqual(in_url("192.0.2.1", 8554), "192.0.2.1:8554")
        self.assertTrue(is_ipv6("::1"))
        self.assertFalse(is_ipv6("127.0.0.1"))


class NetworksTests(SynchronousTestCase):
    def test_addresses_are_within_or_not(self) -> None:
        networks = Networks.parse(["192.0.2.0/24", "2001:db8::/32", "198.51.100.7", "fe80::/10"])

        for host in ("192.0.2.0", "192.0.2.255", "2001:db8:1::1", "198.51.100.7", "fe80::1%eth0"):
            self.assertIn(host, networks)
        for host in ("192.0.3.0", "2001:db9::", "198.51.100.8", "::ffff:192.0.2.1", "localhost"):
            self.assertNotIn(host, networks)

    def test_a_unix_socket_is_this_machine(self) -> None:
        self.assertIn("", Networks.parse(["127.0.0.0/8"]))
        self.assertNotIn("", Networks.parse(["192.0.2.0/24"]))

    def test_what_is_no_network_is_named(self) -> None:
        for text in ("192.0.2.1/24", "192.0.2.0/33", "192.0.2", "all", ""):
            error = self.assertRaises(ValueError, Networks.parse, ["192.0.2.0/24", text])
            self.assertIn(text, str(error))

    def test_they_are_shown_as_they_are_written(self) -> None:
        networks = Networks.parse(["192.0.2.0/24", "198.51.100.7"])

        self.assertEqual(str(networks), "192.0.2.0/24, 198.51.100.7/32")


class HouseholdTests(SynchronousTestCase):
    def test_of_ipv6_the_first_half_is_somebodys(self) -> None:
        self.assertEqual(household("2001:db8:1:2:3::4"), household("2001:db8:1:2::"))
        self.assertNotEqual(household("2001:db8:1:2::"), household("2001:db8:1:3::"))

    def test_of_all_else_each_is_its_own(self) -> None:
        for host in ("192.0.2.1", "", "no address"):
            self.assertEqual(household(host), host)
