/* table.c: finding by a hash. */

#ifndef HEADWATER_TABLE_H
#define HEADWATER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef bool Matches(const void *item, const void *key);

typedef struct {
    struct TableEntry {
        uint64_t hash;
        void *item;
    } *entries;
    size_t capacity, count;
} Table;

uint64_t hash_bytes(const void *bytes, size_t size);
bool table_put(Table *table, uint64_t hash, void *item);
void *table_find(const Table *table, uint64_t hash, Matches *matches, const void *key);
bool table_remove(Table *table, uint64_t hash, const void *item);
void table_free(Table *table);

#endif
