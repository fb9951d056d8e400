import resource

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.capacity.descriptors import OTHER_FILES, connections_within, raise_limit


class LimitTests(SynchronousTestCase):
    def allow(self, soft: int, hard: int, most: int = 1 << 20) -> None:
        """A system that allows so many open files, and at most so many as a soft limit."""
        limits = [soft, hard]

        def change(_: int, wanted: tuple[int, int]) -> None:
            if wanted[0] == resource.RLIM_INFINITY or wanted[0] > most:
                raise ValueError("current limit exceeds maximum limit")
            limits[:] = wanted

        self.patch(resource, "getrlimit", lambda _: tuple(limits))
        self.patch(resource, "setrlimit", change)

    def test_the_soft_limit_becomes_the_hard_one(self) -> None:
        self.allow(1024, 20_000)

        self.assertEqual(raise_limit(), 20_000)

    def test_where_that_cannot_be_done_it_stays(self) -> None:
        self.allow(256, resource.RLIM_INFINITY)

        self.assertEqual(raise_limit(), 256)

    def test_there_may_be_none(self) -> None:
        self.allow(resource.RLIM_INFINITY, resource.RLIM_INFINITY)

        self.assertIsNone(raise_limit())

    def test_connections_leave_room_for_other_files(self) -> None:
        self.assertEqual(connections_within(20_000), 20_000 - OTHER_FILES)
        self.assertEqual(connections_within(100), 1)
        self.assertIsNone(connections_within(None))
