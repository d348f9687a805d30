/* Connectivity checks of known peers; webrtc/stun.py is the specification. */

#include "fanout.h"

#include <netinet/in.h>

enum {
    HEADER_BYTES = 20,
    MAX_MESSAGE_BYTES = 1500,
    MAX_ATTRIBUTES = 32,
    MAX_USERNAME_BYTES = 513,
    ATTRIBUTE_USERNAME = 0x0006,
    ATTRIBUTE_INTEGRITY = 0x0008,
    ATTRIBUTE_XOR_ADDRESS = 0x0020,
    ATTRIBUTE_USE_CANDIDATE = 0x0025,
    ATTRIBUTE_FINGERPRINT = 0x8028,
    BINDING_SUCCESS = 0x0101,
};

#define COOKIE UINT32_C(0x2112A442)
#define FINGERPRINT_XOR UINT32_C(0x5354554E)

bool
is_stun(const uint8_t *datagram, size_t size)
{
    return size >= HEADER_BYTES && datagram[0] < 4 && read_32(datagram + 4) == COOKIE;
}

static uint32_t
fingerprint(const uint8_t *bytes, size_t size)
{
    uint32_t crc = ~UINT32_C(0); /* ISO/IEC 13239, some hundred bytes a second: no table */
    for (size_t at = 0; at < size; at++) {
        crc ^= bytes[at];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
        }
    }
    return ~crc ^ FINGERPRINT_XOR;
}

static bool
is_understood(uint16_t kind)
{
    switch (kind) {
    case 0x0001: /* MAPPED-ADDRESS */
    case ATTRIBUTE_USERNAME:
    case ATTRIBUTE_INTEGRITY:
    case 0x0009: /* ERROR-CODE */
    case 0x000A: /* UNKNOWN-ATTRIBUTES */
    case 0x001C: /* MESSAGE-INTEGRITY-SHA256 */
    case ATTRIBUTE_XOR_ADDRESS:
    case 0x0024: /* PRIORITY */
    case ATTRIBUTE_USE_CANDIDATE:
        return true;
    default:
        return kind >= 0x8000;
    }
}

static void
note_attribute(StunMessage *message, uint16_t kind, const uint8_t *value, size_t size)
{
    message->has_unknown |= !is_understood(kind);
    message->nominates |= kind == ATTRIBUTE_USE_CANDIDATE;
    if (kind == ATTRIBUTE_USERNAME) {
        message->username = value;
        message->username_size = size;
    }
}

bool
stun_parse(const uint8_t *datagram, size_t size, StunMessage *message)
{
    uint16_t kinds[MAX_ATTRIBUTES + 1];
    int count = 0;
    size_t length = read_16(datagram + 2);
    *message = (StunMessage){.type = read_16(datagram), .transaction_id = datagram + 8};
    if (size > MAX_MESSAGE_BYTES || length % 4 != 0 || length + HEADER_BYTES != size) {
        return false;
    }
    for (size_t at = HEADER_BYTES, after; at < size; at = after) {
        uint16_t kind = read_16(datagram + at);
        size_t value_size = read_16(datagram + at + 2);
        const uint8_t *value = datagram + at + 4;
        after = at + 4 + (value_size + 3) / 4 * 4;
        if (after > size) {
            return false;
        }
        if (kind == ATTRIBUTE_FINGERPRINT) {
            if (after != size || value_size != 4 || read_32(value) != fingerprint(datagram, at)) {
                return false;
            }
            continue;
        }
        if (message->integrity != NULL) {
            continue; /* RFC 8489 14.5: what follows MESSAGE-INTEGRITY is ignored */
        }
        bool is_new = true;
        for (int known = 0; known < count; known++) {
            is_new &= kinds[known] != kind;
        }
        if (!is_new) {
            continue; /* of attributes that come twice the first counts (RFC 8489 14) */
        }
        kinds[count++] = kind;
        if (count > MAX_ATTRIBUTES) {
            return false;
        }
        if (kind == ATTRIBUTE_INTEGRITY) {
            if (value_size != SHA1_BYTES) {
                return false;
            }
            message->integrity = value;
            message->protected_size = at;
        }
        note_attribute(message, kind, value, value_size);
    }
    return message->username_size <= MAX_USERNAME_BYTES;
}

bool
stun_is_from(const StunMessage *message, const uint8_t *datagram, const char *password)
{
    uint8_t head[HEADER_BYTES], digest[SHA1_BYTES];
    if (message->integrity == NULL) {
        return false;
    }
    memcpy(head, datagram, sizeof head);
    write_16(head + 2, (uint32_t)(message->protected_size + 4)); /* + 24 of its own - 20 */
    hmac_sha1_pieces((const uint8_t *)password, strlen(password), head, sizeof head,
                     datagram + sizeof head, message->protected_size - sizeof head, digest);
    return equal_secrets(digest, message->integrity, SHA1_BYTES);
}

/* XOR-MAPPED-ADDRESS (RFC 8489 14.2); gives its size. */
static size_t
write_address(uint8_t *at, const Place *place, const uint8_t *transaction_id)
{
    bool is_long = place->address.ss_family == AF_INET6;
    const struct sockaddr_in *four = (const struct sockaddr_in *)&place->address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&place->address;
    size_t size = is_long ? 16 : 4;
    uint8_t mask[16];
    write_32(mask, COOKIE);
    memcpy(mask + 4, transaction_id, 12);
    write_16(at, ATTRIBUTE_XOR_ADDRESS);
    write_16(at + 2, (uint32_t)(4 + size));
    at[4] = 0;
    at[5] = is_long ? 2 : 1;
    write_16(at + 6, ntohs(is_long ? six->sin6_port : four->sin_port) ^ COOKIE >> 16);
    memcpy(at + 8, is_long ? (const void *)&six->sin6_addr : (const void *)&four->sin_addr, size);
    for (size_t byte = 0; byte < size; byte++) {
        at[8 + byte] ^= mask[byte];
    }
    return 8 + size;
}

size_t
stun_answer(const StunMessage *request, const Place *place, const char *password,
            uint8_t answer[STUN_ANSWER_BYTES])
{
    write_16(answer, BINDING_SUCCESS);
    write_32(answer + 4, COOKIE);
    memcpy(answer + 8, request->transaction_id, 12);
    size_t at = HEADER_BYTES + write_address(answer + HEADER_BYTES, place, answer + 8);
    write_16(answer + 2, (uint32_t)(at + 4 + SHA1_BYTES - HEADER_BYTES));
    write_16(answer + at, ATTRIBUTE_INTEGRITY);
    write_16(answer + at + 2, SHA1_BYTES);
    hmac_sha1((const uint8_t *)password, strlen(password), answer, at, answer + at + 4);
    at += 4 + SHA1_BYTES;
    write_16(answer + 2, (uint32_t)(at + 8 - HEADER_BYTES));
    write_16(answer + at, ATTRIBUTE_FINGERPRINT);
    write_16(answer + at + 2, 4);
    write_32(answer + at + 4, fingerprint(answer, at));
    return at + 8;
}
