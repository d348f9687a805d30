/* The functions of OpenSSL that we use, found in a library which is there anyway.

   Nothing is linked: pylibsrtp's wheel exports a current OpenSSL, systems have libcrypto. EVP
   objects are used by one thread each. */

#include "crypto.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "crypto_library.h"

Library library;

static char loaded_name[256];

static const struct {
    const char *name;
    size_t place;
} symbols[] = {
    {"EVP_CIPHER_CTX_new", offsetof(Library, cipher_new)},
    {"EVP_CIPHER_CTX_free", offsetof(Library, cipher_free)},
    {"EVP_CIPHER_CTX_ctrl", offsetof(Library, control)},
    {"EVP_aes_128_gcm", offsetof(Library, aes_128_gcm)},
    {"EVP_aes_256_gcm", offsetof(Library, aes_256_gcm)},
    {"EVP_aes_128_ctr", offsetof(Library, aes_128_ctr)},
    {"EVP_aes_256_ctr", offsetof(Library, aes_256_ctr)},
    {"EVP_EncryptInit_ex", offsetof(Library, encrypt_init)},
    {"EVP_EncryptUpdate", offsetof(Library, encrypt_update)},
    {"EVP_EncryptFinal_ex", offsetof(Library, encrypt_final)},
    {"EVP_DecryptInit_ex", offsetof(Library, decrypt_init)},
    {"EVP_DecryptUpdate", offsetof(Library, decrypt_update)},
    {"EVP_DecryptFinal_ex", offsetof(Library, decrypt_final)},
    {"SHA1_Init", offsetof(Library, sha1_init)},
    {"SHA1_Update", offsetof(Library, sha1_update)},
    {"SHA1_Final", offsetof(Library, sha1_final)},
};

const char *
crypto_name(void)
{
    return loaded_name;
}

/* RFC 2202 test case 1: a SHA_CTX of another form would not pass. */
static bool
hashes_right(void)
{
    static const uint8_t expected[SHA1_BYTES] = {
        0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b,
        0xc0, 0xb6, 0xfb, 0x37, 0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00,
    };
    uint8_t key[20], digest[SHA1_BYTES];
    memset(key, 0x0b, sizeof key);
    hmac_sha1(key, sizeof key, (const uint8_t *)"Hi There", 8, digest);
    return memcmp(digest, expected, sizeof digest) == 0;
}

const char *
crypto_load(const char *path)
{
    Library found = {0};
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        return dlerror();
    }
    for (size_t at = 0; at < sizeof symbols / sizeof *symbols; at++) {
        void *symbol = dlsym(handle, symbols[at].name);
        if (symbol == NULL) {
            dlclose(handle);
            return symbols[at].name;
        }
        memcpy((char *)&found + symbols[at].place, &symbol, sizeof symbol);
    }
    library = found; /* never closed: viewers of this process hold objects of it */
    if (!hashes_right()) {
        return "SHA1_Init";
    }
    const char *base = strrchr(path, '/');
    snprintf(loaded_name, sizeof loaded_name, "%s", base == NULL ? path : base + 1);
    return NULL;
}

static void
begin_hmac(const uint8_t *key, size_t size, Sha1 *inner, Sha1 *outer)
{
    uint8_t block[64] = {0};
    if (size > sizeof block) { /* RFC 2104 2 */
        Sha1 state;
        library.sha1_init(&state);
        library.sha1_update(&state, key, size);
        library.sha1_final(block, &state);
    } else {
        memcpy(block, key, size);
    }
    for (size_t at = 0; at < sizeof block; at++) {
        block[at] ^= 0x36;
    }
    library.sha1_init(inner);
    library.sha1_update(inner, block, sizeof block);
    for (size_t at = 0; at < sizeof block; at++) {
        block[at] ^= 0x36 ^ 0x5c;
    }
    library.sha1_init(outer);
    library.sha1_update(outer, block, sizeof block);
}

static void
end_hmac(Sha1 *inner, const Sha1 *outer, uint8_t digest[SHA1_BYTES])
{
    Sha1 state = *outer;
    library.sha1_final(digest, inner);
    library.sha1_update(&state, digest, SHA1_BYTES);
    library.sha1_final(digest, &state);
}

void
hmac_sha1_pieces(const uint8_t *key, size_t size, const uint8_t *one, size_t one_size,
                 const uint8_t *two, size_t two_size, uint8_t digest[SHA1_BYTES])
{
    Sha1 inner, outer;
    begin_hmac(key, size, &inner, &outer);
    library.sha1_update(&inner, one, one_size);
    library.sha1_update(&inner, two, two_size);
    end_hmac(&inner, &outer, digest);
}

void
hmac_sha1(const uint8_t *key, size_t size, const uint8_t *data, size_t data_size,
          uint8_t digest[SHA1_BYTES])
{
    hmac_sha1_pieces(key, size, data, data_size, data, 0, digest);
}

void
protection_key(Protection *protection, const uint8_t *key, size_t size)
{
    begin_hmac(key, size, &protection->hmac->inner, &protection->hmac->outer);
}

void
protection_sign(const Protection *protection, const uint8_t *data, size_t size,
                const uint8_t *more, size_t more_size, uint8_t digest[SHA1_BYTES])
{
    Sha1 inner = protection->hmac->inner;
    library.sha1_update(&inner, data, size);
    library.sha1_update(&inner, more, more_size);
    end_hmac(&inner, &protection->hmac->outer, digest);
}

bool
equal_secrets(const uint8_t *one, const uint8_t *other, size_t size)
{
    uint8_t difference = 0;
    for (size_t at = 0; at < size; at++) {
        difference |= one[at] ^ other[at];
    }
    return difference == 0;
}
