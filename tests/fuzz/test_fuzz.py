"""A short run of `python -m tests.fuzz`, the same every time."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import picture
from tests.fuzz.__main__ import Run
from tests.fuzz.inputs import made
from tests.fuzz.readers import DisagreementError, Readers

INPUTS = 500


class FuzzTests(SynchronousTestCase):
    def test_nothing_is_found(self) -> None:
        run = Run.begin()

        for number in range(INPUTS):
            run.read(made(0, number), number)

        self.assertGreater(run.readers.outcomes["Python: coded anew"], INPUTS // 10)

    def test_what_differs_is_found(self) -> None:
        readers = Readers(lambda data: picture(2))

        self.assertRaises(DisagreementError, readers.read, picture(1), Random(0))

    def test_other_exceptions_are_found(self) -> None:
        def fail(data: bytes) -> bytes:
            raise ValueError

        self.assertRaises(ValueError, Readers(fail).read, picture(1), Random(0))

    def test_inputs_are_the_same_in_every_run(self) -> None:
        self.assertEqual([made(1, n) for n in range(50)], [made(1, n) for n in range(50)])
