"""Sealed secrets: opened with the same key, by nobody else."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.purchase.seal import Seal, SealBroken

URL = "https://private-share.venice.ai/v1/share/read/t0ken-é"


def test_what_one_process_seals_another_with_the_same_key_opens():
    sealed = Seal("Bearer K1").close(URL)
    assert Seal("Bearer K1").open(sealed) == URL


def test_the_sealed_text_tells_nothing_and_is_never_the_same_twice():
    seal = Seal("Bearer s3cret-K1")
    first, second = seal.close(URL), seal.close(URL)
    assert first != second
    for sealed in (first, second):
        assert sealed.isascii()
        for part in ("venice", "share", "t0ken", "s3cret"):
            assert part not in sealed


@pytest.mark.parametrize("other", ["Bearer K2", "", "bearer K1"])
def test_another_key_opens_nothing_and_says_which_key_would(other):
    sealed = Seal("Bearer K1").close(URL)
    with pytest.raises(SealBroken, match="the key that bought the job") as error:
        Seal(other).open(sealed)
    assert sealed not in str(error.value)


@pytest.mark.parametrize("changed", ["", "no seal", "é", "gAAAAA==", URL])
def test_what_is_no_sealed_text_is_not_opened(changed):
    with pytest.raises(SealBroken):
        Seal("Bearer K1").open(changed)


def test_a_seal_that_was_tampered_with_is_not_opened():
    sealed = Seal("K").close(URL)
    with pytest.raises(SealBroken):
        Seal("K").open(sealed[:-4] + "AAA=")


def test_a_good_seal_passes_its_test():
    Seal("Bearer K1").test()


@pytest.mark.parametrize("broken", [RuntimeError("no entropy"), None])
def test_a_seal_that_does_not_work_is_found_out_before_anything_is_sent(broken):
    class Broken(Seal):
        def close(self, text: str) -> str:
            if broken:
                raise broken
            return super().close("something else")

    with pytest.raises(InputError, match="Nothing was sent"):
        Broken("K").test()
