#include "agent/item.h"

#include "base/archive.h"

namespace hs::agent {
namespace {

constexpr uint64_t format_version = 1;

// One list of fields for both directions; the order is the format.
template <class Archive>
void fields(Archive& a, Item& item) {
  archive::all(a, item.signal, item.format, item.encoding, item.received_at, item.items, item.hash.high, item.hash.low,
               item.stream.high, item.stream.low, item.number, item.tenant);
}

}  // namespace

std::string encode_prefix(const Item& item) {
  archive::Writer out;
  uint64_t version = format_version;
  out.number(version);
  Item head = item;
  fields(out, head);
  return std::move(out.out);
}

Result<Item> parse_item(std::string_view payload) {
  archive::Reader in(payload);
  uint64_t version = 0;
  in.number(version);
  Item item;
  if (version == format_version) fields(in, item);
  if (version != format_version || !in.good())
    return fail(Code::internal, "the queue holds a request that this version cannot read");
  item.body = in.rest();
  return item;
}

}  // namespace hs::agent
