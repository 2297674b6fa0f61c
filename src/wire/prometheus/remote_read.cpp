#include "wire/prometheus/remote_read.h"

#include <fmt/format.h>

#include <protozero/pbf_writer.hpp>

#include "wire/prometheus/write_builder.h"

namespace hs::wire::prometheus {
namespace {

constexpr int32_t samples_type = 0;  // ReadRequest.ResponseType

Result<ReadMatcher> matcher_of(std::string_view message) {
  ReadMatcher out;
  pbf_reader from(message.data(), message.size());
  while (from.next()) {
    if (from.tag_and_type() == varint(1)) {
      const int32_t type = from.get_enum();
      if (type < 0 || type > 3)
        return fail(Code::invalid_argument, fmt::format("remote read: there is no matcher of type {}", type));
      out.type = static_cast<ReadMatcher::Type>(type);
    } else if (from.tag_and_type() == bytes(2)) {
      out.name = view_of(from);
    } else if (from.tag_and_type() == bytes(3)) {
      out.value = view_of(from);
    } else {
      from.skip();
    }
  }
  return out;
}

Result<ReadQuery> query_of(std::string_view message) {
  ReadQuery out;
  pbf_reader from(message.data(), message.size());
  while (from.next()) {
    if (from.tag_and_type() == varint(1)) {
      out.start_ms = from.get_int64();
    } else if (from.tag_and_type() == varint(2)) {
      out.end_ms = from.get_int64();
    } else if (from.tag_and_type() == bytes(3)) {
      if (out.matchers.size() == read_matchers_max)
        return fail(Code::invalid_argument,
                    fmt::format("remote read: more than {} matchers in one query", read_matchers_max));
      HS_ASSIGN(ReadMatcher matcher, matcher_of(view_of(from)));
      out.matchers.push_back(std::move(matcher));
    } else {
      from.skip();
    }
  }
  if (out.matchers.empty()) return fail(Code::invalid_argument, "remote read: a query without a matcher");
  return out;
}

Result<std::vector<ReadQuery>> request_of(std::string_view message) {
  std::vector<ReadQuery> out;
  bool any_type = false, samples = false;
  const auto accept = [&](int32_t type) {
    any_type = true;
    samples = samples || type == samples_type;
  };
  pbf_reader from(message.data(), message.size());
  while (from.next()) {
    if (from.tag_and_type() == bytes(1)) {
      if (out.size() == read_queries_max)
        return fail(Code::invalid_argument,
                    fmt::format("remote read: more than {} queries in one request", read_queries_max));
      HS_ASSIGN(ReadQuery query, query_of(view_of(from)));
      out.push_back(std::move(query));
    } else if (from.tag_and_type() == varint(2)) {
      accept(from.get_enum());
    } else if (from.tag_and_type() == bytes(2)) {
      for (const int32_t type : from.get_packed_enum()) accept(type);
    } else {
      from.skip();
    }
  }
  if (any_type && !samples)
    return fail(Code::invalid_argument, "remote read: only the response type SAMPLES is answered here: accept it too");
  return out;
}

}  // namespace

Result<std::vector<ReadQuery>> decode_read(std::string_view body) {
  try {
    return request_of(body);
  } catch (const protozero::exception& e) {
    return fail(Code::invalid_argument, fmt::format("remote read: the body is no ReadRequest ({})", e.what()));
  }
}

std::string encode_read(std::span<const std::string> results) {
  std::string out;
  protozero::pbf_writer response(out);
  for (const std::string& result : results) response.add_message(1, result);
  return out;
}

}  // namespace hs::wire::prometheus
