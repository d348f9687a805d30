/* Numbers that the files share; webrtc/viewer_stream.py, pace.py, packet_ring.py,
   python_fanout.py and viewer_reports.py say why. */

#ifndef HEADWATER_LIMITS_H
#define HEADWATER_LIMITS_H

enum {
    MAX_PAYLOAD_BYTES = 1142, /* webrtc/rtp/limits.py */
    MAX_DATAGRAM_BYTES = 2048,
    MAX_DATAGRAMS = 256,
    CHUNK_PACKETS = 16,
    RUNS_KEPT = 8,
    RESEND_GAIN = 3,
    RESEND_COST = 10,
    RESEND_MOST = 250 * RESEND_COST,
    RESENT_KEPT = 128,
    HISTORY_PACKETS = 1024,
    MAX_STATUSES = HISTORY_PACKETS,
    MAX_LOST = 512,
    MAX_MID_BYTES = 16,
    MAX_CNAME_BYTES = 64,
    MAX_HEADER_BYTES = 12 + 28,
    MAX_SOCKETS = 8,
    MAX_THREADS = 64, /* webrtc/fanout.py */
    MAX_COMMANDS_ASKED = 4096, /* of viewers, in one shard: beyond, the network asks in vain */
};

#define MAX_LAG_S 1.0
#define BEHIND_LAG_S 0.25
#define SWITCH_WAIT_S 0.25
#define RESEND_LEAST_S 0.01
#define RESEND_SHARE 0.6
#define REPORT_INTERVAL_S 1.0
#define SUMMARY_INTERVAL_S 1.0
#define BASELINE_S 10.0
#define KEPT_S 2.0
#define BITRATE_SPAN_S 0.5
#define BLOCKED_S 0.02
#define NTP_EPOCH_S 2208988800.0

enum { AUDIO, VIDEO, KINDS }; /* in the order in which they are sent */

#endif
