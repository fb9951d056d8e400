import math
import os
import signal
import struct
import sys
from array import array
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase, TestCase
from typing_extensions import override

from mjpegd.errors import MediaBusyError, MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.pictures.forms import Rendition
from mjpegd.sources import containers
from mjpegd.sources.decoder_messages import (
    EXIT_OUT_OF_MEMORY,
    DecoderLimits,
    Frames,
    Kind,
    Message,
    Opening,
)
from mjpegd.sources.indexing import BATCH_FRAMES, OtherVideoError
from mjpegd.sources.reading import FilmFile
from mjpegd.sources.video import MAX_RESTARTS, DecoderReactor, Decoders, VideoFilm
from mjpegd.test.fakes import at_once
from mjpegd.test.pictures import number_of
from mjpegd.test.processes import FakeProcess, FakeProcesses
from mjpegd.test.videos import RATE, SIZE, video
from mjpegd.wire.errors import BrokenJpegError
from mjpegd.wire.jpeg_frame import MAX_SIDE_PIXELS
from mjpegd.wire.jpeg_image import JpegImage

DEFAULT_RATE = Fraction(10)
FILM = video(40)


class VideoCase(SynchronousTestCase):
    limits = DecoderLimits(answer_s=60.0)

    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.reactor = FakeProcesses()
        self.decoders = self.make_decoders()

    def make_decoders(self, **options: Any) -> Decoders:
        return Decoders(cast(DecoderReactor, self.reactor), 2, self.limits, **options)

    def opening(self, content: bytes) -> "Deferred[VideoFilm]":
        self.path.write_bytes(content)
        file = FilmFile(self.path)
        what = self.assertRaises(OtherVideoError, containers.index, file)
        file.close()
        opening = VideoFilm.open(self.path, "a film", what, DEFAULT_RATE, at_once, self.decoders)
        self.addCleanup(self.reactor.bury)
        return opening

    def begun_film(self, content: bytes) -> VideoFilm:
        """A film of which the first frames are known."""
        opening = self.opening(content)
        while not opening.called:
            self.reactor.started[-1].work()
        film = self.successResultOf(opening)
        self.addCleanup(film.close)
        return film

    def film(self, content: bytes = FILM) -> VideoFilm:
        """A film that is completely indexed."""
        film = self.begun_film(content)
        self.reactor.work()
        return film

    def result(self, reading: "Deferred[bytes]") -> bytes:
        self.reactor.work()
        return self.successResultOf(reading)


