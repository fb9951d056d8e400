"""`mjpegd.treatment`: what is done to a film is learnt from its frames, and said once."""

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mjpegd.pictures.forms import PLAIN_FORM, JpegForm, Rendition
from mjpegd.pictures.normalise import Normal, Step
from mjpegd.test.fakes import small_picture
from mjpegd.test.pictures import picture
from mjpegd.treatment import MAX_LOGGED_REASONS, Treatment, TreatmentNotes
from mjpegd.workshop import Made

STRIPPED = JpegForm(strips_restarts=True)


def made(reason: str = "greyscale", hint: str = "") -> Made:
    normal = Normal(small_picture(1), Step.RECODED, reason)
    return Made(normal, is_new=True, seconds=0.0015, hint=hint)


class NotesTests(SynchronousTestCase):
    def notes(self) -> TreatmentNotes:
        return TreatmentNotes("film.avi", is_rendered=False)

    def said(self, notes: TreatmentNotes, *all_made: Made) -> list[str]:
        with capturedLogs() as events:
            for one in all_made:
                notes.made(PLAIN_FORM, one)
        return [str(formatEvent(event)) for event in events]

    def test_nothing_is_known_before_a_frame_was_seen(self) -> None:
        self.assertIsNone(self.notes().treatment(PLAIN_FORM))

    def test_first_frame_of_a_form_decides_what_is_told_of_it(self) -> None:
        notes = self.notes()
        notes.sent_as_it_is(PLAIN_FORM, picture(1, size=(64, 48)))
        notes.made(PLAIN_FORM, made())

        self.assertEqual(notes.treatment(PLAIN_FORM), Treatment(64, 48, Step.UNTOUCHED, ""))
        self.assertIsNone(notes.treatment(STRIPPED))

    def test_renditions_are_not_told_apart(self) -> None:
        notes = self.notes()
        notes.made(JpegForm(rendition=Rendition(width=320)), made())

        self.assertEqual(str(notes.treatment(PLAIN_FORM)), f"{Step.RECODED.value} (greyscale)")

    def test_each_reason_is_said_once_with_its_cost(self) -> None:
        lines = self.said(self.notes(), made(), made(), made("progressive"))

        self.assertEqual(len(lines), 2)
        self.assertIn(f"film.avi: {Step.RECODED.value} (greyscale); 1.5 ms of a core", lines[0])

    def test_reasons_without_end_are_not_said_without_end(self) -> None:
        reasons = [made(f"reason {number}") for number in range(3 * MAX_LOGGED_REASONS)]

        self.assertEqual(len(self.said(self.notes(), *reasons)), MAX_LOGGED_REASONS)

    def test_what_could_be_done_about_it_is_said(self) -> None:
        [line] = self.said(self.notes(), made(hint="nothing would be lost with more"))

        self.assertTrue(line.endswith("; nothing would be lost with more"))

    def test_sum_is_said_only_where_there_was_work(self) -> None:
        notes = self.notes()
        with capturedLogs() as events:
            notes.say_sum()
        self.assertEqual(events, [])
        self.said(notes, made(), made())
        with capturedLogs() as events:
            notes.say_sum()

        self.assertIn("2 frames were made fit, in 1.5 ms", str(formatEvent(events[0])))
