"""THE list of what is checked: H is HLS, D is DASH, C is CMAF, each demand in one sentence.

HLS clauses are those of draft-pantos-hls-rfc8216bis, CMAF is ISO/IEC 23000-19, DASH is ISO/IEC
23009-1 with the DASH-IF timing model (TM) and low-latency guidelines (LL).
"""

from __future__ import annotations

RULES = {
    "H0": "A playlist is UTF-8 without a byte order mark, begins with #EXTM3U, has well-formed "
    "tags, and each tag that may stand once stands once (HLS 4.1, 4.2, 4.4).",
    "H9": "CAN-SKIP-UNTIL is at least six target durations, and EXT-X-SKIP needs version 9 "
    "(HLS 4.4.3.8, 4.4.5.2).",
    "H11": "Parts need EXT-X-PART-INF, that needs PART-HOLD-BACK of at least two, better three "
    "part targets; HOLD-BACK is at least three target durations (HLS 4.4.3.7, 4.4.3.8).",
    "H12": "A part is no longer than PART-TARGET and no shorter than 85 % of it, unless it is "
    "independent, a gap, before a gap, or the last of its segment (HLS 4.4.4.9).",
    "H13": "The parts of a segment last together as long as the segment (HLS 4.4.4.9).",
    "H14": "What applies to a segment stands before its first part (HLS 4.4.4.9).",
    "H15": "Parts are removed when they are more than three target durations from the end "
    "(HLS 6.2.2).",
    "H16": "A live playlist gets a new segment within 1.5 target durations (HLS 6.2.1).",
    "H19": "At most one preload hint of each type, each with a URI, none after the end "
    "(HLS 4.4.5.3).",
    "H20": "A rendition report has a relative URI and says LAST-MSN, and LAST-PART where there "
    "are parts (HLS 4.4.5.4).",
    "H21": "EXT-X-TARGETDURATION is there, never changes, is equal in all renditions, and no "
    "EXTINF rounds to more (HLS 4.4.3.1).",
    "H22": "EXT-X-MEDIA-SEQUENCE and EXT-X-DISCONTINUITY-SEQUENCE stand before the first segment, "
    "never fall, and rise by what was removed (HLS 4.4.3.2, 4.4.3.3, 6.2.2).",
    "H23": "A live playlist only gains segments at its end and loses them at its head, keeps three "
    "target durations, and has no EXT-X-PLAYLIST-TYPE (HLS 4.4.3.5, 6.2.1, 6.2.2).",
    "H24": "A change of format or a break in the timestamps is marked by EXT-X-DISCONTINUITY, and "
    "equal content has equal discontinuity sequence numbers in all renditions (HLS 4.4.4.3, "
    "6.2.4).",
    "H25": "EXT-X-PROGRAM-DATE-TIME is in all renditions or none, and says the same of the same "
    "media time everywhere (HLS 4.4.4.6, 6.2.4).",
    "H26": "EXT-X-SERVER-CONTROL is the same in all renditions (HLS 4.4.3.8).",
    "H27": "EXT-X-VERSION is what the features used need, and not more (HLS 8).",
    "H28": "Each variant says BANDWIDTH, which nothing measured exceeds, and CODECS with every "
    "format of every rendition; groups exist, their names differ, one is the default "
    "(HLS 4.4.6).",
    "H29": "What is listed can be downloaded at once, with the right Content-Type; text is "
    "compressed for who accepts it, and caches are told how long (HLS 4, 6.2.1).",
    "H30": "EXT-X-KEY is well formed: METHOD=NONE alone, others with a URI (HLS 4.4.4.4).",
    "H31": "Web players may read it across sites: CORS (Fetch 3.3).",
    "H32": "EXTINF, RESOLUTION and timestamps are what the media itself says (HLS 4.4.4.1, "
    "4.4.6.2).",
    "D0": "An MPD is well-formed XML, namespace urn:mpeg:dash:schema:mpd:2011, with a Period, and "
    "attributes of the right form (DASH 5.3.1).",
    "D1": "A dynamic MPD has availabilityStartTime and publishTime; it, Period@start and all ids "
    "never change; every AdaptationSet has an id (TM).",
    "D2": "UTCTiming of a known scheme is there, answers, and its clock is right (TM).",
    "D3": "A segment can be fetched from its availability time until it leaves the time-shift "
    "buffer, and is 404 before (TM).",
    "D4": "availabilityTimeOffset comes with availabilityTimeComplete (DASH-IF LL).",
    "D5": "A SegmentTimeline has no gaps or overlaps, says what tfdt and the durations say, only "
    "gains at its end and loses at its head, and merges equal neighbours (TM).",
    "D6": "With @duration each segment starts within half a duration of where it should (TM).",
    "D7": "A SegmentTemplate has @duration or a SegmentTimeline, and its @media has $Number$ or "
    "$Time$, never both (DASH 5.3.9.5).",
    "D8": "minimumUpdatePeriod is there while updates may come; durations have no years or months; "
    "media times are below 2^53 (TM).",
    "D9": "ServiceDescription Latency has @target (DASH-IF LL).",
    "D10": "ProducerReferenceTime has a unique id, a wall clock and a presentation time "
    "(DASH 5.12).",
    "D12": "mimeType, codecs, timescale and size in the MPD are those of the init section; "
    "maxSegmentDuration is not exceeded; bandwidth is not exceeded (DASH 5.3.1.2, 5.3.7).",
    "D13": "Periods follow on each other and none is empty (TM).",
    "D14": "An MPD is application/dash+xml with Date and CORS, cached no longer than its update "
    "period; media has its type (DASH-IF IOP).",
    "C1": "An init section names cmfc (or cmf2) and iso6, and holds one track (CMAF 7.3.1).",
    "C2": "A chunk is [styp] [prft] [emsg] moof mdat with one traf whose tfdt is the sum of what "
    "was before (CMAF 7.3.2).",
    "C3": "A segment begins with a sync sample and, if with styp, with CMAF's brands (CMAF 7.3.3).",
    "C4": "Signed composition offsets or an edit list, and the first sample is presented first "
    "(CMAF 7.5.16).",
    "C5": "Renditions between which players switch share timescale, codec and segment boundaries "
    "(CMAF 7.3.4).",
}