class OpeningTests(VideoCase):
    def test_what_it_tells_of_itself(self) -> None:
        film = self.film(video(40, codec="mpeg4"))

        self.assertEqual((film.title, film.kind), ("a film", "MPEG-4 in QuickTime/MP4"))
        self.assertEqual((film.times.count, film.times.rate), (40, RATE))
        self.assertTrue(film.complete)
        self.assertTrue(film.timed)
        self.assertFalse(film.still)

    def test_times_of_the_file_from_0_on(self) -> None:
        film = self.film(video(6, "matroska", times=(0.5, 0.54, 0.6, 1.0, 1.02, 2.5)))

        moments = [round(film.times.time_of(number), 3) for number in range(6)]
        self.assertEqual(moments, [0, 0.04, 0.1, 0.5, 0.52, 2.0])

    def test_film_that_tells_no_times(self) -> None:
        film = self.film(video(12, "h264", "libx264"))

        self.assertFalse(film.timed)
        self.assertEqual(film.times.rate, DEFAULT_RATE)
        self.assertEqual(film.times.count, 12)

    def test_plays_before_it_is_indexed(self) -> None:
        film = self.begun_film(video(60))
        reading = film.read(film.times.count - 1)
        grown = film.grown()

        self.result(reading)
        self.successResultOf(grown)

    def test_no_such_file(self) -> None:
        what = OtherVideoError("H.264 video", "AVI", "avi")
        opening = VideoFilm.open(self.path, "a film", what, DEFAULT_RATE, at_once, self.decoders)

        self.failureResultOf(opening, MediaNotFoundError)

    def test_film_that_cannot_be_decoded(self) -> None:
        opening = self.opening(b"OggS" + bytes(200))
        self.reactor.work()

        self.assertTrue(str(self.failureResultOf(opening, MediaError).value))
        self.assertFalse(self.reactor.started[0].is_alive)

    def test_film_without_frames(self) -> None:
        header = video(container_options=(("movflags", "frag_keyframe+empty_moov"),))
        opening = self.opening(header[: header.index(b"moof") - 4])
        self.reactor.work()

        self.assertTrue(str(self.failureResultOf(opening, MediaError).value))

    def test_without_the_library_says_how_to_get_it(self) -> None:
        self.decoders = self.make_decoders(library="no_such_library")

        error = self.failureResultOf(self.opening(FILM), MediaError).value

        self.assertIn("pip install 'mjpegd[containers]'", str(error))
        self.assertEqual(self.reactor.started, [])

    def test_so_many_at_a_time(self) -> None:
        first, second = self.film(), self.film()

        self.failureResultOf(self.opening(FILM), MediaBusyError)
        first.close()
        self.reactor.bury()
        self.film().close()
        second.close()

    def test_process_that_does_not_end_is_not_waited_for_for_ever(self) -> None:
        first, second = self.film(), self.film()
        first.close()
        waiting = self.opening(FILM)
        self.assertNoResult(waiting)
        self.reactor.advance(60)

        self.failureResultOf(waiting, MediaBusyError)
        self.reactor.bury()
        second.close()

    def test_wishes_that_come_to_the_same_are_the_same(self) -> None:
        film = self.film()
        most = MAX_SIDE_PIXELS

        self.assertEqual(film.granted(Rendition()), Rendition(most, most, 85))
        self.assertEqual(film.granted(Rendition(9999, most, 85)), Rendition(most, most, 85))
        self.assertEqual(film.granted(Rendition(320, 240, 50)), Rendition(320, 240, 50))

    def test_place_of_a_process_that_ends_is_waited_for(self) -> None:
        first, second = self.film(), self.film()
        first.close()
        waiting = self.opening(FILM)
        self.failureResultOf(self.opening(FILM), MediaBusyError)
        self.assertEqual(len(self.reactor.started), 2)
        self.reactor.bury()
        self.reactor.work()

        self.successResultOf(waiting).close()
        second.close()

    def test_process_that_cannot_be_started(self) -> None:
        self.reactor.refuses = True

        error = self.failureResultOf(self.opening(FILM), MediaError).value

        self.assertIn("temporarily unavailable", str(error))
        self.reactor.refuses = False
        self.film()
        self.film()

    def test_who_is_cancelled_leaves_the_turn_to_the_next(self) -> None:
        first, second = self.film(), self.film()
        first.close()
        cancelled = self.opening(FILM)
        cancelled.cancel()
        self.failureResultOf(cancelled, CancelledError)
        waiting = self.opening(FILM)
        self.assertNoResult(waiting)
        self.reactor.bury()
        self.reactor.work()

        self.successResultOf(waiting).close()
        second.close()

    def test_cancelled_while_it_is_opened(self) -> None:
        for _ in range(3):
            opening = self.opening(FILM)
            opening.cancel()
            self.failureResultOf(opening, CancelledError)
            self.reactor.bury()

        self.assertEqual(self.decoders.taken, 0)

    def test_python_that_does_not_say_where_it_is(self) -> None:
        for fault in (TypeError("expected str, not NoneType"), ValueError("embedded null byte")):
            with self.subTest(fault=fault):
                self.reactor.refuses, self.reactor.refusal = True, fault

                error = self.failureResultOf(self.opening(FILM), MediaError).value

                self.assertIn(str(fault), str(error))
                self.assertEqual(self.decoders.taken, 0)

    def test_module_path_may_hold_anything(self) -> None:
        self.addCleanup(setattr, sys, "path", sys.path)
        sys.path = [*sys.path, cast(str, Path("elsewhere")), ""]

        self.film()

    def test_process_that_says_nothing(self) -> None:
        opening = self.opening(FILM)
        self.reactor.advance(self.limits.answer_s + 1)
        self.reactor.bury()

        error = self.failureResultOf(opening, MediaError).value
        self.assertIn("no answer for 60 s", str(error))


