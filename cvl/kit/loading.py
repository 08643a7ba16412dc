"""Batches of a data set, in an order that (seed, epoch) fixes: workers, processes and a restart change nothing.

    train = loader(data, batch_size=8, seed=SEED, shuffle=True, workers=2, processes=(rank, world))
    for epoch in range(done + 1, epochs + 1):
        begin_epoch(train, epoch)
        for images, masks, index in train: …

The order is shared out here; Lightning Fabric: `fabric.setup_dataloaders(train, use_distributed_sampler=False)`.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections.abc import Iterator
from typing import Any, NoReturn, Protocol

import torch
from torch.utils.data import DataLoader, get_worker_info

from cvl.errors import CvlError, DataError, JobError
from cvl.kit.seeds import derive


class Data(Protocol):
    """A data set of cvl.kit.datasets, or one like it."""

    def __len__(self) -> int: ...

    def __getitem__(self, key: tuple[int, int]) -> Any: ...

    def name(self, index: int) -> str: ...

    def collate(self, items: Any) -> Any: ...


class Order:
    """The (epoch, index) of one process, in order.

    Shuffled, every process gets equally many, a few twice where they do not come out even; unshuffled, each comes once.
    """

    def __init__(self, count: int, *, seed: int, shuffle: bool, processes: tuple[int, int] = (0, 1)) -> None:
        self.count, self.seed, self.shuffle = count, seed, shuffle
        self.rank, self.world = processes
        self.epoch = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return iter([(self.epoch, index) for index in self._all()[self.rank :: self.world]])

    def __len__(self) -> int:
        return len(range(self.rank, self._total(), self.world))

    def _total(self) -> int:
        return -(-self.count // self.world) * self.world if self.shuffle else self.count

    def _all(self) -> list[int]:
        if not self.shuffle:
            return list(range(self.count))
        generator = torch.Generator().manual_seed(derive(self.seed, self.epoch))
        order: list[int] = torch.randperm(self.count, generator=generator).tolist()
        return [order[i % self.count] for i in range(self._total())]


def loader(
    dataset: Data,
    *,
    batch_size: int,
    seed: int,
    shuffle: bool,
    workers: int,
    processes: tuple[int, int] = (0, 1),
) -> Loader:
    """Batches for the process `processes` = (rank, of how many). Shuffle for training: every process then has as many
    steps. Unshuffled, each item comes once in all processes together."""
    order = Order(len(dataset), seed=seed, shuffle=shuffle, processes=processes)
    if not len(dataset):
        raise DataError("there is no picture to load", hint="the preset `data` shows what was found")
    return Loader(dataset, order, batch_size=batch_size, workers=workers)


def begin_epoch(loader: Any, epoch: int) -> None:
    """Order and torch's generators as (seed, epoch) set them; a loader that Fabric has wrapped will do."""
    order: Order = loader.sampler
    order.epoch = epoch
    torch.manual_seed(derive(order.seed, epoch, order.rank))


class Loader(DataLoader):  # type: ignore[misc]
    """A DataLoader that says which file a worker failed on."""

    def __init__(self, dataset: Data, order: Order, *, batch_size: int, workers: int) -> None:
        super().__init__(
            _Watched(dataset, workers),
            batch_size=batch_size,
            sampler=order,
            num_workers=workers,
            collate_fn=_Collate(dataset),
            pin_memory=torch.cuda.is_available(),
            persistent_workers=workers > 0,
            generator=torch.Generator(),  # its draws are not those of the training
        )

    def __iter__(self) -> Iterator[Any]:
        batches = self._start()
        started = {process.pid: process for process in multiprocessing.active_children()}
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                self._explain(error, started)
            if isinstance(batch, CvlError):
                batches = self._iterator = None  # the workers end now; the garbage collector would take seconds
                raise batch
            yield batch

    def _start(self) -> Any:
        """Torch's handler would raise its error in the midst of a training step: `next` finds a dead worker as well."""
        if threading.current_thread() is not threading.main_thread():
            return super().__iter__()
        handler = signal.getsignal(signal.SIGCHLD)
        try:
            return super().__iter__()
        finally:
            signal.signal(signal.SIGCHLD, handler)

    def _explain(self, error: RuntimeError, started: dict[int | None, Any]) -> NoReturn:
        match = re.search(r"DataLoader worker \(pid\(s\) ([\d, ]+)\)", str(error))
        if not match:
            raise error
        watched: _Watched = self.dataset
        died = [int(pid) for pid in match[1].split(",")]
        how = ", ".join(f"{watched.reading(pid)}: {_ending(started.get(pid))}" for pid in died)
        hint = "too little memory or shared memory? NUM_WORKERS=0 reads without workers and shows the error itself"
        raise JobError(f"a worker that loads data died while reading {how}", hint=hint) from error


class _Watched:
    """The data set as the workers see it: notes what each of them reads, and hands expected errors on as items."""

    def __init__(self, data: Data, workers: int) -> None:
        self._data = data
        self._reads = torch.full((workers, 2), -1, dtype=torch.int64).share_memory_()  # pid, index of each worker

    def __len__(self) -> int:
        return len(self._data)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        info = get_worker_info()
        if info is None:
            return self._data[key]
        self._reads[info.id] = torch.tensor([os.getpid(), key[1]])
        try:
            return self._data[key]
        except CvlError as error:  # torch would make it a text with a traceback
            return error

    def reading(self, pid: int) -> str:
        """The file that the worker with this id has read last."""
        found = [int(index) for worker, index in self._reads.tolist() if worker == pid]
        return self._data.name(found[0]) if found else "its first file"


class _Collate:
    """The data set's way of making a batch; the first error among the items stands for it."""

    def __init__(self, data: Data) -> None:
        self._data = data

    def __call__(self, items: list[Any]) -> Any:
        errors = [item for item in items if isinstance(item, CvlError)]
        return errors[0] if errors else self._data.collate(items)


def _ending(process: Any) -> str:
    code = process.exitcode if process else None
    if code is None:
        return "no exit code"
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
