"""`mjpegd.stream`: each frame is cut once, whoever watches, and within bounded memory."""

from fractions import Fraction

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaChangedError, MediaError, RTSPError
from mjpegd.stream import (
    MAX_LOGGED_REASONS,
    PROBED_FRAMES,
    FilmStream,
    JpegPacking,
    LiveStream,
    TrainCache,
    Wishes,
)
from mjpegd.test.fakes import Crank, FakeFilm, FakeLive, at_once, small_picture
from mjpegd.test.pictures import with_segment
from mjpegd.wire.errors import BrokenJpegError, JpegError
from mjpegd.wire.packets import TrainTemplate

PACKING = JpegPacking(max_payload_bytes=1388, interleaved=False)
OTHER_PACKING = JpegPacking(max_payload_bytes=1388, interleaved=True)


class SlowPacking:
    """A packing whose work belongs in a thread.

    Attributes:
        packed: How many pictures were packed.
    """

    is_slow = True

    def __init__(self) -> None:
        self.packed = 0

    def pack(self, picture: bytes) -> TrainTemplate:
        self.packed += 1
        return PACKING.pack(picture)


class PickyPacking:
    """A packing that refuses every picture, each for another reason."""

    is_slow = False

    def __init__(self) -> None:
        self.refused = 0

    def pack(self, picture: bytes) -> TrainTemplate:
        self.refused += 1
        raise BrokenJpegError(f"reason {self.refused}")


class RecordingWatcher:
    def __init__(self) -> None:
        self.gone: list[str] = []

    def stream_gone(self, reason: str) -> None:
        self.gone.append(reason)


def template(size_bytes: int) -> TrainTemplate:
    return TrainTemplate.from_payloads([bytes(size_bytes)], interleaved=False)


