"""What each API says: these modules build requests and read answers. No socket, no clock, no Airflow."""

from __future__ import annotations

import importlib
from typing import Final

from airflow_provider_vidai.jobs.ref import VendorName
from airflow_provider_vidai.vendors.base import Vendor


class _Vendors(dict[VendorName, Vendor]):
    """The vendors by name, each imported at its first use: a DAG file pays for its own vendors only."""

    def __missing__(self, name: VendorName) -> Vendor:
        module = importlib.import_module(f"{__name__}.{name}")
        found: Vendor = getattr(module, name.upper())
        return self.setdefault(name, found)


#: The only place where a name becomes behaviour: ``VENDORS["vidio"]`` is ``vendors.vidio.VIDIO``.
VENDORS: Final = _Vendors()
