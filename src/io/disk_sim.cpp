#include "io/disk_sim.h"

#include <algorithm>

namespace hs::io {
namespace {

constexpr size_t sector_bytes = 512;  // what a disk writes whole or not at all

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

}  // namespace

class SimFile final : public File {
 public:
  SimFile(SimDisk& disk, SimDisk::NodePtr node, bool writable, uint64_t life)
      : disk_(disk), node_(std::move(node)), writable_(writable), life_(life) {}

  Status append(std::string_view bytes) override {
    if (!writable_) return fail(Code::permission_denied, "the file was opened for reading");
    return disk_.append(node_, bytes, life_);
  }
  Status sync() override { return disk_.sync(node_, life_); }
  Status rewrite(uint64_t offset) override { return disk_.rewrite(node_, offset, life_); }
  Status truncate(uint64_t size) override { return disk_.truncate(node_, size, life_); }
  Result<std::string> read(uint64_t offset, size_t size) override {
    const std::lock_guard lock(disk_.mutex_);
    if (life_ != disk_.life_ || disk_.operations_ >= disk_.dies_at_) return fail(Code::unavailable, "power is off");
    if (offset >= node_->bytes.size()) return std::string();
    return node_->bytes.substr(offset, size);
  }
  Result<uint64_t> size() override {
    const std::lock_guard lock(disk_.mutex_);
    return node_->bytes.size();
  }

