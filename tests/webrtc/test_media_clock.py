from __future__ import annotations

import itertools

from webrtc.media_clock import MEDIA_RATE, SourceClock

NTP_SECOND = 1 << 32
WALL = 3_900_000_000 * NTP_SECOND


def audio_and_video(late_s: float) -> tuple[SourceClock, SourceClock]:
    """A microphone and a camera that began at the same moment; the first picture came late."""
    audio, video = SourceClock(48_000), SourceClock(90_000)
    audio.place(7_000, 0.0)
    video.place(0xFFFFFF00, late_s)
    return audio, video


def run(video: SourceClock, seconds: float) -> list[int]:
    frames = [(0xFFFFFF00 + n * 3_000) & 0xFFFFFFFF for n in range(int(seconds * 30))]
    return [video.media_ticks(timestamp) for timestamp in frames]


def test_timestamps_go_on_over_their_wrap() -> None:
    clock = SourceClock(90_000)
    clock.place(0xFFFFFF00, 2.0)
    ticks = [clock.media_ticks((0xFFFFFF00 + n * 3_000) & 0xFFFFFFFF) for n in range(5)]
    assert ticks == [2 * MEDIA_RATE + n * 3_000 for n in range(5)]
    assert clock.media_ticks(0xFFFFFF00) == ticks[0], "one that was late"


def test_sound_counts_in_the_common_rate() -> None:
    clock = SourceClock(48_000)
    clock.place(0, 0.0)
    assert [clock.media_ticks(n * 960) for n in range(4)] == [0, 1_800, 3_600, 5_400]


def test_sender_reports_bring_the_picture_to_its_sound() -> None:
    audio, video = audio_and_video(late_s=0.2)
    audio.report(WALL + NTP_SECOND, 7_000 + 48_000)
    video.report(WALL + NTP_SECOND, (0xFFFFFF00 + 90_000) & 0xFFFFFFFF)
    video.follow(audio)
    ticks = run(video, 10.0)
    assert abs(ticks[0] - int(0.2 * MEDIA_RATE)) <= 20 * 90
    in_place = [n * 3_000 for n in range(300)]
    assert all(abs(a - b) <= 90 for a, b in zip(ticks[150:], in_place[150:], strict=True))
    assert all(after > before for before, after in itertools.pairwise(ticks))


def test_a_microphone_that_skipped_is_followed_by_the_next_report() -> None:
    """What a busy browser loses of its sound, 10 to 40 ms at once, timestamps do not count."""
    audio, video = audio_and_video(late_s=0.0)
    for second, skipped_s in enumerate([0.0, 0.0, 0.0, 0.04, 0.04], 1):
        audio.report(WALL + second * NTP_SECOND, 7_000 + round(48_000 * (second - skipped_s)))
        video.report(WALL + second * NTP_SECOND, (0xFFFFFF00 + second * 90_000) & 0xFFFFFFFF)
        video.follow(audio)
        assert run(video, 3.0)[-1] == 89 * 3_000 - round(skipped_s * MEDIA_RATE)


def test_without_both_reports_nothing_moves() -> None:
    audio, video = audio_and_video(late_s=0.2)
    video.report(WALL, 0xFFFFFF00)
    video.follow(audio)
    assert run(video, 1.0)[-1] == int(0.2 * MEDIA_RATE) + 29 * 3_000


def test_reports_that_cannot_be_true_are_not_followed() -> None:
    audio, video = audio_and_video(late_s=0.0)
    audio.report(WALL, 7_000)
    video.report(WALL + 3_600 * NTP_SECOND, 0xFFFFFF00)
    video.follow(audio)
    assert run(video, 1.0)[-1] == 29 * 3_000
