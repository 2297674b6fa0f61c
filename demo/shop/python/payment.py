"""Charges a customer through one of two providers, which are not ours and send no telemetry."""
import os

from kit import Peer, knobs, serve, telemetry

PROVIDERS = {
    "primary": Peer("pay-primary", os.environ["PAY_PRIMARY_URL"]),
    "backup": Peer("pay-backup", os.environ["PAY_BACKUP_URL"]),
}


def charge(body, _query, _headers):
    user = body.get("user", "")
    provider = knobs.value_for("payment.provider", "primary", user)
    timeout_ms = knobs.value_for("payment.timeout_ms", 5000, user)
    answer = PROVIDERS.get(provider, PROVIDERS["primary"]).call("POST", "/pay", body, timeout_ms / 1000)
    telemetry.debug("charged", provider=provider)
    return 200, {"charge": answer.get("id"), "provider": provider}


serve({"POST /charges": charge})
