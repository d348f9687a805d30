/* SRTP and SRTCP (RFC 3711, RFC 7714); webrtc/srtp.py is the specification. */

#include <stdlib.h>
#include <string.h>

#include "crypto_library.h"

int
key_bytes_of(int profile)
{
    return profile == PROFILE_GCM_256 ? 32 : 16;
}

int
salt_bytes_of(int profile)
{
    return profile == PROFILE_SHA1_80 ? 14 : 12;
}

/* RFC 3711 4.3.1 with a key derivation rate of 0; RFC 7714 11 pads GCM's salt at its end. */
static bool
derive(const MasterKeys *keys, int label, uint8_t *out, int size)
{
    static const uint8_t zeros[32];
    uint8_t iv[16] = {0};
    int written = 0;
    bool is_long = key_bytes_of(keys->profile) == 32;
    memcpy(iv, keys->salt, (size_t)salt_bytes_of(keys->profile));
    iv[7] ^= (uint8_t)label;
    void *cipher = library.cipher_new();
    if (cipher == NULL) {
        return false;
    }
    const void *kind = is_long ? library.aes_256_ctr() : library.aes_128_ctr();
    bool is_done = library.encrypt_init(cipher, kind, NULL, keys->key, iv) == 1 &&
                   library.encrypt_update(cipher, out, &written, zeros, size) == 1 &&
                   written == size;
    library.cipher_free(cipher);
    return is_done;
}

bool
protection_init(Protection *protection, const MasterKeys *keys, bool is_rtcp, bool opens)
{
    uint8_t key[32], authentication[SHA1_BYTES];
    int label = is_rtcp ? 3 : 0;
    memset(protection, 0, sizeof *protection);
    protection->is_aead = keys->profile != PROFILE_SHA1_80;
    protection->opens = opens && protection->is_aead; /* counting is its own inverse */
    protection->tag_bytes = protection->is_aead ? 16 : 10;
    if (!derive(keys, label, key, key_bytes_of(keys->profile)) ||
        !derive(keys, label + 1, authentication, sizeof authentication) ||
        !derive(keys, label + 2, protection->salt, salt_bytes_of(keys->profile)) ||
        (protection->cipher = library.cipher_new()) == NULL) {
        return false;
    }
    const void *kind = keys->profile == PROFILE_GCM_128   ? library.aes_128_gcm()
                       : keys->profile == PROFILE_GCM_256 ? library.aes_256_gcm()
                                                          : library.aes_128_ctr();
    InitFunction *init = protection->opens ? library.decrypt_init : library.encrypt_init;
    if (init(protection->cipher, kind, NULL, key, NULL) != 1) {
        return false;
    }
    if (!protection->is_aead) {
        if ((protection->hmac = malloc(sizeof *protection->hmac)) == NULL) {
            return false;
        }
        protection_key(protection, authentication, sizeof authentication);
    }
    memset(key, 0, sizeof key);
    return true;
}

void
protection_free(Protection *protection)
{
    if (protection->cipher != NULL) {
        library.cipher_free(protection->cipher);
        protection->cipher = NULL;
    }
    free(protection->hmac);
    protection->hmac = NULL;
}

/* RFC 7714 8.1 and 9.1: 12 bytes; RFC 3711 4.1.1: 16, of which the last two count blocks. */
static void
make_iv(const Protection *protection, uint32_t ssrc, uint64_t index, uint8_t iv[16])
{
    int at = protection->is_aead ? 2 : 4;
    memset(iv, 0, 16);
    write_32(iv + at, ssrc);
    write_32(iv + at + 4, (uint32_t)(index >> 16));
    write_16(iv + at + 8, (uint32_t)index);
    for (int byte = 0; byte < (protection->is_aead ? 12 : 14); byte++) {
        iv[byte] ^= protection->salt[byte];
    }
}

static void
encrypt(Protection *protection, const uint8_t iv[16], const uint8_t *associated, int size)
{
    int written;
    library.encrypt_init(protection->cipher, NULL, NULL, NULL, iv);
    if (protection->is_aead) {
        library.encrypt_update(protection->cipher, NULL, &written, associated, size);
    }
}

static void
finish(Protection *protection, uint8_t *tag)
{
    int written;
    library.encrypt_final(protection->cipher, tag, &written);
    library.control(protection->cipher, CONTROL_GET_TAG, MAX_TAG_BYTES, tag);
}

