import contextlib
import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.errors import MediaChangedError, MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource
from mjpegd.sources.film import Film
from mjpegd.sources.indexing import BATCH_FRAMES
from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.films import avi, laboratory, matroska, matroska_track, multipart, pictures
from mjpegd.test.pictures import DHT, DQT, number_of, without

FRAMES = pictures(5)
RATE = Fraction(24)
LONG = BATCH_FRAMES + 100  # More than one batch can bring.


class FilmCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).resolve()
        self.thread = Crank()
        # A film that is closed gives its file back when the work under way is done.
        self.addCleanup(self.thread.turn_all)

    def film(self, content: bytes) -> Film:
        """A film that was opened and is completely indexed."""
        self.path.write_bytes(content)
        film = self.successResultOf(Film.open(self.path, "a film", RATE, at_once))
        self.addCleanup(film.close)
        return film

    def begun_film(self, content: bytes) -> Film:
        """A film of which a part is indexed; `self.thread` does the rest."""
        self.path.write_bytes(content)
        opening = Film.open(self.path, "a film", RATE, self.thread)
        self.assertNoResult(opening)
        self.thread.turn()
        return self.successResultOf(opening)

    def read(self, film: Film, number: int) -> bytes:
        return self.successResultOf(film.read(number))

    def is_open(self) -> bool:
        """Whether this process has the file open, by what the system says."""
        for opened in Path("/dev/fd").iterdir():
            # The number that the listing itself had is closed by now.
            with contextlib.suppress(OSError):
                if os.path.samestat(os.fstat(int(opened.name)), self.path.stat()):
                    return True
        return False

    def assert_frames(self, film: Film, frames: Sequence[bytes]) -> None:
        self.assertEqual([self.read(film, n) for n in range(film.times.count)], list(frames))


