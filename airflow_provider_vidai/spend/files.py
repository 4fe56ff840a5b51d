"""JSON files below ``[vidai] ledger_path``, beside the records of purchases."""

from __future__ import annotations

from pydantic import JsonValue

from airflow_provider_vidai.operators.settings import text_setting
from airflow_provider_vidai.stores.object_storage import ObjectStore

#: Storages on which two writers cannot both create one file.
EXCLUSIVE = frozenset({"file", "local", "s3", "s3a"})


class Files(ObjectStore):
    """Named JSON files in a folder.

    :param root: a storage URI or path that every worker reaches.
    """

    @property
    def creates_exclusively(self) -> bool:
        """Whether two writers can never both create one file."""
        protocol = self._fs.protocol
        names = {protocol} if isinstance(protocol, str) else {*protocol}
        return self._local or bool(EXCLUSIVE & names)

    def read(self, name: str) -> JsonValue:
        """Return a file's value; None where there is no such file."""
        try:
            return self._value(self._path(name))
        except FileNotFoundError:
            return None

    def create(self, name: str, value: JsonValue) -> None:
        """Write a file that nobody has written before.

        :raises FileExistsError: when somebody was faster.
        """
        try:
            self._write(self._path(name), value, exclusively=True)
        except Exception as error:
            # The write may have taken effect, its answer being lost, and a storage client that repeats it by
            # itself then meets its own file. What is there now decides.
            try:
                found = self.read(name)
            except Exception:  # noqa: BLE001 - the first error says more
                raise error from None
            if found is None:
                raise
            if found != value:
                raise FileExistsError(name) from error

    def replace(self, name: str, value: JsonValue) -> None:
        """Write a file, whatever was there."""
        self._write(self._path(name), value, exclusively=False)

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the JSON files in a folder, sorted; none where there is no such folder."""
        path = self._path(folder).rstrip("/")
        self._fs.invalidate_cache(path)
        try:
            found = [str(name).rstrip("/").rpartition("/")[2] for name in self._fs.ls(path, detail=False)]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if name.endswith(".json") and not name.startswith("."))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}"


def ledger_files(*names: str) -> Files | None:
    """Return a folder below ``[vidai] ledger_path``; None where that is not set."""
    root = text_setting("ledger_path")
    return Files(root, names) if root else None
