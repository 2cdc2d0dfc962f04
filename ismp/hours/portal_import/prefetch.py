"""Working ahead: an item is made in a thread while the caller is busy with something else."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def first_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items; the first is made from now on, the others when they are asked for."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    first = thread.submit(next, items, None)
    thread.shutdown(wait=False)

    def all_of_them() -> Iterator[Item]:
        if (item := first.result()) is not None:
            yield item
            yield from items

    return all_of_them()


def one_ahead(items: Iterator[Item]) -> Generator[Item]:
    """The same items; close it when you leave before the last one."""
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as thread:
        following = thread.submit(next, items, None)
        while (item := following.result()) is not None:
            following = thread.submit(next, items, None)
            yield item
