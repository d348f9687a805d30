/* Open addressing with linear probing; nothing a stranger sends is ever put in. */

#include "fanout.h"

#include <stdlib.h>

uint64_t
hash_bytes(const void *bytes, size_t size)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then spread over all bits */
    for (size_t at = 0; at < size; at++) {
        hash = (hash ^ ((const uint8_t *)bytes)[at]) * UINT64_C(0x100000001b3);
    }
    hash ^= hash >> 32;
    hash *= UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static void
insert(Table *table, uint64_t hash, void *item)
{
    size_t mask = table->capacity - 1, at = hash & mask;
    while (table->entries[at].item != NULL) {
        at = (at + 1) & mask;
    }
    table->entries[at].hash = hash;
    table->entries[at].item = item;
    table->count++;
}

bool
table_put(Table *table, uint64_t hash, void *item)
{
    if (table->count * 2 >= table->capacity) {
        Table larger = {.capacity = table->capacity == 0 ? 16 : table->capacity * 2};
        larger.entries = calloc(larger.capacity, sizeof *larger.entries);
        if (larger.entries == NULL) {
            return false;
        }
        for (size_t at = 0; at < table->capacity; at++) {
            if (table->entries[at].item != NULL) {
                insert(&larger, table->entries[at].hash, table->entries[at].item);
            }
        }
        free(table->entries);
        *table = larger;
    }
    insert(table, hash, item);
    return true;
}

void *
table_find(const Table *table, uint64_t hash, Matches *matches, const void *key)
{
    if (table->capacity == 0) {
        return NULL;
    }
    size_t mask = table->capacity - 1;
    for (size_t at = hash & mask; table->entries[at].item != NULL; at = (at + 1) & mask) {
        if (table->entries[at].hash == hash && matches(table->entries[at].item, key)) {
            return table->entries[at].item;
        }
    }
    return NULL;
}

bool
table_remove(Table *table, uint64_t hash, const void *item)
{
    if (table->capacity == 0) {
        return false;
    }
    size_t mask = table->capacity - 1, hole = hash & mask;
    while (table->entries[hole].item != item) {
        if (table->entries[hole].item == NULL) {
            return false;
        }
        hole = (hole + 1) & mask;
    }
    /* What follows moves up unless its own place is between the hole and where it is. */
    for (size_t at = (hole + 1) & mask; table->entries[at].item != NULL; at = (at + 1) & mask) {
        size_t home = table->entries[at].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            table->entries[hole] = table->entries[at];
            hole = at;
        }
    }
    table->entries[hole].item = NULL;
    table->count--;
    return true;
}

void
table_free(Table *table)
{
    free(table->entries);
    memset(table, 0, sizeof *table);
}
