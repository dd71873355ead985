from __future__ import annotations

import asyncio

import pytest

from boringsdp.net.driver import Driver
from tests.support.clock import NothingScheduled, run_in_virtual_time


class Countdown:
    """A core that says "tick" three times, a second apart."""

    def __init__(self) -> None:
        self.left = 3
        self.at: float | None = None

    def start(self, now: float) -> list[str]:
        self.at = now + 1.0
        return ["started"]

    def tick(self, now: float) -> list[str]:
        self.left -= 1
        self.at = now + 1.0 if self.left else None
        return [f"tick at {now:g}"]

    def deadline(self) -> float | None:
        return self.at


def test_performs_actions_and_wakes_the_core() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        done: list[str] = []
        core = Countdown()
        driver = Driver(core, done.append, loop)
        driver.run(core.start(loop.time()))
        await asyncio.sleep(10)
        return done

    assert run_in_virtual_time(main()) == ["started", "tick at 1001", "tick at 1002", "tick at 1003"]


def test_what_leads_back_to_the_core_is_queued() -> None:
    async def main() -> list[str]:
        done: list[str] = []

        def perform(action: str) -> None:
            done.append(action)
            if action == "one":
                driver.run(["three"])
            done.append(f"/{action}")

        driver = Driver(Countdown(), perform, asyncio.get_running_loop())
        driver.run(["one", "two"])
        return done

    assert run_in_virtual_time(main()) == ["one", "/one", "two", "/two", "three", "/three"]


def test_a_closed_driver_is_silent() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        done: list[str] = []
        core = Countdown()
        driver = Driver(core, done.append, loop)
        driver.run(core.start(loop.time()))
        driver.close()
        await asyncio.sleep(10)
        driver.run(["late"])
        return done

    assert run_in_virtual_time(main()) == ["started"]


def test_the_virtual_loop_fails_instead_of_hanging() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingScheduled):
        run_in_virtual_time(main())


def test_what_may_wait_is_done_together() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        done: list[str] = []
        for late in (0.1, 0.2, 0.3):
            core = Countdown()
            Driver(core, done.append, loop, 0.5).run(core.start(loop.time() + late))
        await asyncio.sleep(10)
        return [each for each in done if each != "started"]

    assert run_in_virtual_time(main()) == ["tick at 1001.5"] * 3 + ["tick at 1002.5"] * 3 + ["tick at 1003.5"] * 3
