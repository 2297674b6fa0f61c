#include "ledger/note.h"

#include <charconv>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/text.h"

namespace hs::ledger {
namespace {

constexpr char ed25519_type = 0x01;
constexpr std::string_view private_prefix = "PRIVATE+KEY+";
constexpr std::string_view signature_prefix = "\xE2\x80\x94 ";  // an em dash and a space
constexpr size_t id_bytes = 4;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.find_first_of("+ \n\t") == std::string_view::npos &&
         printable(name) == name;
}

tl::unexpected<Error> wrong(std::string_view what) {
  return fail(Code::invalid_argument, fmt::format("the signed head: {}", what));
}

// The next line without its newline; removes it from `text`. Nothing when no newline is left.
std::optional<std::string_view> take_line(std::string_view& text) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

struct KeyText {
  std::string name, id, type_and_key;
};

// "name+hexid+base64"; base64 may itself contain '+'.
Result<KeyText> split_key(std::string_view text) {
  const size_t first = text.find('+');
  const size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
  if (second == std::string_view::npos) return fail(Code::invalid_argument, "a key is not of the form name+id+key");
  const std::string_view name = text.substr(0, first);
  const auto id = from_hex(text.substr(first + 1, second - first - 1));
  const auto key = from_base64(text.substr(second + 1));
  if (!is_name(name) || !id || id->size() != id_bytes || !key || key->size() != 1 + security::ed25519_public_bytes ||
      key->front() != ed25519_type)
    return fail(Code::invalid_argument, "a key is not an Ed25519 key of a signed note");
  return KeyText{std::string(name), *id, *key};
}

std::string id_of(std::string_view name, std::string_view public_key) {
  const Digest hash = security::sha256(fmt::format("{}\n{}", name, ed25519_type), public_key);
  return std::string(security::view(hash).substr(0, id_bytes));
}

std::string body_of(const Head& head) {
  return fmt::format("{}\n{}\n{}\n", head.origin, head.size, to_base64(security::view(head.root)));
}

Result<Head> parse_body(std::string_view body) {
  const auto origin = take_line(body);
  const auto size = take_line(body);
  const auto root = take_line(body);
  if (!origin || !size || !root || !is_name(*origin)) return wrong("origin, size or root is missing");
  Head head{std::string(*origin), 0, {}};
  const auto [end, error] = std::from_chars(size->data(), size->data() + size->size(), head.size);
  if (error != std::errc() || end != size->data() + size->size() || *size != std::to_string(head.size))
    return wrong("the size is not a decimal number");
  const auto bytes = from_base64(*root);
  if (!bytes || bytes->size() != head.root.size()) return wrong("the root is not a SHA-256 in base64");
  std::memcpy(head.root.data(), bytes->data(), head.root.size());
  return head;
}

// Whether `line` is the signature of `key` over `body`.
bool is_signature(std::string_view line, std::string_view body, const VerifierKey& key) {
  if (!line.starts_with(signature_prefix)) return false;
  line.remove_prefix(signature_prefix.size());
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.substr(0, space) != key.name) return false;
  const auto bytes = from_base64(line.substr(space + 1));
  if (!bytes || bytes->size() != id_bytes + security::ed25519_signature_bytes) return false;
  return std::string_view(*bytes).substr(0, id_bytes) == key.id() &&
         security::verify_ed25519(key.key, body, std::string_view(*bytes).substr(id_bytes));
}

}  // namespace

std::string VerifierKey::id() const { return id_of(name, key); }
std::string VerifierKey::text() const {
  return fmt::format("{}+{}+{}", name, to_hex(id()), to_base64(ed25519_type + key));
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
  HS_ASSIGN(const KeyText parts, split_key(text));
  VerifierKey key{parts.name, parts.type_and_key.substr(1)};
  if (key.id() != parts.id) return fail(Code::invalid_argument, "the id of a verifier key does not fit its key");
  return key;
}

Result<SignerKey> SignerKey::from_seed(std::string name, std::string_view seed) {
  if (!is_name(name)) return fail(Code::invalid_argument, "a key's name must be short, without spaces and '+'");
  HS_ASSIGN(security::SigningKey key, security::SigningKey::from_seed(seed));
  VerifierKey verifier{std::move(name), key.public_key()};
  return SignerKey(std::move(verifier), std::string(seed), std::move(key));
}

Result<SignerKey> SignerKey::parse(std::string_view text) {
  if (!text.starts_with(private_prefix)) return fail(Code::invalid_argument, "this is no private key of a signed note");
  HS_ASSIGN(const KeyText parts, split_key(text.substr(private_prefix.size())));
  HS_ASSIGN(SignerKey key, from_seed(parts.name, std::string_view(parts.type_and_key).substr(1)));
  if (key.verifier().id() != parts.id) return fail(Code::invalid_argument, "the id of a private key does not fit it");
  return key;
}

std::string SignerKey::text() const {
  return fmt::format("{}{}+{}+{}", private_prefix, verifier_.name, to_hex(verifier_.id()),
                     to_base64(ed25519_type + seed_));
}

std::string SignerKey::sign(const Head& head) const {
  HS_ASSERT(head.origin == verifier_.name, "a head is signed by the key of its origin");
  const std::string body = body_of(head);
  return fmt::format("{}\n{}{} {}\n", body, signature_prefix, verifier_.name,
                     to_base64(verifier_.id() + key_.sign(body)));
}

Result<Head> open_note(std::string_view note, const VerifierKey& key) {
  if (note.size() > note_bytes_max) return wrong("it is too large");
  const size_t blank = note.find("\n\n");
  if (blank == std::string_view::npos) return wrong("it has no signatures");
  const std::string_view body = note.substr(0, blank + 1);
  std::string_view rest = note.substr(blank + 2);
  bool is_signed = false;
  while (const auto line = take_line(rest)) is_signed = is_signed || is_signature(*line, body, key);
  if (!is_signed || !rest.empty()) return wrong(fmt::format("it is not signed by the key {}", key.name));
  HS_ASSIGN(Head head, parse_body(body));
  if (head.origin != key.name) return wrong("its origin is another ledger");
  return head;
}

}  // namespace hs::ledger
