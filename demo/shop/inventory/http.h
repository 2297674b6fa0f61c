#pragma once
// HTTP/1.1 over plain sockets, as little of it as the inventory needs. No SDK exists in Debian for what it speaks
// (OTLP and OFREP), so both are written by hand on top of this.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace shop {

struct Request {
  std::string method, path, body;
  std::map<std::string, std::string> headers;  // names in lower case
};
struct Response {
  int status = 0;  // 0: nobody answered
  std::string body;
};

// Serves for ever, one thread a connection; at most `connections_max` of them, more are closed at once.
void serve(int port, int connections_max, const std::function<Response(const Request&)>& handler);

// A client of one server with kept-alive connections; every call ends within its time.
class Client {
 public:
  Client(std::string host, int port) : host_(std::move(host)), port_(port) {}
  Response post(const std::string& path, const std::string& headers, const std::string& body, int timeout_ms);

 private:
  int connect_in_time(int timeout_ms);
  std::string host_;
  int port_;
  std::mutex mutex_;
  std::vector<int> idle_;  // at most connections_idle_max
};

}  // namespace shop