class RenderingTests(VideoCase):
    def test_every_frame(self) -> None:
        film = self.film()

        shown = [number_of(self.result(film.read(number))) for number in range(40)]

        self.assertEqual(shown, list(range(40)))

    def test_many_at_once_in_the_order_of_asking(self) -> None:
        film = self.film()
        got: list[int] = []
        for number in (5, 30, 0, 5, 12):
            film.read(number).addCallback(lambda jpeg: got.append(number_of(jpeg)))
        self.reactor.work()

        self.assertEqual(got, [5, 30, 0, 5, 12])

    def test_as_somebody_wishes(self) -> None:
        film = self.film()

        small = self.result(film.render(3, Rendition(width=32)))
        fine = self.result(film.render(3, Rendition(quality=100)))
        plain = self.result(film.read(3))

        self.assertEqual(size_of(small), (32, 24))
        self.assertEqual(size_of(fine), SIZE)
        self.assertGreater(len(fine), len(plain))

    def test_no_more_than_the_operator_allows(self) -> None:
        self.decoders = self.make_decoders(max_width=48, max_height=1000, quality=20)
        film = self.film()

        wished = self.result(film.render(3, Rendition(60_000, 60_000, 1000)))
        plain = self.result(film.read(3))

        self.assertEqual(size_of(wished), (48, 36))
        self.assertEqual(size_of(plain), (48, 36))
        self.assertLess(len(plain), len(wished))

    def test_who_waits_no_more_costs_nothing(self) -> None:
        film = self.film()
        readings = [film.read(number) for number in range(10)]
        for reading in readings[1:]:
            reading.addErrback(lambda _: None)
            reading.cancel()
        before = len(self.reactor.started[0].received)

        self.result(readings[0])
        self.assertEqual(number_of(self.result(film.read(20))), 20)
        asked = len(self.reactor.started[0].received) - before
        self.assertEqual(asked, len(Message(Kind.RENDER, 0, bytes(9)).to_bytes()))

    def test_frame_that_is_not_there(self) -> None:
        reading = self.film().read(40)
        self.reactor.work()

        self.failureResultOf(reading, BrokenJpegError)

    def test_file_that_changes(self) -> None:
        film = self.film()
        self.successResultOf(film.check())
        reading = film.read(3)
        os.truncate(self.path, 1000)
        self.reactor.work()

        self.failureResultOf(reading, MediaChangedError)
        self.failureResultOf(film.check(), MediaChangedError)


