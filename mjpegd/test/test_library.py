"""`mjpegd.sources.library` and `paths`: what a URL reaches, and what it never does."""

import os
import unicodedata
from fractions import Fraction
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import cast
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from typing_extensions import override

from mjpegd.errors import MediaError, MediaNotFoundError
from mjpegd.interfaces import IRenderedSource
from mjpegd.sources import library
from mjpegd.sources.library import FolderState, Library, Listing, Place
from mjpegd.sources.paths import natural_key
from mjpegd.sources.video import DecoderReactor, Decoders
from mjpegd.test.fakes import Crank, at_once
from mjpegd.test.pictures import picture
from mjpegd.test.processes import FakeProcesses
from mjpegd.test.videos import video

FILM = picture(1) + picture(2)
NOBODY = 65534


class LibraryTestCase(SynchronousTestCase):
    @override
    def setUp(self) -> None:
        self.outside = Path(self.mktemp()).absolute()
        self.root = self.outside / "media"
        self.root.mkdir(parents=True)
        self.library = Library(self.root, Fraction(24), at_once)

    def film(self, name: str, content: bytes = FILM) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def locate(self, path: str) -> Place:
        return self.successResultOf(self.library.locate(path))

    def laboratory(self, name: str) -> Place:
        return self.successResultOf(self.library.locate_laboratory(name))

    def listed(self, limit: int = 1000) -> list[Listing]:
        return self.successResultOf(self.library.listing(limit))[0]

    def assert_not_found(self, path: str) -> None:
        self.failureResultOf(self.library.locate(path), MediaNotFoundError)


class LocateTests(LibraryTestCase):
    def test_file_in_the_root(self) -> None:
        path = self.film("clip.mjpeg")

        place = self.locate("clip.mjpeg")

        self.assertEqual((path, "clip.mjpeg", False), (place.path, place.title, place.is_folder))

    def test_file_below_the_root(self) -> None:
        path = self.film("a/b/clip.mjpeg")

        place = self.locate("a/b/clip.mjpeg")

        self.assertEqual((path, "a/b/clip.mjpeg"), (place.path, place.title))

    def test_more_slashes_than_needed(self) -> None:
        path = self.film("a/clip.mjpeg")

        self.assertEqual(path, self.locate("/a//clip.mjpeg/").path)

    def test_names_in_any_script_and_with_any_character(self) -> None:
        for name in (
            "two words",
            "zażółć видео 映画.mjpeg",
            "100%25#?&;=+~",
            "tab\tnew\nline\x7f",
            "not utf-8 \udcff\udcfe",
            "back\\slash",
        ):
            path = self.film(name)

            self.assertEqual((path, name), (self.locate(name).path, self.locate(name).title))

    def test_name_in_another_normal_form(self) -> None:
        name = "Übung/é.mjpeg"
        for asked, stored in (("NFC", "NFD"), ("NFD", "NFC")):
            path = self.film(unicodedata.normalize(stored, name))  # type: ignore[arg-type]  # str, not Literal

            place = self.locate(unicodedata.normalize(asked, name))  # type: ignore[arg-type]  # str, not Literal

            self.assertEqual(path, place.path)
            path.unlink()
            path.parent.rmdir()

    def test_file_that_came_later(self) -> None:
        self.assert_not_found("late.mjpeg")

        self.film("late.mjpeg")

        self.assertEqual("late.mjpeg", self.locate("late.mjpeg").title)

    def test_root_that_came_later(self) -> None:
        self.library = Library(self.outside / "later", Fraction(24), at_once)
        self.assert_not_found("clip")

        (self.outside / "later").mkdir()
        (self.outside / "later" / "clip").write_bytes(FILM)

        self.assertEqual("clip", self.locate("clip").title)

    def test_root_is_fixed_when_the_working_directory_changes(self) -> None:
        path = self.film("clip")
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.outside)
        self.library = Library(Path("media"), Fraction(24), at_once)

        os.chdir("/")

        self.assertEqual(path, self.locate("clip").path)

    def test_folder_of_numbered_pictures(self) -> None:
        for number in (1, 2):
            self.film(f"shots/img{number}.jpg", picture(number))

        place = self.locate("shots")

        self.assertEqual((self.root / "shots", True), (place.path, place.is_folder))

    def test_root_of_numbered_pictures(self) -> None:
        for number in (1, 2):
            self.film(f"{number}.JPEG", picture(number))

        place = self.locate("")

        self.assertEqual((self.root, "media", True), (place.path, place.title, place.is_folder))

    def test_single_picture_makes_no_film_of_its_folder(self) -> None:
        self.film("shots/img1.jpg", picture(1))

        self.assert_not_found("shots")
        self.assertFalse(self.locate("shots/img1.jpg").is_folder)

    def test_folder_of_other_things(self) -> None:
        self.film("films/a.mjpeg")

        self.assert_not_found("films")
        self.assert_not_found("")

    def test_identity_tells_versions_of_a_file_apart(self) -> None:
        path = self.film("clip")
        first = self.locate("clip").identity
        self.assertEqual(first, self.locate("clip").identity)

        path.write_bytes(FILM + FILM)
        longer = self.locate("clip").identity
        path.rename(self.root / "old")
        self.film("clip", FILM + FILM)
        replaced = self.locate("clip").identity

        self.assertEqual(3, len({first, longer, replaced}))

    def test_link_within_the_root(self) -> None:
        path = self.film("archive/2024.mjpeg")
        (self.root / "latest.mjpeg").symlink_to("archive/2024.mjpeg")
        (self.root / "year").symlink_to(self.root / "archive")

        self.assertEqual((path, "latest.mjpeg"), self._found("latest.mjpeg"))
        self.assertEqual((path, "year/2024.mjpeg"), self._found("year/2024.mjpeg"))

    def test_root_that_is_a_link(self) -> None:
        path = self.film("clip")
        (self.outside / "link").symlink_to(self.root)
        self.library = Library(self.outside / "link", Fraction(24), at_once)

        self.assertEqual((path, "clip"), self._found("clip"))

    def _found(self, path: str) -> tuple[Path, str]:
        place = self.locate(path)
        return place.path, place.title


