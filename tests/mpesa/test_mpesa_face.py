"""The public face of the package is what it says, and its error tree is complete."""

import inspect
import re
from pathlib import Path

import mpesa
from mpesa import errors
from mpesa.back_office import BackOffice
from mpesa.client import Daraja


def test_the_public_names_are_sorted_and_exist() -> None:
    assert mpesa.__all__ == sorted(mpesa.__all__)
    assert all(hasattr(mpesa, name) for name in mpesa.__all__)


def test_every_error_is_public_and_drawn_in_the_tree() -> None:
    tree = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.MpesaError)
    }

    assert tree <= set(mpesa.__all__)
    assert all(f" {name} " in str(errors.__doc__).replace("\n", " ") for name in tree)


def test_whether_a_prompt_may_be_out_is_answered_by_one_branch_each() -> None:
    assert not issubclass(errors.OutcomeUnknown, errors.NotSent | errors.Refused)
    assert not issubclass(errors.Refused, errors.NotSent)
    assert not issubclass(errors.NoAnswer, errors.NotSent | errors.Refused | errors.OutcomeUnknown)


def test_the_client_can_ask_for_money_and_give_back_but_send_none() -> None:
    def doors(face: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(face, inspect.isfunction) if name[0] != "_"}

    assert doors(Daraja) == {"ready", "push", "query"}
    assert doors(BackOffice) == {"ask_status", "pull", "register_pull", "register_urls", "reverse"}

    sources = (
        Path(mpesa.__file__).parent / name
        for name in ("back_office.py", "client.py", "org_wire.py", "transport.py", "wire.py")
    )
    paths = {
        path
        for source in sources
        for path in re.findall(r'"(/[a-z]+/[\w/]+)', source.read_text(encoding="utf-8"))
    }
    assert paths == {
        "/oauth/v1/generate",
        "/mpesa/stkpush/v1/processrequest",
        "/mpesa/stkpushquery/v1/query",
        "/mpesa/transactionstatus/v1/query",
        "/mpesa/reversal/v1/request",
        "/mpesa/c2b/v1/registerurl",
        "/mpesa/c2b/v2/registerurl",
        "/pulltransactions/v1/register",
        "/pulltransactions/v1/query",
    }
