/* A sender thread and its viewers: commands in, chunks out in turn, sound first.

   Streams that may have something to send are in one of three queues: sound; pictures of which a
   part has been sent; pictures. Who has sent a chunk goes to the end of its queue, so that a key
   frame to a thousand viewers delays nobody's sound. Who has begun one gets the rest first: taking
   turns among all would end everybody's with the last one's. Who is behind has no such right, and
   the pace keeps the others from taking more than their share. */

#include "fanout.h"

#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

double
clock_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
shard_make_ready(Shard *shard, Stream *stream)
{
    if (stream->is_ready) {
        return;
    }
    stream->queue = stream->kind == AUDIO ? READY_SOUND
                    : stream->has_begun   ? READY_BEGUN
                                          : READY_PICTURE;
    Queue *queue = &shard->ready[stream->queue];
    stream->is_ready = true;
    stream->next_ready = NULL;
    if (queue->last == NULL) {
        queue->first = stream;
    } else {
        queue->last->next_ready = stream;
    }
    queue->last = stream;
}

static Stream *
next_ready(Shard *shard)
{
    for (Queue *queue = shard->ready; queue < shard->ready + QUEUES; queue++) {
        Stream *stream = queue->first;
        if (stream != NULL) {
            queue->first = stream->next_ready;
            queue->last = queue->first == NULL ? NULL : queue->last;
            stream->is_ready = false;
            return stream;
        }
    }
    return NULL;
}

static void
forget_ready(Shard *shard, Stream *stream)
{
    Queue *queue = &shard->ready[stream->queue];
    if (!stream->is_ready) {
        return;
    }
    Stream *before = NULL;
    for (Stream *at = queue->first; at != stream; at = at->next_ready) {
        before = at;
    }
    if (before == NULL) {
        queue->first = stream->next_ready;
    } else {
        before->next_ready = stream->next_ready;
    }
    queue->last = queue->last == stream ? before : queue->last;
    stream->is_ready = false;
}

/* -- commands ------------------------------------------------------------------------------- */

Command *
command_new(Verb verb, Viewer *viewer, int count)
{
    Command *command = calloc(1, sizeof *command + (size_t)count * sizeof(uint16_t));
    if (command != NULL) {
        command->verb = verb;
        command->viewer = viewer;
        command->count = count;
    }
    return command;
}

static void
command_free(Command *command)
{
    ring_release(command->ring);
    free(command);
}

void
shard_command(Shard *shard, Command *command)
{
    pthread_mutex_lock(&shard->lock);
    bool is_much = command->verb == RESEND && shard->asked >= MAX_COMMANDS_ASKED;
    if (!is_much) {
        shard->asked += command->verb == RESEND;
        *shard->commands_end = command;
        shard->commands_end = &command->next;
        shard->is_awake = true;
        pthread_cond_signal(&shard->changed);
    }
    pthread_mutex_unlock(&shard->lock);
    if (is_much) {
        command_free(command);
    }
}

void
shard_wake(Shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    shard->is_awake = true;
    pthread_cond_signal(&shard->changed);
    pthread_mutex_unlock(&shard->lock);
}

static Command *
take_commands(Shard *shard)
{
    Command *first = shard->commands;
    shard->commands = NULL;
    shard->commands_end = &shard->commands;
    shard->asked = 0;
    return first;
}

static void
add_viewer(Shard *shard, Viewer *viewer)
{
    viewer->next = shard->viewers;
    if (viewer->next != NULL) {
        viewer->next->previous = viewer;
    }
    shard->viewers = viewer;
}

static void
remove_viewer(Shard *shard, Viewer *viewer)
{
    for (int kind = 0; kind < KINDS; kind++) {
        Stream *stream = &viewer->streams[kind];
        if (stream->exists) {
            stream_clear(stream);
            forget_ready(shard, stream);
            timer_set(shard, stream, INFINITY);
        }
    }
    if (viewer->previous == NULL) {
        shard->viewers = viewer->next;
    } else {
        viewer->previous->next = viewer->next;
    }
    if (viewer->next != NULL) {
        viewer->next->previous = viewer->previous;
    }
    viewer_release(viewer);
}

static void
drop_ring(Shard *shard, Ring *ring)
{
    for (Viewer *viewer = shard->viewers; viewer != NULL; viewer = viewer->next) {
        for (int kind = 0; kind < KINDS; kind++) {
            if (viewer->streams[kind].exists) {
                stream_drop_ring(&viewer->streams[kind], ring);
                shard_make_ready(shard, &viewer->streams[kind]);
            }
        }
    }
}

static void
obey(Shard *shard, Command *command, const Moment *now)
{
    Viewer *viewer = command->viewer;
    Stream *stream = viewer != NULL ? &viewer->streams[command->kind] : NULL;
    switch (command->verb) {
    case ADD:
        add_viewer(shard, viewer);
        break;
    case REMOVE:
        batch_flush(&shard->batch); /* it may hold packets of the viewer */
        remove_viewer(shard, viewer);
        break;
    case PLAY:
        stream_play(stream, command->ring, command->since_key);
        shard_make_ready(shard, stream);
        break;
    case PAUSE:
        stream_pause(stream);
        break;
    case DROP:
        drop_ring(shard, command->ring);
        break;
    case MOVE:
        batch_flush(&shard->batch);
        viewer->place = command->place;
        break;
    case RESEND:
        stream_resend(stream, &shard->batch, command->sequences, command->count, now);
        break;
    }
}

