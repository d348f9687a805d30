/* What crypto.c finds and srtp.c calls. */

#ifndef HEADWATER_CRYPTO_LIBRARY_H
#define HEADWATER_CRYPTO_LIBRARY_H

#include "crypto.h"

enum { CONTROL_GET_TAG = 0x10, CONTROL_SET_TAG = 0x11 }; /* EVP_CTRL_AEAD_* */

typedef int InitFunction(void *cipher, const void *kind, void *engine, const uint8_t *key,
                         const uint8_t *iv);
typedef int UpdateFunction(void *cipher, uint8_t *out, int *out_size, const uint8_t *in, int size);
typedef int FinalFunction(void *cipher, uint8_t *out, int *out_size);

typedef struct {
    void *(*cipher_new)(void);
    void (*cipher_free)(void *cipher);
    int (*control)(void *cipher, int what, int size, void *value);
    const void *(*aes_128_gcm)(void);
    const void *(*aes_256_gcm)(void);
    const void *(*aes_128_ctr)(void);
    const void *(*aes_256_ctr)(void);
    InitFunction *encrypt_init;
    UpdateFunction *encrypt_update;
    FinalFunction *encrypt_final;
    InitFunction *decrypt_init;
    UpdateFunction *decrypt_update;
    FinalFunction *decrypt_final;
    int (*sha1_init)(void *state);
    int (*sha1_update)(void *state, const void *data, size_t size);
    int (*sha1_final)(uint8_t *digest, void *state);
} Library;

extern Library library;

/* HMAC-SHA1 of one protection. */
void protection_key(Protection *protection, const uint8_t *key, size_t size);
void protection_sign(const Protection *protection, const uint8_t *data, size_t size,
                     const uint8_t *more, size_t more_size, uint8_t digest[SHA1_BYTES]);

#endif
