#include "stream/peers.h"

#include "base/hash.h"

namespace hs::stream {

std::string peer_name(const Facts& facts, std::string_view span_name) {
  if (!facts.peer_service.empty()) return std::string(facts.peer_service);
  if (!facts.db_system.empty()) return std::string(facts.db_system);
  if (!facts.messaging_system.empty()) {
    std::string name(facts.messaging_system);
    if (!facts.destination.empty()) name.append("/").append(facts.destination);
    return name;
  }
  if (!facts.address.empty()) {
    std::string name(facts.address);
    if (!facts.port.empty()) name.append(":").append(facts.port);
    return name;
  }
  if (const std::string_view authority = authority_of(facts.url); !authority.empty()) return std::string(authority);
  return std::string(facts.rpc_service.empty() ? span_name : facts.rpc_service);
}

uint64_t Peers::key_of(uint64_t caller, const Facts& facts, std::string_view span_name) {
  uint64_t key = mix(caller, hash64(span_name));
  key = mix(key, hash64(facts.address.empty() ? authority_of(facts.url) : facts.address));
  key = mix(key, hash64(facts.port));
  return mix(key, hash64(facts.destination));
}

void Peers::learn(uint64_t key, NameId service, NameId operation) {
  Learned* known = learned_.find(key);
  if (known == nullptr) {
    if (learned_.size() >= learned_max) learned_.clear();  // relearned within seconds
    learned_.at(key).callee = {service, operation};
    return;
  }
  if (known->callee.service != service) ++known->service_flips;
  if (known->callee.operation != operation) ++known->operation_flips;
  known->callee = {service, operation};
}

void Peers::restore(uint64_t key, const Learned& learned) {
  if (learned_.size() < learned_max) learned_.at(key) = learned;
}

Peers::Callee Peers::callee_of(uint64_t key) {
  const Learned* known = learned_.find(key);
  if (known == nullptr || known->service_flips > flips_max) return {};
  return {known->callee.service, known->operation_flips > flips_max ? no_name : known->callee.operation};
}

}  // namespace hs::stream