/* -- sending -------------------------------------------------------------------------------- */

static void
obey_all(Shard *shard, const Moment *now)
{
    pthread_mutex_lock(&shard->lock);
    Command *command = take_commands(shard);
    pthread_mutex_unlock(&shard->lock);
    while (command != NULL) {
        Command *next = command->next;
        obey(shard, command, now);
        command_free(command);
        command = next;
    }
}

static void
look_around(Shard *shard, double now_s)
{
    channels_look(shard);
    while (timer_first(shard) <= now_s) {
        Stream *stream = shard->timers[0];
        timer_set(shard, stream, INFINITY);
        shard_make_ready(shard, stream);
    }
}

/* A chunk of one stream; then its turn comes again, or its report is due. */
static void
serve(Shard *shard, Stream *stream, const Moment *now)
{
    int count = stream_send_chunk(stream, &shard->batch, now);
    timer_set(shard, stream, stream->wake_s);
    if (count != 0) {
        shard_make_ready(shard, stream);
    } else {
        stream_send_report(stream, &shard->batch, now);
    }
}

static bool
has_ready(const Shard *shard)
{
    for (int queue = 0; queue < QUEUES; queue++) {
        if (shard->ready[queue].first != NULL) {
            return true;
        }
    }
    return false;
}

/* Of what may be done until it is looked whether there is sound: a batch of it, or 16 chunks of
   pictures, which take half a millisecond. */
static int
turn_cost(const Stream *stream)
{
    return stream->kind == AUDIO ? 1 : BATCH_MESSAGES / 16;
}

double
shard_run(Shard *shard, double now_s, bool is_live)
{
    for (;;) {
        Stream *stream;
        Moment now = moment_of(shard->fanout, now_s);
        shard->batch.stepped_s = is_live ? NAN : now_s;
        obey_all(shard, &now);
        look_around(shard, now_s);
        for (int cost = 0; cost < BATCH_MESSAGES; cost += turn_cost(stream)) {
            if ((stream = next_ready(shard)) == NULL) {
                break;
            }
            serve(shard, stream, &now);
        }
        batch_flush(&shard->batch);
        if (!has_ready(shard) ||
            atomic_load_explicit(&shard->is_closing, memory_order_relaxed)) {
            return timer_first(shard);
        }
        now_s = is_live ? clock_s() : now_s;
    }
}

/* Sleeps until a command, a packet or a time; false: the shard is to end. */
static bool
wait_for_work(Shard *shard, double due_s)
{
    struct timespec due = {0};
    pthread_mutex_lock(&shard->lock);
    if (due_s != INFINITY) {
        due.tv_sec = (time_t)due_s;
        due.tv_nsec = (long)((due_s - (double)due.tv_sec) * 1e9);
    }
    while (!shard->is_awake && !shard->is_closing) {
        if (due_s == INFINITY) {
            pthread_cond_wait(&shard->changed, &shard->lock);
        } else if (pthread_cond_timedwait(&shard->changed, &shard->lock, &due) != 0) {
            break;
        }
    }
    bool goes_on = !shard->is_closing;
    shard->is_awake = false;
    pthread_mutex_unlock(&shard->lock);
    return goes_on;
}

static void *
run_thread(void *argument)
{
    Shard *shard = argument;
    double due_s = INFINITY;
    pthread_mutex_lock(&shard->lock);
    shard->thread_id = (pid_t)syscall(SYS_gettid);
    pthread_cond_broadcast(&shard->changed);
    pthread_mutex_unlock(&shard->lock);
    while (wait_for_work(shard, due_s)) {
        due_s = shard_run(shard, clock_s(), true);
    }
    return NULL;
}

bool
shard_init(Shard *shard, Fanout *fanout)
{
    pthread_condattr_t attributes;
    shard->fanout = fanout;
    shard->commands_end = &shard->commands;
    pthread_mutex_init(&shard->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&shard->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return batch_init(&shard->batch, fanout);
}

bool
shard_start(Shard *shard)
{
    shard->has_thread = pthread_create(&shard->thread, NULL, run_thread, shard) == 0;
    return shard->has_thread;
}

pid_t
shard_thread_id(Shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    while (shard->has_thread && shard->thread_id == 0) {
        pthread_cond_wait(&shard->changed, &shard->lock);
    }
    pid_t id = shard->thread_id;
    pthread_mutex_unlock(&shard->lock);
    return id;
}

void
shard_stop(Shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    shard->is_closing = true;
    pthread_cond_signal(&shard->changed);
    pthread_mutex_unlock(&shard->lock);
    if (shard->has_thread) {
        pthread_join(shard->thread, NULL);
        shard->has_thread = false;
    }
}

void
shard_free(Shard *shard)
{
    Moment now = {0};
    obey_all(shard, &now);
    while (shard->viewers != NULL) {
        remove_viewer(shard, shard->viewers);
    }
    batch_free(&shard->batch);
    channels_free(shard);
    free(shard->timers);
    pthread_cond_destroy(&shard->changed);
    pthread_mutex_destroy(&shard->lock);
}
