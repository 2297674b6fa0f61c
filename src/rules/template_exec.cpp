// Expansion of a template over its data.

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "rules/template_functions.h"
#include "rules/template_tree.h"

namespace hs::rules {
namespace {

enum class Flow : uint8_t { on, leave, again };

class Expansion {
 public:
  explicit Expansion(const TemplateData& data) : data_(data) {
    variables_ = {{"$", Value{&data}},
                  {"$labels", Value{data.labels}},
                  {"$externalLabels", Value{data.external_labels}},
                  {"$externalURL", Value{data.external_url}},
                  {"$value", data.value.h ? Value{data.value.h} : Value{data.value.f}}};
  }

  Result<std::string> run(const std::vector<Node>& nodes) {
    HS_ASSIGN(const Flow flow, all(nodes, Value{&data_}));
    (void)flow;
    return std::move(out_);
  }

 private:
  Status step() {
    if (++steps_ > Template::steps_max)
      return fail(Code::resource_exhausted, fmt::format("the template takes more than {} steps", Template::steps_max));
    if (out_.size() > Template::output_bytes_max)
      return fail(Code::too_large, fmt::format("the text is longer than {} bytes", Template::output_bytes_max));
    return {};
  }

  Result<Flow> all(const std::vector<Node>& nodes, const Value& dot) {
    const size_t variables = variables_.size();
    Flow flow = Flow::on;
    for (const Node& node : nodes) {
      HS_TRY(step());
      HS_ASSIGN(flow, one(node, dot));
      if (flow != Flow::on) break;
    }
    variables_.resize(variables);
    return flow;
  }

  Result<Flow> one(const Node& node, const Value& dot) {
    switch (node.kind) {
      case Node::Kind::text:
        out_ += node.text;
        return Flow::on;
      case Node::Kind::action: {
        HS_ASSIGN(const Value value, evaluate(node.pipeline, dot));
        if (node.pipeline.variables.empty()) out_ += print(value);
        return Flow::on;
      }
      case Node::Kind::branch:
      case Node::Kind::scope:
        return branch(node, dot);
      case Node::Kind::loop:
        return loop(node, dot);
      case Node::Kind::leave:
        return Flow::leave;
      case Node::Kind::again:
        break;
    }
    return Flow::again;
  }

  Result<Flow> branch(const Node& node, const Value& dot) {
    const size_t variables = variables_.size();
    HS_ASSIGN(const Value value, evaluate(node.pipeline, dot));
    const Value& inner = node.kind == Node::Kind::scope ? value : dot;
    auto flow = truth(value) ? all(node.body, inner) : all(node.otherwise, dot);
    variables_.resize(variables);
    return flow;
  }

  Result<Flow> loop(const Node& node, const Value& dot) {
    Pipeline plain = node.pipeline;
    plain.variables.clear();
    HS_ASSIGN(const Value list, evaluate(plain, dot));
    HS_ASSIGN(const auto items, items_of(list));
    if (items.empty()) return all(node.otherwise, dot);
    const size_t variables = variables_.size();
    for (const auto& [key, value] : items) {
      HS_TRY(step());
      const auto& names = node.pipeline.variables;
      if (names.size() == 1) assign(names[0], value, node.pipeline.declares);
      if (names.size() == 2) {
        assign(names[0], key, node.pipeline.declares);
        assign(names[1], value, node.pipeline.declares);
      }
      const auto flow = all(node.body, value);
      variables_.resize(variables);
      if (!flow) return flow;
      if (*flow == Flow::leave) break;
    }
    return Flow::on;
  }

  // Keys and values, in order.
  static Result<std::vector<std::pair<Value, Value>>> items_of(const Value& list) {
    std::vector<std::pair<Value, Value>> out;
    if (const auto* samples = list.get<Samples>())
      for (const SamplePtr& sample : *samples) out.emplace_back(Value{static_cast<int64_t>(out.size())}, Value{sample});
    else if (const auto* labels = list.get<promql::Labels>())
      for (const promql::Label& label : *labels) out.emplace_back(Value{label.name}, Value{label.value});
    else if (const auto* arguments = list.get<Arguments>())
      for (const auto& [name, value] : **arguments) out.emplace_back(Value{name}, value);
    else if (list.get<std::monostate>() == nullptr)
      return fail(Code::invalid_argument, fmt::format("range can't iterate over {}", print(list)));
    return out;
  }

  void assign(const std::string& name, const Value& value, bool declares) {
    if (declares) {
      variables_.emplace_back(name, value);
      return;
    }
    const auto at =
        std::find_if(variables_.rbegin(), variables_.rend(), [&](const auto& v) { return v.first == name; });
    if (at != variables_.rend()) at->second = value;
  }

  Result<Value> evaluate(const Pipeline& pipeline, const Value& dot) {
    std::optional<Value> before;
    for (const Command& command : pipeline.commands) {
      HS_TRY(step());
      HS_ASSIGN(before, run_command(command, dot, before));
    }
    for (const std::string& name : pipeline.variables) assign(name, *before, pipeline.declares);
    return std::move(*before);
  }

  Result<Value> run_command(const Command& command, const Value& dot, const std::optional<Value>& before) {
    if (command[0].kind != Operand::Kind::function) return operand(command[0], dot);
    const std::string& name = command[0].name;
    std::vector<Value> arguments;
    for (size_t i = 1; i < command.size(); ++i) {
      HS_ASSIGN(Value value, operand(command[i], dot));
      // `and` and `or` do not look further than they must.
      if ((name == "and" && !truth(value)) || (name == "or" && truth(value))) return value;
      arguments.push_back(std::move(value));
    }
    if (before) arguments.push_back(*before);
    return call_function(name, arguments, data_);
  }

  Result<Value> operand(const Operand& operand, const Value& dot) {
    using Kind = Operand::Kind;
    Value value;
    switch (operand.kind) {
      case Kind::constant:
        return operand.constant;
      case Kind::dot:
      case Kind::field:
        value = dot;
        break;
      case Kind::variable:
        value = variable(operand.name);
        break;
      case Kind::pipeline: {
        HS_ASSIGN(value, evaluate(*operand.pipeline, dot));
        break;
      }
      case Kind::function:
        return call_function(operand.name, {}, data_);
    }
    for (const std::string& name : operand.path) {
      HS_ASSIGN(value, field_of(value, name));
    }
    return value;
  }

  Value variable(const std::string& name) const {
    const auto at =
        std::find_if(variables_.rbegin(), variables_.rend(), [&](const auto& v) { return v.first == name; });
    return at == variables_.rend() ? Value{} : at->second;
  }

  const TemplateData& data_;
  std::vector<std::pair<std::string, Value>> variables_;
  std::string out_;
  int steps_ = 0;
};

}  // namespace

Result<std::string> Template::expand(const TemplateData& data) const { return Expansion(data).run(tree_->nodes); }

}  // namespace hs::rules
