/* What comes in. stun.c: checks; rtcp.c: reports; receive.c: whose it is. */

#ifndef HEADWATER_INCOMING_H
#define HEADWATER_INCOMING_H

#include "viewer.h"

typedef struct {
    uint16_t type;
    const uint8_t *transaction_id;
    const uint8_t *username, *integrity;
    size_t username_size;
    size_t protected_size; /* bytes before MESSAGE-INTEGRITY */
    bool nominates, has_unknown;
} StunMessage;

bool is_stun(const uint8_t *datagram, size_t size);
bool stun_parse(const uint8_t *datagram, size_t size, StunMessage *message);
bool stun_is_from(const StunMessage *message, const uint8_t *datagram, const char *password);
enum { STUN_ANSWER_BYTES = 20 + 24 + 24 + 8 };
size_t stun_answer(const StunMessage *request, const Place *place, const char *password,
                   uint8_t answer[STUN_ANSWER_BYTES]);

/* rtcp.c: reads a compound packet and lets the viewer have what it says */
void rtcp_take(Fanout *fanout, Viewer *viewer, const uint8_t *compound, size_t size, double now_s);
size_t rtcp_render_report(uint8_t *out, uint32_t ssrc, const char *cname, uint64_t ntp,
                          uint32_t timestamp, uint32_t packets, uint32_t bytes);
uint64_t ntp_of(double utc_s);

/* receive.c */
bool take_datagram(Fanout *fanout, int socket, uint8_t *datagram, size_t size, Place *source,
                   double now_s);
void tell(Fanout *fanout, Viewer *viewer, int event);
bool viewer_move(Fanout *fanout, Viewer *viewer, const Place *place);
Viewer *viewer_named(Fanout *fanout, const uint8_t *username, size_t size);

#endif
