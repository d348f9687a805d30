/* Datagrams that come in: viewers' checks and reports are dealt with, the rest is given back. */

#include "fanout.h"

#include <errno.h>
#include <stdlib.h>

static void
count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void
tell(Fanout *fanout, Viewer *viewer, int event)
{
    if (viewer->waiting[event]) {
        return; /* once until it is polled: so there are never more than EVENT_KINDS a viewer */
    }
    if (fanout->event_count == fanout->event_capacity) {
        size_t capacity = fanout->event_capacity == 0 ? 64 : fanout->event_capacity * 2;
        Event *larger = realloc(fanout->events, capacity * sizeof *larger);
        if (larger == NULL) {
            return;
        }
        fanout->events = larger;
        fanout->event_capacity = capacity;
    }
    viewer->waiting[event] = true;
    fanout->events[fanout->event_count++] = (Event){viewer->id, event};
}

/* From now on it is there that it is heard from, and sent to. */
bool
viewer_move(Fanout *fanout, Viewer *viewer, const Place *place)
{
    Command *command = command_new(MOVE, viewer, 0);
    if (command == NULL || !table_put(&fanout->by_address, hash_place(place), viewer)) {
        free(command);
        return false;
    }
    table_remove(&fanout->by_address, hash_place(&viewer->source), viewer);
    viewer->source = *place;
    command->place = *place;
    shard_command(viewer->shard, command);
    return true;
}

/* To the pair that the viewer nominates. */
static void
follow(Fanout *fanout, Viewer *viewer, const Place *source)
{
    if (table_find(&fanout->by_address, hash_place(source), is_at_place, source) == NULL &&
        viewer_move(fanout, viewer, source)) {
        tell(fanout, viewer, EVENT_ADDRESS);
    }
}

/* RFC 8445 7.3 for a peer whose credentials are known; RFC 7675 lives on these. */
static bool
take_check(Fanout *fanout, const uint8_t *datagram, size_t size, const Place *source, double now_s)
{
    StunMessage check;
    uint8_t answer[STUN_ANSWER_BYTES];
    if (!stun_parse(datagram, size, &check)) {
        bool is_viewers = table_find(&fanout->by_address, hash_place(source), is_at_place,
                                     source) != NULL;
        if (is_viewers) {
            count(&fanout->counts.rejected);
        }
        return is_viewers;
    }
    Viewer *viewer = check.username != NULL
                         ? viewer_named(fanout, check.username, check.username_size)
                         : NULL;
    if (viewer == NULL || check.type != 0x0001 || check.has_unknown) {
        return false;
    }
    if (!stun_is_from(&check, datagram, viewer->password)) {
        count(&fanout->counts.rejected);
        return true;
    }
    viewer->last_seen_s = now_s;
    if (check.nominates) {
        follow(fanout, viewer, source);
    }
    size_t answer_size = stun_answer(&check, source, viewer->password, answer);
    sendto(fanout->sockets[source->socket], answer, answer_size, MSG_DONTWAIT,
           (const struct sockaddr *)&source->address, source->size);
    return true;
}

bool
take_datagram(Fanout *fanout, int socket, uint8_t *datagram, size_t size, Place *source,
              double now_s)
{
    source->socket = (uint8_t)socket;
    if (is_stun(datagram, size)) {
        return take_check(fanout, datagram, size, source, now_s);
    }
    bool is_rtcp = size >= 8 && datagram[0] >> 6 == 2 && datagram[1] >= 192 && datagram[1] <= 223;
    Viewer *viewer = is_rtcp ? table_find(&fanout->by_address, hash_place(source), is_at_place,
                                          source)
                             : NULL;
    if (viewer == NULL) {
        return false;
    }
    size = unprotect_rtcp(&viewer->from_rtcp, &viewer->sources, datagram, size);
    if (size == 0) {
        count(&fanout->counts.rejected);
        return true;
    }
    viewer->last_seen_s = now_s;
    rtcp_take(fanout, viewer, datagram, size, now_s);
    return true;
}

/* Datagrams of one call, without the GIL. */
typedef struct {
    struct mmsghdr messages[AT_ONCE];
    struct iovec pieces[AT_ONCE];
    Place sources[AT_ONCE];
    bool is_passed[AT_ONCE];
} Arrived;

static int
receive_some(Fanout *fanout, int socket, Arrived *arrived, double now_s, bool has_clock)
{
    for (int at = 0; at < AT_ONCE; at++) {
        arrived->pieces[at] = (struct iovec){fanout->datagrams[at], MAX_DATAGRAM_BYTES};
        arrived->messages[at].msg_hdr = (struct msghdr){
            .msg_name = &arrived->sources[at].address,
            .msg_namelen = sizeof arrived->sources[at].address,
            .msg_iov = &arrived->pieces[at],
            .msg_iovlen = 1,
        };
    }
    int received = recvmmsg(fanout->sockets[socket], arrived->messages, AT_ONCE, MSG_DONTWAIT,
                            NULL);
    now_s = has_clock ? now_s : clock_s();
    pthread_mutex_lock(&fanout->lock);
    for (int at = 0; at < received; at++) {
        arrived->sources[at].size = arrived->messages[at].msg_hdr.msg_namelen;
        bool is_taken = take_datagram(fanout, socket, fanout->datagrams[at],
                                      arrived->messages[at].msg_len, &arrived->sources[at], now_s);
        count(is_taken ? &fanout->counts.received : &fanout->counts.passed);
        arrived->is_passed[at] = !is_taken;
    }
    pthread_mutex_unlock(&fanout->lock);
    return received;
}

static bool
append(PyObject *others, const uint8_t *datagram, unsigned size, const Place *source)
{
    PyObject *address = address_of(source);
    if (address == NULL) {
        return false;
    }
    PyObject *pair = Py_BuildValue("(y#N)", (const char *)datagram, (Py_ssize_t)size, address);
    bool is_appended = pair != NULL && PyList_Append(others, pair) == 0;
    Py_XDECREF(pair);
    return is_appended;
}

PyObject *
fanout_receive(Fanout *fanout, int socket, double now_s, bool has_clock)
{
    Arrived arrived;
    PyObject *others = PyList_New(0);
    int received = AT_ONCE;
    for (int total = 0; others != NULL && received == AT_ONCE && total < MAX_DATAGRAMS;
         total += received) {
        Py_BEGIN_ALLOW_THREADS
        received = receive_some(fanout, socket, &arrived, now_s, has_clock);
        Py_END_ALLOW_THREADS
        for (int at = 0; at < received; at++) {
            if (arrived.is_passed[at] && !append(others, fanout->datagrams[at],
                                                 arrived.messages[at].msg_len,
                                                 &arrived.sources[at])) {
                Py_CLEAR(others);
                break;
            }
        }
    }
    return others;
}
