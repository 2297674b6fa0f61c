#include "http.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

namespace shop {
namespace {

constexpr size_t head_max = 16 * 1024, body_max = 64 * 1024;
constexpr size_t connections_idle_max = 8;

sockaddr_in address_of(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return address;
}

void set_option(int socket, int level, int name, int value) { setsockopt(socket, level, name, &value, sizeof value); }

bool send_all(int socket, const std::string& data) {
  for (size_t sent = 0; sent < data.size();) {
    const ssize_t n = send(socket, data.data() + sent, data.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<size_t>(n);
  }
  return true;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::map<std::string, std::string> headers_of(const std::string& head) {
  std::map<std::string, std::string> found;
  for (size_t at = head.find("\r\n"); at != std::string::npos && at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at + 2);
    const std::string line = head.substr(at + 2, end == std::string::npos ? end : end - at - 2);
    const size_t colon = line.find(':');
    if (colon != std::string::npos) {
      size_t value = colon + 1;
      while (value < line.size() && line[value] == ' ') ++value;
      found[lower(line.substr(0, colon))] = line.substr(value);
    }
    at = end;
  }
  return found;
}

// Reads until `buffer` holds a head; returns it without the empty line, "" at the end of the connection.
std::string read_head(int socket, std::string& buffer) {
  for (;;) {
    const size_t end = buffer.find("\r\n\r\n");
    if (end != std::string::npos) {
      std::string head = buffer.substr(0, end);
      buffer.erase(0, end + 4);
      return head;
    }
    char part[8192];
    const ssize_t n = buffer.size() > head_max ? 0 : recv(socket, part, sizeof part, 0);
    if (n <= 0) return "";
    buffer.append(part, static_cast<size_t>(n));
  }
}

bool read_body(int socket, std::string& buffer, size_t length, std::string& body) {
  while (length <= body_max && buffer.size() < length) {
    char part[8192];
    const ssize_t n = recv(socket, part, sizeof part, 0);
    if (n <= 0) return false;
    buffer.append(part, static_cast<size_t>(n));
  }
  if (length > body_max) return false;
  body = buffer.substr(0, length);
  buffer.erase(0, length);
  return true;
}

size_t length_of(const std::map<std::string, std::string>& headers) {
  const auto found = headers.find("content-length");
  return found == headers.end() ? 0 : static_cast<size_t>(strtoul(found->second.c_str(), nullptr, 10));
}

void converse(int socket, const std::function<Response(const Request&)>& handler) {
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  std::string buffer;
  for (;;) {
    const std::string head = read_head(socket, buffer);
    if (head.empty()) break;
    Request request;
    request.method = head.substr(0, head.find(' '));
    const size_t path = request.method.size() + 1;
    request.path = head.substr(path, head.find(' ', path) - path);
    request.headers = headers_of(head);
    if (!read_body(socket, buffer, length_of(request.headers), request.body)) break;
    const Response response = handler(request);
    if (!send_all(socket, "HTTP/1.1 " + std::to_string(response.status) +
                              " -\r\nContent-Type: application/json\r\nContent-Length: " +
                              std::to_string(response.body.size()) + "\r\n\r\n" + response.body))
      break;
  }
  close(socket);
}

Response exchange(int socket, const std::string& text) {
  Response response;
  std::string buffer;
  if (!send_all(socket, text)) return response;
  const std::string head = read_head(socket, buffer);
  if (head.size() < 12 || !read_body(socket, buffer, length_of(headers_of(head)), response.body)) return response;
  response.status = atoi(head.c_str() + 9);
  return response;
}

}  // namespace

void serve(int port, int connections_max, const std::function<Response(const Request&)>& handler) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  set_option(listener, SOL_SOCKET, SO_REUSEADDR, 1);
  const sockaddr_in address = address_of("127.0.0.1", port);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener, 512) != 0) {
    perror("inventory: listen");
    exit(1);
  }
  std::atomic<int> open = 0;
  for (;;) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    if (open >= connections_max) {
      close(connection);
      continue;
    }
    ++open;
    std::thread([connection, &handler, &open] {
      converse(connection, handler);
      --open;
    }).detach();
  }
}

int Client::connect_in_time(int timeout_ms) {
  const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const sockaddr_in address = address_of(host_, port_);
  connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  pollfd ready{connection, POLLOUT, 0};
  int problem = 1;
  socklen_t size = sizeof problem;
  if (poll(&ready, 1, timeout_ms) == 1) getsockopt(connection, SOL_SOCKET, SO_ERROR, &problem, &size);
  if (problem != 0) {
    close(connection);
    return -1;
  }
  fcntl(connection, F_SETFL, 0);
  set_option(connection, IPPROTO_TCP, TCP_NODELAY, 1);
  return connection;
}

Response Client::post(const std::string& path, const std::string& headers, const std::string& body, int timeout_ms) {
  int connection = -1;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = idle_.back();
      idle_.pop_back();
    }
  }
  if (connection < 0) connection = connect_in_time(timeout_ms);
  if (connection < 0) return {};
  const timeval limit{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const Response response =
      exchange(connection, "POST " + path + " HTTP/1.1\r\nHost: " + host_ + ":" + std::to_string(port_) +
                               "\r\nContent-Type: application/json\r\n" + headers +
                               "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  const std::lock_guard lock(mutex_);
  if (response.status != 0 && idle_.size() < connections_idle_max)
    idle_.push_back(connection);
  else
    close(connection);
  return response;
}

}  // namespace shop
