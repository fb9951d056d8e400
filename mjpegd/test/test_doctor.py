"""Tests of `mjpegd.doctor` and `mjpegd.examination`: what is said of films, and to whom."""

import json
import os
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from fractions import Fraction
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override
from zope.interface.verify import verifyObject

from mjpegd.doctor import Errand, Progress, plain_data, run, text
from mjpegd.errors import MediaError
from mjpegd.examination import (
    MAX_KINDS,
    NAMED_FRAMES,
    Findings,
    Means,
    Portion,
    Report,
    Tally,
    examine,
)
from mjpegd.interfaces import IFrameSource, IRenderedSource
from mjpegd.pictures.forms import Rendition
from mjpegd.pictures.normalise import Recode
from mjpegd.sources.library import Library
from mjpegd.test import films
from mjpegd.test.fakes import FakeFilm, FakeVideo, at_once, workshop
from mjpegd.test.pictures import COM, DHT, picture, with_segment, without
from mjpegd.wire import recode as reference
from mjpegd.wire.errors import BrokenJpegError

# A picture, what becomes of it, and why.
KINDS = {
    "plain": (picture(1), "untouched", ""),
    "comment": (with_segment(picture(1), COM, b"by hand"), "repaired", "comments"),
    "webcam": (without(picture(1), DHT), "repaired", "no Huffman tables"),
    "optimised": (picture(1, optimize=True), "recoded", "its own Huffman tables"),
    "progressive": (picture(1, progressive=True), "recoded", "progressive"),
    "grey": (picture(1, mode="L"), "recoded", "greyscale"),
    "full colour": (picture(1, subsampling="4:4:4"), "encoded", "4:4:4 sampling"),
    "print": (picture(1, mode="CMYK"), "encoded", "CMYK colours"),
    "wide": (picture(1, size=(2056, 32)), "encoded", "wider than 2040 pixels"),
}
APP0 = 0xE0
RESTARTS = picture(1, restart_marker_blocks=1)
KEYS = {
    "file",
    "is_served",
    "is_whole",
    "error",
    "warnings",
    "container",
    "is_decoded",
    "is_still",
    "frames",
    "examined_frames",
    "sizes",
    "frames_per_s",
    "is_rate_told",
    "is_rate_steady",
    "duration_s",
    "bits_per_s",
    "largest_frame_bytes",
    "treatments",
    "making_s",
    "players",
    "hints",
}


def means(rate: Fraction, recode: Recode | None) -> Means:
    return Means(lambda root: Library(root, rate, at_once), at_once, 1, recode)


class DoctorCase(SynchronousTestCase):
    def path(self, name: str = "film.avi", data: bytes | None = None) -> str:
        """A new path; that of a file if there are data."""
        folder = Path(self.mktemp())
        folder.mkdir()
        if data is not None:
            (folder / name).write_bytes(data)
        return str(folder / name)

    def examined(
        self, *arguments: str, recode: Recode | None = reference.recode
    ) -> tuple[int, str]:
        """Exit status, and what is written."""
        errand, output = Errand.parse(arguments), StringIO()
        surroundings = means(errand.frame_rate, recode)
        running = run(errand, surroundings, output, Progress(StringIO()))
        return self.successResultOf(Deferred.fromCoroutine(running)), output.getvalue()

    def said(self, *arguments: str, recode: Recode | None = reference.recode) -> str:
        return self.examined(*arguments, recode=recode)[1]

    # Any: what JSON can hold.
    def data(
        self, *arguments: str, recode: Recode | None = reference.recode
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.said("--json", *arguments, recode=recode))
        return found

    def film_data(
        self, data: bytes, *arguments: str, recode: Recode | None = reference.recode
    ) -> Any:
        return self.data(*arguments, self.path(data=data), recode=recode)[0]

    def of_player(self, data: bytes, player: str) -> Any:
        """What programs are told of a player's share of a film."""
        players = {one["name"]: one for one in self.film_data(data)["players"]}
        return next(one for name, one in players.items() if player in name)


