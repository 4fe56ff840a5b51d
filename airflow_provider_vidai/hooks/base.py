"""The base of all hooks: turns a connection into an account, waits for jobs, downloads their files."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, ClassVar, TypeVar, get_args
from urllib.parse import urlsplit

from airflow.sdk import BaseHook, Connection
from pydantic import JsonValue

from airflow_provider_vidai.errors import InputError, JobError, VidaiError
from airflow_provider_vidai.files.download import download
from airflow_provider_vidai.files.storage import write_text
from airflow_provider_vidai.hooks.durations import estimate
from airflow_provider_vidai.hooks.extra import ConnectionExtra, extra_of
from airflow_provider_vidai.jobs.calls import Call, Fetch
from airflow_provider_vidai.jobs.delivery import WITH_THE_STATUS, Delivery
from airflow_provider_vidai.jobs.output import Output
from airflow_provider_vidai.jobs.ref import JobRef, VendorName
from airflow_provider_vidai.jobs.status import JobState, JobStatus
from airflow_provider_vidai.net.account import Account
from airflow_provider_vidai.net.calls import Client
from airflow_provider_vidai.purchase.poll import DeadlinePassed, Finished, Step, Wait, Watch, confirmed
from airflow_provider_vidai.purchase.progress import Report
from airflow_provider_vidai.purchase.seal import Seal
from airflow_provider_vidai.purchase.verdict import account_broken, timed_out, unless_ready
from airflow_provider_vidai.vendors import VENDORS
from airflow_provider_vidai.vendors.base import Vendor, is_loopback

__all__ = ["ConnectionExtra", "OnStatus", "VidaiHook", "aaccount", "account_of", "require_folder"]

T = TypeVar("T")
HookT = TypeVar("HookT", bound="VidaiHook")

log = logging.getLogger(__name__)

#: A task that needs a finished job waits at most this many seconds until the job's end is confirmed: four
#: answers, with pauses of 5, 10 and 20 s.
CONFIRM_SECONDS = 40.0

OnStatus = Callable[[JobStatus], None]


def account_of(vendor: Vendor, connection: Connection) -> Account:
    """Return the account at ``vendor`` that ``connection`` describes.

    :raises InputError: when it has no key, belongs to another vendor, or has unusable fields.
    """
    key = key_of(vendor, connection)
    extra = extra_of(connection)
    return Account(
        label=vendor.label,
        base_url=_base_url(connection, vendor),
        key_headers=vendor.key_header(key),
        polls_per_minute=extra.polls_per_minute or vendor.limits.polls_per_minute,
        max_connections=extra.max_connections,
        timeout=extra.timeout,
        # A bundle wins over verify=False: whoever names one wants the certificate checked.
        verify=extra.ca_bundle or extra.verify,
        proxy=extra.proxy,
    )


def key_of(vendor: Vendor, connection: Connection) -> str:
    """Return the API key in ``connection``.

    :raises InputError: when it has none, or belongs to another vendor.
    """
    conn_id = connection.conn_id
    # Any other type, such as "generic" or "http", does not say whose key it holds.
    if connection.conn_type in get_args(VendorName) and connection.conn_type != vendor.name:
        raise InputError(
            f"Connection {conn_id!r} is a {connection.conn_type!r} one: its key is not for {vendor.label}."
        )
    # A key that was pasted may end in a line break, which no header can carry.
    key = (connection.password or "").strip()
    if not key:
        raise InputError(
            f"Connection {conn_id!r} has no API key: put the {vendor.label} key in the password field."
        )
    # No header carries such a character, and an HTTP client's own error would quote the whole key.
    if not key.isascii() or not key.isprintable():
        raise InputError(
            f"Connection {conn_id!r}: the API key contains characters that are not valid in an API key."
        )
    return key


async def aaccount(vendor: Vendor, conn_id: str) -> Account:
    """Return the account behind ``conn_id``, read asynchronously, as a triggerer requires."""
    return account_of(vendor, await BaseHook.aget_connection(conn_id))


class VidaiHook(BaseHook):
    """One vendor behind one connection.

    :param conn_id: an Airflow connection with the API key as its password.
    """

    vendor_name: ClassVar[VendorName]
    #: Refuse a download of fewer bytes, such as a placeholder for a moderated video. None only warns about
    #: a very small video.
    min_bytes: int | None = None

    def __init__(self, conn_id: str) -> None:
        super().__init__()
        self.conn_id = conn_id

    @property
    def vendor(self) -> Vendor:
        """The vendor module: it builds requests and parses answers, without I/O."""
        return VENDORS[self.vendor_name]

    @cached_property
    def _connection(self) -> Connection:
        """The connection, read once: the account and the seal must not come from two different keys."""
        return self.get_connection(self.conn_id)

    @cached_property
    def account(self) -> Account:
        """The account behind the connection."""
        return account_of(self.vendor, self._connection)

    @property
    def extra(self) -> ConnectionExtra:
        """The connection's extra fields."""
        return extra_of(self._connection)

    @cached_property
    def client(self) -> Client:
        """The driver that sends this hook's calls."""
        return Client(self.account)

    def get_conn(self) -> Client:
        """Return the driver that sends this hook's calls."""
        return self.client

    def reconnect(self) -> None:
        """Read the connection again at the next call, because the key may have been changed."""
        if "client" in self.__dict__:
            self.client.close()
        # The seal stays: what this hook has sealed can only be opened with the key that sealed it.
        for name in ("account", "client", "_connection"):
            self.__dict__.pop(name, None)

    def for_job(self: HookT, ref: JobRef) -> HookT:
        """Return the hook on the connection that a job was bought with.

        The ref's connection wins: only the account that bought a job can check or download it.
        """
        return self if ref.conn_id == self.conn_id else type(self)(ref.conn_id)

    def send(self, call: Call[T]) -> T:
        """Run a call; see :meth:`airflow_provider_vidai.net.calls.Client.send`."""
        return self.client.send(call)

    def ref(self, job_id: str, kind: str) -> JobRef:
        """Return the ref of a job of this connection."""
        return JobRef(vendor=self.vendor_name, conn_id=self.conn_id, job_id=job_id, kind=kind)

    def poll(self, ref: JobRef) -> JobStatus:
        """Check the status of ``ref`` once.

        :raises VidaiError: when there is no usable answer, which says nothing about the job.
        """
        # Whoever waits repeats a failed check, at the pace of the job. Repeating it here too would multiply
        # the calls.
        return self.client.send(self.vendor.status(ref), attempts=1)

    def confirmed(self, ref: JobRef) -> JobStatus:
        """Check the status of ``ref``, again where a single answer does not prove the job's end.

        :raises VidaiError: when there is no usable answer, which says nothing about the job.
        """
        return confirmed(ref, self.poll, time.sleep)

    def ended(self, ref: JobRef) -> JobStatus | None:
        """Check the status of ``ref`` once; return it if this answer alone proves that the job has ended."""
        try:
            status = self.poll(ref)
        except VidaiError as error:
            log.warning("%s: the status check failed: %s", ref, error)
            return None
        proves = status.state is not JobState.RUNNING and status.repeats_needed == 1
        return status if proves and not status.believed_for else None

    def ready(self, ref: JobRef) -> JobStatus:
        """Return the status of a READY job.

        :raises JobError: when it failed, is gone, or is not ready yet.
        """
        call = self.vendor.status(ref)
        # A short outage is waited out here; a longer one is left to the task's retry.
        status = confirmed(ref, lambda _: self.send(call), time.sleep, CONFIRM_SECONDS)
        unless_ready(ref, status)
        if status.state is JobState.RUNNING and not status.ready_after:
            raise JobError(
                f"{ref} is not ready: the vendor says {status.vendor_status!r}.",
                todo="Wait for it first.",
                charged="yes",
                retryable=True,
            )
        return status

    def wait(
        self,
        ref: JobRef,
        *,
        deadline: float,
        since: float | None = None,
        poll_interval: float | None = None,
        on_status: OnStatus | None = None,
        sleep: Callable[[float], None] = time.sleep,
        buyer: bool = False,
        report: Report | None = None,
    ) -> JobStatus:
        """Wait in this process until ``ref`` is READY.

        :param deadline: seconds since the epoch.
        :param since: when it was bought (seconds since the epoch); None if unknown or long ago.
        :param poll_interval: seconds between status checks; None adapts them.
        :param on_status: called with every answer.
        :param sleep: called with seconds; it sleeps, or raises to end the waiting.
        :param buyer: whether the waiting task is the one that bought the job.
        :param report: shows a person how the job stands, also between two status checks.
        :raises JobError: when it failed, is gone, or did not end before the deadline.
        """
        watch = Watch(
            since=since or time.time(),
            deadline=deadline,
            estimate=estimate(ref) if since else None,
            poll_interval=poll_interval,
        )
        # Nobody knows how old a job without a date is, so it is checked at once.
        step = watch.first_poll(time.time()) if since else watch.poll_now()
        while isinstance(step, Wait):
            _sleep(step, sleep, report)
            if step.reconnect:
                self.reconnect()
            step = self._checked(ref, watch, on_status, report)
        if isinstance(step, Finished):
            unless_ready(ref, step.status, buyer=buyer)
            return step.status
        if isinstance(step, DeadlinePassed):
            raise timed_out(ref, step.last)
        raise account_broken(ref, step.error)

    def _checked(self, ref: JobRef, watch: Watch, on_status: OnStatus | None, report: Report | None) -> Step:
        """Check the job once; return what follows."""
        try:
            status = self.poll(ref)
        except VidaiError as error:
            log.warning("%s: the status check failed and is repeated: %s", ref, error)
            step = watch.failed(error, time.time())
            if report is not None:
                report.failed(step, time.time())
            return step
        if on_status is not None:
            on_status(status)
        step = watch.answered(status, time.time())
        if report is not None:
            report.answered(status, step, time.time())
        return step

    @cached_property
    def seal(self) -> Seal:
        """Encrypts secrets of this account for places where others can read, with a key from the API key."""
        return Seal(key_of(self.vendor, self._connection))

    def download_output(
        self, ref: JobRef, output: Output, destination: str, delivery: Delivery = WITH_THE_STATUS
    ) -> dict[str, Any]:
        """Download one output of a READY job.

        :param destination: a storage URI or path. A folder ends in ``/``.
        :param delivery: how the file is delivered, as the purchase reported it.
        :returns: the downloaded file, see :func:`airflow_provider_vidai.files.download.download`.
        :raises SealBroken: when its URL was sealed with another key.
        """
        stem = self.vendor.file_stem(ref, output)
        # Lyrics and the like are a part of the vendor's answer, so there is no file to fetch.
        if output.kind == "text":
            return write_text(str(output.details.get("text", "")), destination, stem)
        found = self.vendor.fetch(
            ref, output, url=delivery.url(self.seal.open), base_url=self.account.base_url
        )
        # A URL that came with the purchase cannot be renewed. A call is made again when its URL expires.
        if isinstance(found, Fetch):
            return download(self.account, lambda: found, destination, stem, min_bytes=self.min_bytes)
        return download(self.account, lambda: self.send(found), destination, stem, min_bytes=self.min_bytes)

    def download_outputs(
        self, ref: JobRef, outputs: Sequence[Output], destination: str, delivery: Delivery = WITH_THE_STATUS
    ) -> list[JsonValue]:
        """Download every output of a READY job; see :meth:`download_output`.

        :raises InputError: when there are several and ``destination`` is one file.
        """
        require_folder(ref, outputs, destination)
        return [self.download_output(ref, output, str(destination), delivery) for output in outputs]

    def test_connection(self) -> tuple[bool, str]:
        """Test the connection with a call that costs nothing."""
        try:
            return True, self.send(self.vendor.check())
        except VidaiError as error:
            return False, str(error)


