#include "sources/syslog_receiver.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/metrics.h"
#include "wire/syslog/framer.h"
#include "wire/syslog/message.h"

namespace hs::sources {
namespace {

using wire::otlp::TextAttribute;
using wire::syslog::Message;

struct Metrics {
  metrics::Counter messages{"homeostat_syslog_messages_total", "Messages that are on disk."};
  metrics::Counter malformed{"homeostat_syslog_malformed_total", "Messages without a header that was understood."};
  metrics::Counter cut{"homeostat_syslog_cut_total", "Messages that were longer than the bound."};
  metrics::Counter lost{"homeostat_syslog_lost_total",
                        "Messages received and given up: stopping, or refused for good."};
};
Metrics& counters() {
  static Metrics instance;
  return instance;
}

// The attributes of one record, with the keys that are not in the message.
struct Attributes {
  std::vector<TextAttribute> list;
  std::vector<std::string> keys;

  void add(std::string_view key, std::string_view value) {
    if (!value.empty()) list.push_back({key, value});
  }
  void add(const std::vector<wire::syslog::Parameter>& structured_data) {
    keys.reserve(structured_data.size());  // views of them are kept
    for (const auto& p : structured_data) {
      keys.push_back(fmt::format("syslog.structured_data.{}{}{}", p.id, p.name.empty() ? "" : ".", p.name));
      list.push_back({keys.back(), p.value});
    }
  }
};

}  // namespace

SyslogReceiver::SyslogReceiver(SyslogOptions options, io::Clock& clock, const LogDelivery& delivery)
    : options_(options), clock_(clock), delivery_(delivery) {}

net::PushConsumer SyslogReceiver::consumer() {
  const auto connected = [this](const net::PushPeer& peer) -> net::PushConsumer::Take {
    const auto framer = std::make_shared<wire::syslog::Framer>(options_.message_bytes_max);
    return [this, framer, peer](std::string_view bytes, bool last) {
      const uint64_t cut = framer->cut();
      framer->add(bytes);
      std::string_view message;
      while (framer->next(message, last)) add(message, peer, "tcp");
      counters().cut.add(framer->cut() - cut);
    };
  };
  const auto datagram = [this](std::string_view message, const net::PushPeer& peer) {
    message = message.substr(0, message.find_last_not_of(std::string_view("\r\n\0", 3)) + 1);
    if (!message.empty()) add(message, peer, "udp");
  };
  return {
      .connected = connected, .datagram = datagram, .deliver = [this](const std::stop_token& stop) { deliver(stop); }};
}

void SyslogReceiver::add(std::string_view message, const net::PushPeer& peer, std::string_view transport) {
  if (writer_.records() == 0) now_ = std::max(clock_.wall(), now_ + 1);
  const Message m = wire::syslog::parse(message, {.received = now_, .utc_offset_s = options_.utc_offset_s});
  if (!m.problem.empty()) counters().malformed.add();
  const std::array<TextAttribute, 2> resource = {
      {{"service.name", m.app}, {"host.name", m.host.empty() ? std::string_view(peer.host) : m.host}}};
  writer_.resource(resource);
  const std::string facility = m.has_priority ? std::to_string(m.facility) : "";
  const std::string version = m.version > 0 ? std::to_string(m.version) : "";
  Attributes attributes;
  attributes.add("syslog.facility", facility);
  attributes.add("syslog.version", version);
  attributes.add("syslog.procid", m.process);
  attributes.add("syslog.msgid", m.message_id);
  attributes.add("syslog.problem", m.problem);
  attributes.add("network.peer.address", peer.host);
  attributes.add("network.transport", transport);
  attributes.add("tls.protocol.version", peer.tls_version);
  attributes.add("tls.client.subject", peer.client_subject);
  attributes.add(m.parameters);
  writer_.add({.time = m.time,
               .observed_time = now_,
               .severity = m.has_priority ? wire::syslog::severity_number(m.severity) : uint8_t{0},
               .severity_text = m.has_priority ? wire::syslog::severity_name(m.severity) : "",
               .body = m.text,
               .attributes = attributes.list});
}

void SyslogReceiver::deliver(const std::stop_token& stop) {
  const size_t records = writer_.records();
  if (records == 0) return;
  const Status status = delivery_.deliver(writer_.take(), now_, stop);
  if (status) return counters().messages.add(records);
  counters().lost.add(records);
  log::warn("syslog messages were lost", {{"messages", records}, {"why", status.error().message}});
}

}  // namespace hs::sources
