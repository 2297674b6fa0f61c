#pragma once
// Signed heads as C2SP tlog-checkpoints in signed notes (c2sp.org/tlog-checkpoint, c2sp.org/signed-note), so that any
// transparency log's tools and witnesses can read them.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "ledger/merkle.h"
#include "security/crypto.h"

namespace hs::ledger {

inline constexpr size_t note_bytes_max = 4096;  // ours has some 250

struct Head {  // what a head says about the ledger
  std::string origin;
  uint64_t size = 0;  // entries
  Digest root{};
};

// The public half of the key: "name+keyid+base64(0x01 || key)".
struct VerifierKey {
  std::string name;
  std::string key;  // 32 bytes
  std::string text() const;
  std::string id() const;  // 4 bytes
  static Result<VerifierKey> parse(std::string_view text);
};

// The private half: "PRIVATE+KEY+name+keyid+base64(0x01 || seed)", as Go's sumdb/note writes it.
class SignerKey {
 public:
  static Result<SignerKey> from_seed(std::string name, std::string_view seed);
  static Result<SignerKey> parse(std::string_view text);
  std::string text() const;
  const VerifierKey& verifier() const { return verifier_; }
  // The signed note of `head`; its origin must be this key's name.
  std::string sign(const Head& head) const;

 private:
  SignerKey(VerifierKey verifier, std::string seed, security::SigningKey key)
      : verifier_(std::move(verifier)), seed_(std::move(seed)), key_(std::move(key)) {}
  VerifierKey verifier_;
  std::string seed_;
  security::SigningKey key_;
};

// Checks the signature of `key` (others in the note, witnesses', are passed over) and reads the head.
Result<Head> open_note(std::string_view note, const VerifierKey& key);

}  // namespace hs::ledger
