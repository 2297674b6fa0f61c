#pragma once
// Who may: the operator's token, and the named credentials of those who send telemetry.

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/random.h"
#include "security/crypto.h"

namespace hs::security {

// The operator's token: 32 random bytes in hex, in a file of mode 0600, made once. A file that others may read is
// refused: the token in it is no secret any more.
Result<std::string> ensure_token(const std::string& path, io::Random& random);

// Named secrets, kept only as hashes. Thread-safe.
class Credentials {
 public:
  // Each item is NAME=TOKEN, or NAME=sha256:HEX so that the configuration holds no secret. Replaces all, or none.
  Status replace(std::span<const std::string> items);
  void add(std::string name, std::string_view token);
  bool empty() const;
  // The name whose token the value of an Authorization header bears ("Bearer TOKEN"); nothing when it is nobody's.
  // Every stored hash is compared, whichever matches.
  std::optional<std::string> identify(std::string_view authorization) const;

 private:
  struct Entry {
    std::string name;
    Digest hash;
  };
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace hs::security
