#pragma once
// `homeostat ledger verify`, `show` and `head`: for whoever does not trust the machine that the ledger lies on.

#include <string>
#include <string_view>

#include "io/disk.h"
#include "ledger/scan.h"

namespace hs::ledger {

struct VerifyRequest {
  std::string directory;
  std::string head;  // kept elsewhere: a file with the signed note, the note itself, or SIZE:ROOT; "" = none
  std::string key;   // the public key kept elsewhere; "" = the one beside the ledger
};

enum class Completeness : uint8_t { not_proven, proven, refuted };

struct Verification {
  Scan scan;
  Completeness completeness = Completeness::not_proven;
  std::string key_name;
  bool ok() const { return scan.findings.empty() && completeness != Completeness::refuted; }
};

// An error only when there is nothing to verify with or in (no key, unreadable files, a kept head that is none).
Result<Verification> verify(io::Disk& disk, const VerifyRequest& request);
std::string to_words(const Verification& verification);

// The commands: they add to `out` what is to be printed and return the process's exit code: 0 good, 1 not (what is
// wrong is in the text), 2 wrong usage.
int run_verify(io::Disk& disk, const VerifyRequest& request, std::string& out);
int run_head(io::Disk& disk, const std::string& directory, std::string& out);
// An incident from its first entry to its last, in words; "" lists the incidents. Nothing in it can drive a terminal.
int run_show(io::Disk& disk, const std::string& directory, std::string_view incident, std::string& out);

// An entry for people: its payload's `words`, or its members one after the other; and that with time and kind.
std::string payload_words(const Entry& entry);
std::string to_words(const Entry& entry);
// The incident that an entry is about: its payload's `incident`, or the `id` of an entry of an incident's own kind.
std::string_view incident_of(const Entry& entry);

}  // namespace hs::ledger