class TreatmentTests(DoctorCase):
    def test_each_kind_of_picture_is_told_with_what_it_needs_and_why(self) -> None:
        for name, (jpeg, step, reason) in KINDS.items():
            [treatment] = self.film_data(films.avi([jpeg, jpeg]))["treatments"]

            expected = {"step": step, "reason": reason, "frames": 2, "first_frames": [0, 1]}
            self.assertEqual(treatment, expected, name)

    def test_people_are_told_the_same(self) -> None:
        said = self.said(self.path(data=films.avi([KINDS["optimised"][0]] * 2)))

        self.assertIn("frames   2  entropy coded anew, without loss: its own Huffman tables", said)
        self.assertIn("plays, coded anew without loss", said)

    def test_all_frames_are_counted_by_what_they_need(self) -> None:
        jpegs = [KINDS[name][0] for name in ("plain", "grey", "plain", "grey", "plain")]

        treatments = self.film_data(films.avi(jpegs))["treatments"]

        found = {part["step"]: (part["frames"], part["first_frames"]) for part in treatments}
        self.assertEqual(found, {"untouched": (3, [0, 2, 4]), "recoded": (2, [1, 3])})

    def test_only_the_first_numbers_are_named(self) -> None:
        [part] = self.film_data(films.avi([picture(1)] * 9))["treatments"]

        self.assertEqual(part["first_frames"], list(range(NAMED_FRAMES)))

    def test_without_the_library_its_lack_is_told(self) -> None:
        path = self.path(data=films.avi([KINDS["optimised"][0]] * 2))

        [with_library] = self.data(path)
        [without_library] = self.data(path, recode=None)

        self.assertEqual(with_library["hints"], [])
        self.assertIn("libturbojpeg0", without_library["hints"][0])
        self.assertEqual(without_library["treatments"][0]["step"], "encoded")

    def test_what_no_library_helps_has_no_hint(self) -> None:
        jpeg = KINDS["full colour"][0]

        self.assertEqual(self.film_data(films.avi([jpeg]), recode=None)["hints"], [])


class BrokenFrameTests(DoctorCase):
    @override
    def setUp(self) -> None:
        self.film = self.path(data=films.avi([picture(0), b"\xff\xd8 no JPEG", picture(2)]))

    def test_broken_frames_are_told_by_number_with_the_reason(self) -> None:
        [broken] = [
            part for part in self.data(self.film)[0]["treatments"] if part["step"] == "left_out"
        ]

        self.assertEqual((broken["frames"], broken["first_frames"]), (1, [1]))
        self.assertTrue(broken["reason"])

    def test_people_are_told_the_same(self) -> None:
        said = self.said(self.film)

        self.assertIn("plays, but for 1 frame\n", said)
        self.assertRegex(said, r"1  broken, left out: .*\(frame 1\)")

    def test_so_are_those_that_turn_out_broken_when_they_are_made_fit(self) -> None:
        cut_off = picture(1, subsampling="4:4:4", size=(320, 240))[:-600]

        treatments = self.data(self.path(data=films.avi([picture(0), cut_off])))[0]["treatments"]

        self.assertEqual([part["step"] for part in treatments], ["untouched", "left_out"])

    def test_a_lost_frame_is_a_status_of_1(self) -> None:
        self.assertEqual(self.examined(self.film)[0], 1)

    def test_a_film_of_nothing_else_cannot_be_served(self) -> None:
        path = self.path(data=films.avi([b"\xff\xd8 no JPEG"] * 3))

        status, said = self.examined(path)

        self.assertEqual(status, 1)
        self.assertIn("cannot be served: not one of its frames can be sent", said)
        self.assertNotIn("players", said)
        self.assertFalse(self.data(path)[0]["is_served"])

    def test_frames_that_are_not_whole_in_the_file_are_a_warning(self) -> None:
        path = self.path(data=films.avi([picture(0), picture(1)], idx1_base=None)[:-200])

        status, said = self.examined(path)

        self.assertEqual(status, 1)
        self.assertIn("plays as it is, but see below", said)
        self.assertRegex(said, r"notes    1 .*left out")


class PlayerTests(DoctorCase):
    def test_a_plain_film_is_the_same_for_all(self) -> None:
        said = self.said(self.path(data=films.avi([picture(1)])))

        self.assertIn("players  all: as it is", said)

    def test_restart_markers_are_taken_out_for_mediamtx_only(self) -> None:
        film = films.avi([RESTARTS])

        self.assertEqual(self.of_player(film, "MediaMTX")["dearest_step"], "recoded")
        for player in ("FFmpeg", "GStreamer", "VLC", "others"):
            self.assertEqual(self.of_player(film, player)["dearest_step"], "untouched", player)

    def test_people_are_told_for_whom_and_why(self) -> None:
        said = self.said(self.path(data=films.avi([RESTARTS])))

        self.assertIn("MediaMTX/gortsplib: without loss (restart markers)", said)
        self.assertIn("FFmpeg/mpv/OpenCV, GStreamer, VLC/live555, others: as it is", said)

    def test_large_pictures_are_sent_whole_to_those_who_can_read_them(self) -> None:
        film = films.avi([KINDS["wide"][0]])

        whole = [{"width": 2056, "height": 32, "frames": 1}]
        self.assertEqual(self.of_player(film, "GStreamer")["sizes"], whole)
        self.assertEqual(self.of_player(film, "GStreamer")["dearest_step"], "untouched")
        self.assertEqual(self.of_player(film, "FFmpeg")["sizes"][0]["width"], 2040)

    def test_large_pictures_come_with_advice(self) -> None:
        said = self.said(self.path(data=films.avi([KINDS["wide"][0]])))

        self.assertIn("with loss (2040x32)", said)
        self.assertIn("?big=nested", said)

    def test_odd_sizes_come_with_a_word_on_their_border(self) -> None:
        said = self.said(self.path(data=films.avi([picture(1, size=(61, 47))])))

        self.assertIn("61x47: players show 64x48, with a border", said)

    def test_large_frames_come_with_a_word_on_vlc(self) -> None:
        large = with_segment(with_segment(picture(1), COM, bytes(60_000)), COM, bytes(60_000))
        for jpeg, is_told in ((picture(1), False), (large, True)):
            said = self.said(self.path("still.jpg", jpeg))

            self.assertEqual("VLC may cut off" in said, is_told)


