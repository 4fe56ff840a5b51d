"""What each API says: requests built, answers read. No socket, no clock, no Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from airflow_provider_vidai.models import VendorName
from airflow_provider_vidai.vendors.base import Vendor
from airflow_provider_vidai.vendors.venice import VENICE
from airflow_provider_vidai.vendors.vidio import VIDIO

#: The vendors by name; the only place where a name becomes behaviour.
VENDORS: Final[Mapping[VendorName, Vendor]] = {"vidio": VIDIO, "venice": VENICE}
