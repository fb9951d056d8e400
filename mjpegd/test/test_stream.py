"""`mjpegd.stream`: each frame is cut once, whoever watches, and within bounded memory."""

import gc
from collections.abc import Hashable
from fractions import Fraction
from sys import getrefcount
from traceback import extract_tb

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaBusyError, MediaChangedError, MediaError
from mjpegd.packing import JpegPacking, Packing
from mjpegd.pictures.forms import PLAIN_FORM, PLAIN_RENDITION, Big, JpegForm, Rendition
from mjpegd.pictures.normalise import Normal, Recode, Step
from mjpegd.stream import (
    PROBED_FRAMES,
    FilmStream,
    LiveStream,
    train_cache,
)
from mjpegd.test.fakes import Crank, FakeFilm, FakeLive, FakeVideo, small_picture, workshop
from mjpegd.test.pictures import COM, picture, with_segment
from mjpegd.treatment import MAX_LOGGED_REASONS, Treatment
from mjpegd.wire.errors import BrokenJpegError, JpegError
from mjpegd.wire.packets import TrainTemplate
from mjpegd.wire.recode import recode as reference
from mjpegd.wishes import Wishes

PACKING = JpegPacking(max_payload_bytes=1388, interleaved=False)
OTHER_PACKING = JpegPacking(max_payload_bytes=1388, interleaved=True)


class PickyPacking:
    """A packing that refuses every picture, each for another reason."""

    form: Hashable = "picky"
    rendition = PLAIN_RENDITION

    def __init__(self) -> None:
        self.refused = 0

    def pack(self, picture: bytes) -> TrainTemplate:
        """Refuse."""
        self.refused += 1
        raise BrokenJpegError(f"reason {self.refused}")

    def working_bytes(self, picture: bytes) -> int:
        """Refuse."""
        raise BrokenJpegError("never asked for")

    def normalise(self, picture: bytes, recode: Recode | None) -> Normal:
        """Refuse."""
        raise BrokenJpegError("never asked for")


class RecordingWatcher:
    def __init__(self) -> None:
        self.gone: list[str] = []

    def stream_gone(self, reason: str) -> None:
        self.gone.append(reason)


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


class FilmStreamTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.film = FakeFilm(24, broken={5, 6, 7})
        self.stream = FilmStream(self.film, train_cache(10_000_000), workshop())


