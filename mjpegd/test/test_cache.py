"""`mjpegd.cache`: what is kept is bounded, and what is used stays."""

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.cache import ENTRY_BYTES, ByteCache


def cache(max_bytes: int) -> ByteCache[bytes]:
    return ByteCache(max_bytes, len)


class ByteCacheTests(SynchronousTestCase):
    def test_gives_back_what_was_put(self) -> None:
        kept = cache(10_000)
        kept.put("a", b"value")

        self.assertEqual(kept.get("a"), b"value")
        self.assertIsNone(kept.get("b"))

    def test_holds_no_more_bytes_than_it_may(self) -> None:
        kept = cache(20_000)
        for number in range(1000):
            kept.put(number, bytes(1 + number * 7 % 3000))

            held = [kept.get(n) for n in range(number + 1)]
            self.assertLessEqual(sum(len(value) for value in held if value is not None), 20_000)

    def test_values_of_no_size_are_bounded_too(self) -> None:
        kept = cache(20_000)
        for number in range(1000):
            kept.put(number, b"")

        count = sum(kept.get(n) is not None for n in range(1000))
        self.assertEqual(count, 20_000 // ENTRY_BYTES)

    def test_says_what_it_holds(self) -> None:
        kept = cache(10_000)
        for key, size in [("a", 1000), ("b", 500), ("a", 200)]:
            kept.put(key, bytes(size))

        self.assertEqual(kept.held_bytes, 200 + 500 + 2 * ENTRY_BYTES)

    def test_the_one_used_longest_ago_goes_first(self) -> None:
        kept = cache(3 * (1000 + ENTRY_BYTES))
        for number in range(3):
            kept.put(number, bytes(1000))
        kept.get(0)
        kept.put(3, bytes(1000))

        self.assertEqual([kept.get(n) is not None for n in range(4)], [True, False, True, True])

    def test_the_newest_stays_even_where_it_is_too_large(self) -> None:
        kept = cache(1000)
        kept.put(1, bytes(100))
        kept.put(2, bytes(50_000))

        self.assertIsNone(kept.get(1))
        self.assertIsNotNone(kept.get(2))

    def test_putting_again_replaces(self) -> None:
        kept = cache(3 * (1000 + ENTRY_BYTES))
        for _ in range(100):
            kept.put(1, bytes(1000))
        kept.put(2, bytes(1000))

        self.assertIsNotNone(kept.get(1))
