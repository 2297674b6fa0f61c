#pragma once
// One TLS connection over a non-blocking socket of somebody else's. OpenSSL; it never waits: who uses it does.

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace hs::net {

struct TlsFree {
  void operator()(ssl_st* ssl) const;
  void operator()(ssl_ctx_st* ctx) const;
};
using TlsHandle = std::unique_ptr<ssl_st, TlsFree>;
using TlsContext = std::shared_ptr<ssl_ctx_st>;

// A context for one side, of TLS 1.2 and 1.3 without compression, renegotiation and resumption; nullptr: no memory.
TlsContext make_tls_context(bool server);
// What OpenSSL says of the thread's last failure, and forgets it.
std::string tls_reason();
// The certificate chain and its key, from PEM files or from text. `named` is how the two are called in messages.
struct TlsNames {
  std::string cert, key;
};
Status use_identity_files(ssl_ctx_st* ctx, const std::string& cert_file, const std::string& key_file,
                          const TlsNames& named);

class TlsConnection {
 public:
  // `fd` must outlive it, and is closed by its owner.
  static Result<std::unique_ptr<TlsConnection>> make(const TlsContext& context, int fd, bool server);

  // To be verified by a client's handshake: a host name (also sent, for servers of many) or a numeric address.
  void expect_name(const std::string& name);

  enum class State : uint8_t {
    done,
    wait_read,   // the socket must become readable first
    wait_write,  // ... writable
    ended,       // the other side has said that it ends (close_notify)
    failed,      // for good; problem() says why
  };
  State handshake();
  // A call that has to wait is repeated with the same arguments. Reads at most a record (16 KiB); with room for one,
  // nothing is left behind that the socket would not tell of.
  State read(char* into, size_t room, size_t& got);
  State write(std::string_view bytes, size_t& written);
  // Whether the other side has ended, when the socket is readable; what it sent stays to be read. done: it has not.
  State probe();
  // Says that we end, as far as that goes without waiting.
  void shut();

  const std::string& problem() const { return problem_; }
  bool spoke_http() const { return spoke_http_; }  // the handshake failed because the client speaks plain HTTP
  std::string version() const;                     // "1.2", "1.3"
  // Who the other side is by its certificate, as RFC 2253 writes names; "" without a certificate.
  std::string peer_subject() const;

 private:
  TlsConnection(TlsContext context, TlsHandle ssl) : context_(std::move(context)), ssl_(std::move(ssl)) {}
  State after(int result);

  TlsContext context_;
  TlsHandle ssl_;
  std::string problem_;
  bool spoke_http_ = false;
};

}  // namespace hs::net
