#include "net/grpc_call.h"

#include <grpc/byte_buffer.h>

#include <fmt/format.h>

#include "base/assert.h"
#include "base/log.h"
#include "net/grpc_metrics.h"
#include "net/grpc_status.h"

// gRPC declares this friend of ByteBuffer and leaves its definition to those who must see the C buffer: with
// decompression switched off, it is the only place that tells how a message is compressed.
namespace grpc::internal {
class GrpcByteBufferPeer {
 public:
  static grpc_compression_algorithm compression(ByteBuffer& buffer) {
    const grpc_byte_buffer* raw = buffer.c_buffer();
    return raw == nullptr ? GRPC_COMPRESS_NONE : raw->data.raw.compression;
  }
};
}  // namespace grpc::internal

namespace hs::net {
namespace {

Result<std::string> bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return fail(Code::invalid_argument, "the call has no message");
  std::string out;
  out.reserve(buffer.Length());
  for (const auto& slice : slices) out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return out;
}

Result<std::string_view> encoding_of(grpc::ByteBuffer& buffer) {
  switch (grpc::internal::GrpcByteBufferPeer::compression(buffer)) {
    case GRPC_COMPRESS_NONE:
      return "";
    case GRPC_COMPRESS_GZIP:
      return "gzip";
    case GRPC_COMPRESS_DEFLATE:
      return "deflate";
    default:
      return fail(Code::unsupported_media, "unknown grpc-encoding; use gzip, deflate or identity");
  }
}

// "ipv4:127.0.0.1:5000" -> "127.0.0.1:5000"; "ipv6:%5B::1%5D:5000" -> "[::1]:5000"; "unix:..." -> "unix"
std::string peer_text(const std::string& peer) {
  if (peer.starts_with("unix")) return "unix";
  const size_t colon = peer.find(':');
  const auto decoded = http::url_decode(std::string_view(peer).substr(colon + 1), false);
  return decoded ? *decoded : peer;
}

}  // namespace

// Outlives the call when a handler answers late.
class GrpcCall::Answer {
 public:
  explicit Answer(GrpcCall* call) : call_(call) {}
  // True for the one who may finish the call.
  bool win() { return !finished_.exchange(true); }
  void deliver(Result<std::string> result) {
    HS_ASSERT(!delivered_.exchange(true), "a handler answers exactly once");
    if (win()) call_->finish(std::move(result));
  }

 private:
  GrpcCall* call_;  // valid until somebody has won
  std::atomic<bool> finished_{false}, delivered_{false};
};

GrpcCall::GrpcCall(grpc::GenericCallbackServerContext& context, GrpcShared& shared)
    : context_(context), shared_(shared), state_(std::make_shared<Answer>(this)) {
  if (shared_.methods.contains(context_.method()))
    StartRead(&received_);
  else
    refuse({Code::method_not_allowed, fmt::format("unknown method {}", context_.method()), 0});
}

void GrpcCall::refuse(const Error& error) {
  if (state_->win()) finish(tl::unexpected(error));
}

Result<rpc::Request> GrpcCall::take_request() {
  rpc::Request request;
  HS_ASSIGN(request.encoding, encoding_of(received_));
  charged_ = received_.Length();
  if (shared_.message_bytes.fetch_add(charged_) + charged_ > shared_.options.all_messages_bytes_max)
    return fail(Code::resource_exhausted, "too many large messages at once; try again", 1000);
  HS_ASSIGN(request.body, bytes_of(received_));
  received_.Clear();
  request.method = context_.method();
  for (const auto& [name, value] : context_.client_metadata())
    request.metadata.items.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  request.peer = peer_text(context_.peer());
  request.gone = gone_.get_token();
  return request;
}

void GrpcCall::OnReadDone(bool ok) {
  if (!ok) return refuse({Code::invalid_argument, "the call has no message, or it is too large", 0});
  auto request = take_request();
  if (!request) return refuse(request.error());
  const auto& handler = shared_.methods.find(request->method)->second;
  // The last copy to go answers, if none has: a handler must not leave its caller waiting.
  struct Once {
    std::shared_ptr<Answer> answer;
    std::atomic<bool> used{false};
    ~Once() {
      if (!used) answer->deliver(fail(Code::internal, "the handler gave no answer"));
    }
  };
  auto once = std::make_shared<Once>(state_);
  try {
    handler(std::move(*request), [once](Result<std::string> result) {
      once->used = true;
      once->answer->deliver(std::move(result));
    });
  } catch (const std::exception& e) {  // a third party's, through a handler
    log::error("a handler threw", {{"listener", shared_.options.name}, {"what", e.what()}});
  }
}

void GrpcCall::OnCancel() {
  gone_.request_stop();
  refuse({Code::unavailable, "the call was cancelled", 0});
}

void GrpcCall::finish(Result<std::string> result) {
  if (result) {
    shared_.metrics->count(0);
    const grpc::Slice slice(std::move(*result));
    answer_ = grpc::ByteBuffer(&slice, 1);
    StartWriteAndFinish(&answer_, grpc::WriteOptions(), grpc::Status::OK);
    return;
  }
  const Error& error = result.error();
  shared_.metrics->count(grpc_status(error.code));
  Finish(grpc::Status(static_cast<grpc::StatusCode>(grpc_status(error.code)), error.message, status_details(error)));
}

void GrpcCall::OnDone() {
  shared_.message_bytes -= charged_;
  delete this;
}

}  // namespace hs::net
