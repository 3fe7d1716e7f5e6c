"""The ledger and object store of commands that work on frames and evidence themselves.

Bytes do not go through the console: these commands open a state folder, or a cluster's stores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from winnow.adapters.connect import connect_blobs, connect_ledger
from winnow.domain.errors import BadInput
from winnow.ports.blobs import Blobs
from winnow.ports.ledger import Ledger
from winnow.runtime.settings import ServiceSettings

State = Annotated[
    Path, typer.Option("--state", envvar="WINNOW_STATE", help="State folder on this machine.")
]
LedgerUrl = Annotated[
    str,
    typer.Option(
        "--ledger-url",
        envvar="WINNOW_LEDGER_URL",
        show_envvar=True,
        help="A cluster's ledger instead of a state folder's.",
    ),
]
BlobsUrl = Annotated[
    str,
    typer.Option(
        "--blobs-url",
        envvar="WINNOW_BLOBS_URL",
        show_envvar=True,
        help="A cluster's object store, beside its ledger.",
    ),
]


@contextmanager
def stores(state: Path, ledger_url: str, blobs_url: str) -> Iterator[tuple[Ledger, Blobs]]:
    """Open a cluster's stores where they are named, else the state folder's; close them after.

    Raises
    ------
    BadInput
        Only one of a cluster's stores is named: frames would lie where nobody looks for them.
    """
    if bool(ledger_url) != bool(blobs_url):
        found = "--ledger-url" if ledger_url else "--blobs-url"
        msg = (
            "expected --ledger-url and --blobs-url (WINNOW_LEDGER_URL, WINNOW_BLOBS_URL) "
            f"together or neither, found only {found}"
        )
        raise BadInput(msg)
    if not ledger_url:
        settings = ServiceSettings.embedded(state.absolute())
        ledger_url = settings.ledger_url.get_secret_value()
        blobs_url = settings.blobs_url.get_secret_value()
    ledger = connect_ledger(ledger_url)
    try:
        yield ledger, connect_blobs(blobs_url)
    finally:
        ledger.close()
