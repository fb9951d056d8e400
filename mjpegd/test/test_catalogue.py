"""`mjpegd.catalogue`: each film is open once, and no longer than it is of use."""

import os
from fractions import Fraction
from pathlib import Path

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.catalogue import LINGER_S, MAX_IDLE_FILMS, SETTLE_S, Catalogue
from mjpegd.errors import MediaBusyError, MediaError, MediaNotFoundError
from mjpegd.interfaces import IFrameSource
from mjpegd.sources.library import Library, Listing, Place
from mjpegd.stream import FilmStream, LiveStream, Stream, train_cache
from mjpegd.test import films
from mjpegd.test.fakes import Crank, FakeFilm, FakeLive, FakeVideo, at_once, workshop


class RecordingWatcher:
    def __init__(self) -> None:
        self.gone: list[str] = []

    def stream_gone(self, reason: str) -> None:
        self.gone.append(reason)


class FakeLibrary(Library):
    """Finds what lies in the folder, and opens films that the test has made.

    Attributes:
        opening: Films that wait for the test.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root, Fraction(24), at_once)
        self.opening: list[Deferred[IFrameSource]] = []

    @override
    def open(self, place: Place) -> Deferred[IFrameSource]:
        opened: Deferred[IFrameSource] = Deferred()
        self.opening.append(opened)
        return opened


class CatalogueTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.root.mkdir()
        self.clock = Clock()
        self.live = LiveStream(FakeLive())
        self.catalogue = self.make_catalogue(Library(self.root, Fraction(24), at_once))

    def make_catalogue(self, library: Library) -> Catalogue:
        catalogue = Catalogue(
            library, {"testcard": self.live}, train_cache(1_000_000), workshop(at_once), self.clock
        )
        self.addCleanup(catalogue.close)
        return catalogue

    def film(self, name: str, frames: int = 5) -> Path:
        path = self.root / name
        path.write_bytes(films.laboratory(films.pictures(frames)))
        return path

    def opening(self, path: str) -> Deferred[Stream]:
        return ensureDeferred(self.catalogue.open(path))

    def opened(self, path: str) -> FilmStream:
        stream = self.successResultOf(self.opening(path))
        assert isinstance(stream, FilmStream), "a film was asked for"
        return stream

    def watch(self, stream: Stream) -> RecordingWatcher:
        watcher = RecordingWatcher()
        stream.join(watcher)
        return watcher

    def pass_s(self, seconds: float) -> None:
        self.clock.pump([0.5] * round(seconds / 0.5))


class OpenTests(CatalogueTestCase):
    def test_film_is_the_same_for_everybody(self) -> None:
        self.film("a.mjpeg")

        self.assertIs(self.opened("a.mjpeg"), self.opened("a.mjpeg"))

    def test_names_of_one_file_are_one_film(self) -> None:
        os.link(self.film("a.mjpeg"), self.root / "b.mjpeg")

        self.assertIs(self.opened("a.mjpeg"), self.opened("b.mjpeg"))

    def test_different_films_are_different_streams(self) -> None:
        self.film("a.mjpeg")
        self.film("b.mjpeg")

        self.assertIsNot(self.opened("a.mjpeg"), self.opened("b.mjpeg"))

    def test_what_is_not_there_is_not_found(self) -> None:
        self.failureResultOf(self.opening("nothing"), MediaNotFoundError)

    def test_film_just_copied_is_there(self) -> None:
        self.failureResultOf(self.opening("a.mjpeg"), MediaNotFoundError)
        self.film("a.mjpeg")

        self.assertEqual(self.opened("a.mjpeg").title, "a.mjpeg")

    def test_film_that_cannot_be_read_is_refused_again_and_again(self) -> None:
        (self.root / "a.mjpeg").write_bytes(b"no film at all")
        for _ in range(2):
            self.failureResultOf(self.opening("a.mjpeg"), MediaError)

        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_film_without_a_frame_that_can_be_carried_is_refused(self) -> None:
        (self.root / "a.mjpeg").write_bytes(films.laboratory([b"\xff\xd8 no JPEG"] * 3))

        self.failureResultOf(self.opening("a.mjpeg"), MediaError)

    def test_laboratory_clients_name_films_in_any_case(self) -> None:
        self.film("Movie.Mjpeg")

        path, stream = self.successResultOf(
            ensureDeferred(self.catalogue.open_for_laboratory("movie.mjpeg", lambda _: True))
        )
        self.assertEqual(path, "Movie.Mjpeg")
        self.assertIs(stream, self.opened("Movie.Mjpeg"))

    def test_live_stream_is_always_there(self) -> None:
        self.root.rmdir()

        self.assertIs(self.successResultOf(self.opening("testcard")), self.live)
        laboratory = self.catalogue.open_for_laboratory("testcard", lambda _: True)
        self.assertEqual(self.successResultOf(ensureDeferred(laboratory)), ("testcard", self.live))

    def test_what_a_laboratory_client_may_not_watch_is_not_there(self) -> None:
        self.film("Movie.Mjpeg")

        asked = []

        def may_watch(path: str) -> bool:
            asked.append(path)
            return False

        for name in ("movie.mjpeg", "testcard"):
            opening = self.catalogue.open_for_laboratory(name, may_watch)
            self.failureResultOf(ensureDeferred(opening), MediaNotFoundError)
        self.assertEqual(asked, ["Movie.Mjpeg", "testcard"])


class OpeningTests(CatalogueTestCase):
    """While a film is being opened."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.library = FakeLibrary(self.root)
        self.catalogue = self.make_catalogue(self.library)
        self.film("a.mjpeg")
        self.source = FakeFilm()

    def open_next(self, source: FakeFilm | None = None) -> None:
        self.library.opening.pop(0).callback(IFrameSource(source or self.source))

    def test_however_many_ask_it_is_opened_once(self) -> None:
        asked = [self.opening("a.mjpeg") for _ in range(20)]
        self.assertEqual(len(self.library.opening), 1)
        self.open_next()

        streams = {self.successResultOf(each) for each in asked}
        self.assertEqual(len(streams), 1)
        self.assertEqual(self.library.opening, [])

    def test_failure_is_not_kept_for_those_who_waited(self) -> None:
        asked = [self.opening("a.mjpeg") for _ in range(3)]
        self.library.opening.pop(0).errback(MediaError("the disk fails"))

        self.failureResultOf(asked[0], MediaError)
        self.assertEqual(len(self.library.opening), 1)
        self.open_next()
        self.assertIs(self.successResultOf(asked[1]), self.successResultOf(asked[2]))

    def test_film_that_is_decoded_for_nobody_makes_room_for_another(self) -> None:
        idle = FakeVideo()
        self.opening("a.mjpeg")
        self.open_next(idle)
        self.film("b.mjpeg")
        asked = self.opening("b.mjpeg")
        self.library.opening.pop(0).errback(MediaBusyError("all decoders are at work"))
        self.assertTrue(idle.is_closed)
        self.open_next()

        self.successResultOf(asked)

    def test_films_that_are_watched_make_no_room(self) -> None:
        watched, plain = FakeVideo(), FakeFilm()
        stream = self.opening("a.mjpeg")
        self.open_next(watched)
        self.successResultOf(stream).join(RecordingWatcher())
        self.film("b.mjpeg")
        self.opening("b.mjpeg")
        self.open_next(plain)
        self.film("c.mjpeg")
        asked = self.opening("c.mjpeg")
        self.library.opening.pop(0).errback(MediaBusyError("all decoders are at work"))

        self.failureResultOf(asked, MediaBusyError)
        self.assertFalse(watched.is_closed or plain.is_closed)

    def test_film_that_is_known_whole_opens_at_once(self) -> None:
        asked = self.opening("a.mjpeg")
        self.open_next()

        self.successResultOf(asked)

    def test_index_is_waited_for_until_it_is_done(self) -> None:
        self.source.grow(complete=False)
        asked = self.opening("a.mjpeg")
        self.open_next()
        for _ in range(3):
            self.clock.advance(0.2)
            self.source.grow(10)
            self.assertNoResult(asked)
        self.source.grow(complete=True)

        self.successResultOf(asked)

    def test_index_that_takes_longer_is_not(self) -> None:
        self.source.grow(complete=False)
        asked = self.opening("a.mjpeg")
        self.open_next()
        self.clock.advance(SETTLE_S - 0.01)
        self.source.grow(10)
        self.assertNoResult(asked)
        self.clock.advance(0.02)

        stream = self.successResultOf(asked)
        assert isinstance(stream, FilmStream)
        self.assertFalse(stream.source.complete)
        self.source.grow(10)

    def test_daemon_that_ends_meanwhile_leaves_nothing_open(self) -> None:
        asked = [self.opening("a.mjpeg") for _ in range(2)]
        self.catalogue.close()
        self.open_next()
        self.failureResultOf(asked[0], MediaError)
        for _ in self.library.opening:
            self.open_next()
        self.failureResultOf(asked[1], MediaError)

        self.assertTrue(self.source.is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_films_are_looked_after_meanwhile(self) -> None:
        self.opening("a.mjpeg")
        self.open_next()
        self.film("b.mjpeg")
        asked = self.opening("b.mjpeg")
        self.pass_s(LINGER_S + 1.0)
        self.assertTrue(self.source.is_closed)
        self.open_next(FakeFilm())

        self.successResultOf(asked)

    def test_daemon_that_ends_while_a_film_is_indexed(self) -> None:
        self.source.grow(complete=False)
        asked = self.opening("a.mjpeg")
        self.open_next()
        self.catalogue.close()
        self.source.grow(1)

        self.failureResultOf(asked, MediaError)
        self.assertTrue(self.source.is_closed)

    def test_film_that_changed_is_closed_and_opened_anew(self) -> None:
        asked = self.opening("a.mjpeg")
        self.open_next()
        old = self.watch(self.successResultOf(asked))
        self.source.change("replaced")
        self.pass_s(1.0)
        self.assertEqual(old.gone, ["replaced"])

        asked = self.opening("a.mjpeg")
        self.open_next(FakeFilm())

        self.assertTrue(self.source.is_closed)
        new = self.successResultOf(asked)
        assert isinstance(new, FilmStream), "a film was asked for"
        self.assertIsNone(new.changed)


class ClosingTests(CatalogueTestCase):
    """Films of a fake library, so that one sees whether they are closed."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.library = FakeLibrary(self.root)
        self.catalogue = self.make_catalogue(self.library)
        self.sources: dict[str, FakeFilm] = {}

    def take(self, name: str) -> Stream:
        """Open a film, for the first time or again."""
        if not (self.root / name).exists():
            self.film(name)
        asked = self.opening(name)
        if self.library.opening:
            source = self.sources[name] = FakeFilm()
            self.library.opening.pop().callback(IFrameSource(source))
        return self.successResultOf(asked)

    def test_film_without_viewers_lingers_and_is_closed(self) -> None:
        self.take("a")
        self.pass_s(LINGER_S - 1.0)
        self.assertFalse(self.sources["a"].is_closed)
        self.pass_s(2.0)

        self.assertTrue(self.sources["a"].is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_each_question_lets_it_linger_anew(self) -> None:
        stream = self.take("a")
        for _ in range(5):
            self.pass_s(LINGER_S - 2.0)
            self.assertIs(self.take("a"), stream)

        self.assertFalse(self.sources["a"].is_closed)

    def test_watched_film_stays_open(self) -> None:
        stream = self.take("a")
        watcher = self.watch(stream)
        self.pass_s(10 * LINGER_S)
        self.assertFalse(self.sources["a"].is_closed)

        stream.leave(watcher)
        self.pass_s(LINGER_S - 1.0)
        self.assertFalse(self.sources["a"].is_closed)
        self.pass_s(2.0)
        self.assertTrue(self.sources["a"].is_closed)

    def test_film_is_opened_anew_after_it_was_closed(self) -> None:
        first = self.take("a")
        self.pass_s(LINGER_S + 1.0)

        self.assertIsNot(self.take("a"), first)

    def test_films_without_viewers_are_bounded(self) -> None:
        self.watch(self.take("watched"))
        for number in range(MAX_IDLE_FILMS + 5):
            self.take(f"{number}")
            self.clock.advance(0.01)
        self.pass_s(1.0)

        closed = {name for name, source in self.sources.items() if source.is_closed}
        self.assertEqual(closed, {f"{number}" for number in range(5)})

    def test_end_of_the_daemon_closes_everything(self) -> None:
        self.watch(self.take("a"))
        self.take("b")
        self.catalogue.close()

        self.assertTrue(all(source.is_closed for source in self.sources.values()))
        live = self.live.source
        assert isinstance(live, FakeLive)
        self.assertTrue(live.is_closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ChangeTests(CatalogueTestCase):
    """Real files."""

    def test_replaced_file_is_another_film(self) -> None:
        self.film("a.mjpeg", 5)
        old = self.opened("a.mjpeg")
        self.film("new", 7).rename(self.root / "a.mjpeg")

        new = self.opened("a.mjpeg")

        self.assertEqual((old.source.times.count, new.source.times.count), (5, 7))

    def test_viewers_of_a_truncated_file_are_told(self) -> None:
        path = self.film("a.mjpeg")
        watcher = self.watch(self.opened("a.mjpeg"))
        self.pass_s(3.0)
        self.assertEqual(watcher.gone, [])

        os.truncate(path, 100)
        self.pass_s(1.0)

        self.assertEqual(len(watcher.gone), 1)

    def test_viewers_of_a_file_that_grows_see_it_to_its_end(self) -> None:
        path = self.film("a.mjpeg")
        watcher = self.watch(self.opened("a.mjpeg"))
        with path.open("ab") as file:
            file.write(films.laboratory(films.pictures(2)))
        self.pass_s(3.0)

        self.assertEqual(watcher.gone, [])
        self.assertEqual(self.opened("a.mjpeg").source.times.count, 7)

    def test_threads_that_are_late_harm_nobody(self) -> None:
        crank = Crank()
        self.film("a.mjpeg")
        library = Library(self.root, Fraction(24), crank)
        self.catalogue = Catalogue(library, {}, train_cache(1_000_000), workshop(crank), self.clock)
        self.addCleanup(self.catalogue.close)
        asked = [self.opening("a.mjpeg") for _ in range(2)]
        self.assertNoResult(asked[0])
        crank.turn_all()
        stream = self.successResultOf(asked[0])
        self.assertIs(stream, self.successResultOf(asked[1]))

        self.watch(stream)
        self.pass_s(10.0)
        self.assertEqual(len(crank.turns), 1)
        self.catalogue.close()
        crank.turn_all()


class ListingTests(CatalogueTestCase):
    def listing(self, limit: int) -> tuple[list[Listing], int]:
        return self.successResultOf(ensureDeferred(self.catalogue.listing(limit)))

    def test_the_test_card_comes_first(self) -> None:
        self.film("b.mjpeg")
        self.film("a b.mjpeg")

        listings, count = self.listing(10)

        self.assertEqual(
            [listing.url_path for listing in listings], ["testcard", "a%20b.mjpeg", "b.mjpeg"]
        )
        self.assertEqual(count, 3)

    def test_count_is_of_all_beyond_the_limit(self) -> None:
        for number in range(5):
            self.film(f"{number}.mjpeg")

        listings, count = self.listing(3)

        self.assertEqual((len(listings), count), (3, 6))

    def test_missing_folder_has_the_test_card(self) -> None:
        self.root.rmdir()

        self.assertEqual(self.listing(10)[1], 1)
