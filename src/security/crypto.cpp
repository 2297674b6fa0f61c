#include "security/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/assert.h"

namespace hs::security {
namespace {

const unsigned char* data_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

DigestContext make_context() { return {EVP_MD_CTX_new(), &EVP_MD_CTX_free}; }

}  // namespace

Digest sha256(std::string_view bytes) { return sha256(bytes, {}); }

Digest sha256(std::string_view a, std::string_view b, std::string_view c) {
  // One context a thread: making one costs more than hashing a small entry.
  thread_local const DigestContext context = make_context();
  Digest out{};
  unsigned size = 0;
  const bool ok = EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), a.data(), a.size()) == 1 &&
                  EVP_DigestUpdate(context.get(), b.data(), b.size()) == 1 &&
                  EVP_DigestUpdate(context.get(), c.data(), c.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), out.data(), &size) == 1 && size == out.size();
  HS_ASSERT(ok, "OpenSSL cannot do SHA-256");
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Result<SigningKey> SigningKey::from_seed(std::string_view seed) {
  if (seed.size() != ed25519_seed_bytes) return fail(Code::invalid_argument, "an Ed25519 seed has 32 bytes");
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, data_of(seed), seed.size()), &EVP_PKEY_free);
  std::string public_key(ed25519_public_bytes, '\0');
  size_t size = public_key.size();
  if (!key || EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size) != 1)
    return fail(Code::internal, "OpenSSL cannot make an Ed25519 key");
  return SigningKey(std::shared_ptr<void>(key.release(), [](void* k) { EVP_PKEY_free(static_cast<EVP_PKEY*>(k)); }),
                    std::move(public_key));
}

std::string SigningKey::sign(std::string_view message) const {
  const DigestContext context = make_context();
  std::string signature(ed25519_signature_bytes, '\0');
  size_t size = signature.size();
  auto* const key = static_cast<EVP_PKEY*>(key_.get());
  const bool ok = EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) == 1 &&
                  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                                 data_of(message), message.size()) == 1;
  HS_ASSERT(ok && size == signature.size(), "OpenSSL cannot sign with Ed25519");
  return signature;
}

bool verify_ed25519(std::string_view public_key, std::string_view message, std::string_view signature) {
  if (public_key.size() != ed25519_public_bytes || signature.size() != ed25519_signature_bytes) return false;
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, data_of(public_key), public_key.size()),
                &EVP_PKEY_free);
  const DigestContext context = make_context();
  return key && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
         EVP_DigestVerify(context.get(), data_of(signature), signature.size(), data_of(message), message.size()) == 1;
}

}  // namespace hs::security
