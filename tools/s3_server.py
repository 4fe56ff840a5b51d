"""moto's S3 server, in which an object can be older than the server.

An object that is put with the metadata ``changed`` (seconds since the epoch) says that it was changed then.
The scheduled example DAGs take the files of an hour or a day that is over, and S3 itself dates an object only
by the moment at which it was put.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from moto import server
from moto.s3 import models

#: The name of that metadata on the wire.
CHANGED = "x-amz-meta-changed"


def _changed_at(key: Any) -> datetime:
    """Return when an object was changed; moto's dates have no time zone."""
    changed = key._metadata.get(CHANGED)
    if changed is None:
        return key._put_at  # type: ignore[no-any-return]
    return datetime.fromtimestamp(float(changed), timezone.utc).replace(tzinfo=None)


def _put_at(key: Any, moment: datetime) -> None:
    key._put_at = moment


if __name__ == "__main__":
    models.FakeKey.last_modified = property(_changed_at, _put_at)  # type: ignore[assignment]
    server.main()
