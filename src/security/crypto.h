#pragma once
// The few primitives that we use, from OpenSSL: SHA-256, Ed25519, comparison in constant time.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "io/random.h"

namespace hs::security {

using Digest = std::array<uint8_t, 32>;

Digest sha256(std::string_view bytes);
// As sha256 of the parts one after the other.
Digest sha256(std::string_view a, std::string_view b, std::string_view c = {});
inline std::string_view view(const Digest& d) { return {reinterpret_cast<const char*>(d.data()), d.size()}; }

// Takes the same time wherever they differ; texts of different length are unequal at once.
bool equal_in_constant_time(std::string_view a, std::string_view b);

inline constexpr size_t ed25519_seed_bytes = 32;
inline constexpr size_t ed25519_public_bytes = 32;
inline constexpr size_t ed25519_signature_bytes = 64;

// A private key. Signing is deterministic (RFC 8032).
class SigningKey {
 public:
  static Result<SigningKey> from_seed(std::string_view seed);
  std::string sign(std::string_view message) const;
  const std::string& public_key() const { return public_key_; }

 private:
  SigningKey(std::shared_ptr<void> key, std::string public_key)
      : key_(std::move(key)), public_key_(std::move(public_key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY; immutable, so copies may share it
  std::string public_key_;
};

// False also for a public key or signature of the wrong length.
bool verify_ed25519(std::string_view public_key, std::string_view message, std::string_view signature);

}  // namespace hs::security