class FilmTests(DoctorCase):
    def test_everything_that_the_file_says_is_told(self) -> None:
        jpegs = [picture(number) for number in range(5)]

        found = self.film_data(films.avi(jpegs, rate=(25, 1)))

        self.assertEqual(found["container"], "AVI")
        self.assertEqual((found["frames"], found["examined_frames"]), (5, 5))
        self.assertEqual(found["sizes"], [{"width": 64, "height": 48, "frames": 5}])
        self.assertEqual((found["frames_per_s"], found["is_rate_told"]), (25.0, True))
        self.assertAlmostEqual(found["duration_s"], 0.2)
        self.assertAlmostEqual(found["bits_per_s"], sum(map(len, jpegs)) * 8 / 0.2)
        self.assertEqual(found["largest_frame_bytes"], max(map(len, jpegs)))
        self.assertTrue(found["is_served"] and found["is_whole"] and found["is_rate_steady"])
        self.assertIsNone(found["error"])

    def test_people_are_told_it_in_one_line(self) -> None:
        said = self.said(self.path(data=films.avi([picture(1)] * 5)))

        self.assertRegex(said, r"film     AVI, 5 frames, 64x48, 25 frames/s, 0\.2 s, \d+ kbit/s\n")

    def test_keys_are_the_same_for_what_plays_and_what_does_not(self) -> None:
        for data in (films.avi([picture(1)]), b"nothing"):
            self.assertEqual(set(self.film_data(data)), KEYS)

    def test_a_rate_by_default_is_told_as_such(self) -> None:
        path = self.path(data=films.laboratory([picture(1)] * 2))

        self.assertIn("24 frames/s by default", self.said(path))
        self.assertIn("29.97 frames/s by default", self.said("--frame-rate", "29.97", path))
        self.assertFalse(self.data(path)[0]["is_rate_told"])

    def test_a_varying_rate_is_told_as_such(self) -> None:
        path = self.path(data=films.matroska([picture(1)] * 4, [0, 40, 100, 120]))

        self.assertIn("but not always", self.said(path))
        self.assertFalse(self.data(path)[0]["is_rate_steady"])

    def test_changing_sizes_are_told_in_their_order(self) -> None:
        jpegs = [picture(1, size=size) for size in ((64, 48), (96, 64), (64, 48))]

        self.assertIn("2 sizes (64x48, 96x64)", self.said(self.path(data=films.avi(jpegs))))

    def test_a_still_has_neither_rate_nor_duration(self) -> None:
        path = self.path("still.jpg", picture(1))

        self.assertIn("film     JPEG, 64x48, shown without end\n", self.said(path))
        self.assertIsNone(self.data(path)[0]["duration_s"])
        self.assertIsNone(self.data(path)[0]["bits_per_s"])

    def test_an_interlaced_film_has_the_size_of_both_fields(self) -> None:
        fields = [
            with_segment(picture(1, size=(64, 32)), APP0, b"AVI1" + bytes([n])) for n in (1, 2)
        ]

        [found] = self.film_data(films.avi([b"".join(fields)]))["sizes"]

        self.assertEqual((found["width"], found["height"]), (64, 64))

    def test_a_limit_is_kept_and_told(self) -> None:
        path = self.path(data=films.avi([picture(1)] * 9))

        [found] = self.data("--frames", "3", path)
        self.assertEqual((found["frames"], found["examined_frames"]), (9, 3))
        self.assertAlmostEqual(found["duration_s"], 9 / 25)
        self.assertAlmostEqual(found["bits_per_s"], len(picture(1)) * 8 * 25)
        self.assertIn("looked at the first 3 frames only", self.said("--frames", "3", path))


