from __future__ import annotations

from webrtc.bitrate import Bitrate


def test_a_rate_is_between_the_last_two_readings() -> None:
    rate = Bitrate()
    rate.read(1_000, 5.0)
    assert rate.bits_per_second == 0, "nothing is known yet"
    rate.read(2_000, 6.0)
    assert rate.bits_per_second == 8_000
    rate.read(2_500, 8.0)
    assert rate.bits_per_second == 2_000
    rate.read(9_000, 8.0)
    assert rate.bits_per_second == 2_000, "no time has passed"
    rate.read(0, 9.0)
    assert rate.bits_per_second == 0, "the counter began anew"
