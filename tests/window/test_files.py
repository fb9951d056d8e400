"""Snapshots and recordings hold the JPEGs of the film."""

from pathlib import Path

from client.window.keys import Group
from mjpegd.test import films
from mjpegd.test.pictures import number_of, segments
from tests.window.cases import WindowTestCase, daemon, frames


def scans(jpegs: list[bytes]) -> list[bytes]:
    """What is compressed in JPEGs: the headers are made anew by whoever receives RTP."""
    return [segments(jpeg)[-2] for jpeg in jpegs]


class FileTests(WindowTestCase):
    async def play_into(self, folder: Path) -> None:
        """Open a window that plays and keeps its files in this folder."""
        await self.play(daemon().url("film.avi"), f"--snapshots={folder}")

    def assert_is_film(self, jpegs: list[bytes]) -> None:
        """JPEGs are frames of the film, one behind the other, byte for byte."""
        numbers = [number_of(jpeg) for jpeg in jpegs]
        self.assertEqual(numbers, [*range(numbers[0], numbers[-1] + 1)])
        self.assertEqual(scans(jpegs), scans([frames()[number] for number in numbers]))

    async def test_a_snapshot_is_the_jpeg_on_the_screen(self) -> None:
        folder = self.folder()
        await self.play_into(folder)
        number = await self.stand_still()

        self.key("s")
        await self.until(lambda: self.sentence, "word of it")

        [path] = folder.iterdir()
        self.assertEqual(self.sentence, f"Saved {path}.")
        self.assertRegex(path.name, r"^film \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.jpg$")
        self.assertEqual(scans([path.read_bytes()]), scans([frames()[number]]))

    async def test_a_recording_is_an_avi_with_the_frames_of_the_film(self) -> None:
        folder = self.folder()
        await self.play_into(folder)
        panel = self.app.window.control_panel

        self.key("Control-r")
        await self.until_says(panel.record_button, "REC")
        number = self.named or 0
        await self.until_after(number + 30)
        self.key("Control-r")
        await self.until(lambda: self.sentence.startswith("Recorded"), "end of the recording")

        self.assertEqual(self.text(panel.record_button), "")
        [path] = folder.iterdir()
        jpegs = films.frames_of(path.read_bytes())
        self.assertEqual(self.sentence, f"Recorded {len(jpegs)} frames to {path}.")
        self.assertGreater(len(jpegs), 25)
        self.assert_is_film(jpegs)

    async def test_a_recording_goes_to_the_file_that_somebody_named(self) -> None:
        path = self.folder() / "mine.Mjpeg"
        await self.play()

        self.choose(Group.STREAM, "Record to …")
        self.assertEqual(self.app.window.record.path.get(), "film.avi")
        self.type_in(self.app.window.record.path, str(path))
        await self.until(lambda: self.sentence == f"Recording to {path}.", "recording")
        number = self.named or 0
        await self.until_after(number + 10)
        await self.close()

        self.assert_is_film(films.frames_of(path.read_bytes()))

    async def test_a_name_that_tells_no_format_is_a_sentence(self) -> None:
        await self.play()

        self.choose(Group.STREAM, "Record to …")
        self.type_in(self.app.window.record.path, "film.mp4")
        await self.until(lambda: self.sentence, "sentence")

        self.assertRegex(self.sentence, r"^film\.mp4 does not tell how to record")
