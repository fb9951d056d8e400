from twisted.trial.unittest import SynchronousTestCase

from mjpegd.sources.indexing import MAX_IDLE_STEPS
from mjpegd.test.films import BytesReader, entries_of, frames_of, index_of, pictures
from mjpegd.test.pictures import APP1, DHT, DQT, segment, with_segment, without
from mjpegd.wire.jpeg_splitting import MAX_JUNK_BYTES

FRAMES = pictures(5)


class ConcatenatedTests(SynchronousTestCase):
    def test_pictures_one_after_another(self) -> None:
        film = b"".join(FRAMES)

        index = index_of(film)

        self.assertEqual(index.kind, "concatenated JPEG")
        self.assertIsNone(index.rate)
        self.assertEqual(frames_of(film), list(FRAMES))

    def test_junk_between_and_before_pictures_is_left_out(self) -> None:
        film = b"\0\xff\xd9junk" + b"junk".join(FRAMES) + b"junk"

        self.assertEqual(frames_of(film), list(FRAMES))

    def test_thumbnail_in_a_picture_is_not_one_of_the_film(self) -> None:
        frames = [with_segment(frame, APP1, b"Exif\0\0" + FRAMES[0]) for frame in FRAMES]

        self.assertEqual(frames_of(b"".join(frames)), frames)

    def test_picture_without_end_ends_where_the_next_begins(self) -> None:
        frames = [frame[:-2] for frame in FRAMES]

        self.assertEqual(frames_of(b"".join(frames)), frames)

    def test_tells_which_pictures_lack_tables(self) -> None:
        film = FRAMES[0] + without(FRAMES[1], DQT, DHT) + FRAMES[2]

        entries = entries_of(index_of(film), len(film))

        self.assertEqual([entry.has_tables for entry in entries], [True, False, True])

    def test_ends_where_no_picture_comes_any_more(self) -> None:
        film = FRAMES[0] + FRAMES[1] + bytes(3 * MAX_JUNK_BYTES) + FRAMES[2]
        reader = BytesReader(film)

        self.assertEqual(frames_of(film), [FRAMES[0], FRAMES[1]])
        self.assertLess(reader.reads, MAX_IDLE_STEPS)

    def test_previews_behind_a_photograph_are_left_out(self) -> None:
        photo = FRAMES[0][:2] + segment(0xE2, b"MPF\0II*\0") + FRAMES[0][2:]

        self.assertEqual(frames_of(photo + FRAMES[1] + FRAMES[2]), [photo])
