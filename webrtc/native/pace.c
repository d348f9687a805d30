/* When a stream's next chunk may leave; webrtc/pace.py is the specification and says why. */

#include "fanout.h"

static const double PACE_SLACK_S = 0.001;
static const double FIRST_BYTES = 32000.0;
static const double BLIND_GAIN = 2.0;
static const double BLIND_LEAST_BITRATE = 4e6;
static const double CARRIED_SHARE = 0.75;
static const double LEAST_GAIN = 1.25;
static const double LEAST_BITRATE = 5e5;

bool
pace_exceeds(double bitrate, double carried)
{
    return carried > 0.0 && carried * CARRIED_SHARE < bitrate;
}

void
pace_begin(Pace *pace)
{
    pace->is_behind = true;
    pace->is_ebbing = false;
    pace->first_bytes = FIRST_BYTES;
}

bool
pace_is_time(const Pace *pace, double now_s)
{
    return pace->next_send_s <= now_s + PACE_SLACK_S;
}

static double
allowed_bitrate(Pace *pace, double size, double most, double bitrate, double carried)
{
    if (pace->is_ebbing) {
        return fmin(fmax(carried * CARRIED_SHARE, LEAST_BITRATE), most);
    }
    if (!pace->is_behind) {
        return most;
    }
    if (carried > 0.0) {
        double wanted = fmax(carried * CARRIED_SHARE, bitrate * LEAST_GAIN);
        return fmin(fmax(wanted, LEAST_BITRATE), most);
    }
    if (pace->first_bytes > 0.0) {
        pace->first_bytes -= size;
        return most;
    }
    return fmin(fmax(bitrate * BLIND_GAIN, BLIND_LEAST_BITRATE), most);
}

void
pace_note(Pace *pace, double size, double now_s, double most, double bitrate, double carried)
{
    double allowed = allowed_bitrate(pace, size, most, bitrate, carried);
    pace->next_send_s = fmax(pace->next_send_s, now_s) + size * 8.0 / allowed;
}