class NotFoundTests(LibraryTestCase):
    def test_above_the_root(self) -> None:
        (self.outside / "secret").write_bytes(FILM)
        self.film("sub/clip")

        for path in ("../secret", "sub/../../secret", "sub/../sub/clip", "..", "./sub/clip"):
            self.assert_not_found(path)

    def test_folder_beside_the_root_whose_name_begins_alike(self) -> None:
        (self.outside / "media2").mkdir()
        (self.outside / "media2" / "secret").write_bytes(FILM)
        (self.root / "link").symlink_to(self.outside / "media2")

        self.assert_not_found("link/secret")

    def test_links_that_leave_the_root(self) -> None:
        (self.outside / "secret").write_bytes(FILM)
        (self.root / "file").symlink_to(self.outside / "secret")
        (self.root / "folder").symlink_to(self.outside)
        (self.root / "relative").symlink_to("../secret")

        for path in ("file", "folder", "folder/secret", "folder/media/file", "relative"):
            self.assert_not_found(path)

    def test_links_that_lead_nowhere(self) -> None:
        (self.root / "broken").symlink_to("missing")
        (self.root / "circle").symlink_to("circle")

        self.assert_not_found("broken")
        self.assert_not_found("circle/clip")

    def test_long_way_through_a_link_to_its_own_folder(self) -> None:
        path = self.film("clip")
        (self.root / "here").symlink_to(".")

        self.assertEqual(path, self.locate("here/" * 200 + "clip").path)

    def test_hidden_files_and_folders(self) -> None:
        self.film(".hidden")
        self.film(".git/clip")

        self.assert_not_found(".hidden")
        self.assert_not_found(".git/clip")

    def test_pipe_is_neither_opened_nor_found(self) -> None:
        os.mkfifo(self.root / "pipe.mjpeg")

        self.assert_not_found("pipe.mjpeg")

    def test_file_taken_for_a_folder(self) -> None:
        self.film("clip")

        self.assert_not_found("clip/clip")

    def test_impossible_names(self) -> None:
        for path in ("a\0b", "x" * 300, "a/" * 5000, "lone \ud800"):
            self.assert_not_found(path)


# Components that have opened doors elsewhere, mixed with some that exist.
COMPONENTS = st.one_of(
    st.sampled_from(
        (
            *("", ".", "..", "...", "sub", "clip", "out", "far", "loop", "secret", "media", "~"),
            *("..\\", "%2e%2e", "..%2f", "\udcc0\udcae", "\uff0e\uff0e", "\0", ".hidden"),
        )
    ),
    st.text(max_size=6),
)