size_t
protect_rtp(Protection *rtp, uint8_t *packet, size_t header_size, const uint8_t *prefix,
            size_t prefix_size, const uint8_t *payload, size_t size, uint64_t index)
{
    uint8_t iv[16], digest[SHA1_BYTES], rollover[4];
    uint8_t *out = packet + header_size;
    int written;
    make_iv(rtp, read_32(packet + 8), index, iv);
    encrypt(rtp, iv, packet, (int)header_size);
    if (prefix_size != 0) {
        library.encrypt_update(rtp->cipher, out, &written, prefix, (int)prefix_size);
        out += prefix_size;
    }
    library.encrypt_update(rtp->cipher, out, &written, payload, (int)size);
    out += size;
    if (rtp->is_aead) {
        finish(rtp, out);
    } else {
        write_32(rollover, (uint32_t)(index >> 16));
        protection_sign(rtp, packet, (size_t)(out - packet), rollover, sizeof rollover, digest);
        memcpy(out, digest, (size_t)rtp->tag_bytes);
    }
    return (size_t)(out - packet) + (size_t)rtp->tag_bytes;
}

size_t
protect_rtcp(Protection *rtcp, uint8_t *packet, size_t size, uint32_t index)
{
    uint8_t iv[16], associated[RTCP_HEADER_BYTES + RTCP_INDEX_BYTES], digest[SHA1_BYTES];
    uint8_t *body = packet + RTCP_HEADER_BYTES, *end = packet + size;
    int written;
    memcpy(associated, packet, RTCP_HEADER_BYTES);
    write_32(associated + RTCP_HEADER_BYTES, 0x80000000u | index);
    make_iv(rtcp, read_32(packet + 4), index, iv);
    encrypt(rtcp, iv, associated, sizeof associated);
    library.encrypt_update(rtcp->cipher, body, &written, body, (int)(end - body));
    if (rtcp->is_aead) {
        finish(rtcp, end);
        memcpy(end + rtcp->tag_bytes, associated + RTCP_HEADER_BYTES, RTCP_INDEX_BYTES);
    } else {
        memcpy(end, associated + RTCP_HEADER_BYTES, RTCP_INDEX_BYTES);
        protection_sign(rtcp, packet, size + RTCP_INDEX_BYTES, packet, 0, digest);
        memcpy(end + RTCP_INDEX_BYTES, digest, (size_t)rtcp->tag_bytes);
    }
    return size + RTCP_INDEX_BYTES + (size_t)rtcp->tag_bytes;
}

static const Replay unheard;

/* The window of a source, which is `unheard` of a new one; NULL: it was given up. */
static const Replay *
replay_of(const Sources *sources, uint32_t ssrc)
{
    for (int at = 0; at < MAX_SOURCES; at++) {
        if (sources->windows[at].is_known && sources->windows[at].ssrc == ssrc) {
            return &sources->windows[at];
        }
    }
    for (uint32_t at = 0; at < MAX_RETIRED && at < sources->retirements; at++) {
        if (sources->retired[at] == ssrc) {
            return NULL;
        }
    }
    return &unheard;
}

/* Where the window of a new source goes: those that are not known were never heard. */
static Replay *
make_room(Sources *sources)
{
    Replay *oldest = &sources->windows[0];
    for (int at = 1; at < MAX_SOURCES; at++) {
        if (sources->windows[at].heard < oldest->heard) {
            oldest = &sources->windows[at];
        }
    }
    if (oldest->is_known) {
        sources->retired[sources->retirements % MAX_RETIRED] = oldest->ssrc;
        /* Stays above MAX_RETIRED where it wraps. */
        sources->retirements = sources->retirements + 1 != 0 ? sources->retirements + 1
                                                             : MAX_RETIRED;
    }
    return oldest;
}

static bool
is_fresh(const Replay *replay, uint64_t index)
{
    if (!replay->is_known || index > replay->newest) {
        return true;
    }
    uint64_t age = replay->newest - index;
    return age < REPLAY_BITS && (replay->seen[age / 64] >> (age % 64) & 1) == 0;
}

/* An authentic packet of a source whose window `replay_of` gave. */
static void
note(Sources *sources, const Replay *known, uint32_t ssrc, uint64_t index)
{
    if (!known->is_known) {
        *make_room(sources) = (Replay){.ssrc = ssrc, .is_known = true, .newest = index,
                                       .seen = {1, 0}, .heard = ++sources->turns};
        return;
    }
    Replay *replay = &sources->windows[known - sources->windows];
    replay->heard = ++sources->turns;
    if (index <= replay->newest) {
        uint64_t age = replay->newest - index;
        replay->seen[age / 64] |= (uint64_t)1 << (age % 64);
        return;
    }
    uint64_t step = index - replay->newest;
    unsigned __int128 seen = (unsigned __int128)replay->seen[1] << 64 | replay->seen[0];
    seen = step < REPLAY_BITS ? seen << step | 1 : 1;
    replay->seen[0] = (uint64_t)seen;
    replay->seen[1] = (uint64_t)(seen >> 64);
    replay->newest = index;
}

