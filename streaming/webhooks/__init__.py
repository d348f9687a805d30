"""Webhooks by the Standard Webhooks specification: events, posted to whoever wants them."""
