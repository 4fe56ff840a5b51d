"""Sealed secrets: opened with the same key, by nobody else."""

from __future__ import annotations

import pytest

from airflow_provider_vidai.errors import InputError
from airflow_provider_vidai.purchase.seal import Seal, SealBroken

URL = "https://private-share.venice.ai/v1/share/read/t0ken-é"
#: The URL as version 0.1 sealed it. Venice's header is "Bearer K1", VIDIO's is the key alone.
SEALED_BY_0_1_FOR_VENICE = (
    "gAAAAABrCqUeNZ840h1H5I2hxSJY2kTqpOuEPU6KgiUpIg4u7_PiN75_rhW5kmOlRMeQsMiG3bEzq8CmsmfwEbf6tQZ3Fimw"
    "b98TIAigv1oYUbfkXzMAdlaevcr4pgXH8SvxrEQQT4Stad68D0_PgXST_vNIlaJ-0A=="
)
SEALED_BY_0_1_FOR_VIDIO = (
    "gAAAAABrCqUe_tWCSsfwe79oio6ZIoZZm4Jq05r38CgSNwgr9WEb0WU-MPZyI7nWUr_fkJfLgMISuddnuRLg7KfMFkoQQIVg"
    "ejUikqxzlyMW1jrntI0WcK47sGIz3ov1FQiqfm2vlC9qfSX54jQ85gJtqJLvDdkXqQ=="
)


def test_one_process_opens_what_another_with_the_same_key_sealed():
    sealed = Seal("K1").close(URL)
    assert Seal("K1").open(sealed) == URL


def test_what_version_0_1_sealed_from_the_text_of_a_header_still_opens():
    for sealed in (SEALED_BY_0_1_FOR_VENICE, SEALED_BY_0_1_FOR_VIDIO):
        assert Seal("K1").open(sealed) == URL
        with pytest.raises(SealBroken):
            Seal("K2").open(sealed)


def test_the_sealed_text_reveals_nothing_and_is_never_the_same_twice():
    seal = Seal("s3cret-K1")
    first, second = seal.close(URL), seal.close(URL)
    assert first != second
    for sealed in (first, second):
        assert sealed.isascii()
        for part in ("venice", "share", "t0ken", "s3cret"):
            assert part not in sealed


@pytest.mark.parametrize("other", ["K2", "", "k1", "bearer K1"])
def test_another_key_opens_nothing_and_the_message_says_which_key_does(other):
    sealed = Seal("K1").close(URL)
    with pytest.raises(SealBroken, match="the key that bought the job") as error:
        Seal(other).open(sealed)
    assert sealed not in str(error.value)


@pytest.mark.parametrize("changed", ["", "no seal", "é", "gAAAAA==", URL])
def test_a_text_that_was_never_sealed_is_not_opened(changed):
    with pytest.raises(SealBroken):
        Seal("K1").open(changed)


def test_a_sealed_text_that_was_changed_is_not_opened():
    sealed = Seal("K").close(URL)
    with pytest.raises(SealBroken):
        Seal("K").open(sealed[:-4] + "AAA=")


def test_a_good_seal_passes_its_test():
    Seal("K1").test()


@pytest.mark.parametrize("broken", [RuntimeError("no entropy"), None])
def test_a_seal_that_does_not_work_is_found_before_anything_is_sent(broken):
    class Broken(Seal):
        def close(self, text: str) -> str:
            if broken:
                raise broken
            return super().close("something else")

    with pytest.raises(InputError, match="Nothing was sent"):
        Broken("K").test()
