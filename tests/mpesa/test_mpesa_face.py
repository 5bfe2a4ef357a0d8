"""The public face of the package is what it says, and its error tree is complete."""

import mpesa
from mpesa import errors


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