class PropertyTests(LibraryTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        (self.outside / "secret").write_bytes(FILM)
        self.film("clip")
        self.film("sub/clip")
        self.film(".hidden/clip")
        (self.root / "out").symlink_to(self.outside)
        (self.root / "sub" / "far").symlink_to("../../secret")
        (self.root / "loop").symlink_to("sub")

    @given(st.lists(COMPONENTS, max_size=7).map("/".join))
    def test_no_path_leads_out_of_the_root(self, path: str) -> None:
        for look in (self.library.locate, self.library.locate_laboratory):
            found: list[object] = []
            look(path).addErrback(lambda failure: failure.trap(MediaError)).addBoth(found.append)
            if isinstance(place := found[0], Place):
                inside = place.path.relative_to(self.root).parts
                self.assertIn(inside, {("clip",), ("sub", "clip")})
            else:
                self.assertIn(place, (MediaError, MediaNotFoundError))

    @given(st.lists(st.integers(0, 10**12), max_size=20))
    def test_numbers_are_in_order(self, numbers: list[int]) -> None:
        names = [f"img{number}.jpg" for number in numbers]

        names.sort(key=natural_key)

        self.assertEqual([f"img{number}.jpg" for number in sorted(numbers)], names)


class LaboratoryTests(LibraryTestCase):
    def test_name_as_it_is_written(self) -> None:
        self.film("Movie.mjpeg")
        path = self.film("movie.mjpeg")

        self.assertEqual(path, self.laboratory("movie.mjpeg").path)

    def test_name_in_another_case(self) -> None:
        path = self.film("movie.Mjpeg")

        for name in ("movie.mjpeg", "MOVIE.MJPEG", "/some/where/movie.mjpeg"):
            self.assertEqual((path, "movie.Mjpeg"), self._found(name))

    def test_name_with_its_folder(self) -> None:
        path = self.film("a/movie.Mjpeg")
        self.film("b/movie.Mjpeg")

        self.assertEqual((path, "a/movie.Mjpeg"), self._found("a/movie.Mjpeg"))

    def test_root_comes_before_the_folders_below(self) -> None:
        path = self.film("Movie.Mjpeg")
        self.film("a/movie.Mjpeg")

        self.assertEqual((path, "Movie.Mjpeg"), self._found("movie.Mjpeg"))

    def test_only_one_below_the_root(self) -> None:
        path = self.film("a/b/movie.Mjpeg")

        self.assertEqual((path, "a/b/movie.Mjpeg"), self._found("movie.mjpeg"))

    def test_several_below_the_root(self) -> None:
        self.film("a/movie.Mjpeg")
        self.film("b/movie.Mjpeg")

        self._assert_not_found("movie.mjpeg", "2 films")

    def test_nothing_of_that_name(self) -> None:
        self.film(".movie.mjpeg")
        (self.root / "folder").mkdir()

        for name in ("movie.mjpeg", ".movie.mjpeg", "folder", ""):
            self._assert_not_found(name, "no films")

    def test_link_that_leaves_the_root(self) -> None:
        (self.outside / "secret").write_bytes(FILM)
        (self.root / "Movie.Mjpeg").symlink_to(self.outside / "secret")

        self._assert_not_found("movie.mjpeg", "no such film")

    def test_link_to_itself(self) -> None:
        (self.root / "Movie.Mjpeg").symlink_to("Movie.Mjpeg")

        self._assert_not_found("movie.mjpeg", "no such film")

    def _found(self, name: str) -> tuple[Path, str]:
        place = self.laboratory(name)
        return place.path, place.title

    def _assert_not_found(self, name: str, reason: str) -> None:
        result = self.library.locate_laboratory(name)
        self.assertIn(reason, str(self.failureResultOf(result, MediaNotFoundError).value))


class ListingTests(LibraryTestCase):
    def titles(self, limit: int = 1000) -> list[str]:
        return [listing.title for listing in self.listed(limit)]

    def test_films_of_all_folders_in_natural_order(self) -> None:
        for name in ("clip10", "clip2", "Clip3", "a/b/film", "B"):
            self.film(name)

        self.assertEqual(["a/b/film", "B", "clip2", "Clip3", "clip10"], self.titles())

    def test_limit_and_count(self) -> None:
        for number in range(5):
            self.film(f"clip{number}")

        listings, count = self.successResultOf(self.library.listing(2))

        self.assertEqual((["clip0", "clip1"], 5), ([film.title for film in listings], count))

    def test_what_is_no_film_is_left_out(self) -> None:
        self.film("notes.mjpeg", b"no film at all")
        self.film("empty.mjpeg", b"")
        self.film("headless.mjpeg", FILM[:10])
        self.film("film.txt")
        os.mkfifo(self.root / "pipe.mjpeg")

        self.assertEqual(["film.txt"], self.titles())

    def test_hidden_files_and_folders_are_left_out(self) -> None:
        self.film(".hidden")
        self.film(".cache/clip")

        self.assertEqual([], self.titles())

    def test_folder_of_pictures_is_one_film(self) -> None:
        for name in ("img1.jpg", "img2.JPG", "img10.jpeg", "cover.jpg"):
            self.film(f"shots/{name}", picture(1))

        self.assertEqual(["shots", "shots/cover.jpg"], self.titles())

    def test_single_pictures_are_stills(self) -> None:
        self.film("sub/photo1.jpg", picture(1))

        self.assertEqual(["sub/photo1.jpg"], self.titles())

    def test_root_of_pictures(self) -> None:
        self.film("1.jpg", picture(1))
        self.film("2.jpg", picture(2))

        self.assertEqual([Listing("media", "")], self.listed())

    def test_url_path_leads_back_to_the_file(self) -> None:
        for name in ("two words/100% #1?.mjpeg", "zażółć", "tab\there", "bytes \udcff"):
            path = self.film(name)

            (listing,) = self.listed()

            self.assertRegex(listing.url_path, r"\A[A-Za-z0-9_.~%/-]+\Z")
            url_path = unquote(listing.url_path, errors="surrogateescape")
            self.assertEqual(path, self.locate(url_path).path)
            path.unlink()

    def test_links(self) -> None:
        (self.outside / "secret").write_bytes(FILM)
        self.film("films/clip")
        (self.root / "secret").symlink_to(self.outside / "secret")
        (self.root / "up").symlink_to(self.outside)
        (self.root / "circle").symlink_to(".")
        (self.root / "latest").symlink_to("films/clip")
        (self.root / "nowhere").symlink_to("missing")
        (self.root / "itself").symlink_to("itself")

        self.assertEqual(["films/clip", "latest"], self.titles())

    def test_no_root(self) -> None:
        self.root.rmdir()

        self.assertEqual(([], 0), self.successResultOf(self.library.listing(10)))

    def test_new_changed_and_removed_files(self) -> None:
        self.film("gone")
        changed = self.film("changed")
        self.assertEqual(["changed", "gone"], self.titles())

        (self.root / "gone").unlink()
        changed.write_bytes(b"something else")
        self.film("new")

        self.assertEqual(["new"], self.titles())

    def test_unchanged_files_are_not_opened_again(self) -> None:
        path = self.film("clip")
        before = path.stat()
        self.assertEqual(["clip"], self.titles())

        path.write_bytes(bytes(len(FILM)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

        self.assertEqual(["clip"], self.titles())

    def test_costs_are_bounded(self) -> None:
        for name in ("a", "b", "c", "1/d", "1/2/e"):
            self.film(name)
        for bound, value, expected in (
            ("MAX_OPENED", 2, ["a", "b"]),
            ("MAX_DEPTH", 2, ["1/d", "a", "b", "c"]),
            ("MAX_ENTRIES", 4, ["a", "b", "c"]),
        ):
            self.patch(library, bound, value)
            titles = self.titles()
            self.patch(library, bound, 1000)

            self.assertEqual(expected, titles)

    def test_askers_share_a_walk(self) -> None:
        crank = Crank()
        self.library = Library(self.root, Fraction(24), crank)
        self.film("clip1")
        self.film("clip2")

        first, second = self.library.listing(1), self.library.listing(5)
        self.assertEqual(1, len(crank.turns))
        crank.turns.pop()()

        self.assertEqual(2, self.successResultOf(first)[1])
        self.assertEqual(2, len(self.successResultOf(second)[0]))
        self.library.listing(5)
        self.assertEqual(1, len(crank.turns))


class StateTests(LibraryTestCase):
    def test_readable(self) -> None:
        self.assertIs(FolderState.READABLE, self.library.state())

    def test_missing(self) -> None:
        self.root.rmdir()

        self.assertIs(FolderState.MISSING, self.library.state())

    def test_not_a_folder(self) -> None:
        self.root.rmdir()
        self.root.write_bytes(FILM)

        self.assertIs(FolderState.NOT_A_FOLDER, self.library.state())


class OpenTests(LibraryTestCase):
    def test_file(self) -> None:
        self.film("clip")

        film = self.successResultOf(self.library.open(self.locate("clip")))
        self.addCleanup(film.close)

        self.assertEqual(("clip", 2, 24), (film.title, film.times.count, film.times.rate))

    def test_folder(self) -> None:
        for number in (1, 2, 10):
            self.film(f"shots/{number}.jpg", picture(number))

        film = self.successResultOf(self.library.open(self.locate("shots")))

        self.assertEqual(("shots", 3, 24), (film.title, film.times.count, film.times.rate))

    def test_file_that_is_no_film(self) -> None:
        self.film("notes", b"no film at all")

        self.failureResultOf(self.library.open(self.locate("notes")), MediaError)

    def test_file_that_is_gone_by_now(self) -> None:
        path = self.film("clip")
        place = self.locate("clip")
        path.unlink()

        self.failureResultOf(self.library.open(place), MediaNotFoundError)


class PermissionTests(LibraryTestCase):
    @override
    def setUp(self) -> None:
        super().setUp()
        # The test runner's own folder may be closed to other users.
        self.outside = Path(mkdtemp())
        self.addCleanup(rmtree, self.outside)
        self.outside.chmod(0o755)
        self.root = self.outside / "media"
        self.library = Library(self.root, Fraction(24), at_once)
        self.film("clip")
        self.private = self.film("private/1.jpg").parent

    def forbid(self, folder: Path, mode: int) -> None:
        """Take rights from a folder, and from us the right to ignore that."""
        folder.chmod(mode)
        self.addCleanup(folder.chmod, 0o755)
        if not os.geteuid():
            os.seteuid(NOBODY)
            self.addCleanup(os.seteuid, 0)

    def test_file_in_a_folder_that_may_not_be_searched(self) -> None:
        self.forbid(self.private, 0o600)

        failure = self.failureResultOf(self.library.locate("private/1.jpg"), MediaError)

        self.assertNotIsInstance(failure.value, MediaNotFoundError)
        self.assertIn("permission denied", str(failure.value))

    def test_picture_folder_that_may_not_be_listed(self) -> None:
        self.forbid(self.private, 0o311)

        failure = self.failureResultOf(self.library.locate("private"), MediaError)

        self.assertNotIsInstance(failure.value, MediaNotFoundError)
        self.assertIn("Permission denied", str(failure.value))

    def test_listing_leaves_out_what_may_not_be_read(self) -> None:
        self.film("other").chmod(0)
        self.forbid(self.private, 0)

        self.assertEqual([Listing("clip", "clip")], self.listed())

    def test_root_that_may_not_be_listed(self) -> None:
        self.forbid(self.root, 0o311)

        self.assertIs(FolderState.UNREADABLE, self.library.state())

    def test_root_that_may_not_be_searched(self) -> None:
        self.forbid(self.root, 0o644)

        self.assertIs(FolderState.UNREADABLE, self.library.state())

    def test_root_below_a_folder_that_may_not_be_searched(self) -> None:
        self.forbid(self.outside, 0)

        self.assertIs(FolderState.UNREADABLE, self.library.state())


class OtherVideoTests(LibraryTestCase):
    """Films that are no MJPEG: they are there where somebody decodes them."""

    @override
    def setUp(self) -> None:
        super().setUp()
        self.processes = FakeProcesses(works_at_once=True)
        self.addCleanup(self.processes.bury)
        self.film("clip.mp4", video(12))

    def with_decoders(self, library: str = "av") -> None:
        decoders = Decoders(cast(DecoderReactor, self.processes), library=library)
        self.library = Library(self.root, Fraction(24), at_once, decoders)

    def test_is_opened(self) -> None:
        self.with_decoders()

        film = self.successResultOf(self.library.open(self.locate("clip.mp4")))
        self.addCleanup(film.close)

        self.assertTrue(IRenderedSource.providedBy(film))
        self.assertEqual((film.title, film.times.count), ("clip.mp4", 12))

    def test_is_listed_where_it_can_be_decoded(self) -> None:
        self.with_decoders()
        self.assertEqual([listing.title for listing in self.listed()], ["clip.mp4"])

        self.with_decoders("no_such_library")
        self.assertEqual(self.listed(), [])

    def test_is_refused_without_decoders(self) -> None:
        error = self.failureResultOf(self.library.open(self.locate("clip.mp4")), MediaError).value

        self.assertIn("only MJPEG is served", str(error))

    def test_says_what_is_missing(self) -> None:
        self.with_decoders("no_such_library")
        error = self.failureResultOf(self.library.open(self.locate("clip.mp4")), MediaError).value

        self.assertIn("pip install", str(error))

    def test_others_fail_as_before(self) -> None:
        self.with_decoders()
        self.film("text", b"no film")

        error = self.failureResultOf(self.library.open(self.locate("text")), MediaError).value

        self.assertIn("no JPEG", str(error))
