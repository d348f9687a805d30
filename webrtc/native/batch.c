/* Datagrams to the system: sendmmsg, and runs of equal packets as one (UDP GSO).

   Packets are written one after the other into a buffer; a run to one viewer is one message. The
   last packet of a run may be smaller. */

#include "fanout.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef SOL_UDP
#define SOL_UDP 17
#endif

static void
count(_Atomic uint64_t *counter, uint64_t by)
{
    atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

bool
batch_init(Batch *batch, Fanout *fanout)
{
    batch->fanout = fanout;
    batch->buffer = malloc(BATCH_BYTES);
    return batch->buffer != NULL;
}

void
batch_free(Batch *batch)
{
    free(batch->buffer);
    batch->buffer = NULL;
}

uint8_t *
batch_room(Batch *batch, size_t size)
{
    if (batch->count == BATCH_MESSAGES || batch->used + size > BATCH_BYTES) {
        batch_flush(batch);
    }
    return batch->buffer + batch->used;
}

void
batch_end_run(Batch *batch)
{
    batch->is_open = false;
}

void
batch_add(Batch *batch, Viewer *viewer, Stream *stream, size_t size)
{
    unsigned last = batch->count - 1;
    if (batch->is_open && batch->viewers[last] == viewer && size <= batch->sizes[last] &&
        batch->pieces[last].iov_len + size <= (size_t)CHUNK_PACKETS * batch->sizes[last]) {
        batch->pieces[last].iov_len += size;
        batch->is_open = size == batch->sizes[last];
    } else {
        unsigned at = batch->count++;
        batch->pieces[at].iov_base = batch->buffer + batch->used;
        batch->pieces[at].iov_len = size;
        batch->sizes[at] = (uint16_t)size;
        batch->viewers[at] = viewer;
        batch->streams[at] = stream;
        batch->is_open = atomic_load_explicit(&batch->fanout->has_gso, memory_order_relaxed);
    }
    batch->used += size;
}

void
batch_end_unit(Batch *batch, int kind, double written_s)
{
    batch->ended[batch->ended_count].kind = kind; /* one of a chunk, so no more than messages */
    batch->ended[batch->ended_count++].written_s = written_s;
}

static size_t
packets_of(const Batch *batch, unsigned at)
{
    return (batch->pieces[at].iov_len + batch->sizes[at] - 1) / batch->sizes[at];
}

static void
prepare(Batch *batch, unsigned at)
{
    struct msghdr *message = &batch->messages[at].msg_hdr;
    *message = (struct msghdr){
        .msg_name = &batch->viewers[at]->place.address,
        .msg_namelen = batch->viewers[at]->place.size,
        .msg_iov = &batch->pieces[at],
        .msg_iovlen = 1,
    };
    if (batch->pieces[at].iov_len > batch->sizes[at]) {
        message->msg_control = batch->controls[at].bytes;
        message->msg_controllen = sizeof batch->controls[at].bytes;
        struct cmsghdr *control = CMSG_FIRSTHDR(message);
        control->cmsg_level = SOL_UDP;
        control->cmsg_type = UDP_SEGMENT;
        control->cmsg_len = CMSG_LEN(sizeof(uint16_t));
        memcpy(CMSG_DATA(control), &batch->sizes[at], sizeof(uint16_t));
    }
}

static void
fail(Batch *batch, unsigned at)
{
    count(&batch->viewers[at]->send_failures, 1);
    count(&batch->fanout->counts.failures, 1);
    if (batch->streams[at] != NULL && !batch->streams[at]->is_failed) {
        batch->streams[at]->is_failed = true; /* once for a flush */
        stream_skip(batch->streams[at]);
    }
}

/* Waits for room in the socket's buffer; false: it has been full for too long. */
static bool
wait_for_room(int socket, double *left_s)
{
    struct timespec before, after, pause = {0, 500000};
    struct pollfd ready = {socket, POLLOUT, 0};
    if (*left_s <= 0.0) {
        return false;
    }
    clock_gettime(CLOCK_MONOTONIC, &before);
    if (poll(&ready, 1, 0) == 1) {
        nanosleep(&pause, NULL); /* the buffer has room, the device's queue has none (ENOBUFS) */
    } else {
        poll(&ready, 1, (int)(*left_s * 1000.0) + 1);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    *left_s -= (double)(after.tv_sec - before.tv_sec) +
               (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    return true;
}

/* The packets of a run one by one, where the system takes no runs. */
static void
send_singly(Batch *batch, unsigned at, int socket)
{
    struct msghdr message = batch->messages[at].msg_hdr;
    struct iovec piece = batch->pieces[at];
    size_t left = piece.iov_len;
    message.msg_iov = &piece;
    message.msg_control = NULL;
    message.msg_controllen = 0;
    while (left > 0) {
        piece.iov_len = left < batch->sizes[at] ? left : batch->sizes[at];
        if (sendmsg(socket, &message, MSG_DONTWAIT) < 0) {
            fail(batch, at);
            return;
        }
        piece.iov_base = (uint8_t *)piece.iov_base + piece.iov_len;
        left -= piece.iov_len;
    }
}

/* Deals with the message at `at`, which was not sent; gives how many are done with. */
static unsigned
take_error(Batch *batch, unsigned at, int socket, double *left_s)
{
    Counts *counts = &batch->fanout->counts;
    if (errno == EINTR) {
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        count(&counts->blocked, 1);
        if (wait_for_room(socket, left_s)) {
            return 0;
        }
        fail(batch, at);
        return 1;
    }
    if (packets_of(batch, at) > 1 && (errno == EIO || errno == EINVAL || errno == EOPNOTSUPP)) {
        atomic_store(&batch->fanout->has_gso, false); /* a device that cannot do checksums */
        send_singly(batch, at, socket);
        return 1;
    }
    fail(batch, at);
    return 1;
}

static void
send_range(Batch *batch, unsigned from, unsigned to, int socket)
{
    Counts *counts = &batch->fanout->counts;
    uint64_t packets = 0, bytes = 0;
    double left_s = BLOCKED_S;
    while (from < to) {
        count(&counts->calls, 1);
        int sent = sendmmsg(socket, batch->messages + from, to - from, MSG_DONTWAIT);
        if (sent <= 0) {
            from += take_error(batch, from, socket, &left_s);
            continue;
        }
        for (; sent > 0; sent--, from++) {
            packets += packets_of(batch, from);
            bytes += batch->pieces[from].iov_len;
        }
    }
    count(&counts->packets, packets);
    count(&counts->bytes, bytes);
}

static void
count_late(Lateness *lateness, double late_s)
{
    static const double bounds_s[LATE_BUCKETS - 1] = {
        0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5,
    };
    int bucket = 0;
    while (bucket < LATE_BUCKETS - 1 && late_s > bounds_s[bucket]) {
        bucket++;
    }
    count_up(&lateness->counts[bucket], 1);
    double sum_s = atomic_load_explicit(&lateness->sum_s, memory_order_relaxed);
    atomic_store_explicit(&lateness->sum_s, sum_s + late_s, memory_order_relaxed);
}

static void
note_late(Batch *batch)
{
    double now_s = isnan(batch->stepped_s) ? clock_s() : batch->stepped_s;
    for (unsigned at = 0; at < batch->ended_count; at++) {
        double late_s = fmax(now_s - batch->ended[at].written_s, 0.0);
        count_late(&batch->lateness[batch->ended[at].kind], late_s);
    }
    batch->ended_count = 0;
}

void
batch_flush(Batch *batch)
{
    for (unsigned at = 0; at < batch->count; at++) {
        prepare(batch, at);
        if (batch->streams[at] != NULL) {
            batch->streams[at]->is_failed = false;
        }
    }
    for (unsigned from = 0, to; from < batch->count; from = to) {
        uint8_t socket = batch->viewers[from]->place.socket;
        for (to = from + 1; to < batch->count && batch->viewers[to]->place.socket == socket;) {
            to++;
        }
        send_range(batch, from, to, batch->fanout->sockets[socket]);
    }
    if (batch->ended_count != 0) {
        note_late(batch);
    }
    batch->count = 0;
    batch->used = 0;
    batch->is_open = false;
}
