/* A run of samples as moof and mdat. segmenter/fmp4/fragment.py is the specification; what does
   not fit its fields, and errors, are left to it. */

#include "samples.h"

#define MFHD_BYTES 16
#define TFHD_BYTES 32
#define TFDT_BYTES 20
#define TRUN_BYTES 20
#define MDAT_HEADER_BYTES 8
#define HEAD_BYTES (8 + MFHD_BYTES + 8 + TFHD_BYTES + TFDT_BYTES + TRUN_BYTES)

#define TRACK_ID 1
#define TFHD_FLAGS (0x020000 | 0x02 | 0x08 | 0x10 | 0x20)
#define TRUN_VERSION_1 (1u << 24)
#define SYNC_FLAGS 0x02000000u
#define NON_SYNC_FLAGS 0x01010000u

enum {
    DATA_OFFSET = 0x1, FIRST_FLAGS = 0x4, DURATIONS = 0x100, SIZES = 0x200, FLAGS = 0x400,
    OFFSETS = 0x800
};

/* What a run has to say of each of its samples, and what is the same for all. */
typedef struct {
    Py_ssize_t count, columns;
    uint32_t run_flags, default_flags, duration, size;
    uint64_t payload_bytes;
} Table;

static uint8_t *
put32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
    return at + 4;
}

static uint8_t *
put_box(uint8_t *at, uint64_t size, const char *type)
{
    memcpy(put32(at, (uint32_t)size), type, 4);
    return at + 8;
}

/* How long sample `index` lasts; 0 where it does not, or does not fit. */
static uint32_t
duration_of(PyObject *samples, Py_ssize_t index, Py_ssize_t count, int64_t end)
{
    int64_t next = index + 1 < count ? sample_at(samples, index + 1)->dts : end, duration;
    if (__builtin_sub_overflow(next, sample_at(samples, index)->dts, &duration)) {
        return 0;
    }
    return duration > 0 && duration <= INT32_MAX ? (uint32_t)duration : 0;
}

/* sample_flags: the pattern that needs the fewest bytes. */
static void
choose_flags(Table *table, Py_ssize_t sync, bool starts_with_sync, bool is_video)
{
    table->default_flags = NON_SYNC_FLAGS;
    if (!is_video || sync == table->count) {
        table->default_flags = SYNC_FLAGS;
    } else if (sync == 1 && starts_with_sync) {
        table->run_flags |= FIRST_FLAGS;
    } else if (sync != 0) {
        table->run_flags |= FLAGS;
        table->columns++;
    }
}

/* False where the run is Python's. */
static bool
look(Table *table, PyObject *samples, int64_t end, bool is_video)
{
    Py_ssize_t sync = 0;
    uint32_t seen = 0;
    for (Py_ssize_t at = 0; at < table->count; at++) {
        if (sample_at(samples, at) == NULL) {
            return false;
        }
    }
    for (Py_ssize_t at = 0; at < table->count; at++) {
        const Sample *sample = sample_at(samples, at);
        int64_t offset;
        uint32_t duration = duration_of(samples, at, table->count, end);
        if (duration == 0 || sample->size > INT32_MAX ||
            __builtin_sub_overflow(sample->pts, sample->dts, &offset) || offset < INT32_MIN ||
            offset > INT32_MAX) {
            return false;
        }
        if (at == 0) {
            table->duration = duration;
            table->size = (uint32_t)sample->size;
        }
        seen |= (duration != table->duration ? DURATIONS : 0) |
                ((uint32_t)sample->size != table->size ? SIZES : 0) |
                (offset != 0 ? OFFSETS : 0);
        sync += sample->is_sync;
        table->payload_bytes += (uint64_t)sample->size;
    }
    table->run_flags = DATA_OFFSET | seen;
    table->columns = !!(seen & DURATIONS) + !!(seen & SIZES) + !!(seen & OFFSETS);
    choose_flags(table, sync, sample_at(samples, 0)->is_sync, is_video);
    return table->payload_bytes + MDAT_HEADER_BYTES <= INT32_MAX;
}

