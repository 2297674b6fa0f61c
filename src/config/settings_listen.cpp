// Where we listen, with which certificates, and who may: the first part of the table of settings.

#include "config/settings.h"

namespace hs::config {
namespace {

using enum SettingType;

constexpr Setting table[] = {
    {.name = "data", .fallback = "homeostat-data", .help = "Directory of everything that is kept. Same as --data."},

    {.name = "listen.otlp_grpc", .type = address, .fallback = "127.0.0.1:4317", .help = "OTLP over gRPC."},
    {.name = "listen.otlp_http", .type = address, .fallback = "127.0.0.1:4318", .help = "OTLP over HTTP."},
    {.name = "listen.http", .type = address, .fallback = "127.0.0.1:4319", .help = "Console, own API and query APIs."},
    {.name = "listen.opamp",
     .type = address,
     .fallback = "",
     .help = "OpAMP; not built yet, the default port will be 4320."},
    {.name = "listen.values",
     .type = address,
     .fallback = "127.0.0.1:4321",
     .help = "Knob values over OFREP, answered by the process `homeostat values`."},
    {.name = "listen.syslog_tcp",
     .type = address,
     .fallback = "",
     .help = "Syslog over TCP, RFC 5424 and 3164, by octet counting or lines. It has no credentials."},
    {.name = "listen.syslog_tls",
     .type = address,
     .fallback = "",
     .help = "Syslog over TLS, RFC 5425 (by convention port 6514), with tls.cert_file; docs/syslog.md."},
    {.name = "listen.syslog_udp", .type = address, .fallback = "", .help = "Syslog over UDP, a message a datagram."},
    {.name = "listen.engine",
     .type = address,
     .fallback = "",
     .help = "A TCP address for the engine's ClickHouse HTTP protocol, besides its UNIX socket."},

    {.name = "tls.cert_file",
     .help = "Certificate that our listeners show, PEM, followed by those between it and its authority. Read again at "
             "SIGHUP, as is the key."},
    {.name = "tls.key_file", .help = "Its key, PEM, without a passphrase."},
    {.name = "tls.listeners",
     .type = list,
     .help = "Which listeners speak TLS: otlp_grpc, otlp_http, http. listen.syslog_tls always does; docs/tls.md."},
    {.name = "tls.client_ca_file",
     .help = "Authorities that may have signed the certificates of clients, PEM; empty: clients show none. Read again "
             "at SIGHUP."},
    {.name = "tls.verify_clients",
     .type = list,
     .help = "Which of tls.listeners ask clients for a certificate, when tls.client_ca_file is set; empty: all."},

    {.name = "security.insecure_bind",
     .type = boolean,
     .fallback = "false",
     .help = "Allow listeners on other than loopback addresses without credentials. Same as --insecure-bind."},
    {.name = "security.hosts",
     .type = list,
     .live = true,
     .help = "Names, besides loopback ones, that a Host header may carry."},
    {.name = "security.ingest_tokens",
     .type = list,
     .live = true,
     .help = "Credentials for senders of telemetry, NAME=TOKEN. When any is set, senders must present one as a bearer "
             "token. Two senders with different credentials corroborate each other; one does not."},
};

}  // namespace

std::span<const Setting> listen_setting_table() { return table; }

}  // namespace hs::config
