#include "stream/changes.h"

#include "base/hash.h"
#include "base/text.h"
#include "stream/names.h"

namespace hs::stream {
namespace {

std::string_view attribute_of(const model::Resource& resource, std::string_view key) {
  for (const model::Attribute& a : resource.attributes)
    if (a.key == key) return a.value;
  return {};
}

// What is running: the version, the deployment and the image, whichever are named.
std::string version_of(const model::Resource& resource) {
  std::string all;
  for (const std::string_view key : {"service.version", "deployment.id", "deployment.name", "container.image.tags",
                                     "container.image.tag", "vcs.ref.head.revision"}) {
    const std::string_view value = attribute_of(resource, key);
    if (value.empty()) continue;
    if (!all.empty()) all += ' ';
    all += value;
  }
  return printable(all, name_bytes_max);
}

uint64_t process_of(const model::Resource& resource) {
  return mix(hash64(attribute_of(resource, "process.pid")), hash64(attribute_of(resource, "process.creation.time")));
}

std::string name(std::string_view text) { return printable(text, name_bytes_max); }

}  // namespace

void Changes::report(int64_t second, std::string service, std::string kind, std::string detail,
                     std::string_view credential) {
  if (changes_.size() < per_tick_max)
    changes_.push_back({second, std::move(service), std::move(kind), std::move(detail), std::string(credential)});
}

void Changes::see(const model::Resource& resource, int64_t second, std::string_view credential) {
  const uint64_t service = hash64(resource.service);
  const uint64_t instance = mix(service, hash64(resource.instance));
  const Process* known = processes_.find(instance);
  const std::string version = version_of(resource);
  const Process now{hash64(version), process_of(resource)};
  if (known != nullptr && known->version == now.version && known->process == now.process) return;
  if (known == nullptr && processes_.size() >= instances_max) clear();
  const bool restarted = known != nullptr && known->process != now.process;
  processes_.at(instance) = now;
  const uint64_t* newest = versions_.find(service);
  const bool first = newest == nullptr;
  const bool deployed = !first && *newest != now.version;
  versions_.at(service) = now.version;
  if (deployed && !version.empty())
    report(second, name(resource.service), "deploy", version, credential);
  else if (restarted)
    report(second, name(resource.service), "restart", name(resource.instance), credential);
}

void Changes::see(const ConfigSeen& seen, int64_t revision, int64_t second, std::string_view credential) {
  uint64_t where = mix(mix(hash64(seen.knob), hash64(seen.service)), hash64(seen.instance));
  where = mix(where, mix(hash64(seen.variant), hash64(seen.reason)));  // a canary flips between variants all the time
  const uint64_t what = hash64(seen.value);
  if (const uint64_t* known = values_.find(where); known == nullptr || *known != what) {
    if (known == nullptr && values_.size() >= knobs_max) values_.clear();
    values_.at(where) = what;
    if (seen_.size() < per_tick_max) seen_.push_back(seen);
  }
  if (revision <= 0) return;
  const uint64_t knob = hash64(seen.knob);
  int64_t* newest = revisions_.find(knob);
  if (newest != nullptr && revision > *newest) report(second, seen.service, "knob", seen.knob, credential);
  if (newest == nullptr && revisions_.size() >= knobs_max) revisions_.clear();
  int64_t& latest = revisions_.at(knob);
  latest = std::max(latest, revision);
}

std::vector<RecentChange> Changes::take_changes() { return std::exchange(changes_, {}); }
std::vector<ConfigSeen> Changes::take_seen() { return std::exchange(seen_, {}); }

void Changes::restore(uint64_t instance, const Process& process) {
  if (processes_.size() < instances_max) processes_.at(instance) = process;
}
void Changes::restore(uint64_t service, uint64_t version) {
  if (versions_.size() < instances_max) versions_.at(service) = version;
}

void Changes::clear() {
  processes_.clear();
  versions_.clear();
  values_.clear();
  revisions_.clear();
}

}  // namespace hs::stream