class OpeningTests(FilmCase):
    def test_is_a_frame_source(self) -> None:
        self.assertTrue(verifyObject(IFrameSource, self.film(laboratory(FRAMES))))

    def test_what_it_tells_of_itself(self) -> None:
        film = self.film(laboratory(FRAMES))

        self.assertEqual(film.title, "a film")
        self.assertEqual(film.kind, "laboratory .Mjpeg")
        self.assertTrue(film.complete)
        self.assertFalse(film.still)
        self.assertFalse(film.timed)
        self.assertEqual((film.times.rate, film.times.count), (RATE, 5))
        self.assertEqual(film.mean_bytes, sum(map(len, FRAMES)) // 5)

    def test_rate_of_the_file(self) -> None:
        film = self.film(avi(FRAMES, rate=(30000, 1001)))

        self.assertTrue(film.timed)
        self.assertEqual(film.times.rate, Fraction(30000, 1001))
        self.assertEqual(film.times.time_of(3), 3 * 1001 / 30000)

    def test_times_of_the_file(self) -> None:
        film = self.film(multipart(FRAMES, stamps=["7.0", "7.5", "8.0", "10.0", "11.0"]))

        self.assertTrue(film.timed)
        self.assertEqual([film.times.time_of(n) for n in range(5)], [0.0, 0.5, 1.0, 3.0, 4.0])
        self.assertEqual(film.times.rate, 1)

    def test_rounded_times_of_a_steady_rate_are_exact(self) -> None:
        times = [33, 67, 100, 133, 167]
        film = self.film(matroska(FRAMES, times, matroska_track(frame_ns=33_333_333)))

        self.assertEqual([film.times.time_of(n) for n in range(5)], [n / 30 for n in range(5)])

    def test_single_picture_is_a_still(self) -> None:
        film = self.film(FRAMES[3])

        self.assertTrue(film.still)
        self.assertTrue(film.complete)
        self.assertEqual((film.kind, film.times.count, film.times.rate), ("JPEG", 1, 1))

    def test_film_of_one_frame_is_no_still(self) -> None:
        self.assertFalse(self.film(laboratory(FRAMES[:1])).still)

    def test_what_cannot_be_opened(self) -> None:
        broken = {b"": "empty", b"text": "no JPEG", b"00003\xff\xd8\xff": "without a picture"}
        for content, reason in broken.items():
            with self.subTest(reason=reason):
                self.path.write_bytes(content)
                opening = Film.open(self.path, "a film", RATE, at_once)

                self.assertIn(reason, str(self.failureResultOf(opening, MediaError).value))
                self.assertFalse(self.is_open())

    def test_no_such_file(self) -> None:
        opening = Film.open(self.path, "a film", RATE, at_once)

        self.failureResultOf(opening, MediaNotFoundError)


class ReadingTests(FilmCase):
    def test_every_frame(self) -> None:
        self.assert_frames(self.film(laboratory(FRAMES)), FRAMES)

    def test_frame_at_once_or_not_yet(self) -> None:
        film = self.film(laboratory(FRAMES))

        self.assertIn(film.read_now(2), (FRAMES[2], None))

    def test_frames_get_the_tables_of_the_last_one_that_had_any(self) -> None:
        other = pictures(12)[11]
        film = self.film(
            FRAMES[0]
            + b"".join(without(frame, DQT, DHT) for frame in FRAMES[1:3])
            + other
            + without(FRAMES[3], DQT, DHT)
        )

        for number, shown in enumerate((0, 1, 2, 11, 3)):
            self.assertEqual(number_of(self.read(film, number)), shown)
            self.assertIn(film.read_now(number), (self.read(film, number), None))
        self.assertNotEqual(self.read(film, 1), self.read(film, 4))

    def test_tables_that_are_not_at_hand_are_read_in_a_thread(self) -> None:
        film = self.film(FRAMES[0] + without(FRAMES[1], DQT, DHT))

        self.assertIsNone(film.read_now(1))

    def test_frames_without_any_tables_before_them_stay_as_they_are(self) -> None:
        frames = [without(frame, DQT, DHT) for frame in FRAMES]

        self.assert_frames(self.film(b"".join(frames)), frames)

    def test_frames_begin_with_soi(self) -> None:
        film = self.film(avi([b"AVI1junk" + FRAMES[0], b"no picture", FRAMES[1]]))

        self.assert_frames(film, [FRAMES[0], b"no picture", FRAMES[1]])

    def test_frame_of_a_file_that_changed(self) -> None:
        film = self.film(laboratory(FRAMES))
        os.truncate(self.path, 1000)

        self.assertRaises(MediaChangedError, film.read_now, 0)
        self.failureResultOf(film.read(0), MediaChangedError)
        self.failureResultOf(film.check(), MediaChangedError)

    def test_appending_changes_nothing(self) -> None:
        film = self.film(laboratory(FRAMES))
        with self.path.open("ab") as file:
            file.write(laboratory(FRAMES))

        self.successResultOf(film.check())
        self.assert_frames(film, FRAMES)


class IndexingTests(FilmCase):
    def long_film(self) -> bytes:
        return FRAMES[0] * LONG

    def test_plays_before_it_is_indexed(self) -> None:
        film = self.begun_film(self.long_film())
        self.addCleanup(film.close)

        self.assertFalse(film.complete)
        self.assertLessEqual(2, film.times.count)
        reading = film.read(1)
        while self.thread.turns:
            self.thread.turn()
        self.assertEqual(self.successResultOf(reading), FRAMES[0])
        self.assertTrue(film.complete)
        self.assertEqual(film.times.count, LONG)

    def test_tells_when_it_has_grown(self) -> None:
        film = self.begun_film(self.long_film())
        self.addCleanup(film.close)
        grown = film.grown()
        count = film.times.count

        self.assertNoResult(grown)
        self.thread.turn()

        self.successResultOf(grown)
        self.assertGreater(film.times.count, count)

    def test_complete_film_tells_at_once(self) -> None:
        self.successResultOf(self.film(laboratory(FRAMES)).grown())

    def test_closing_waits_for_the_batch_under_way(self) -> None:
        film = self.begun_film(self.long_film())
        grown = film.grown()
        film.close()

        self.successResultOf(grown)
        self.assertTrue(self.is_open())
        self.thread.turn()
        self.assertFalse(self.is_open())
        self.assertEqual(self.thread.turns, [])

    def test_closing_waits_for_reads_under_way(self) -> None:
        film = self.begun_film(laboratory(FRAMES))
        reading = film.read(4)
        film.close()
        self.thread.turn()

        self.assertEqual(self.successResultOf(reading), FRAMES[4])
        self.assertFalse(self.is_open())

    def test_file_that_changes_meanwhile_is_not_mixed_with_the_new_one(self) -> None:
        film = self.begun_film(self.long_film())
        self.addCleanup(film.close)
        count = film.times.count
        status = self.path.stat()
        self.path.write_bytes(FRAMES[1] + self.long_film()[len(FRAMES[1]) :])
        os.utime(self.path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))
        self.thread.turn()

        self.assertTrue(film.complete)
        self.assertEqual(film.times.count, count)
        self.assertRaises(MediaChangedError, film.read_now, 0)
