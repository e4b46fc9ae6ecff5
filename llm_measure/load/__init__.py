"""The load on an endpoint: when requests are sent, and what they hold."""