/* AEAD: decrypts `size` bytes at `body` in place; the tag follows them. */
static bool
open_sealed(Protection *protection, const uint8_t iv[16], const uint8_t *associated,
            size_t associated_size, uint8_t *body, size_t size, uint8_t *tag)
{
    uint8_t rest[16];
    int written;
    void *cipher = protection->cipher;
    return library.decrypt_init(cipher, NULL, NULL, NULL, iv) == 1 &&
           library.decrypt_update(cipher, NULL, &written, associated, (int)associated_size) == 1 &&
           library.decrypt_update(cipher, body, &written, body, (int)size) == 1 &&
           library.control(cipher, CONTROL_SET_TAG, MAX_TAG_BYTES, tag) == 1 &&
           library.decrypt_final(cipher, rest, &written) == 1;
}

/* The 48-bit index nearest to the newest one (RFC 3711 3.3.1). */
static uint64_t
extend(const Replay *replay, uint16_t sequence)
{
    if (!replay->is_known) {
        return sequence;
    }
    uint64_t index = (replay->newest & ~(uint64_t)0xFFFF) | sequence;
    if (index > replay->newest + 0x8000 && index >= 0x10000) {
        return index - 0x10000;
    }
    return replay->newest > index + 0x8000 ? index + 0x10000 : index;
}

/* Fixed header, CSRCs and extension (RFC 3550 5.1); 0 where they are not all there. */
static size_t
rtp_header_size(const uint8_t *packet, size_t size)
{
    if (size < 12 || packet[0] >> 6 != 2) {
        return 0;
    }
    size_t header = 12 + 4 * (size_t)(packet[0] & 0xF);
    if (packet[0] & 0x10) {
        if (header + 4 > size) {
            return 0;
        }
        header += 4 + 4 * (size_t)read_16(packet + header + 2);
    }
    return header <= size ? header : 0;
}

size_t
unprotect_rtp(Protection *rtp, Sources *sources, uint8_t *packet, size_t size)
{
    uint8_t iv[16], digest[SHA1_BYTES], rollover[4];
    size_t header = rtp_header_size(packet, size), tag = (size_t)rtp->tag_bytes;
    int written;
    if (header == 0 || header + tag > size) {
        return 0;
    }
    uint32_t ssrc = read_32(packet + 8);
    const Replay *replay = replay_of(sources, ssrc);
    if (replay == NULL) {
        return 0;
    }
    uint64_t index = extend(replay, read_16(packet + 2));
    uint8_t *body = packet + header, *end = packet + size - tag;
    if (!is_fresh(replay, index)) {
        return 0;
    }
    make_iv(rtp, ssrc, index, iv);
    if (rtp->is_aead) {
        if (!open_sealed(rtp, iv, packet, header, body, (size_t)(end - body), end)) {
            return 0;
        }
    } else {
        write_32(rollover, (uint32_t)(index >> 16));
        protection_sign(rtp, packet, size - tag, rollover, sizeof rollover, digest);
        if (!equal_secrets(digest, end, tag)) {
            return 0;
        }
        encrypt(rtp, iv, NULL, 0);
        library.encrypt_update(rtp->cipher, body, &written, body, (int)(end - body));
    }
    note(sources, replay, ssrc, index);
    return size - tag;
}

size_t
unprotect_rtcp(Protection *rtcp, Sources *sources, uint8_t *packet, size_t size)
{
    uint8_t iv[16], associated[RTCP_HEADER_BYTES + RTCP_INDEX_BYTES], digest[SHA1_BYTES];
    size_t tag = (size_t)rtcp->tag_bytes;
    int written;
    if (size < RTCP_HEADER_BYTES + RTCP_INDEX_BYTES + tag || packet[0] >> 6 != 2) {
        return 0;
    }
    uint8_t *body = packet + RTCP_HEADER_BYTES, *end = packet + size - RTCP_INDEX_BYTES - tag;
    uint8_t *trailer = rtcp->is_aead ? end + tag : end;
    uint32_t ssrc = read_32(packet + 4), word = read_32(trailer), index = word & 0x7FFFFFFF;
    const Replay *replay = replay_of(sources, ssrc);
    if (replay == NULL || word >> 31 == 0 || !is_fresh(replay, index)) {
        return 0;
    }
    make_iv(rtcp, ssrc, index, iv);
    if (rtcp->is_aead) {
        memcpy(associated, packet, RTCP_HEADER_BYTES);
        memcpy(associated + RTCP_HEADER_BYTES, trailer, RTCP_INDEX_BYTES);
        if (!open_sealed(rtcp, iv, associated, sizeof associated, body, (size_t)(end - body),
                         end)) {
            return 0;
        }
    } else {
        protection_sign(rtcp, packet, size - tag, packet, 0, digest);
        if (!equal_secrets(digest, packet + size - tag, tag)) {
            return 0;
        }
        encrypt(rtcp, iv, NULL, 0);
        library.encrypt_update(rtcp->cipher, body, &written, body, (int)(end - body));
    }
    note(sources, replay, ssrc, index);
    return (size_t)(end - packet);
}
