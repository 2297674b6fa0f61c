#pragma once
// A parsed template. Internal to rules/.

#include <memory>
#include <string>
#include <vector>

#include "rules/template.h"
#include "rules/template_value.h"

namespace hs::rules {

struct Pipeline;

struct Operand {
  enum class Kind : uint8_t { constant, dot, field, variable, function, pipeline };
  Kind kind = Kind::constant;
  Value constant;                      // constant
  std::string name;                    // variable (with $) or function
  std::vector<std::string> path;       // .a.b after dot, a variable or parentheses
  std::shared_ptr<Pipeline> pipeline;  // in parentheses
};

using Command = std::vector<Operand>;  // a function's arguments follow it

struct Pipeline {
  std::vector<std::string> variables;  // $x, or $i and $x of a range
  bool declares = false;               // := rather than =
  std::vector<Command> commands;
};

struct Node {
  enum class Kind : uint8_t { text, action, branch, loop, scope, leave, again };
  Kind kind = Kind::text;
  std::string text;
  Pipeline pipeline;                  // action; if, range, with
  std::vector<Node> body, otherwise;  // else
};

struct Template::Tree {
  std::vector<Node> nodes;
};

bool is_template_function(std::string_view name);

}  // namespace hs::rules
