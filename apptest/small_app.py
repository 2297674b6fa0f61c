"""The smallest application with something to repair: `front` calls `pay`, which reads the knob `pay.provider` for each
request and fails for a share of them while a fault is on."""
from scripted_app import Route, ScriptedApp, usual_ms


class SmallApp(ScriptedApp):
    def __init__(self, homeostat, rate_per_s=40, seed=1, tokens=None):
        self.error_share = {"primary": 0.0, "backup": 0.0}  # by the knob's value; the fault changes it
        route = Route("POST /order", "pay", "pay.provider", "primary", self.work, inner="POST /charge")
        super().__init__(homeostat, [route], rate_per_s, seed, TOKENS if tokens is None else tokens)

    def work(self, provider, dice):
        return usual_ms(dice), dice.random() >= self.error_share[provider]


TOKENS = {"front": "token-of-front-0001", "pay": "token-of-pay-000002"}
CONFIG = """
security.ingest_tokens: [front=token-of-front-0001, pay=token-of-pay-000002]
objectives:
  - {service: front, operation: POST /order, target: 0.97}
knobs:
  - key: pay.provider
    type: string
    base: primary
    variants: [primary, backup]
    services: [pay]
    dependency: provider
    scope: request
    effect: isolated
    expect:
      - {service: pay, measure: errors, when: backup}
"""