class FileTests(DoctorCase):
    def test_files_that_cannot_be_served_say_why(self) -> None:
        folder = Path(self.path("", None))
        os.mkfifo(folder / "pipe")
        (folder / "empty").touch()
        (folder / ".hidden.avi").write_bytes(films.avi([picture(1)]))
        (folder / "loop").symlink_to(folder / "loop")
        cases = {
            "missing": "does not exist",
            "pipe": "not a regular file",
            "empty": "empty file",
            ".hidden.avi": "begins with a dot",
            "loop": "cannot be served",
            "x" * 300: "cannot be served",
        }
        for name, reason in cases.items():
            status, said = self.examined(str(folder / name))

            self.assertEqual((status, said.count("\n")), (1, 1), name)
            self.assertIn(reason, said)

    def test_other_devices_and_folders_are_no_films(self) -> None:
        folder = self.path("", None)
        for name, reason in (("/dev/zero", "not a regular file"), (folder, "holds no film")):
            status, said = self.examined(name)

            self.assertEqual(status, 1)
            self.assertIn("cannot be served: ", said)
            self.assertIn(reason, said)

    def test_one_bad_file_does_not_hide_a_good_one(self) -> None:
        status, said = self.examined("missing", self.path(data=films.avi([picture(1)])))

        self.assertEqual(status, 1)
        self.assertIn("film.avi: plays as it is", said)

    def test_good_files_are_a_status_of_0(self) -> None:
        for jpeg, *_ in KINDS.values():
            self.assertEqual(self.examined(self.path(data=films.avi([jpeg])))[0], 0)

    def test_a_folder_of_pictures_is_one_film(self) -> None:
        folder = Path(self.path("", None))
        for number in range(3):
            (folder / f"img{number}.jpg").write_bytes(picture(number))

        [found] = self.data(str(folder))

        self.assertEqual((found["container"], found["frames"]), ("folder of pictures", 3))
        self.assertEqual(found["file"], str(folder))

    def test_a_media_folder_is_all_films_in_it(self) -> None:
        folder = Path(self.path("", None))
        (folder / "below" / "more").mkdir(parents=True)
        names = ["a film.avi", "below/b%20.avi", "below/more/ż.avi"]
        for name in names:
            (folder / name).write_bytes(films.avi([picture(1)]))
        (folder / "notes.txt").write_text("no film")

        found = self.data(str(folder))

        self.assertEqual([one["file"] for one in found], [f"{folder}/{name}" for name in names])

    def test_names_cannot_forge_lines(self) -> None:
        path = self.path("a\n\x1b[2Jb\N{RIGHT-TO-LEFT OVERRIDE}.avi", films.avi([picture(1)]))

        said = self.said(path)

        self.assertIn(r"a\n\x1b[2Jb\u202e.avi: plays as it is", said)

    def test_a_name_that_is_no_utf_8_is_no_fault(self) -> None:
        path = self.path(os.fsdecode(b"\xff.avi"), films.avi([picture(1)]))

        self.assertIn(r"\udcff.avi: plays as it is", self.said(path))
        self.assertEqual(self.data(path)[0]["file"], path)


class H264Film(FakeVideo):
    """A film that is no MJPEG, and still being indexed."""

    kind = "H.264 in memory"

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(50)
        self.complete = False
        self._is_broken = broken

    @override
    def render(self, number: int, rendition: Rendition) -> Deferred[bytes]:
        """The frame as a JPEG, if it can be decoded."""
        if self._is_broken:
            return fail(BrokenJpegError("its decoder crashed"))
        return super().render(number, rendition)


def ignore(tried: int, count: int) -> None:
    """Tell nobody."""


