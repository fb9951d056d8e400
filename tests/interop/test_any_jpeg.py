"""JPEGs that RTP has no room for: other people's players show them, without loss where promised."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, TypeVar

from PIL import ImageChops, ImageStat

from mjpegd.pictures.turbojpeg import TurboJpeg
from mjpegd.test.pictures import number_of
from tests.interop import players
from tests.interop.cases import AT_A_TIME, PlayerTestCase
from tests.interop.kinds import FRAMES, Kind, big, interlaced, lossless, lossy
from tests.interop.players import Decoded, Player, Show, decode, play
from tests.system.daemon import Daemon

T = TypeVar("T")

# 2064x64 in the proportions that 2040 leaves, rounded up to whole blocks.
SCALED = (2040, 64)
# Of 255: what encoding anew may change in the mean. The lines of the two fields differ by 48.
SLIGHT = 6.0
NUMBERS = [*range(FRAMES)]


def transports(first: str) -> Iterator[str]:
    """UDP and TCP in turns, so that a short run tries both."""
    second = {"udp": "tcp", "tcp": "udp"}[first]
    while True:
        yield first
        yield second


class AnyJpeg(PlayerTestCase):
    """What each player has to show; the classes below say which player it is.

    Attributes:
        decoder: The player, told to keep what it decodes as it is.
        sizes: The player, told to keep pictures whose size changes.
        first: How the first film is transported; the others take turns.
        exact_big: Forms of large pictures that this player shows as they are, by query.
        scaled_big: The one that it does not.
    """

    decoder: ClassVar[Player]
    sizes: ClassVar[Player]
    first: ClassVar[str]
    exact_big: ClassVar[Sequence[str]]
    scaled_big: ClassVar[str]

    def test_lossless_kinds_pixel_for_pixel(self) -> None:
        self.require([] if TurboJpeg.find() else ["libturbojpeg"])
        kinds = [*lossless(), *(big(query) for query in self.exact_big)]
        daemon = self.serving(kinds)

        streams = self.each(kinds, lambda kind, by: self.decoded(daemon, kind, by))

        for kind, stream in zip(kinds, streams, strict=True):
            told = f"{kind.name}{kind.query}: {stream.words}"
            lumas = stream.lumas(kind.size, FRAMES)
            self.assertEqual([number_of(luma) for luma in lumas], NUMBERS, told)
            self.assert_like_the_file(daemon, kind, stream, told)

    def test_lossy_kinds_in_order(self) -> None:
        kinds = [*lossy(), big(self.scaled_big, SCALED)]
        daemon = self.serving(kinds)

        shows = self.each(kinds, lambda kind, by: self.shown(daemon, kind, by))

        for kind, show in zip(kinds, shows, strict=True):
            seen = [number_of(picture) for picture in show.pictures]
            self.assertEqual(seen, NUMBERS, f"{kind.name}: {show.words}")

    def test_fields_are_woven(self) -> None:
        kinds = [interlaced((2, 1)), interlaced((1, 2))]
        daemon = self.serving(kinds)

        streams = self.each(kinds, lambda kind, by: self.decoded(daemon, kind, by))

        local = players.FFMPEG_PLANES.file(str(daemon.media / kinds[0].path))
        woven = decode(local, self.shows / "local").lumas(kinds[0].size, FRAMES)
        for kind, stream in zip(kinds, streams, strict=True):
            lumas = stream.lumas(kind.size, FRAMES)
            self.assertEqual([number_of(luma) for luma in lumas], NUMBERS, stream.words)
            for seen, wanted in zip(lumas, woven, strict=True):
                [difference] = ImageStat.Stat(ImageChops.difference(seen, wanted)).mean
                self.assertLess(difference, SLIGHT, kind.name)

    def serving(self, kinds: Sequence[Kind]) -> Daemon:
        """A daemon that has these films."""
        return self.running({kind.path: kind.film for kind in kinds})

    def each(self, kinds: Sequence[Kind], work: Callable[[Kind, str], T]) -> list[T]:
        """What comes of each kind by a transport."""
        with ThreadPoolExecutor(AT_A_TIME) as pool:
            return list(pool.map(work, kinds, transports(self.first)))

    def decoded(self, daemon: Daemon, kind: Kind, transport: str) -> Decoded:
        """What the player makes of a stream."""
        command = self.decoder.stream(daemon.url(kind.path + kind.query), transport, None)
        return decode(command, self.shows / f"{kind.path}{kind.query}")

    def shown(self, daemon: Daemon, kind: Kind, transport: str) -> Show:
        """What the player shows of a stream, in colours that were converted."""
        command = self.sizes.stream(daemon.url(kind.path + kind.query), transport, None)
        return play(command, self.shows / kind.path, kind.size)

    def assert_like_the_file(self, daemon: Daemon, kind: Kind, stream: Decoded, told: str) -> None:
        """Another process of the player made the same of the file, without us."""
        command = self.decoder.file(str(daemon.media / kind.path))
        local = decode(command, self.shows / f"{kind.path}{kind.query}.local")
        if kind.name == "grey":
            # As YCbCr it is longer by planes without colour.
            wanted, seen = (it.lumas(kind.size, FRAMES) for it in (local, stream))
            self.assertTrue(seen == wanted, f"other pixels in {told}")
        else:
            self.assertTrue(stream.data == local.data, f"other pixels in {told}")


class FFmpegTests(AnyJpeg):
    """The ffmpeg program."""

    player = players.FFMPEG
    decoder = players.FFMPEG_PLANES
    sizes = players.FFMPEG
    first = "udp"
    exact_big = ("?big=nested",)
    scaled_big = ""


class GStreamerTests(AnyJpeg):
    """gst-launch-1.0 with rtspsrc."""

    player = players.GSTREAMER
    decoder = players.GSTREAMER_PLANES
    sizes = players.GSTREAMER_SIZES
    first = "tcp"
    exact_big = ("", "?big=native")
    scaled_big = "?big=scale"


del AnyJpeg  # It is no test by itself.