class HangingFilm(FakeFilm):
    """A film on a disk that answers when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._questions: list[Deferred[None]] = []

    @override
    def check(self) -> Deferred[None]:
        self.checks += 1
        question: Deferred[None] = Deferred()
        self._questions.append(question)
        return question

    def answer(self, result: Failure | None) -> None:
        self._questions.pop().callback(result)


class WishesTests(SynchronousTestCase):
    def test_good_values(self) -> None:
        for query, wishes in (
            ({}, Wishes()),
            ({"fps": "25"}, Wishes(fps=Fraction(25))),
            ({"fps": "29.97"}, Wishes(fps=Fraction(2997, 100))),
            ({"fps": "30000/1001"}, Wishes(fps=Fraction(30_000, 1001))),
            ({"fps": "0.1"}, Wishes(fps=Fraction(1, 10))),
            ({"fps": "1000"}, Wishes(fps=Fraction(1000))),
            ({"loop": "1"}, Wishes(loop=True)),
            ({"loop": "0"}, Wishes(loop=False)),
            ({"fps": "12", "loop": "1"}, Wishes(Fraction(12), loop=True)),
        ):
            self.assertEqual(Wishes.parse(query), wishes)

    def test_bad_values_are_400(self) -> None:
        for fps in (
            *("", "0", "0.0", "-1", "1001", "1e3", "1e999999999", "nan", "inf", "x", " 25"),
            *("25/0", "1/2/3", "/", ".", "2_5", "+25", "٢٥", "9" * 22, "1/" + "9" * 21),
        ):
            self.assertEqual(
                self.assertRaises(RTSPError, Wishes.parse, {"fps": fps}).status, 400, fps
            )
        for loop in ("", "2", "yes", "true", "01", " 1"):
            self.assertEqual(
                self.assertRaises(RTSPError, Wishes.parse, {"loop": loop}).status, 400, loop
            )

    def test_unknown_keys_mean_nothing(self) -> None:
        self.assertEqual(Wishes.parse({"FPS": "x", "token": "", "loops": "9"}), Wishes())


class TrainCacheTests(SynchronousTestCase):
    def test_gives_back_what_was_put(self) -> None:
        cache = TrainCache(10_000)
        train, refusal = template(100), BrokenJpegError("no")
        cache.put((1,), train)
        cache.put((2,), refusal)

        self.assertIs(cache.get((1,)), train)
        self.assertIs(cache.get((2,)), refusal)
        self.assertIsNone(cache.get((3,)))

    def test_holds_no_more_bytes_than_it_may(self) -> None:
        cache = TrainCache(20_000)
        for number in range(1000):
            cache.put((number,), template(1 + number * 7 % 3000))

            held = [cache.get((n,)) for n in range(number + 1)]
            self.assertLessEqual(
                sum(train.size_bytes for train in held if isinstance(train, TrainTemplate)), 20_000
            )

    def test_refusals_are_bounded_too(self) -> None:
        cache = TrainCache(20_000)
        for number in range(1000):
            cache.put((number,), BrokenJpegError("no"))

        self.assertLessEqual(sum(cache.get((n,)) is not None for n in range(1000)), 20)

    def test_the_one_used_longest_ago_goes_first(self) -> None:
        cache = TrainCache(3 * 1600)
        for number in range(3):
            cache.put((number,), template(1000))
        cache.get((0,))
        cache.put((3,), template(1000))

        self.assertEqual([cache.get((n,)) is not None for n in range(4)], [True, False, True, True])

    def test_the_newest_stays_even_where_it_is_too_large(self) -> None:
        cache = TrainCache(1000)
        cache.put((1,), template(100))
        cache.put((2,), template(50_000))

        self.assertIsNone(cache.get((1,)))
        self.assertIsNotNone(cache.get((2,)))

    def test_putting_again_replaces(self) -> None:
        cache = TrainCache(3 * 1600)
        for _ in range(100):
            cache.put((1,), template(1000))
        cache.put((2,), template(1000))

        self.assertIsNotNone(cache.get((1,)))


class FilmStreamTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.film = FakeFilm(24, broken={5, 6, 7})
        self.stream = FilmStream(self.film, TrainCache(10_000_000), at_once)


class TrainTests(FilmStreamTestCase):
    def test_viewers_share_what_was_read_once(self) -> None:
        first = self.stream.train(3, PACKING)
        second = self.stream.train(3, JpegPacking(1388, interleaved=False))

        self.assertIs(first, second)
        self.assertEqual(self.film.read_numbers, [3])

    def test_other_packings_are_other_trains(self) -> None:
        plain, interleaved = (self.stream.train(3, p) for p in (PACKING, OTHER_PACKING))

        assert plain is not None and interleaved is not None
        self.assertEqual((plain.interleaved, interleaved.interleaved), (False, True))

    def test_streams_never_share_trains(self) -> None:
        cache = TrainCache(10_000_000)
        one, two = (FilmStream(FakeFilm(), cache, at_once) for _ in range(2))

        self.assertIsNot(one.train(0, PACKING), two.train(0, PACKING))

    def test_frame_that_cannot_be_carried_is_refused_each_time_and_cut_once(self) -> None:
        for _ in range(3):
            self.assertRaises(JpegError, self.stream.train, 5, PACKING)

        self.assertEqual(self.film.read_numbers, [5])
        self.assertEqual(self.stream.unplayable_frames, 1)

    def test_reason_is_logged_once_and_frames_are_counted(self) -> None:
        with capturedLogs() as events:
            for number in (5, 6, 7):
                self.assertRaises(JpegError, self.stream.train, number, PACKING)
            self.stream.close()

        self.assertEqual(self.stream.unplayable_frames, 3)
        lines = [formatEvent(event) for event in events]
        self.assertEqual(len([line for line in lines if "cannot be carried" in line]), 1)
        self.assertIn("3 times", lines[-1])

    def test_interlaced_film_is_said_to_lose_a_field_and_said_once(self) -> None:
        film = FakeFilm()
        film.read_now = lambda number: with_segment(  # type: ignore[method-assign]  # a film of fields
            small_picture(number), 0xE0, b"AVI1\1"
        )
        stream = FilmStream(film, TrainCache(10_000_000), at_once)

        with capturedLogs() as events:
            for number in range(3):
                self.assertIsNotNone(stream.train(number, PACKING))

        lines = [formatEvent(event) for event in events]
        self.assertEqual(len([line for line in lines if "interlaced" in line]), 1)

    def test_reasons_without_end_are_not_logged_without_end(self) -> None:
        packing = PickyPacking()
        with capturedLogs() as events:
            for number in range(24):
                self.assertRaises(JpegError, self.stream.train, number, packing)

        self.assertEqual(len(events), MAX_LOGGED_REASONS)
        self.assertEqual(self.stream.unplayable_frames, 24)

    def test_changed_file_is_told(self) -> None:
        self.film.change()

        self.assertRaises(MediaChangedError, self.stream.train, 0, PACKING)


class PrepareTests(FilmStreamTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        self.film.is_slow = True

    def test_frame_is_at_hand_afterwards(self) -> None:
        self.assertIsNone(self.stream.train(3, PACKING))
        ready = self.stream.prepare(3, PACKING)
        self.assertNoResult(ready)
        self.film.release()

        self.successResultOf(ready)
        self.assertIsNotNone(self.stream.train(3, PACKING))

    def test_all_who_ask_share_one_read(self) -> None:
        ready = [self.stream.prepare(3, PACKING) for _ in range(5)]
        self.stream.prepare_ahead(3, PACKING)
        self.assertEqual(self.film.waiting, [3])
        self.film.release()

        for each in ready:
            self.successResultOf(each)
        self.assertEqual(self.film.read_numbers, [3])

    def test_failure_reaches_all_who_asked(self) -> None:
        ready = [self.stream.prepare(3, PACKING) for _ in range(2)]
        self.film.change()
        self.film.release()

        for each in ready:
            self.failureResultOf(each, MediaChangedError)

    def test_after_a_failure_one_may_ask_again(self) -> None:
        self.failureResultOf(self._failed(), IndexError)
        ready = self.stream.prepare(0, PACKING)
        self.film.release()

        self.successResultOf(ready)

    def _failed(self) -> Deferred[None]:
        failing = self.stream.prepare(99, PACKING)
        self.film.release()
        return failing

    def test_ahead_reads_what_is_not_at_hand(self) -> None:
        self.stream.prepare_ahead(3, PACKING)
        self.assertEqual(self.film.waiting, [3])
        self.film.release()
        self.stream.prepare_ahead(3, PACKING)

        self.assertEqual(self.film.waiting, [])

    def test_ahead_leaves_faults_for_the_moment_of_the_frame(self) -> None:
        self.stream.prepare_ahead(5, PACKING)
        self.film.release()
        self.stream.prepare_ahead(5, PACKING)
        self.stream.prepare_ahead(4, PACKING)
        self.film.change()
        self.film.release()

        self.assertRaises(JpegError, self.stream.train, 5, PACKING)

    def test_fault_of_ours_while_reading_ahead_is_logged(self) -> None:
        self.stream.prepare_ahead(99, PACKING)
        self.film.release()

        self.assertEqual(len(self.flushLoggedErrors(IndexError)), 1)

    def test_slow_packing_works_in_a_thread(self) -> None:
        crank, packing = Crank(), SlowPacking()
        self.film.is_slow = False
        stream = FilmStream(self.film, TrainCache(10_000_000), crank)

        self.assertIsNone(stream.train(0, packing))
        ready = [stream.prepare(0, packing) for _ in range(2)]
        self.assertEqual(packing.packed, 0)
        crank.turn_all()

        for each in ready:
            self.successResultOf(each)
        self.assertIsNotNone(stream.train(0, packing))
        self.assertEqual(packing.packed, 1)

    def test_refusal_of_a_slow_packing_is_kept(self) -> None:
        self.film.is_slow = False
        packing = SlowPacking()
        self.successResultOf(self.stream.prepare(5, packing))

        self.assertRaises(JpegError, self.stream.train, 5, packing)


class ProbeTests(SynchronousTestCase):
    def probe(self, film: FakeFilm) -> Deferred[None]:
        stream = FilmStream(film, TrainCache(10_000_000), at_once)
        return Deferred.fromCoroutine(stream.probe(PACKING))

    def test_one_good_frame_at_the_head_is_enough(self) -> None:
        self.successResultOf(self.probe(FakeFilm(24, broken=range(PROBED_FRAMES - 1))))

    def test_none_at_the_head_is_refused_with_the_reason(self) -> None:
        failure = self.failureResultOf(
            self.probe(FakeFilm(24, broken=range(PROBED_FRAMES))), MediaError
        )

        self.assertIn("fake.mjpeg: ", failure.getErrorMessage())

    def test_short_film_that_is_all_broken(self) -> None:
        self.failureResultOf(self.probe(FakeFilm(3, broken=range(3))), MediaError)

    def test_frames_that_must_be_read_are_waited_for(self) -> None:
        film = FakeFilm(24, broken={0, 1})
        film.is_slow = True
        probing = self.probe(film)
        for _ in range(3):
            self.assertNoResult(probing)
            film.release()

        self.successResultOf(probing)
        self.assertEqual(film.read_numbers, [0, 1, 2])

    def test_changed_file_is_told(self) -> None:
        film = FakeFilm()
        film.change()

        self.failureResultOf(self.probe(film), MediaChangedError)


class FilmWishesTests(FilmStreamTestCase):
    def test_film_has_its_own_times(self) -> None:
        self.assertIs(self.stream.times(Wishes()), self.film.times)

    def test_film_is_retimed_as_wished(self) -> None:
        times = self.stream.times(Wishes(fps=Fraction(12)))

        self.assertEqual((times.rate, times.count, times.end), (Fraction(12), 24, 2.0))

    def test_still_is_repeated_once_a_second_whatever_the_default(self) -> None:
        stream = FilmStream(FakeFilm(1, still=True), TrainCache(1000), at_once)

        self.assertEqual(stream.times(Wishes()).rate, 1)
        self.assertEqual(stream.times(Wishes(fps=Fraction(5))).rate, 5)
        self.assertTrue(stream.is_endless(Wishes(loop=False), loop=False))

    def test_wish_goes_before_the_default(self) -> None:
        for wish, default, endless in (
            (None, False, False),
            (None, True, True),
            (True, False, True),
            (False, True, False),
        ):
            is_endless = self.stream.is_endless(Wishes(loop=wish), loop=default)
            self.assertEqual(is_endless, endless)


class EndTests(FilmStreamTestCase):
    def test_who_watches_is_told_once_the_file_has_changed(self) -> None:
        watchers = [RecordingWatcher() for _ in range(3)]
        for watcher in watchers:
            self.stream.join(watcher)
        self.stream.leave(watchers[2])
        self.stream.leave(watchers[2])
        self.assertTrue(self.stream.is_watched)

        self.stream.look()
        self.film.change("replaced")
        self.stream.look()

        self.assertEqual([watcher.gone for watcher in watchers], [["replaced"], ["replaced"], []])
        self.assertEqual(self.stream.changed, "replaced")

    def test_a_disk_that_hangs_is_asked_once(self) -> None:
        film = HangingFilm()
        stream = FilmStream(film, TrainCache(1000), at_once)
        for _ in range(3):
            stream.look()
        self.assertEqual(film.checks, 1)

        film.answer(None)
        stream.look()
        self.assertEqual(film.checks, 2)

    def test_fault_of_ours_while_looking_is_logged(self) -> None:
        film = HangingFilm()
        stream = FilmStream(film, TrainCache(1000), at_once)
        stream.look()
        film.answer(Failure(ZeroDivisionError()))

        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIsNone(stream.changed)

    def test_closing_closes_the_film(self) -> None:
        self.stream.close()

        self.assertTrue(self.film.is_closed)


class LiveStreamTests(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.live = FakeLive(25.0)
        self.stream = LiveStream(self.live)
        self.got: list[tuple[TrainTemplate, float]] = []

    def listener(self, train: TrainTemplate, capture_s: float) -> None:
        self.got.append((train, capture_s))

    def test_listeners_share_the_train_of_a_frame(self) -> None:
        other: list[TrainTemplate] = []
        self.stream.listen(PACKING, self.listener)
        self.stream.listen(PACKING, lambda train, _: other.append(train))
        self.live.push(small_picture(1), 7.0)

        self.assertIs(self.got[0][0], other[0])
        self.assertEqual(self.got[0][1], 7.0)

    def test_each_packing_has_its_trains(self) -> None:
        self.stream.listen(PACKING, self.listener)
        self.stream.listen(OTHER_PACKING, self.listener)
        self.live.push(small_picture(1), 7.0)

        self.assertEqual([train.interleaved for train, _ in self.got], [False, True])

    def test_source_works_only_while_somebody_listens(self) -> None:
        self.assertEqual(len(self.live.listeners), 0)
        self.stream.listen(PACKING, self.listener)
        self.stream.listen(OTHER_PACKING, self.listener)
        self.assertEqual(len(self.live.listeners), 1)
        self.stream.forget(PACKING, self.listener)
        self.assertEqual(len(self.live.listeners), 1)
        self.stream.forget(OTHER_PACKING, self.listener)

        self.assertEqual(len(self.live.listeners), 0)

    def test_forgetting_twice_is_harmless(self) -> None:
        self.stream.forget(PACKING, self.listener)
        self.stream.listen(PACKING, self.listener)
        self.stream.forget(PACKING, self.listener)
        self.stream.forget(PACKING, self.listener)
        self.live.push(small_picture(1), 7.0)

        self.assertEqual(self.got, [])

    def test_who_leaves_during_a_frame_harms_nobody(self) -> None:
        def leaver(_train: TrainTemplate, _capture_s: float) -> None:
            self.stream.forget(PACKING, leaver)

        self.stream.listen(PACKING, leaver)
        self.stream.listen(PACKING, self.listener)
        self.live.push(small_picture(1), 7.0)
        self.live.push(small_picture(2), 8.0)

        self.assertEqual([capture_s for _, capture_s in self.got], [7.0, 8.0])

    def test_frame_that_cannot_be_carried_is_logged_once(self) -> None:
        self.stream.listen(PACKING, self.listener)
        with capturedLogs() as events:
            for _ in range(50):
                self.live.push(b"\xff\xd8", 7.0)
        self.live.push(small_picture(1), 8.0)

        self.assertEqual(len(events), 1)
        self.assertEqual(len(self.got), 1)
        self.assertEqual(self.stream.unplayable_frames, 50)

    def test_rate_is_for_the_description(self) -> None:
        self.assertEqual(LiveStream(FakeLive(29.97002997)).framerate, Fraction(30_000, 1001))

    def test_closing_closes_the_source(self) -> None:
        self.stream.close()

        self.assertTrue(self.live.is_closed)