/* moof up to the table of the run. */
static uint8_t *
write_head(uint8_t *at, const Table *table, uint64_t moof_bytes, uint32_t sequence_number,
           int64_t start)
{
    uint64_t traf_bytes = moof_bytes - 8 - MFHD_BYTES;
    at = put_box(at, moof_bytes, "moof");
    at = put32(put32(put_box(at, MFHD_BYTES, "mfhd"), 0), sequence_number);
    at = put_box(at, traf_bytes, "traf");
    at = put32(put32(put_box(at, TFHD_BYTES, "tfhd"), TFHD_FLAGS), TRACK_ID);
    at = put32(put32(at, 1), table->duration);
    at = put32(put32(at, table->size), table->default_flags);
    at = put32(put_box(at, TFDT_BYTES, "tfdt"), TRUN_VERSION_1);
    at = put32(put32(at, (uint32_t)((uint64_t)start >> 32)), (uint32_t)start);
    at = put_box(at, traf_bytes - 8 - TFHD_BYTES - TFDT_BYTES, "trun");
    at = put32(put32(at, TRUN_VERSION_1 | table->run_flags), (uint32_t)table->count);
    return put32(at, (uint32_t)(moof_bytes + MDAT_HEADER_BYTES));
}

static uint8_t *
write_table(uint8_t *at, const Table *table, PyObject *samples, int64_t end)
{
    for (Py_ssize_t index = 0; index < table->count; index++) {
        const Sample *sample = sample_at(samples, index);
        if (table->run_flags & DURATIONS) {
            at = put32(at, duration_of(samples, index, table->count, end));
        }
        if (table->run_flags & SIZES) {
            at = put32(at, (uint32_t)sample->size);
        }
        if (table->run_flags & FLAGS) {
            at = put32(at, sample->is_sync ? SYNC_FLAGS : NON_SYNC_FLAGS);
        }
        if (table->run_flags & OFFSETS) {
            at = put32(at, (uint32_t)(sample->pts - sample->dts));
        }
    }
    return at;
}

static PyObject *
write_boxes(const Table *table, PyObject *samples, uint32_t sequence_number, int64_t end,
            const char *before, Py_ssize_t before_bytes)
{
    uint64_t first_bytes = table->run_flags & FIRST_FLAGS ? 4 : 0;
    uint64_t moof_bytes = HEAD_BYTES + first_bytes +
                          4 * (uint64_t)table->columns * (uint64_t)table->count;
    if (moof_bytes > INT32_MAX - MDAT_HEADER_BYTES) {
        return PyErr_Format(PyExc_OverflowError, "moof of %zd samples", table->count);
    }
    PyObject *boxes = PyBytes_FromStringAndSize(
        NULL, before_bytes + (Py_ssize_t)moof_bytes + MDAT_HEADER_BYTES);
    if (boxes == NULL) {
        return NULL;
    }
    uint8_t *at = (uint8_t *)PyBytes_AsString(boxes);
    memcpy(at, before, (size_t)before_bytes);
    at = write_head(at + before_bytes, table, moof_bytes, sequence_number,
                    sample_at(samples, 0)->dts);
    if (first_bytes != 0) {
        at = put32(at, SYNC_FLAGS);
    }
    at = write_table(at, table, samples, end);
    put_box(at, table->payload_bytes + MDAT_HEADER_BYTES, "mdat");
    return boxes;
}

PyObject *
write_run(PyObject *module, PyObject *args)
{
    PyObject *samples;
    const char *before;
    Py_ssize_t before_bytes;
    unsigned int sequence_number;
    long long end;
    int is_video;
    (void)module;
    if (!PyArg_ParseTuple(args, "O!ILpy#:write_run", &PyList_Type, &samples, &sequence_number,
                          &end, &is_video, &before, &before_bytes)) {
        return NULL;
    }
    Table table = {.count = PyList_Size(samples)};
    if (table.count == 0 || !look(&table, samples, end, is_video) ||
        sample_at(samples, 0)->dts < 0) {
        Py_RETURN_NONE;
    }
    PyObject *pieces = PyList_New(table.count + 1);
    if (pieces == NULL) {
        return NULL;
    }
    PyObject *piece = write_boxes(&table, samples, sequence_number, end, before, before_bytes);
    for (Py_ssize_t at = 0; piece != NULL; at++) {
        PyList_SetItem(pieces, at, piece); /* takes the reference, even where it fails */
        if (at == table.count) {
            return pieces;
        }
        piece = sample_payload(sample_at(samples, at));
    }
    Py_DECREF(pieces);
    return NULL;
}
