from twisted.trial.unittest import SynchronousTestCase

from mjpegd.capacity.demand import USUAL_BITS_PER_S, Demand


class DemandTests(SynchronousTestCase):
    def test_what_a_film_tells_is_taken_for_its_mean(self) -> None:
        demand = Demand()
        demand.learn(1)

        self.assertEqual(demand.bits_per_s(25.0, 10_000), 2_000_000)

    def test_else_it_is_learnt_from_the_frames(self) -> None:
        demand = Demand()
        demand.learn(10_000)
        demand.learn(20_000)

        self.assertEqual(demand.bits_per_s(10.0), 1_200_000)

    def test_where_nothing_is_known_it_is_that_of_a_usual_camera(self) -> None:
        self.assertEqual(Demand().bits_per_s(25.0), USUAL_BITS_PER_S)
