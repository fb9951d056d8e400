"""All laws hold for all inputs that are kept, with or without a fuzzer; a broken one is seen."""

import io
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from random import Random

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.pictures import picture
from mjpegd.wire.recode import recode
from tests.fuzz import corpus, jpegs, pictures
from tests.fuzz.__main__ import main
from tests.fuzz.connections import faultless
from tests.fuzz.target import BrokenLawError, Target, agree, demand, pieces
from tests.fuzz.targets import BY_NAME, TARGETS

_log = Logger()

# Processor time; inputs of the size that a limit allows take some tenths of it.
MOST_S = 2.0
MOST_CORPUS_BYTES = 1_000_000


class LawTests(SynchronousTestCase):
    """Each target over its seeds and its corpus; more tests are made below."""

    def assert_holds(self, target: Target) -> None:
        for data in [*target.seeds, *corpus.load(target.name)]:
            began_s = time.process_time()
            try:
                target.law(data)
            except Exception as fault:
                raise AssertionError(f"{target.name}: {data!r}") from fault
            self.assertLess(time.process_time() - began_s, MOST_S, data)


def _test_of(target: Target) -> Callable[[LawTests], None]:
    return lambda case: case.assert_holds(target)


for _target in TARGETS:
    setattr(LawTests, f"test_{_target.name.replace('-', '_')}", _test_of(_target))


class TargetTests(SynchronousTestCase):
    def test_each_says_its_law_in_a_line(self) -> None:
        for target in TARGETS:
            said = (target.law.__doc__ or "").strip().splitlines()
            self.assertEqual(len(said), 1, target.name)

    def test_names_are_different(self) -> None:
        self.assertEqual(len(BY_NAME), len(TARGETS))

    def test_inputs_are_within_their_bounds(self) -> None:
        for target in TARGETS:
            longest = max(map(len, [*target.seeds, *corpus.load(target.name)]))
            self.assertLessEqual(longest, target.most_bytes, target.name)

    def test_each_has_a_corpus_and_all_are_small(self) -> None:
        paths = [corpus.path_of(target.name) for target in TARGETS]

        self.assertLess(sum(path.stat().st_size for path in paths), MOST_CORPUS_BYTES)

    def test_there_is_no_corpus_of_what_is_no_target(self) -> None:
        folder = corpus.path_of("x").parent

        self.assertEqual({path.stem for path in folder.iterdir()}, set(BY_NAME))


class SightTests(SynchronousTestCase):
    """What is wrong is seen."""

    def test_readers_that_disagree(self) -> None:
        self.assertRaises(BrokenLawError, pictures.read, picture(1), lambda data: picture(2))

    def test_other_exceptions(self) -> None:
        def fail(data: bytes) -> bytes:
            raise ValueError

        self.assertRaises(ValueError, pictures.read, picture(1), fail)

    def test_readers_that_agree(self) -> None:
        pictures.read(picture(1), recode)

    def test_a_fault_that_is_only_logged(self) -> None:
        def serve() -> None:
            with faultless():
                _log.failure("a fault of ours", Failure(ZeroDivisionError()))

        self.assertRaises(ZeroDivisionError, serve)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_law_that_does_not_hold(self) -> None:
        self.assertRaises(BrokenLawError, demand, holds=False, what="this")
        self.assertRaises(BrokenLawError, agree, 1, 2, "these")


class InputTests(SynchronousTestCase):
    def test_pieces_are_the_whole(self) -> None:
        data = bytes(range(256)) * 20

        for number in range(20):
            self.assertEqual(b"".join(pieces(data, Random(number))), data)

    def test_a_jpeg_is_changed_in_the_same_way_by_the_same_chance(self) -> None:
        seed = jpegs.seeds()[0]

        one, other = ([jpegs.change(seed, 5000, Random(n)) for n in range(50)] for _ in range(2))

        self.assertEqual(one, other)
        self.assertLessEqual(max(map(len, one)), 5000)

    def test_what_is_saved_is_loaded_and_always_the_same_archive(self) -> None:
        self.addCleanup(corpus.path_of("saved").unlink)

        corpus.save("saved", [b"b", b"", b"a", b"a"])
        archive = corpus.path_of("saved").read_bytes()
        corpus.save("saved", corpus.load("saved")[::-1])

        self.assertEqual(corpus.load("saved"), [b"", b"a", b"b"])
        self.assertEqual(corpus.path_of("saved").read_bytes(), archive)


class CommandTests(SynchronousTestCase):
    def said(self, *arguments: str) -> str:
        output = io.StringIO()
        with redirect_stdout(output):
            self.assertEqual(main(arguments), 0)
        return output.getvalue()

    def test_the_list_has_every_target_with_its_law(self) -> None:
        lines = self.said("--list").splitlines()

        self.assertEqual([line.split()[0] for line in lines], list(BY_NAME))

    def test_a_file_that_was_found_is_read_again(self) -> None:
        path = Path(self.mktemp())
        path.write_bytes(b"npt=1-2")

        self.assertEqual(self.said("range", "--file", str(path)), "")

    def test_an_unknown_target_is_said(self) -> None:
        with self.assertRaises(SystemExit):
            main(["everything"])
