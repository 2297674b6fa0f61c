// The part of the table of settings that `homeostat agent` alone reads.

#include "config/settings.h"

namespace hs::config {
namespace {

using enum SettingType;

constexpr Setting table[] = {
    {.name = "agent.forward.url",
     .help = "`homeostat agent`: the receiver's OTLP/HTTP address, http://host:4318 or https://host/otlp."},
    {.name = "agent.forward.headers",
     .type = list,
     .help = "Headers of every forwarded request, NAME=VALUE: `Authorization=Bearer TOKEN`."},
    {.name = "agent.forward.compression",
     .type = choice,
     .fallback = "gzip",
     .choices = "gzip|zstd|none",
     .help = "Of what comes in uncompressed, in the queue and on the wire. zstd is for receivers that know it, such as "
             "Homeostat."},
    {.name = "agent.forward.connections",
     .type = integer,
     .fallback = "2",
     .min = 1,
     .max = 16,
     .help = "Requests under way at once. More help where the network is far, and take a request's memory each."},
    {.name = "agent.forward.timeout",
     .type = duration,
     .fallback = "30s",
     .min = 100,
     .max = 600000,
     .help = "For one request and its answer; then it is sent again."},
    {.name = "agent.forward.backoff_max",
     .type = duration,
     .fallback = "60s",
     .min = 100,
     .max = 3600000,
     .help = "Longest pause between two attempts, unless the receiver asks for a longer one."},
    {.name = "agent.forward.ca_file",
     .help = "Authorities that may have signed the receiver's certificate, PEM; empty: the system's."},
    {.name = "agent.forward.cert_file", .help = "Certificate that the agent shows to the receiver, PEM."},
    {.name = "agent.forward.key_file", .help = "Its key, PEM."},
    {.name = "agent.queue.max_bytes",
     .type = bytes,
     .fallback = "1GiB",
     .min = 16777216,
     .max = 1e15,
     .help = "Queue on disk, below <data>/agent; beyond it senders are told to retry."},
    {.name = "agent.queue.min_free",
     .type = bytes,
     .fallback = "256MiB",
     .max = 1e15,
     .help = "Room on the disk below which senders are told to retry."},
    {.name = "agent.body_max",
     .type = bytes,
     .fallback = "4MiB",
     .min = 1024,
     .max = 67108864,
     .help = "Largest request that the agent takes, as received and again after decompression. Its memory grows by up "
             "to six times this."},
    {.name = "agent.redact.patterns",
     .type = list,
     .help = "What is replaced in text before it is kept: credit_card, email, bearer, jwt, url_password, url_secret, "
             "private_key, aws_access_key (docs/agent.md)."},
    {.name = "agent.redact.custom",
     .type = list,
     .help = "The same by patterns of your own, NAME=REGEX (RE2); of a pattern with a group only what the group "
             "matched."},
    {.name = "agent.redact.drop_keys",
     .type = list,
     .help = "Attributes that are left out, by key; * at the end stands for the rest of it."},
    {.name = "agent.redact.mask_keys",
     .type = list,
     .help = "Attributes whose value becomes [redacted], by key; * at the end stands for the rest of it."},
    {.name = "agent.sampling.ratio",
     .type = real,
     .fallback = "1",
     .min = 0.0001,
     .max = 1,
     .help = "Share of traces that are kept, by trace id; the tracestate (ot=th:) says so, and counts stay weighted."},
    {.name = "agent.sampling.keep_errors",
     .type = boolean,
     .fallback = "false",
     .help = "Keep spans with an error whatever their trace; they stand for themselves."},
};

}  // namespace

std::span<const Setting> agent_setting_table() { return table; }

}  // namespace hs::config
