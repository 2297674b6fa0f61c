#pragma once
// How ClickHouse writes things into HTTP: arguments of the URL, headers of an answer, errors.

#include <string>
#include <string_view>

#include "base/http_message.h"
#include "store/engine/session.h"

namespace hs::store {

struct UrlArguments {
  std::string query;
  std::string database;
  std::string format = "TabSeparated";  // default_format, or the header X-ClickHouse-Format
  Pairs params;                         // param_x=... as x
  Pairs settings;                       // everything that is not an argument of the interface itself
};
UrlArguments parse_arguments(const http::Request& request);
// The fields of a multipart/form-data body, which long parameters come in; false when `request` has none, or a broken
// one.
bool add_form(const http::Request& request, std::string_view body, UrlArguments& arguments);

// Is its statement an INSERT? A guess from the first word, to choose the pool.
bool looks_like_insert(const http::Request& request);

// Is `token` given as X-ClickHouse-Key, Basic password, Bearer token or password argument? Compares in constant time.
bool may_enter(const http::Request& request, std::string_view token);

// Sets `name` to `most` when it is absent or outside [least, most]; what is no number stays, for the engine to refuse.
void bound_setting(Pairs& settings, std::string_view name, int64_t least, int64_t most);

http::Response result_response(std::string body, std::string_view format, const Progress& progress,
                               std::string_view id);
http::Response exception_response(const Exception& exception, std::string_view id);

}  // namespace hs::store
