/* AES-GCM, AES-CTR and SHA-1 of an OpenSSL that is loaded at run time, and SRTP with them. */

#ifndef HEADWATER_CRYPTO_H
#define HEADWATER_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROFILE_SHA1_80 = 0x0001,
    PROFILE_GCM_128 = 0x0007,
    PROFILE_GCM_256 = 0x0008,
};

enum {
    MAX_TAG_BYTES = 16,
    SHA1_BYTES = 20,
    RTCP_HEADER_BYTES = 8,
    RTCP_INDEX_BYTES = 4,
    MAX_RTCP_TRAILER_BYTES = MAX_TAG_BYTES + RTCP_INDEX_BYTES,
    REPLAY_BITS = 128, /* RFC 3711 3.3.2 asks for at least 64 */
    MAX_SOURCES = 16,  /* SSRCs that one peer may use at a time */
    MAX_RETIRED = 64,  /* and those before, of which nothing is taken any more */
};

/* OpenSSL's SHA_CTX has 96 bytes and no pointers, so a state is copied by assignment: HMAC then
   costs two blocks less for each packet, and no allocation. */
typedef union {
    uint8_t bytes[192];
    uint64_t alignment;
} Sha1;

/* Master key and salt as a caller gives them. */
typedef struct {
    int profile;
    uint8_t key[32];
    uint8_t salt[14];
} MasterKeys;

/* HMAC-SHA1 after the padded key. */
typedef struct {
    Sha1 inner, outer;
} Hmac;

/* One direction of SRTP or of SRTCP. */
typedef struct {
    void *cipher; /* EVP_CIPHER_CTX with its key */
    bool is_aead;
    bool opens;
    int tag_bytes;
    uint8_t salt[14];
    Hmac *hmac; /* of AES-CM alone */
} Protection;

typedef struct {
    uint32_t ssrc;
    bool is_known;
    uint64_t newest;
    uint64_t seen[2]; /* bit 0 of the first is the newest */
    uint64_t heard;   /* by `turns` of its Sources */
} Replay;

/* The windows of a peer's SSRCs: a new one takes the place of that heard least recently, whose
   packets must not be played again then. */
typedef struct {
    Replay windows[MAX_SOURCES];
    uint64_t turns;
    uint32_t retired[MAX_RETIRED]; /* a ring */
    uint32_t retirements;
} Sources;

/* Looks for the functions in a shared library. NULL: they are there, else what is missing. */
const char *crypto_load(const char *path);
const char *crypto_name(void);

int key_bytes_of(int profile);
int salt_bytes_of(int profile);

void hmac_sha1(const uint8_t *key, size_t size, const uint8_t *data, size_t data_size,
               uint8_t digest[SHA1_BYTES]);
/* The same over two pieces. */
void hmac_sha1_pieces(const uint8_t *key, size_t size, const uint8_t *one, size_t one_size,
                      const uint8_t *two, size_t two_size, uint8_t digest[SHA1_BYTES]);
bool equal_secrets(const uint8_t *one, const uint8_t *other, size_t size);

bool protection_init(Protection *protection, const MasterKeys *keys, bool is_rtcp, bool opens);
void protection_free(Protection *protection);

/* Protects the payload, which is in up to two pieces, behind the `header_size` bytes at `packet`.
   Gives the size of the whole. */
size_t protect_rtp(Protection *rtp, uint8_t *packet, size_t header_size, const uint8_t *prefix,
                   size_t prefix_size, const uint8_t *payload, size_t size, uint64_t index);
/* Protects the compound packet in place; there must be room for MAX_RTCP_TRAILER_BYTES. */
size_t protect_rtcp(Protection *rtcp, uint8_t *packet, size_t size, uint32_t index);

/* Takes the protection off in place; gives the size, or 0 for what is forged, repeated, old or
   damaged, which changes nothing. */
size_t unprotect_rtp(Protection *rtp, Sources *sources, uint8_t *packet, size_t size);
size_t unprotect_rtcp(Protection *rtcp, Sources *sources, uint8_t *packet, size_t size);

static inline uint16_t
read_16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t
read_32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline void
write_16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static inline void
write_32(uint8_t *at, uint32_t value)
{
    write_16(at, value >> 16);
    write_16(at + 2, value);
}

#endif
