from twisted.trial.unittest import SynchronousTestCase

from mjpegd.test.films import frames_of, index_of, multipart, pictures, seconds_of

FRAMES = pictures(5)
HTTP_HEADER = (
    b"HTTP/1.0 200 OK\r\nServer: cam\r\n"
    b"Content-Type: multipart/x-mixed-replace;boundary=--cam\r\n\r\n"
)
AS_WRITTEN_BY = {
    "ffmpeg": multipart(FRAMES),
    "a camera, saved with its header": multipart(FRAMES, boundary=b"----cam", before=HTTP_HEADER),
    "a program with bare line feeds and a preamble": multipart(
        FRAMES, boundary=b"--=_frame 1", newline=b"\n", lengths=False, before=b"Hello\n"
    ),
    "a camera that tells no lengths": multipart(FRAMES, lengths=False),
    "mjpg-streamer": multipart(FRAMES, stamps=["1.0", "2.0", "3.0", "4.0", "5.0"])
    + b"--boundarydonotcross--\r\n",
    "a program that tells nothing of its parts": b"--b\r\n\r\n" + b"\r\n--b\r\n\r\n".join(FRAMES),
    "a recorder that begins with an empty line": b"\r\n" + multipart(FRAMES),
}


class MultipartTests(SynchronousTestCase):
    def test_pictures_of_all_parts(self) -> None:
        for writer, film in AS_WRITTEN_BY.items():
            with self.subTest(writer=writer):
                self.assertEqual(index_of(film).kind, "multipart JPEG")
                self.assertEqual(frames_of(film), list(FRAMES))

    def test_picture_without_end_ends_before_the_boundary(self) -> None:
        frames = [frame[:-2] for frame in FRAMES]
        for newline in (b"\r\n", b"\n"):
            with self.subTest(newline=newline):
                # What stands behind the last part nobody can tell from its data.
                found = frames_of(multipart(frames, newline=newline))

                self.assertEqual(found[:-1], frames[:-1])
                self.assertEqual(found[-1], frames[-1] + newline)

    def test_wrong_length_harms_nothing(self) -> None:
        film = multipart(FRAMES).replace(b"Content-Length: ", b"Content-Length: 1")

        self.assertEqual(frames_of(film), list(FRAMES))


class StampTests(SynchronousTestCase):
    def test_stamps_that_look_like_a_camera_s_are_times(self) -> None:
        stamps = ["100.5", "100.75", "101.0", "101.5", "102.0"]

        found = seconds_of(multipart(FRAMES, stamps=stamps))

        self.assertEqual(found, [float(stamp) for stamp in stamps])

    def test_stamps_that_do_not_are_ignored(self) -> None:
        unusable = {
            "microseconds apart": [f"12345.00000{number}" for number in range(5)],
            "all the same": ["7.0"] * 5,
            "backwards": ["5.0", "4.0", "3.0", "2.0", "1.0"],
            "once backwards": ["1.0", "3.0", "2.0", "4.0", "5.0"],
            "too far apart": ["0.0", "60.0", "120.0", "180.0", "240.0"],
            "no numbers": ["noon"] * 5,
            "one missing": ["1.0", "2.0", "", "4.0", "5.0"],
        }
        for why, stamps in unusable.items():
            with self.subTest(why=why):
                self.assertEqual(seconds_of(multipart(FRAMES, stamps=stamps)), [None] * 5)

    def test_single_stamp_is_no_time(self) -> None:
        self.assertEqual(seconds_of(multipart(FRAMES[:1], stamps=["1.0"])), [None])
