"""The capacity of queues in closed form."""

from math import exp

SHARES = 100  # steps of bisection


def ttft_tail(servers: int, service_s: float, ttft_s: float, rate: float, bound: float) -> float:
    """Return the probability that a time to first token exceeds the bound in an M/M/c queue.

    It is the wait, of Erlang's C formula, plus a first part of the exponential service, of mean `ttft_s`.
    """
    waits, drain, first = _erlang_c(servers, rate * service_s), servers / service_s - rate, 1 / ttft_s
    both = (first * exp(-drain * bound) - drain * exp(-first * bound)) / (first - drain)
    return (1 - waits) * exp(-first * bound) + waits * both


def queue_capacity(servers: int, service_s: float, ttft_s: float, bound: float, allowed: float) -> float:
    """Return the rate at which that share of the requests exceeds the bound."""
    low, high = 0.0, servers / service_s
    for _ in range(SHARES):
        middle = (low + high) / 2
        is_met = ttft_tail(servers, service_s, ttft_s, middle, bound) < allowed
        low, high = (middle, high) if is_met else (low, middle)
    return low


def slowdown_capacity(ttft_s: float, slowdown: float, bound: float) -> int:
    """Return the greatest concurrency at which times lengthened by each other stream keep to the bound."""
    return int(1 + (bound / ttft_s - 1) / slowdown + 1e-9)


def _erlang_c(servers: int, load: float) -> float:
    """Return the probability of waiting."""
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))
