from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.films import frames_of, index_of, laboratory, pictures

FRAMES = pictures(5)


class LaboratoryTests(SynchronousTestCase):
    def test_five_digits_and_a_picture(self) -> None:
        index = index_of(laboratory(FRAMES))

        self.assertEqual(index.kind, "laboratory .Mjpeg")
        self.assertIsNone(index.rate)
        self.assertEqual(frames_of(laboratory(FRAMES)), list(FRAMES))

    @given(st.integers(4, 9))
    def test_any_count_of_digits(self, digits: int) -> None:
        self.assertEqual(frames_of(laboratory(FRAMES, digits)), list(FRAMES))

    def test_count_of_digits_changes_with_the_length(self) -> None:
        film = laboratory(FRAMES[:2], 5) + laboratory(FRAMES[2:3], 6) + laboratory(FRAMES[3:], 5)

        self.assertEqual(frames_of(film), list(FRAMES))

    def test_several_pictures_behind_one_length(self) -> None:
        film = laboratory([FRAMES[0] + FRAMES[1], FRAMES[2], FRAMES[3] + FRAMES[4]])

        self.assertEqual(frames_of(film), list(FRAMES))

    def test_junk_within_the_counted_length(self) -> None:
        film = laboratory(frame + b"\0 12345 junk" for frame in FRAMES)

        self.assertEqual(frames_of(film), list(FRAMES))

    def test_picture_without_end_ends_with_its_record_though_digits_look_like_its_data(
        self,
    ) -> None:
        frames = [frame[:-2] for frame in FRAMES]

        self.assertEqual(frames_of(laboratory(frames)), frames)

    def test_wrong_length_does_not_hide_the_pictures_behind_it(self) -> None:
        for wrong in (b"00007", b"99999", b"00000"):
            with self.subTest(wrong=wrong):
                film = laboratory(FRAMES[:2]) + wrong + FRAMES[2] + laboratory(FRAMES[3:])

                self.assertEqual(frames_of(film), list(FRAMES))

    def test_cut_off_record_keeps_the_ones_before_it(self) -> None:
        film = laboratory(FRAMES)[:-30]

        self.assertEqual(frames_of(film)[:4], list(FRAMES[:4]))

    def test_name_in_digits_is_no_laboratory_film(self) -> None:
        self.assertEqual(index_of(b"00012 " + FRAMES[0]).kind, "concatenated JPEG")