class EndingTests(VideoCase):
    """A process dies: what comes of those who wait."""

    def test_closing_ends_it(self) -> None:
        film = self.film()
        reading = film.read(3)
        film.close()

        self.failureResultOf(reading, MediaError)
        self.failureResultOf(film.read(4), MediaError)
        self.reactor.bury()
        self.assertFalse(self.reactor.started[0].is_alive)

    def test_the_frame_that_it_dies_of_is_left_out(self) -> None:
        film = self.film()
        readings = [film.read(number) for number in range(5)]
        self.reactor.started[0].end(by_signal=signal.SIGSEGV)

        error = self.failureResultOf(readings[0], BrokenJpegError).value
        self.assertIn("crashed (signal 11)", str(error))
        for number, reading in enumerate(readings[1:], 1):
            self.assertEqual(number_of(self.result(reading)), number)
        self.assertEqual(len(self.reactor.started), 2)
        self.assertEqual(film.times.count, 40)

    def test_says_what_it_died_of(self) -> None:
        endings: list[tuple[Callable[[FakeProcess], None], str]] = [
            (lambda process: process.end(EXIT_OUT_OF_MEMORY), "ran out of memory"),
            (lambda process: process.end(by_signal=signal.SIGXCPU), "took too long"),
            (lambda process: process.end(1), "failed (status 1)"),
            (lambda process: process.end(), "ended"),
            (lambda process: process.say(b"\xff" * 9), "said nonsense"),
        ]
        for end, reason in endings:
            with self.subTest(reason=reason):
                film = self.film()
                reading = film.read(3)
                end(self.reactor.started[-1])
                self.reactor.bury()

                error = self.failureResultOf(reading, BrokenJpegError).value
                self.assertIn(reason, str(error))
                film.close()
                self.reactor.bury()

    def test_no_answer(self) -> None:
        film = self.film()
        readings = [film.read(number) for number in range(2)]
        self.reactor.advance(self.limits.answer_s - 1)
        self.reactor.bury()
        self.assertNoResult(readings[0])
        self.reactor.advance(2)
        self.reactor.bury()

        self.failureResultOf(readings[0], BrokenJpegError)
        self.assertEqual(number_of(self.result(readings[1])), 1)

    def test_idle_process_may_be_silent(self) -> None:
        self.film()
        self.reactor.advance(10 * self.limits.answer_s)
        self.reactor.bury()

        self.assertTrue(self.reactor.started[0].is_alive)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_that_dies_again_and_again_is_given_up(self) -> None:
        film = self.film()
        for _ in range(MAX_RESTARTS):
            reading = film.read(3)
            self.reactor.started[-1].end(EXIT_OUT_OF_MEMORY)
            self.failureResultOf(reading, BrokenJpegError)
        reading = film.read(3)
        self.reactor.started[-1].end(EXIT_OUT_OF_MEMORY)

        error = self.failureResultOf(reading, MediaError).value
        self.assertIn("ran out of memory", str(error))
        self.failureResultOf(film.read(4), MediaError)
        self.assertEqual(len(self.reactor.started), MAX_RESTARTS + 1)
        film.close()
        self.film()
        self.film()

    def test_while_it_is_indexing(self) -> None:
        film = self.begun_film(FILM)
        grown = film.grown()
        if not film.complete:
            self.reactor.started[0].end(by_signal=signal.SIGSEGV)
        self.successResultOf(grown)
        count = film.times.count

        self.assertTrue(film.complete)
        self.assertEqual(number_of(self.result(film.read(count - 1))), count - 1)
        self.assertEqual(film.times.count, count)

    def test_index_goes_on_where_a_frame_was_the_reason(self) -> None:
        opening = self.opening(FILM)
        process = self.reactor.started[0]
        process.say(
            Message(Kind.OPENED, body=Opening("H.264", RATE, timed=True).to_bytes()).to_bytes()
        )
        found = Frames(array("d", [0, 0.04, 0.08]), complete=False)
        process.say(Message(Kind.FRAMES, body=found.to_bytes()).to_bytes())
        film = self.successResultOf(opening)
        self.addCleanup(film.close)
        reading = film.read(1)
        process.end(by_signal=signal.SIGSEGV)
        self.failureResultOf(reading, BrokenJpegError)
        self.assertFalse(film.complete)

        self.assertEqual(number_of(self.result(film.read(2))), 2)
        self.assertTrue(film.complete)
        self.assertEqual(film.times.count, 40)
        self.assertAlmostEqual(film.times.end, 1.6)

    def test_told_nothing_while_it_dies(self) -> None:
        film = self.film()
        reading = film.read(3)
        process = self.reactor.started[0]
        process.hang_up()
        second = film.read(4)
        process.end(by_signal=signal.SIGSEGV)

        error = self.failureResultOf(reading, BrokenJpegError).value
        self.assertIn("crashed (signal 11)", str(error))
        self.assertEqual(number_of(self.result(second)), 4)

    def test_that_hangs_up_is_ended(self) -> None:
        film = self.film()
        self.reactor.started[0].hang_up()
        reading = film.read(3)
        self.reactor.bury()

        self.assertEqual(number_of(self.result(reading)), 3)

    def test_that_repeats_itself_fills_no_memory(self) -> None:
        opening = self.opening(FILM)
        said = Message(Kind.OPENED, body=Opening("H.264", RATE, timed=True).to_bytes())
        for _ in range(3):
            self.reactor.started[0].say(said.to_bytes())
        self.reactor.work()

        film = self.successResultOf(opening)
        self.assertEqual(film.kind, "H.264 in QuickTime/MP4")
        film.close()

    def test_that_says_what_makes_no_sense_is_ended(self) -> None:
        for message in (
            Message(Kind.PICTURE, 99, b"unasked for"),
            Message(Kind.RENDER, 1, bytes(9)),
            Message(Kind.FRAMES, body=bytes(8)),
            Message(Kind.FRAMES, body=b"\0" + struct.pack("<d", math.nan)),
            Message(Kind.OPENED, body=b"{}"),
            Message(Kind.OPENED, body=b"nonsense"),
            Message(Kind.OPENED, body=b'["x", Infinity, 1, true]'),
            Message(Kind.OPENED, body=b"[" * 1000),
            Message(Kind.FRAMES, body=bytes(1 + 8 * 3 * BATCH_FRAMES)),
        ):
            with self.subTest(message=message):
                film = self.film()
                film.read(3).addErrback(lambda _: None)
                self.reactor.started[-1].say(message.to_bytes())

                self.assertTrue(self.reactor.started[-1].is_dying)
                film.close()
                self.reactor.bury()


