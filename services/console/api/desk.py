"""What every route has at hand, and the way from a request to an act."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from fastapi import Request

from console.api.identity import Gate
from console.calls import Call, Document, Work
from console.handlers import delegate
from winnow.contracts.commands import COMMAND_BY_NAME
from winnow.domain.acts import role_for
from winnow.domain.errors import BadInput
from winnow.evidence.artifact import Producer
from winnow.policy.model import Policy
from winnow.ports.blobs import Blobs
from winnow.ports.bus import Bus
from winnow.ports.clock import Clock
from winnow.ports.ledger import Ledger

IDEMPOTENCY = "Idempotency-Key"
KEY_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports behind the door."""

    gate: Gate
    ledger: Ledger
    blobs: Blobs
    bus: Bus
    clock: Clock
    topic_prefix: str
    producer: Producer
    """Named on evidence that people ask for."""

    def call(self, request: Request, act: str, arguments: Document, *, group: str = "") -> Call:
        """Give who wants to do what, with the idempotency key that the client sent."""
        person = self.gate.person(request.headers.get("Authorization"))
        key = request.headers.get(IDEMPOTENCY, "")
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            msg = (
                f"{IDEMPOTENCY}: expected a header of 1 to {KEY_LENGTH_MAX} characters that names "
                f"this request, so that sending it twice does it once; found {len(key)}"
            )
            raise BadInput(msg)
        return Call(person, act, arguments, group, key, self.clock.now())

    def act(self, call: Call, work: Work) -> Document:
        """Do an act in the console itself."""
        return self.gate.perform(call, self.gate.admit(call), work)

    def command(self, call: Call, *, service: str = "") -> Document:
        """Leave an act to the service that carries it out: the one named, or the first."""
        carrier = service or COMMAND_BY_NAME[call.act].services[0]
        return self.act(call, partial(delegate, service=carrier))

    def open_round(
        self, call: Call, read_policy: Callable[[], Policy], *, open_max: int | None = None
    ) -> Document:
        """Check and store a policy, then ask `rounds` to open a round with it."""
        role = self.gate.admit(call)
        policy = self.gate.checked(call, role, read_policy).canonical()
        ref = self.blobs.put(policy, prefix="policies/", media_type="application/json")
        arguments: dict[str, object] = {"policy": asdict(ref), "opened_by": call.person.name}
        if open_max is not None:
            arguments["open_max"] = open_max
        work = partial(delegate, service=COMMAND_BY_NAME[call.act].services[0])
        pinned = replace(call, arguments=arguments)
        return self.gate.perform(pinned, role, work)

    def reader(self, request: Request, act: str = "console.read") -> str:
        """Give the name of somebody who may look; raises as `admit` does."""
        person = self.gate.person(request.headers.get("Authorization"))
        if act != "console.read":
            call = Call(person, act, {}, "", str(uuid.uuid4()), self.clock.now())
            self.gate.admit(call)
        role_for("console.read", person.roles, person=person.name)
        return person.name