class DemandTests(FilmStreamTestCase):
    def test_a_film_that_tells_its_mean_size_needs_that_at_the_rate_that_is_wished(self) -> None:
        self.film.mean_bytes = 1000

        self.assertEqual(self.stream.bits_per_s(Wishes()), 192_000)
        self.assertEqual(self.stream.bits_per_s(Wishes.parse({"fps": "12"})), 96_000)

    def test_others_need_what_their_frames_had(self) -> None:
        trains = [self.stream.train(number, PACKING) for number in range(3)]

        octets = [train.payload_octets for train in trains if train is not None]
        self.assertEqual(self.stream.bits_per_s(Wishes()), sum(octets) * 8 * 24 // 3)

    def test_a_live_stream_needs_what_its_frames_had(self) -> None:
        source = FakeLive(rate=25.0)
        stream = LiveStream(source)
        taken: list[TrainTemplate] = []
        stream.listen(PACKING, lambda train, _: taken.append(train))

        source.push(small_picture(0), 1.0)

        self.assertEqual(stream.bits_per_s(Wishes()), taken[0].payload_octets * 8 * 25)


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
        cache = train_cache(10_000_000)
        one, two = (FilmStream(FakeFilm(), cache, workshop()) for _ in range(2))

        self.assertIsNot(one.train(0, PACKING), two.train(0, PACKING))

    def test_frame_that_cannot_be_carried_is_refused_each_time_and_cut_once(self) -> None:
        for _ in range(3):
            self.assertRaises(JpegError, self.stream.train, 5, PACKING)

        self.assertEqual(self.film.read_numbers, [5])
        self.assertEqual(self.stream.unplayable_frames, 1)

    def test_what_cannot_be_read_just_now_is_not_refused_for_good(self) -> None:
        self.film.is_busy = True
        busy = self.failureResultOf(self.stream.prepare(3, PACKING), MediaBusyError)
        self.film.is_busy = False

        self.assertIn("Too many open files", busy.getErrorMessage())
        self.assertIsNotNone(self.stream.train(3, PACKING))
        self.assertEqual(self.stream.unplayable_frames, 0)

    def test_a_shortage_is_said_once(self) -> None:
        self.film.is_busy = True
        with capturedLogs() as events:
            for number in range(5):
                self.failureResultOf(self.stream.prepare(number, PACKING), MediaBusyError)

        self.assertEqual(
            [formatEvent(event) for event in events],
            ["stream fake.mjpeg: Too many open files; it stands still until that is over"],
        )

    def test_refusal_grows_with_no_viewer(self) -> None:
        tracebacks = set()
        for _ in range(5):
            error = self.assertRaises(JpegError, self.stream.train, 5, PACKING)
            tracebacks.add(len(extract_tb(error.__traceback__)))

        self.assertEqual(len(tracebacks), 1)

    def test_refusal_keeps_no_picture_in_memory(self) -> None:
        for data in (bytes(9), picture(1)[:40], picture(1, optimize=True)[:-20]):
            film = FakeFilm(2, draw={0: data}.__getitem__)
            stream = FilmStream(film, train_cache(10_000_000), workshop())
            references = getrefcount(data)

            self.successResultOf(stream.prepare(0, PACKING))
            self.assertRaises(JpegError, stream.train, 0, PACKING)
            gc.collect()

            self.assertEqual(getrefcount(data), references)

    def test_reason_is_logged_once_and_frames_are_counted(self) -> None:
        with capturedLogs() as events:
            for number in (5, 6, 7):
                self.assertRaises(JpegError, self.stream.train, number, PACKING)
            self.stream.close()

        self.assertEqual(self.stream.unplayable_frames, 3)
        lines = [formatEvent(event) for event in events]
        self.assertEqual(len([line for line in lines if "cannot be carried" in line]), 1)
        self.assertIn("3 times", lines[-1])

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


class MadeTests(SynchronousTestCase):
    """Films whose frames have to be made fit."""

    @override
    def setUp(self) -> None:
        self.film = FakeFilm(24, draw=lambda number: picture(number, (32, 32), mode="L"))
        self.crank = Crank()
        self.recoded: list[bytes] = []
        self.stream = FilmStream(
            self.film, train_cache(10_000_000), workshop(self.crank, self.recode)
        )

    def recode(self, data: bytes) -> bytes:
        self.recoded.append(data)
        return reference(data)

    def prepared(self, number: int, packing: Packing = PACKING) -> None:
        """Have a frame made, as a viewer does that finds it missing."""
        self.assertIsNone(self.stream.train(number, packing))
        ready = self.stream.prepare(number, packing)
        self.crank.turn_all()
        self.successResultOf(ready)

    def test_nothing_is_made_in_the_reactor(self) -> None:
        self.assertIsNone(self.stream.train(0, PACKING))
        ready = self.stream.prepare(0, PACKING)

        self.assertNoResult(ready)
        self.assertEqual(self.recoded, [])

    def test_frame_is_at_hand_once_it_is_made(self) -> None:
        self.prepared(3)

        self.assertIsNotNone(self.stream.train(3, PACKING))
        self.assertEqual(len(self.recoded), 1)

    def test_viewers_by_other_ways_share_what_was_made(self) -> None:
        self.prepared(3)
        over_tcp = self.stream.train(3, OTHER_PACKING)

        assert over_tcp is not None
        self.assertTrue(over_tcp.interleaved)
        self.assertEqual(len(self.recoded), 1)

    def test_once_frames_had_to_be_made_the_next_ones_are_read_for_it_only(self) -> None:
        self.prepared(0)
        del self.film.read_numbers[:]
        self.prepared(1)

        self.assertEqual(self.film.read_numbers, [1])

    def test_frames_are_made_further_ahead_than_they_are_read(self) -> None:
        before = self.stream.frames_ahead(PACKING)
        self.prepared(0)

        self.assertLess(before, self.stream.frames_ahead(PACKING))

    def test_film_whose_frames_fit_again_is_read_in_the_reactor_again(self) -> None:
        self.prepared(0)
        self.film.draw = small_picture
        self.prepared(1)

        self.assertIsNotNone(self.stream.train(2, PACKING))

    def test_broken_frame_is_refused_and_the_others_are_made(self) -> None:
        self.prepared(0)
        self.film.draw = lambda number: picture(number, (32, 32), mode="L")[:-40]
        ready = self.stream.prepare(1, PACKING)
        self.crank.turn_all()
        self.successResultOf(ready)

        self.assertRaises(JpegError, self.stream.train, 1, PACKING)
        self.assertRaises(JpegError, self.stream.train, 1, OTHER_PACKING)

    def test_what_nobody_waits_for_any_more_is_not_begun(self) -> None:
        self.prepared(0)
        busy = [self.stream.prepare(number, PACKING) for number in range(1, 3)]
        unwanted = [self.stream.prepare(number, PACKING) for number in range(3, 9)]
        ahead = self.stream.prepare_ahead(9, PACKING)
        assert ahead is not None, "it is not at hand"
        unwanted.append(ahead)
        wanted = self.stream.prepare(3, PACKING)
        for waiting in unwanted:
            waiting.cancel()
        again = self.stream.prepare(5, PACKING)
        self.crank.turn_all()

        for waiting in unwanted[:-1]:
            self.failureResultOf(waiting, CancelledError)
        for waiting in (*busy, wanted, again, unwanted[-1]):
            self.successResultOf(waiting)
        self.assertEqual(len(self.recoded), 5)

    def test_what_was_given_up_can_be_had_again(self) -> None:
        self.prepared(0)
        busy = [self.stream.prepare(number, PACKING) for number in range(1, 3)]
        given_up = self.stream.prepare(3, PACKING)
        given_up.cancel()
        self.failureResultOf(given_up, CancelledError)
        self.crank.turn_all()
        self.prepared(3)

        self.assertIsNotNone(self.stream.train(3, PACKING))
        self.assertEqual([self.successResultOf(each) for each in busy], [None, None])

    def test_what_is_done_is_said_once_with_its_reason_and_its_cost(self) -> None:
        with capturedLogs() as events:
            for number in range(3):
                self.prepared(number)

        [line] = [formatEvent(event) for event in events]
        self.assertRegex(
            str(line), r"stream fake.mjpeg: .* without loss \(greyscale\); [\d.]+ ms of a core"
        )

    def test_how_many_frames_were_made_is_said_at_the_end(self) -> None:
        for number in range(3):
            self.prepared(number)
        with capturedLogs() as events:
            self.stream.close()

        self.assertIn("3 frames were made fit", str(formatEvent(events[-1])))

    def test_what_would_be_lost_in_vain_is_said_with_what_to_install(self) -> None:
        self.stream = FilmStream(self.film, train_cache(10_000_000), workshop(self.crank))
        with capturedLogs() as events:
            self.prepared(0)

        self.assertIn("libturbojpeg0", str(formatEvent(events[0])))


class TreatmentTests(SynchronousTestCase):
    def treatment(self, data: bytes, form: JpegForm = PLAIN_FORM) -> Treatment:
        film = FakeFilm(3, draw=lambda _: data)
        stream = FilmStream(film, train_cache(10_000_000), workshop(recode=reference))
        self.successResultOf(Deferred.fromCoroutine(stream.probe(form)))
        treatment = stream.treatment(stream.form_for(form))
        assert treatment is not None
        return treatment

    def test_each_step_is_known_after_probing(self) -> None:
        for data, step, reason in (
            (small_picture(1), Step.UNTOUCHED, ""),
            (with_segment(small_picture(1), COM, b"x"), Step.REPAIRED, "comment"),
            (picture(1, mode="L"), Step.RECODED, "greyscale"),
            (picture(1, subsampling="4:4:4"), Step.ENCODED, "4:4:4 sampling"),
        ):
            treatment = self.treatment(data)
            self.assertIs(treatment.step, step)
            self.assertIn(reason, treatment.reason)
            self.assertIn(step.value, str(treatment))

    def test_size_is_untold_only_where_rtp_has_no_room_for_it(self) -> None:
        large = picture(1, size=(2064, 64))

        self.assertIsNone(self.treatment(small_picture(1)).untold_size)
        self.assertIsNone(self.treatment(large).untold_size)
        for big in (Big.NATIVE, Big.ONVIF):
            self.assertEqual(self.treatment(large, JpegForm(big=big)).untold_size, (2064, 64))

    def test_films_without_large_pictures_have_one_form_for_players_of_both_kinds(self) -> None:
        grey = FakeFilm(3, draw=lambda number: picture(number, mode="L"))
        large = FakeFilm(3, draw=lambda number: picture(number, size=(2064, 64)))
        for film, count in ((grey, 1), (large, 2)):
            stream = FilmStream(film, train_cache(10_000_000), workshop(recode=reference))
            asked = [JpegForm(), JpegForm(big=Big.NATIVE)]
            for form in asked:
                self.successResultOf(Deferred.fromCoroutine(stream.probe(form)))
            self.assertEqual(len({stream.form_for(form) for form in asked}), count)

    def test_wishes_that_films_of_jpegs_do_not_grant_make_no_other_form(self) -> None:
        asked = JpegForm(rendition=Rendition(width=320))
        jpegs = FilmStream(FakeFilm(3), train_cache(10_000_000), workshop())
        video = FilmStream(FakeVideo(3), train_cache(10_000_000), workshop())

        self.assertEqual(jpegs.form_for(asked), PLAIN_FORM)
        self.assertEqual(video.form_for(asked), asked)

    def test_forms_are_known_apart(self) -> None:
        stream = FilmStream(FakeFilm(3), train_cache(10_000_000), workshop())
        stream.train(0, PACKING)

        self.assertIsNotNone(stream.treatment(PLAIN_FORM))
        self.assertIsNone(stream.treatment(JpegForm(strips_restarts=True)))


class RenderedTests(SynchronousTestCase):
    """Films that are no JPEG."""

    @override
    def setUp(self) -> None:
        self.film = FakeVideo(24)
        self.stream = FilmStream(self.film, train_cache(10_000_000), workshop())

    def packing(self, rendition: Rendition) -> JpegPacking:
        return JpegPacking(1388, interleaved=False, form=JpegForm(rendition=rendition))

    def test_frames_come_as_the_viewer_asks(self) -> None:
        wide, narrow = (self.packing(Rendition(width=width)) for width in (320, 160))
        for packing in (wide, narrow, wide):
            self.successResultOf(self.stream.prepare(0, packing))
            self.assertIsNotNone(self.stream.train(0, packing))

        self.assertEqual(self.film.rendered, [(0, wide.rendition), (0, narrow.rendition)])

    def test_viewers_with_one_wish_share_the_rendering(self) -> None:
        for interleaved in (False, True):
            packing = JpegPacking(1388, interleaved=interleaved)
            if self.stream.train(0, packing) is None:
                self.successResultOf(self.stream.prepare(0, packing))

        self.assertEqual(len(self.film.rendered), 1)

    def test_what_is_said_is_what_was_done_to_the_film(self) -> None:
        with capturedLogs() as events:
            self.successResultOf(self.stream.prepare(0, PACKING))
            self.stream.close()

        [line] = [str(formatEvent(event)) for event in events]
        self.assertIn("with loss (no MJPEG, decoded first); by a process", line)

    def test_what_is_done_is_known_for_all_renditions_once_it_is_for_one(self) -> None:
        wide, narrow = (JpegForm(rendition=Rendition(width=width)) for width in (320, 160))
        self.successResultOf(Deferred.fromCoroutine(self.stream.probe(wide)))

        self.assertIsNotNone(self.stream.treatment(wide))
        self.assertEqual(self.stream.treatment(wide), self.stream.treatment(narrow))

    def test_nothing_is_rendered_in_the_reactor(self) -> None:
        self.assertIsNone(self.stream.train(0, PACKING))
        self.assertGreater(self.stream.frames_ahead(PACKING), 1)


class ProbeTests(SynchronousTestCase):
    def probe(self, film: FakeFilm) -> Deferred[None]:
        stream = FilmStream(film, train_cache(10_000_000), workshop())
        return Deferred.fromCoroutine(stream.probe(PLAIN_FORM))

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
        for _ in range(4):
            self.assertNoResult(probing)
            film.release()

        self.successResultOf(probing)
        self.assertEqual(film.read_numbers, [0, 0, 1, 2])

    def test_a_shortage_is_told_as_one(self) -> None:
        film = FakeFilm()
        film.is_busy = True

        self.failureResultOf(self.probe(film), MediaBusyError)

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
        stream = FilmStream(FakeFilm(1, still=True), train_cache(1000), workshop())

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
        stream = FilmStream(film, train_cache(1000), workshop())
        for _ in range(3):
            stream.look()
        self.assertEqual(film.checks, 1)

        film.answer(None)
        stream.look()
        self.assertEqual(film.checks, 2)

    def test_fault_of_ours_while_looking_is_logged(self) -> None:
        film = HangingFilm()
        stream = FilmStream(film, train_cache(1000), workshop())
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