class SayingTests(VideoCase):
    def test_its_complaints_are_logged_with_bounds(self) -> None:
        self.film()
        process = self.reactor.started[0]
        with capturedLogs() as events:
            process.say(b"first\nsecond \x1b[2J\n" * 100, 2)
            process.say(b"more\n" * 100, 2)

        self.assertLessEqual(len(events), 10)
        self.assertEqual([event["line"] for event in events[:2]], ["first", "second \\x1b[2J"])

    def test_its_end_is_one_line(self) -> None:
        self.film()
        with capturedLogs() as events:
            self.reactor.started[0].end(by_signal=signal.SIGSEGV)

        self.assertEqual([event["reason"] for event in events], ["crashed (signal 11)"])


def size_of(jpeg: bytes) -> tuple[int, int]:
    image = JpegImage.parse(jpeg)
    return image.width, image.height


class RealProcessTests(TestCase):
    """The process as it is: what a fake cannot show."""

    timeout = 30

    async def film(self, content: bytes, **limits: Any) -> VideoFilm:
        from twisted.internet import reactor

        path = Path(self.mktemp()).resolve()
        path.write_bytes(content)
        # The stubs know the reactor as the least that all platforms have.
        decoders = Decoders(cast(DecoderReactor, reactor), 2, DecoderLimits(**limits))
        what = OtherVideoError("video", "QuickTime/MP4", "mov")
        self.addCleanup(self.left, decoders)
        film = await VideoFilm.open(path, "a film", what, RATE, at_once, decoders)
        self.addCleanup(film.close)
        return film

    async def left(self, decoders: Decoders) -> None:
        """Wait until the process is gone, also that of a film that could not be opened."""
        from twisted.internet import reactor

        while decoders.taken:
            await deferLater(cast(DecoderReactor, reactor), 0.005)

    async def test_frames_of_a_film_with_sound(self) -> None:
        film = await self.film(video(has_sound=True))

        shown = [number_of(await film.read(number)) for number in (0, 7, 3)]

        self.assertEqual(shown, [0, 7, 3])

    async def test_killed_from_outside(self) -> None:
        film = await self.film(video())
        reading = film.read(3)
        assert film.process_id is not None
        os.kill(film.process_id, signal.SIGKILL)

        with self.assertRaises(BrokenJpegError):
            await reading
        self.assertEqual(number_of(await film.read(4)), 4)

    async def test_too_little_memory(self) -> None:
        # What the process has left may do to open the film, but never for a picture of it.
        with self.assertRaises((MediaError, BrokenJpegError)):
            film = await self.film(video(1, size=(1280, 720)), memory_bytes=1 << 20, answer_s=3.0)
            await film.read(0)