def _sleep(wait: Wait, sleep: Callable[[float], None], report: Report | None) -> None:
    """Sleep until the next status check, and show meanwhile how the job stands."""
    left = wait.seconds
    if report is not None:
        report.planned(wait, time.time())
        # A wait may take two minutes. A person should not have to guess meanwhile whether the task is alive.
        while left > (silence := report.silence(time.time())):
            sleep(silence)
            left -= silence
            report.show(time.time())
    sleep(left)


def require_folder(ref: JobRef, outputs: Sequence[Output], destination: str) -> None:
    """Make sure that several files are not written to one path.

    :raises InputError: when they would be.
    """
    if len(outputs) > 1 and not str(destination).strip().endswith("/"):
        raise InputError(
            f"{ref} has {len(outputs)} files, but {destination} is one: end it with '/' for a folder.",
            fate="Nothing was landed.",
        )


def _base_url(connection: Connection, vendor: Vendor) -> str:
    host, conn_id = (connection.host or vendor.base_url).strip(), connection.conn_id
    if "@" in host:
        raise InputError(
            f"Connection {conn_id!r}: host must be a URL without a user or a password (an @ is in it): put "
            f"the {vendor.label} key in the password field."
        )
    url = host if "://" in host else f"https://{host}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", url)
        port = parts.port
    except ValueError:
        usable, port = None, None
    # Airflow puts the path of a connection that is written as a URI into schema. Without that path, calls
    # would go to another address.
    if not usable or connection.schema:
        raise InputError(f"Connection {conn_id!r}: host must be a complete http(s) URL, not {host!r}.")
    # A connection that is written as a URI has its port in a field of its own.
    if connection.port and not port:
        parts = parts._replace(netloc=f"{parts.netloc}:{connection.port}")
    if parts.scheme == "http" and not is_loopback(str(parts.hostname)):
        log.warning("Connection %r sends its API key unencrypted: its host is an http:// URL.", conn_id)
    return parts.geturl().rstrip("/")
