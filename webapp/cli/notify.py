"""`flask notify`: check the targets of notifications."""

from uuid import uuid4

import click
from flask import current_app
from flask.cli import AppGroup

from llm_measure.cli.errors import Command, CommandError
from webapp.notify.errors import SendError, TargetError
from webapp.notify.sending import send
from webapp.plan.current import read_rules
from webapp.plan.rules import Rule
from webapp.redis import cache_redis

notify = AppGroup("notify", help="Check the targets of notifications.")
notify.command_class = Command


@notify.command("test")
@click.argument("target", required=False)
def test(target: str | None) -> None:
    """Send a test message to every target of the benchmark file, or to TARGET.

    Exits with 1 if a target did not accept it, and with 2 if one is not configured.
    """
    faults = {rule.target: _fault(rule) for rule in _rules(target)}
    for name, fault in faults.items():
        click.echo(f"{name}: {fault or 'sent'}")
    if any(isinstance(fault, TargetError) for fault in faults.values()):
        raise SystemExit(2)
    if any(faults.values()):
        raise SystemExit(1)


def _rules(target: str | None) -> list[Rule]:
    """Return the rule of the target, or all; raises CommandError without one."""
    settings = current_app.extensions["settings"]
    rules = list(read_rules(settings, cache_redis(settings)))
    if not rules:
        raise CommandError("BENCHMARK_FILE: no notify; see docs/notify.md")
    known = [rule.target for rule in rules]
    if target is not None and target not in known:
        raise CommandError(f"target={target!r}: unknown; expected one of {', '.join(known)}")
    return [rule for rule in rules if target in {None, rule.target}]


def _fault(rule: Rule) -> SendError | None:
    """Send the message; return the error."""
    try:
        send(rule, f"test-{uuid4()}", {"event": "test"})
    except SendError as error:
        return error
    return None
