#include "ledger/verify.h"

#include <charconv>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>

#include "base/text.h"
#include "io/files.h"
#include "ledger/ledger.h"

namespace hs::ledger {
namespace {

struct Kept {  // what somebody wrote down elsewhere
  uint64_t size = 0;
  Digest root{};
};

Result<Kept> parse_size_and_root(std::string_view text) {
  const size_t colon = text.find(':');
  Kept kept;
  const auto root = from_base64(text.substr(std::min(text.size(), colon + 1)));
  const auto [end, error] = std::from_chars(text.data(), text.data() + std::min(colon, text.size()), kept.size);
  if (colon == std::string_view::npos || error != std::errc() || end != text.data() + colon || !root ||
      root->size() != kept.root.size())
    return fail(Code::invalid_argument,
                "--head is neither a file with a signed head, nor a signed head, nor SIZE:ROOT");
  std::memcpy(kept.root.data(), root->data(), kept.root.size());
  return kept;
}

Result<Kept> parse_kept(const std::string& given, const VerifierKey& key) {
  std::string text = given;
  if (given.find('\n') == std::string::npos) {
    if (const auto file = io::read_file(given, note_bytes_max)) text = *file;
  }
  if (text.find("\n\n") == std::string::npos) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return parse_size_and_root(text);
  }
  HS_ASSIGN(const Head head, open_note(text, key));
  return Kept{head.size, head.root};
}

std::string plural(uint64_t n, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

}  // namespace

Result<Verification> verify(io::Disk& disk, const VerifyRequest& request) {
  auto key = request.key.empty() ? read_verifier_key(request.directory) : VerifierKey::parse(request.key);
  if (!key) return tl::unexpected(std::move(key).error());
  std::optional<Kept> kept;
  if (!request.head.empty()) {
    HS_ASSIGN(kept, parse_kept(request.head, *key));
  }
  ScanRequest scan_request;
  scan_request.key = &*key;
  if (kept) scan_request.root_at = kept->size;
  Verification out;
  out.key_name = key->name;
  HS_ASSIGN(out.scan, scan(disk, request.directory, scan_request));
  if (!kept) return out;
  if (kept->size < out.scan.first_index) return out;  // what it covers was dropped; to_words says so
  out.completeness = Completeness::refuted;
  if (out.scan.tree.size() < kept->size)
    out.scan.findings.push_back(
        {out.scan.tree.size(), fmt::format("the kept head covers {}, here are {}: the end was cut "
                                           "off, or an older copy was put back",
                                           plural(kept->size, "entry", "entries"), out.scan.tree.size())});
  else if (out.scan.wanted_root != kept->root)
    out.scan.findings.push_back(
        {kept->size, "the entries that the kept head covers are not these: history was rewritten"});
  else
    out.completeness = Completeness::proven;
  return out;
}

std::string to_words(const Verification& v) {
  const Scan& s = v.scan;
  std::string out = fmt::format("{}, {} by {}\n", plural(s.tree.size() - s.first_index, "entry", "entries"),
                                plural(s.heads, "signed head", "signed heads"), v.key_name);
  if (s.first_index > 0)
    out += fmt::format(
        "entries before {} are not here: they were dropped at the ledger's bound; a head kept elsewhere "
        "must be newer\n",
        s.first_index);
  for (const Finding& f : s.findings) out += fmt::format("FOUND: {}\n", f.what);
  if (s.findings.size() >= findings_max) out += "(and perhaps more)\n";
  if (s.recoveries > 0)
    out += fmt::format("{} after a crash: unfinished entries were cut off then\n",
                       plural(s.recoveries, "recovery", "recoveries"));
  if (s.torn_bytes > 0)
    out += fmt::format(
        "torn tail: {} bytes after {}, as a crash while writing leaves them; the next start cuts them off\n",
        s.torn_bytes, s.tree.size() == 0 ? "nothing" : fmt::format("entry {}", s.tree.size() - 1));
  if (s.tree.size() > s.signed_size && s.findings.empty())
    out += fmt::format(
        "the last {} not signed yet\n",
        s.tree.size() - s.signed_size == 1 ? "entry is" : fmt::format("{} entries are", s.tree.size() - s.signed_size));
  if (!v.ok()) return out + "NOT CONSISTENT\n";
  return out + (v.completeness == Completeness::proven
                    ? "consistent; complete up to the kept head\n"
                    : "consistent; completeness not proven (give a head kept on another machine: --head)\n");
}

int run_verify(io::Disk& disk, const VerifyRequest& request, std::string& out) {
  const auto verification = verify(disk, request);
  if (!verification) {
    out += verification.error().message + "\n";
    return verification.error().code == Code::invalid_argument ? 2 : 1;
  }
  out += to_words(*verification);
  return verification->ok() ? 0 : 1;
}

int run_head(io::Disk& disk, const std::string& directory, std::string& out) {
  const auto key = read_verifier_key(directory);
  if (!key) {
    out += key.error().message + "\n";
    return 1;
  }
  std::string note;
  ScanRequest request;
  request.check_blobs = false;
  request.on_entry = [&](const Entry& entry, std::string_view) {
    if (entry.kind == kind_head) note = json::text(entry.payload, "note").value_or("");
  };
  const auto found = scan(disk, directory, request);
  if (!found || note.empty() || !open_note(note, *key)) {
    out += found ? "the ledger has no signed head yet\n" : found.error().message + "\n";
    return 1;
  }
  out += note;
  return 0;
}

}  // namespace hs::ledger