class ExamineTests(SynchronousTestCase):
    def examination(
        self,
        source: IFrameSource,
        tell: Callable[[int, int], None] = ignore,
        limit: int | None = None,
    ) -> Deferred[Findings]:
        return Deferred.fromCoroutine(examine(source, workshop(), limit, tell))

    def test_the_whole_index_is_waited_for(self) -> None:
        film = FakeFilm(2, complete=False)
        examination = self.examination(film)
        self.assertNoResult(examination)

        film.grow(3, complete=True)

        self.assertEqual(self.successResultOf(examination).examined, 5)

    def test_slow_reads_are_waited_for(self) -> None:
        film = FakeFilm(20)
        film.is_slow = True
        examination = self.examination(film)
        while film.waiting:
            film.release()

        [part] = self.successResultOf(examination).plain.treatments

        self.assertEqual((part.frames, part.first), (20, (0, 1, 2, 3, 4)))

    def test_each_frame_is_told(self) -> None:
        told: list[tuple[int, int]] = []

        self.successResultOf(self.examination(FakeFilm(3), lambda *at: told.append(at)))

        self.assertEqual(told, [(1, 3), (2, 3), (3, 3)])

    def test_a_film_that_changes_meanwhile_is_an_error(self) -> None:
        film = FakeFilm(20)
        film.is_slow = True
        examination = self.examination(film)
        film.change()
        film.release()

        self.failureResultOf(examination, MediaError)

    def test_of_other_video_one_frame_is_decoded(self) -> None:
        film = H264Film()
        self.assertTrue(verifyObject(IRenderedSource, film))
        film.grow(complete=True)

        found = self.successResultOf(self.examination(film))

        self.assertEqual([number for number, _ in film.rendered], [0])
        self.assertEqual((found.is_decoded, found.frames, found.examined), (True, 50, 1))
        self.assertIn("plays, decoded and made JPEG", text(Report("film.mp4", found)))
        self.assertEqual(plain_data(Report("", found))["treatments"][0]["step"], "encoded")

    def test_other_video_that_cannot_be_decoded_is_not_served(self) -> None:
        film = H264Film(broken=True)
        film.grow(complete=True)

        report = Report("film.mp4", self.successResultOf(self.examination(film)))

        self.assertFalse(report.is_served)
        self.assertIn("its decoder crashed", text(report))


class TallyTests(SynchronousTestCase):
    def test_the_first_frames_are_named_whatever_order_they_come_in(self) -> None:
        tally = Tally[str](lambda kind: kind)
        for number in reversed(range(9)):
            tally.add("grey", number)

        self.assertEqual(tally.portions(), (Portion("grey", 9, tuple(range(NAMED_FRAMES))),))

    def test_kinds_beyond_a_bound_are_counted_together(self) -> None:
        tally = Tally[int](lambda _: -1)
        for number in range(MAX_KINDS + 7):
            tally.add(number, number)

        *known, others = tally.portions()

        self.assertEqual(len(known), MAX_KINDS)
        first = tuple(range(MAX_KINDS, MAX_KINDS + NAMED_FRAMES))
        self.assertEqual(others, Portion(-1, 7, first))


class Terminal(StringIO):
    @override
    def isatty(self) -> bool:
        return True


class ProgressTests(SynchronousTestCase):
    def test_nothing_is_told_but_to_a_terminal(self) -> None:
        stream = StringIO()

        Progress(stream).tell("film.avi", 1, 10)

        self.assertEqual(stream.getvalue(), "")

    def test_a_line_on_a_terminal_is_wiped_out_afterwards(self) -> None:
        stream = Terminal()
        progress = Progress(stream)

        progress.tell("film.avi", 1, 10)
        progress.clear()

        said = "film.avi: 1 of 10 frames"
        self.assertEqual(stream.getvalue(), f"\r{said}\r{said}\r{' ' * len(said)}\r")


class CommandLineTests(SynchronousTestCase):
    def test_what_is_asked_for(self) -> None:
        errand = Errand.parse(["--json", "--frames", "7", "--frame-rate", "30000/1001", "a", "b"])

        self.assertEqual(errand, Errand(("a", "b"), Fraction(30000, 1001), 7, is_json=True))

    def test_defaults(self) -> None:
        self.assertEqual(Errand.parse(["a"]), Errand(("a",), Fraction(24), None, is_json=False))

    def test_what_is_wrong_is_a_status_of_2_and_said(self) -> None:
        for arguments in (
            [],
            [""],
            ["--frames", "0", "a"],
            ["--frames", "-1", "a"],
            ["--frames", "many", "a"],
            ["--frames"],
            ["--frame-rate", "1e9", "a"],
            ["--frame-rate", "0", "a"],
            ["--jso", "a"],
            ["--unknown", "a"],
        ):
            said = StringIO()
            with redirect_stderr(said), self.assertRaises(SystemExit) as refusal:
                Errand.parse(arguments)

            self.assertEqual(refusal.exception.code, 2, arguments)
            self.assertIn("mjpegd-doctor: error: ", said.getvalue())

    def test_help_and_version_are_a_status_of_0(self) -> None:
        for argument, word in (("--help", "Exit status: 0"), ("--version", "mjpegd ")):
            said = StringIO()
            with redirect_stdout(said), self.assertRaises(SystemExit) as ending:
                Errand.parse([argument])

            self.assertEqual(ending.exception.code, 0)
            self.assertIn(word, said.getvalue())
