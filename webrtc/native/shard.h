/* shard.c: sender threads. */

#ifndef HEADWATER_SHARD_H
#define HEADWATER_SHARD_H

#include "batch.h"

typedef enum { ADD, REMOVE, PLAY, PAUSE, DROP, MOVE, RESEND } Verb;

typedef struct Command {
    struct Command *next;
    Verb verb;
    Viewer *viewer;
    int kind;
    Ring *ring; /* held by the command */
    bool since_key;
    Place place;
    int count;
    uint16_t sequences[];
} Command;

/* The streams of a shard that wait for packets of a ring. */
typedef struct {
    Ring *ring;
    uint64_t seen;
    Stream **members;
    size_t count, capacity;
} Channel;

/* Who is ready is served in this order: sound, pictures that have begun, others. */
enum { READY_SOUND, READY_BEGUN, READY_PICTURE, QUEUES };

typedef struct {
    Stream *first, *last;
} Queue;

struct Shard {
    Fanout *fanout;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* of the next seven */
    pthread_cond_t changed;
    Command *commands, **commands_end;
    size_t asked; /* RESEND commands among them */
    bool is_awake;
    _Atomic bool is_closing;
    pid_t thread_id; /* the system's, as soon as it runs; 0: none */
    /* the thread's */
    Batch batch;
    Viewer *viewers;
    Channel *channels;
    size_t channel_count, channel_capacity;
    Queue ready[QUEUES];
    Stream **timers;
    size_t timer_count, timer_capacity;
};

bool shard_init(Shard *shard, Fanout *fanout);
bool shard_start(Shard *shard);
void shard_stop(Shard *shard); /* waits for the thread */
void shard_free(Shard *shard);
pid_t shard_thread_id(Shard *shard); /* waits until the thread runs */
Command *command_new(Verb verb, Viewer *viewer, int count);
void shard_command(Shard *shard, Command *command);
void shard_wake(Shard *shard);
/* Everything that is due; gives when something else will be. `is_live`: the clock runs on. */
double shard_run(Shard *shard, double now_s, bool is_live);
/* The stream wants to hear of the ring's packets, or no longer; false: no memory. */
bool shard_listen(Shard *shard, Stream *stream, Ring *ring);
void shard_ignore(Shard *shard, Stream *stream, Ring *ring);
void shard_make_ready(Shard *shard, Stream *stream);
double clock_s(void);

/* channels.c: whose rings have grown */
void channels_look(Shard *shard);
void channels_free(Shard *shard);

/* timers.c: a heap of streams by wake_s; INFINITY takes a stream out */
void timer_set(Shard *shard, Stream *stream, double wake_s);
double timer_first(const Shard *shard);

#endif
