"""What one session takes of the room that there is for all."""

from dataclasses import replace
from typing import Self

from mjpegd.capacity.admission import Admission, Seat
from mjpegd.errors import RTSPError


class HeldSeat:
    """A seat that was taken; it can be made wider, and is given back once.

    Args:
        admission: Who counts.
        seat: What was taken.
        most_bits_per_s: The bandwidth that one session may have.
    """

    def __init__(self, admission: Admission, seat: Seat, most_bits_per_s: int) -> None:
        self._admission = admission
        self._first = self._seat = seat
        self._most_bits_per_s = most_bits_per_s
        self._is_changing = False
        self._is_over = False

    @classmethod
    async def take(cls, admission: Admission, seat: Seat, most_bits_per_s: int) -> Self:
        """Take a seat.

        Raises:
            RTSPError: 453, there is none, or it would be wider than one may be.
        """
        if seat.bits_per_s > most_bits_per_s:
            raise RTSPError(453, f"{seat.bits_per_s} bit/s are too much for one viewer")
        await admission.take_seat(seat)
        return cls(admission, seat, most_bits_per_s)

    async def granted(self, speed: float) -> float:
        """The speed that may be played at: what is wished, or what one viewer may have.

        Below 1 the seat stays as wide as it was at first, so that 1 can always be had again.

        Raises:
            RTSPError: 453, there is no bandwidth left for that speed.
        """
        first = self._first.bits_per_s
        if first * speed > self._most_bits_per_s:
            speed = self._most_bits_per_s / first
        wanted = replace(self._first, bits_per_s=round(first * max(speed, 1.0)))
        if wanted != self._seat:
            await self._change(wanted)
        return speed

    def give_back(self) -> None:
        """The session has ended."""
        self._is_over = True
        if not self._is_changing:  # else it is not known yet what there is to give back
            self._admission.give_back_seat(self._seat)

    async def _change(self, wanted: Seat) -> None:
        if self._is_changing:
            raise RTSPError(453, "another PLAY of the session is not answered yet")
        self._is_changing = True
        try:
            await self._admission.change_seat(self._seat, wanted)
            self._seat = wanted
        finally:
            self._is_changing = False
            if self._is_over:
                self.give_back()
