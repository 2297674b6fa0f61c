#include "security/credentials.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "base/text.h"
#include "io/files.h"

namespace hs::security {
namespace {

constexpr size_t token_bytes = 32;
constexpr size_t token_file_bytes_max = 4096;
constexpr size_t credentials_max = 1000;  // each costs one comparison a request
constexpr std::string_view hash_prefix = "sha256:";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && std::strchr(" \t\r\n", text.back()) != nullptr) text.remove_suffix(1);
  while (!text.empty() && std::strchr(" \t\r\n", text.front()) != nullptr) text.remove_prefix(1);
  return text;
}

Result<std::string> read_token(const std::string& path) {
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0 && (found.st_mode & 077) != 0)
    return fail(Code::permission_denied,
                fmt::format("{} may be read by others; remove it (a new token is made) or chmod 600 it", path));
  HS_ASSIGN(const std::string text, io::read_file(path, token_file_bytes_max));
  const std::string_view token = trimmed(text);
  if (token.size() < token_bytes)  // somebody's own choice is fine, but not a guessable one
    return fail(Code::invalid_argument, fmt::format("{}: the token is shorter than {} characters", path, token_bytes));
  return std::string(token);
}

// "Bearer" compares without case (RFC 9110).
std::string_view bearer_of(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() < scheme.size()) return {};
  for (size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != scheme[i]) return {};
  return trimmed(authorization.substr(scheme.size()));
}

Result<std::pair<std::string, Digest>> parse_item(std::string_view item) {
  const size_t equals = item.find('=');
  // The item is a secret: it must not be in the message.
  if (equals == 0 || equals == std::string_view::npos || equals + 1 == item.size())
    return fail(Code::invalid_argument, "security.ingest_tokens: an item is not of the form NAME=TOKEN");
  const std::string name(item.substr(0, equals));
  const std::string_view secret = item.substr(equals + 1);
  if (!secret.starts_with(hash_prefix)) return std::pair{name, sha256(secret)};
  const auto hash = from_hex(secret.substr(hash_prefix.size()));
  Digest digest{};
  if (!hash || hash->size() != digest.size())
    return fail(Code::invalid_argument,
                fmt::format("security.ingest_tokens: the hash of {} is not 64 hex digits", name));
  std::memcpy(digest.data(), hash->data(), digest.size());
  return std::pair{name, digest};
}

}  // namespace

Result<std::string> ensure_token(const std::string& path, io::Random& random) {
  auto token = read_token(path);
  if (token || token.error().code != Code::not_found) return token;
  const Status made = io::create_file(path, to_hex(random.bytes(token_bytes)) + "\n", 0600);
  if (!made && made.error().code != Code::conflict) return tl::unexpected(made.error());
  return read_token(path);  // ours, or the one of a process that was faster
}

Status Credentials::replace(std::span<const std::string> items) {
  if (items.size() > credentials_max)
    return fail(Code::invalid_argument, fmt::format("security.ingest_tokens: at most {} items", credentials_max));
  std::vector<Entry> next;
  for (const std::string& item : items) {
    HS_ASSIGN(auto parsed, parse_item(item));
    if (std::any_of(next.begin(), next.end(), [&](const Entry& e) { return e.name == parsed.first; }))
      return fail(Code::invalid_argument, fmt::format("security.ingest_tokens: {} is there twice", parsed.first));
    next.push_back({std::move(parsed.first), parsed.second});
  }
  const std::lock_guard lock(mutex_);
  entries_ = std::move(next);
  return {};
}

void Credentials::add(std::string name, std::string_view token) {
  const std::lock_guard lock(mutex_);
  entries_.push_back({std::move(name), sha256(token)});
}

bool Credentials::empty() const {
  const std::lock_guard lock(mutex_);
  return entries_.empty();
}

std::optional<std::string> Credentials::identify(std::string_view authorization) const {
  const std::string_view token = bearer_of(authorization);
  if (token.empty()) return std::nullopt;
  const Digest hash = sha256(token);
  const std::lock_guard lock(mutex_);
  std::optional<std::string> found;
  for (const Entry& entry : entries_)
    if (equal_in_constant_time(view(entry.hash), view(hash))) found = entry.name;
  return found;
}

}  // namespace hs::security