 private:
  SimDisk& disk_;
  const SimDisk::NodePtr node_;
  const bool writable_;
  const uint64_t life_;
};

void SimDisk::set_faults(Faults faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
}

void SimDisk::die_after(uint64_t operations) {
  const std::lock_guard lock(mutex_);
  dies_at_ = operations_ + operations + 1;
}

bool SimDisk::dead() const {
  const std::lock_guard lock(mutex_);
  return operations_ >= dies_at_;
}

uint64_t SimDisk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

void SimDisk::on_sync(std::function<void()> hook) {
  const std::lock_guard lock(mutex_);
  on_sync_ = std::move(hook);
}

Status SimDisk::begin_operation(double error_share) {
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  ++operations_;
  if (random_.uniform() < error_share) return fail(Code::unavailable, "simulated device error");
  return {};
}

Status SimDisk::append(const NodePtr& node, std::string_view bytes, uint64_t life) {
  const std::lock_guard lock(mutex_);
  if (life != life_) return fail(Code::unavailable, "power is off");
  const Status began = begin_operation(faults_.append_error);
  const bool dies = operations_ >= dies_at_;
  const uint64_t used = used_locked();
  const size_t room = used >= faults_.capacity_bytes ? 0 : static_cast<size_t>(faults_.capacity_bytes - used);
  size_t take = std::min(bytes.size(), room);
  if (!began || dies) take = static_cast<size_t>(random_.uniform() * static_cast<double>(take + 1));
  if (began || dies) node->bytes.append(bytes.substr(0, take));
  if (!began) return began;
  if (dies) return fail(Code::unavailable, "power is off");
  if (take < bytes.size()) return fail(Code::resource_exhausted, "no space left on the simulated disk");
  return {};
}

Status SimDisk::sync(const NodePtr& node, uint64_t life) {
  std::function<void()> hook;
  {
    const std::lock_guard lock(mutex_);
    hook = on_sync_;
  }
  if (hook) hook();
  const std::lock_guard lock(mutex_);
  if (life != life_) return fail(Code::unavailable, "power is off");
  const Status began = begin_operation(faults_.sync_error);
  const bool dies = operations_ >= dies_at_;
  if (dies && random_.uniform() < 0.5) return fail(Code::unavailable, "power is off");  // else: done, but nobody knows
  if (!began) {
    node->lost.push_back({node->synced, node->bytes.size()});  // what a rewrite repeated is no worse than before
    node->synced = node->bytes.size();
    node->rewritten = SIZE_MAX;
    return began;
  }
  node->synced = node->bytes.size();
  for (Range& range : node->lost) range.end = std::min(range.end, node->rewritten);
  std::erase_if(node->lost, [](const Range& r) { return r.begin >= r.end; });
  node->rewritten = SIZE_MAX;
  if (dies) return fail(Code::unavailable, "power is off");
  return {};
}

Status SimDisk::rewrite(const NodePtr& node, uint64_t offset, uint64_t life) {
  const std::lock_guard lock(mutex_);
  if (life != life_) return fail(Code::unavailable, "power is off");
  HS_TRY(begin_operation(faults_.append_error));
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  node->rewritten = std::min<size_t>(node->rewritten, offset);
  return {};
}

Status SimDisk::truncate(const NodePtr& node, uint64_t size, uint64_t life) {
  const std::lock_guard lock(mutex_);
  if (life != life_) return fail(Code::unavailable, "power is off");
  HS_TRY(begin_operation(faults_.other_error));
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  if (size >= node->bytes.size()) return {};
  node->bytes.resize(size);
  node->synced = std::min<size_t>(node->synced, size);
  for (Range& range : node->lost) range.end = std::min<size_t>(range.end, size);
  std::erase_if(node->lost, [](const Range& r) { return r.begin >= r.end; });
  return {};
}

void SimDisk::apply(std::map<std::string, NodePtr>& names, const NameChange& change) {
  for (const auto& [name, node] : change.names) {
    if (node)
      names[name] = node;
    else
      names.erase(name);
  }
}

void SimDisk::change(NameChange change) {
  apply(names_, change);
  pending_.push_back(std::move(change));
}

Result<std::unique_ptr<File>> SimDisk::open(const std::string& path, Open how) {
  const std::lock_guard lock(mutex_);
  if (how == Open::create) {
    HS_TRY(begin_operation(faults_.other_error));
    if (names_.contains(path)) return fail(Code::conflict, path + " exists");
    change({{{path, std::make_shared<Node>()}}});
    if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  } else if (operations_ >= dies_at_) {
    return fail(Code::unavailable, "power is off");
  }
  const auto found = names_.find(path);
  if (found == names_.end()) return fail(Code::not_found, "no file " + path);
  return std::make_unique<SimFile>(*this, found->second, how != Open::read, life_);
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  const std::lock_guard lock(mutex_);
  HS_TRY(begin_operation(faults_.other_error));
  const auto found = names_.find(from);
  if (found == names_.end()) return fail(Code::not_found, "no file " + from);
  const NodePtr node = found->second;
  change({{{from, nullptr}, {to, node}}});
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  return {};
}

Status SimDisk::remove(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HS_TRY(begin_operation(faults_.other_error));
  if (!names_.contains(path)) return fail(Code::not_found, "no file " + path);
  change({{{path, nullptr}}});
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  return {};
}

Result<std::vector<std::string>> SimDisk::list(const std::string& directory) {
  const std::lock_guard lock(mutex_);
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  std::vector<std::string> out;
  for (const auto& [path, node] : names_)
    if (parent_of(path) == directory) out.push_back(path.substr(directory.size() + 1));
  return out;
}

Status SimDisk::make_directories(const std::string&) { return {}; }  // directories are only names here

Status SimDisk::sync_directory(const std::string& path) {
  const std::lock_guard lock(mutex_);
  HS_TRY(begin_operation(faults_.other_error));
  const bool dies = operations_ >= dies_at_;
  if (dies && random_.uniform() < 0.5) return fail(Code::unavailable, "power is off");
  std::erase_if(pending_, [&](const NameChange& c) {
    const bool here =
        std::any_of(c.names.begin(), c.names.end(), [&](const auto& n) { return parent_of(n.first) == path; });
    if (here) apply(durable_names_, c);
    return here;
  });
  if (dies) return fail(Code::unavailable, "power is off");
  return {};
}

Result<uint64_t> SimDisk::free_bytes(const std::string&) {
  const std::lock_guard lock(mutex_);
  if (operations_ >= dies_at_) return fail(Code::unavailable, "power is off");
  const uint64_t used = used_locked();
  return used >= faults_.capacity_bytes ? 0 : faults_.capacity_bytes - used;
}

uint64_t SimDisk::used_locked() const {
  uint64_t used = 0;
  for (const auto& [path, node] : names_) used += node->bytes.size();
  return used;
}

uint64_t SimDisk::used_bytes() const {
  const std::lock_guard lock(mutex_);
  return used_locked();
}

// Sectors that were never safely written: each stays, or is zero; then the length.
void SimDisk::tear(Node& node) {
  node.lost.push_back({node.synced, node.bytes.size()});
  for (const Range& range : node.lost) {
    size_t at = range.begin;
    while (at < range.end) {
      const size_t end = std::min(range.end, (at / sector_bytes + 1) * sector_bytes);
      if (random_.uniform() < 0.5) std::fill(node.bytes.begin() + at, node.bytes.begin() + end, '\0');
      at = end;
    }
  }
  const size_t unsynced = node.bytes.size() - node.synced;
  if (random_.uniform() < 0.7)
    node.bytes.resize(node.synced + static_cast<size_t>(random_.uniform() * static_cast<double>(unsynced + 1)));
  node.synced = node.bytes.size();
  node.lost.clear();
  node.rewritten = SIZE_MAX;
}

void SimDisk::cut_power() {
  const std::lock_guard lock(mutex_);
  for (const NameChange& c : pending_)
    if (random_.uniform() < 0.5) apply(durable_names_, c);
  pending_.clear();
  names_ = durable_names_;
  for (auto& [path, node] : names_) tear(*node);
  ++life_;
  dies_at_ = UINT64_MAX;
}

void SimDisk::restart_process() {
  const std::lock_guard lock(mutex_);
  ++life_;
  dies_at_ = UINT64_MAX;
}

void SimDisk::flip(const std::string& path, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = names_.find(path);
  if (found != names_.end() && offset < found->second->bytes.size()) found->second->bytes[offset] ^= 0x10;
}

}  // namespace hs::io
